package js

import "github.com/dop251/goja"

// arrayBuffer returns the ArrayBuffer that is an argument.
func (in *instance) arrayBuffer(v goja.Value) goja.ArrayBuffer {
	if obj, ok := v.(*goja.Object); ok && obj.ExportType() == arrayBufferType {
		return obj.Export().(goja.ArrayBuffer)
	}
	in.throw("the argument must be an ArrayBuffer")
	return goja.ArrayBuffer{}
}

// detach(buffer) takes a buffer's bytes away (ECMA-262, DetachArrayBuffer).
func (in *instance) detach(fc goja.FunctionCall) goja.Value {
	buf := in.arrayBuffer(fc.Argument(0))
	buf.Detach()
	return goja.Undefined()
}

// detached(buffer) tells whether it has none any more.
func (in *instance) detached(fc goja.FunctionCall) goja.Value {
	return in.rt.ToValue(in.arrayBuffer(fc.Argument(0)).Detached())
}
