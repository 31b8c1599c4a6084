package native

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host/wasm/engine"
)

// The page that others implement from lists exactly the functions that are offered, with their parameters.
func TestFunctionsAreThoseOfTheSpecification(t *testing.T) {
	page, err := os.ReadFile("../../../spec/abi.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)\\(([^)]*)\\) -> \\w+` \\|").FindAllStringSubmatch(string(page), -1) {
		documented[row[1]] = len(strings.FieldsFunc(row[2], func(r rune) bool { return r == ',' }))
	}
	offered := map[string]int{}
	for _, f := range Functions() {
		offered[f.Name] = len(f.Params)
		want := engine.I32
		if f.Name == "now" {
			want = engine.I64
		}
		if len(f.Results) != 1 || f.Results[0] != want {
			t.Errorf("%s has another result than the page says", f.Name)
		}
	}
	if diff := cmp.Diff(documented, offered); diff != "" {
		t.Errorf("spec/abi.md (-) and what is offered (+) differ:\n%s", diff)
	}
}
