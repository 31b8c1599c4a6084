package js

import (
	"strings"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"
)

// guardRegexps puts a clock around every operation on regular expressions, and a check around their making.
//
// regexp2, which goja takes for patterns that need backtracking, gives up after regexpLimit, and goja then says that there
// was no match. In an authorizer that could let somebody in. The clock turns it into the end of the call.
// exec alone cannot be replaced, because goja would then take slow paths that backtrack everywhere; the
// walker turned its calls into calls of ours.
func (in *instance) guardRegexps() error {
	rt := in.rt
	ctor := rt.Get("RegExp").ToObject(rt)
	proto := ctor.Get("prototype").ToObject(rt)
	if err := in.clock(proto, nil, "test"); err != nil {
		return err
	}
	for _, sym := range []*goja.Symbol{goja.SymMatch, goja.SymReplace, goja.SymSearch, goja.SymSplit} {
		if err := in.clock(proto, sym, ""); err != nil {
			return err
		}
	}
	if err := in.checked(ctor, "RegExp", proto, in.checkPattern); err != nil {
		return err
	}
	if in.module.matchAll {
		if _, err := in.tool("matchall.js"); err != nil {
			return err
		}
	}
	return nil
}

// clock replaces one method, by name or symbol, by one that measures. The time that a callback of replace takes is not the
// expression's.
func (in *instance) clock(proto *goja.Object, sym *goja.Symbol, name string) error {
	get := func() goja.Value {
		if sym != nil {
			return proto.GetSymbol(sym)
		}
		return proto.Get(name)
	}
	method, _ := goja.AssertFunction(get())
	timed := in.rt.ToValue(func(fc goja.FunctionCall) goja.Value {
		var outside time.Duration
		args := fc.Arguments
		if len(args) == 2 {
			if callback, ok := goja.AssertFunction(args[1]); ok {
				args = []goja.Value{args[0], in.rt.ToValue(func(fc goja.FunctionCall) goja.Value {
					start := time.Now()
					v, err := callback(fc.This, fc.Arguments...)
					outside += time.Since(start)
					if err != nil {
						panic(err)
					}
					return v
				})}
			}
		}
		start := time.Now()
		v, err := method(fc.This, args...)
		if err != nil {
			panic(err)
		}
		in.took(time.Since(start) - outside)
		return v
	})
	if sym != nil {
		return proto.DefineDataPropertySymbol(sym, timed, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
	return proto.DefineDataProperty(name, timed, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
}

// took ends the call when an operation took as long as one that regexp2 gave up. Its clock is coarse: it may give up
// a little early.
func (in *instance) took(d time.Duration) {
	if d >= regexpLimit-regexpLimit/10 {
		in.call.stuck = true
		in.rt.Interrupt(errRegexp)
	}
}

// exec(object, ...args) is object.exec(...args) with the clock.
func (in *instance) exec(fc goja.FunctionCall) goja.Value {
	obj := fc.Argument(0)
	if goja.IsUndefined(obj) || goja.IsNull(obj) {
		in.throw("Cannot read property 'exec' of " + obj.String())
	}
	o := obj.ToObject(in.rt)
	fn, ok := goja.AssertFunction(o.Get("exec"))
	if !ok {
		in.throw("Object has no member 'exec'")
	}
	start := time.Now()
	v, err := fn(obj, fc.Arguments[min(1, len(fc.Arguments)):]...)
	if err != nil {
		panic(err)
	}
	if o.ClassName() == "RegExp" {
		in.took(time.Since(start))
	}
	return v
}

// checked puts a proxy before a constructor, which looks at the arguments first. name is that of the global, "" for none.
func (in *instance) checked(ctor *goja.Object, name string, proto *goja.Object, check func([]goja.Value) []goja.Value) error {
	rt := in.rt
	construct, _ := goja.AssertConstructor(ctor)
	call, _ := goja.AssertFunction(ctor)
	proxy := rt.NewProxy(ctor, &goja.ProxyTrapConfig{
		Apply: func(_ *goja.Object, this goja.Value, args []goja.Value) goja.Value {
			v, err := call(this, check(args)...)
			if err != nil {
				panic(err)
			}
			return v
		},
		Construct: func(_ *goja.Object, args []goja.Value, newTarget *goja.Object) *goja.Object {
			v, err := construct(newTarget, check(args)...)
			if err != nil {
				panic(err)
			}
			return v
		},
	})
	v := rt.ToValue(proxy)
	// goja's own check refuses proxies; this one serves derived classes too.
	if err := ctor.DefineDataPropertySymbol(goja.SymHasInstance, rt.ToValue(in.hasInstance), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE); err != nil {
		return err
	}
	if name != "" {
		if err := rt.GlobalObject().DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
			return err
		}
	}
	return proto.DefineDataProperty("constructor", v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
}

func (in *instance) hasInstance(fc goja.FunctionCall) goja.Value {
	class, ok := fc.This.(*goja.Object)
	obj, isObject := fc.Argument(0).(*goja.Object)
	if !ok || !isObject {
		return in.rt.ToValue(false)
	}
	proto, _ := class.Get("prototype").(*goja.Object)
	for p := obj.Prototype(); p != nil; p = p.Prototype() {
		if p == proto {
			return in.rt.ToValue(true)
		}
	}
	return in.rt.ToValue(false)
}

// checkPattern looks at the arguments of RegExp, a pattern with flags or an expression whose flags may change, and rewrites the
// pattern when it has properties.
func (in *instance) checkPattern(args []goja.Value) []goja.Value {
	if len(args) == 0 {
		return args
	}
	pattern, flags := args[0], ""
	if obj, ok := pattern.(*goja.Object); ok && obj.ClassName() == "RegExp" {
		pattern, flags = obj.Get("source"), obj.Get("flags").String()
	}
	if len(args) > 1 && !goja.IsUndefined(args[1]) {
		flags = args[1].String()
	}
	if !strings.ContainsAny(flags, "uv") || !hasPropertyEscape(pattern.String(), flags) {
		return args
	}
	text, err := expandProperties(pattern.String())
	if err != nil {
		in.syntaxError("Invalid regular expression: /" + pattern.String() + "/" + flags + ": " + err.Error())
	}
	return []goja.Value{in.rt.ToValue(text), in.rt.ToValue(flags)}
}

// checkCode refuses text with what goja runs wrongly. Text that does not parse is left to who parses it next.
func (in *instance) checkCode(text string) {
	if !strings.Contains(text, `\p`) && !strings.Contains(text, `\P`) {
		return
	}
	tree, err := goja.Parse("<eval>", text, parser.WithDisableSourceMaps)
	if err != nil {
		return
	}
	w := walker{fixed: true}
	if w.walk(tree); len(w.findings) > 0 {
		in.syntaxError(w.findings[0].text)
	}
}

func (in *instance) syntaxError(text string) { in.throwNew("SyntaxError", text) }

func (in *instance) rangeError(text string) { in.throwNew("RangeError", text) }

// throwNew throws an error of a class that every script has.
func (in *instance) throwNew(class, text string) {
	v, err := in.rt.New(in.rt.Get(class), in.rt.ToValue(text))
	if err != nil {
		panic(err)
	}
	panic(v)
}

// replaceParse puts our own JSON.parse in place of goja's: it is faster, and its depth is bounded. A reviver still
// needs goja's, once the text has passed ours.
func (in *instance) replaceParse(json *goja.Object) error {
	original, _ := goja.AssertFunction(json.Get("parse"))
	parse := in.rt.ToValue(func(fc goja.FunctionCall) goja.Value {
		text := fc.Argument(0).String()
		v, err := decodeJSON(in.rt, text)
		if err != nil {
			in.syntaxError(err.Error())
		}
		if _, ok := goja.AssertFunction(fc.Argument(1)); !ok {
			return v
		}
		if v, err = original(fc.This, fc.Arguments...); err != nil {
			panic(err)
		}
		return v
	})
	return json.DefineDataProperty("parse", parse, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
}
