package js

import (
	"github.com/dop251/goja"

	"github.com/postern/postern/host/js/web"
)

// parseMultipart(bytes, contentType) is the parts of a multipart/form-data body, each as [name, filename or
// null, type, bytes].
func (in *instance) parseMultipart(fc goja.FunctionCall) goja.Value {
	parts, err := web.Multipart(in.needBytes(fc.Argument(0)), fc.Argument(1).String())
	if err != nil {
		in.failWith(err)
	}
	list := make([]any, len(parts))
	for i, p := range parts {
		shown := goja.Null()
		if p.Filename != nil {
			shown = in.rt.ToValue(*p.Filename)
		}
		list[i] = in.rt.NewArray(p.Name, shown, p.Type, in.bytes(p.Body))
	}
	return in.rt.ToValue(list)
}
