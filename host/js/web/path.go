package web

import (
	"fmt"
	"strconv"
	"strings"
)

// A Step of a path is a name, or an index, which counts from the end when it is negative.
type Step struct {
	Name    string
	Index   int
	IsIndex bool
}

// ParsePath reads a definite path. What selects more than one value is refused by name.
func ParsePath(text string) ([]Step, error) {
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, fmt.Errorf("the path %q must begin with $", text)
	}
	var steps []Step
	for rest != "" {
		var s Step
		var err error
		switch {
		case strings.HasPrefix(rest, ".."), strings.HasPrefix(rest, ".*"), strings.HasPrefix(rest, "[*"), strings.HasPrefix(rest, "[?"):
			return nil, fmt.Errorf("the path %q selects many values; scripts take one at a time, as $.a.b[0]", text)
		case rest[0] == '.':
			n := strings.IndexAny(rest[1:], ".[")
			if n < 0 {
				n = len(rest) - 1
			}
			s.Name, rest = rest[1:1+n], rest[1+n:]
			if s.Name == "" {
				err = fmt.Errorf("the path %q lacks a name after a dot", text)
			}
		case rest[0] == '[':
			s, rest, err = bracket(text, rest)
		default:
			err = fmt.Errorf("the path %q has %q where a dot or a bracket should be", text, rest[:1])
		}
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return steps, nil
}

func bracket(text, rest string) (Step, string, error) {
	rest = strings.TrimLeft(rest[1:], " ")
	bad := fmt.Errorf("the path %q has a malformed bracket; write ['name'] or [0]", text)
	if rest == "" {
		return Step{}, "", bad
	}
	if q := rest[0]; q == '\'' || q == '"' {
		var name strings.Builder
		i := 1
		for ; i < len(rest) && rest[i] != q; i++ {
			if rest[i] == '\\' && i+1 < len(rest) {
				i++
			}
			name.WriteByte(rest[i])
		}
		if i >= len(rest) {
			return Step{}, "", bad
		}
		after, ok := strings.CutPrefix(strings.TrimLeft(rest[i+1:], " "), "]")
		if !ok {
			return Step{}, "", bad
		}
		return Step{Name: name.String()}, after, nil
	}
	inside, after, ok := strings.Cut(rest, "]")
	n, err := strconv.Atoi(strings.TrimSpace(inside))
	if !ok || err != nil {
		return Step{}, "", bad
	}
	return Step{Index: n, IsIndex: true}, after, nil
}
