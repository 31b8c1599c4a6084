package js

import (
	"fmt"

	"github.com/dop251/goja"
)

// boundArrays bounds the methods of arrays that call themselves for arrays within arrays. A script comes to join by
// String(array) too.
func (in *instance) boundArrays() error {
	proto := in.rt.Get("Array").ToObject(in.rt).Get("prototype").ToObject(in.rt)
	for _, name := range []string{"join", "toLocaleString"} {
		if err := proto.DefineDataProperty(name, in.bounded(proto.Get(name)), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
			return err
		}
	}
	return nil
}

// bounded is a method that may call itself maxDepth levels deep.
func (in *instance) bounded(original goja.Value) goja.Value {
	method, _ := goja.AssertFunction(original)
	depth := 0
	return in.rt.ToValue(func(fc goja.FunctionCall) goja.Value {
		if depth >= maxDepth {
			in.rangeError(fmt.Sprintf("arrays are nested deeper than %d levels", maxDepth))
		}
		in.call.live()
		depth++
		v, err := method(fc.This, fc.Arguments...)
		depth--
		if err != nil {
			panic(err)
		}
		return v
	})
}
