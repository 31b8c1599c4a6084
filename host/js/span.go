package js

import (
	"github.com/dop251/goja"
)

// maxSpans bounds the spans of one call: each costs the host memory until it is exported.
const maxSpans = 100

// A span is one that a script opened. What the script leaves open ends with the call.
type span struct {
	end func(errorText string)
}

// Close ends the span without an error.
func (s *span) Close() error {
	s.end("")
	return nil
}

// startSpan(name) opens a child of the call's span and returns an object whose end(error) closes it. Beyond the limit,
// spans record nothing.
func (in *instance) startSpan(fc goja.FunctionCall) goja.Value {
	c, s := in.call, &span{}
	if c.spans++; c.spans <= maxSpans {
		s.end = c.world().Span(c.ctx, fc.Argument(0).String())
		c.open.add(s)
	}
	obj := in.rt.NewObject()
	end := func(fc goja.FunctionCall) goja.Value {
		text := ""
		if problem := fc.Argument(0); !goja.IsUndefined(problem) && !goja.IsNull(problem) {
			text = problem.String()
		}
		if c.open.take(s) {
			s.end(text)
		}
		return goja.Undefined()
	}
	if err := obj.Set("end", end); err != nil {
		panic(err)
	}
	return obj
}

// traceparent is the W3C traceparent of the call's span, "" when nothing is traced. fetch sends one by itself.
func (in *instance) traceparent() goja.Value {
	return in.rt.ToValue(in.call.world().TraceParent())
}
