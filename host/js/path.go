package js

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

// path(value, expression) is input.path: what a definite JSONPath leads to, undefined when there is nothing. Definite
// paths are made of .name, ['name'] and [index]; a negative index counts from the end.
func (in *instance) path(fc goja.FunctionCall) goja.Value {
	v, text := fc.Argument(0), fc.Argument(1).String()
	steps, err := parsePath(text)
	if err != nil {
		in.throw(err.Error())
	}
	for _, step := range steps {
		obj, ok := v.(*goja.Object)
		if !ok {
			return goja.Undefined()
		}
		name := step.name
		if step.isIndex {
			if obj.ClassName() != "Array" {
				return goja.Undefined()
			}
			index := step.index
			if index < 0 {
				index += int(obj.Get("length").ToInteger())
			}
			name = strconv.Itoa(index)
		} else if obj.ClassName() == "Array" {
			return goja.Undefined()
		}
		if !in.owns(obj, name) {
			return goja.Undefined()
		}
		v = obj.Get(name)
	}
	return v
}

// owns keeps a path from reaching what objects inherit, as constructor.
func (in *instance) owns(obj *goja.Object, name string) bool {
	has, _ := goja.AssertFunction(in.rt.Get("Object").ToObject(in.rt).Get("prototype").ToObject(in.rt).Get("hasOwnProperty"))
	v, err := has(obj, in.rt.ToValue(name))
	if err != nil {
		panic(err)
	}
	return v.ToBoolean()
}

type step struct {
	name    string
	index   int
	isIndex bool
}

// parsePath reads a definite path. What selects more than one value is refused by name.
func parsePath(text string) ([]step, error) {
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, fmt.Errorf("the path %q must begin with $", text)
	}
	var steps []step
	for rest != "" {
		var s step
		var err error
		switch {
		case strings.HasPrefix(rest, ".."), strings.HasPrefix(rest, ".*"), strings.HasPrefix(rest, "[*"), strings.HasPrefix(rest, "[?"):
			return nil, fmt.Errorf("the path %q selects many values; scripts take one at a time, as $.a.b[0]", text)
		case rest[0] == '.':
			n := strings.IndexAny(rest[1:], ".[")
			if n < 0 {
				n = len(rest) - 1
			}
			s.name, rest = rest[1:1+n], rest[1+n:]
			if s.name == "" {
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

func bracket(text, rest string) (step, string, error) {
	rest = strings.TrimLeft(rest[1:], " ")
	bad := fmt.Errorf("the path %q has a malformed bracket; write ['name'] or [0]", text)
	if rest == "" {
		return step{}, "", bad
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
			return step{}, "", bad
		}
		after, ok := strings.CutPrefix(strings.TrimLeft(rest[i+1:], " "), "]")
		if !ok {
			return step{}, "", bad
		}
		return step{name: name.String()}, after, nil
	}
	inside, after, ok := strings.Cut(rest, "]")
	n, err := strconv.Atoi(strings.TrimSpace(inside))
	if !ok || err != nil {
		return step{}, "", bad
	}
	return step{index: n, isIndex: true}, after, nil
}
