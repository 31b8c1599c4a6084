package main

import (
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// Of a line that a program wrote, what stands around the place is shown, and the caret still points at it.
func TestLongLines(t *testing.T) {
	for name, c := range map[string]struct {
		before, after int
		want          string
	}{
		"short":  {10, 10, "  7 | " + strings.Repeat(".", 10) + "X" + strings.Repeat(".", 10)},
		"first":  {0, 100_000, "  7 | X" + strings.Repeat(".", 199) + "…"},
		"middle": {50_000, 50_000, "  7 | …" + strings.Repeat(".", 99) + "X" + strings.Repeat(".", 100) + "…"},
		"last":   {100_000, 0, "  7 | …" + strings.Repeat(".", 199) + "X"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			printProblem(&out, palette{}, "error:", &definition.Error{Pos: host.Position{File: "f", Line: 7, Column: c.before + 1}, Message: "m",
				Source: strings.Repeat(".", c.before) + "X" + strings.Repeat(".", c.after)})
			lines := strings.Split(out.String(), "\n")
			if lines[1] != c.want {
				t.Errorf("shown as %q", lines[1])
			}
			if shown, caret := []rune(lines[1]), []rune(lines[2]); caret[len(caret)-1] != '^' || shown[len(caret)-1] != 'X' {
				t.Errorf("the caret is below %q", shown[len(caret)-1])
			}
		})
	}
}
