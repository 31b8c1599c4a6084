package js

import (
	"fmt"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"
)

// maxText bounds code that a script makes of text, in bytes: goja's parser and compiler recurse, on a Go stack whose
// exhaustion would end the process.
const maxText = 64 << 10

// before makes an option of goja's parser that calls watch first. The parser does not say what it is about to read.
func before[T any](watch func(), option func(*T)) func(*T) {
	return func(o *T) {
		watch()
		option(o)
	}
}

// parserOptions are those for text that becomes code at run time, by whatever way: text that was not admitted is
// refused. Source maps are off because text could name a file of the host otherwise.
func (in *instance) parserOptions() parser.Option {
	return before(func() {
		if !in.admitted {
			in.throwNew("EvalError", "eval, Function and their kin must be called by their names here: eval(text), new Function(text)")
		}
		in.admitted = false
	}, parser.WithDisableSourceMaps)
}

// admit lets goja read text next, unless it is too long or goja would run it wrongly.
func (in *instance) admit(text string) {
	if len(text) > maxText {
		in.rangeError(fmt.Sprintf("the code has %d bytes, more than %d", len(text), maxText))
	}
	in.checkCode(text)
	in.admitted = true
}

// checkText(text) looks at what eval is given, and gives it back.
func (in *instance) checkText(fc goja.FunctionCall) goja.Value {
	if v := fc.Argument(0); goja.IsString(v) {
		in.admit(v.String())
	}
	return fc.Argument(0)
}

// indirect(eval) is eval for indirect calls, as (0, eval)(text): one that looks at the text. What is not the global eval
// stays as it is.
func (in *instance) indirect(fc goja.FunctionCall) goja.Value {
	eval := fc.Argument(0)
	call, ok := goja.AssertFunction(eval)
	if !ok || eval != in.rt.GlobalObject().Get("eval") {
		return eval
	}
	return in.rt.ToValue(func(fc goja.FunctionCall) goja.Value {
		v, err := call(goja.Undefined(), in.checkText(fc))
		if err != nil {
			panic(err)
		}
		return v
	})
}

// guardFunctions looks at the text that makes functions.
func (in *instance) guardFunctions() error {
	kin, err := in.tool("functions.js")
	if err != nil {
		return err
	}
	for _, name := range kin.Keys() {
		ctor := kin.Get(name).ToObject(in.rt)
		global := ""
		if name == "Function" {
			global = name
		}
		if err := in.checked(ctor, global, ctor.Get("prototype").ToObject(in.rt), in.admitFunction); err != nil {
			return err
		}
	}
	return nil
}

// admitFunction admits the parameters and the body of a function, and returns them as text: what an object is as text may
// change.
func (in *instance) admitFunction(args []goja.Value) []goja.Value {
	texts := make([]goja.Value, len(args))
	parameters, body := "", ""
	for i, arg := range args {
		texts[i] = arg.ToString()
		parameters, body = parameters+body, texts[i].String()
		if len(parameters) > maxText {
			break
		}
	}
	if len(parameters)+len(body) > maxText {
		body += parameters // is refused as a whole
	}
	in.admit("(function(){" + body + "\n})")
	return texts
}
