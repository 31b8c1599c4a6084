package js

import (
	"strconv"

	"github.com/dop251/goja"

	"github.com/postern/postern/host/js/web"
)

// path(value, expression) is input.path: what a definite JSONPath leads to, undefined when there is nothing. Definite
// paths are made of .name, ['name'] and [index]; a negative index counts from the end.
func (in *instance) path(fc goja.FunctionCall) goja.Value {
	v, text := fc.Argument(0), fc.Argument(1).String()
	steps, err := web.ParsePath(text)
	if err != nil {
		in.throw(err.Error())
	}
	for _, step := range steps {
		obj, ok := v.(*goja.Object)
		if !ok {
			return goja.Undefined()
		}
		name := step.Name
		if step.IsIndex {
			if obj.ClassName() != "Array" {
				return goja.Undefined()
			}
			index := step.Index
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
