package js

import (
	"github.com/dop251/goja"
)

// replaceStringify puts a bound before goja's JSON.stringify, whose time grows with the square of the depth.
func (in *instance) replaceStringify(json *goja.Object) error {
	original, _ := goja.AssertFunction(json.Get("stringify"))
	var watch levels
	var visit goja.Value
	in.stringify = func(this goja.Value, args ...goja.Value) (goja.Value, error) {
		fc := goja.FunctionCall{Arguments: args}
		value, replacer := fc.Argument(0), fc.Argument(1)
		own, replaces := goja.AssertFunction(replacer)
		if _, nested := value.(*goja.Object); !nested && !replaces {
			return original(this, args...)
		}
		if visit == nil {
			visit = in.rt.ToValue(func(fc goja.FunctionCall) goja.Value { return watch.visit(in, fc) })
		}
		outer := watch // a toJSON may call JSON.stringify
		watch = levels{path: watch.path[len(watch.path):], own: own}
		text, err := original(this, value, visit, fc.Argument(2))
		watch = outer
		if _, list := replacer.(*goja.Object); err != nil || !list || replaces {
			return text, err
		}
		return original(this, args...) // with a list of names, now that the depth is known
	}
	stringify := in.rt.ToValue(func(fc goja.FunctionCall) goja.Value {
		v, err := in.stringify(fc.This, fc.Arguments...)
		if err != nil {
			panic(err)
		}
		return v
	})
	return json.DefineDataProperty("stringify", stringify, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
}

// levels follows JSON.stringify as its replacer, which is called with the holder of each value, and what is in a holder before
// what comes after it.
type levels struct {
	path []*goja.Object // from the value's wrapper to the holder
	next *goja.Object   // the value of the last visit, when it may be the next holder
	own  goja.Callable  // the script's replacer
}

func (l *levels) visit(in *instance, fc goja.FunctionCall) goja.Value {
	in.call.live()
	holder, value := fc.This.(*goja.Object), fc.Argument(1)
	if n := len(l.path); n == 0 || l.path[n-1] != holder {
		l.enter(holder)
	}
	if l.own != nil {
		v, err := l.own(holder, fc.Arguments...)
		if err != nil {
			panic(err)
		}
		value = v
	}
	if l.next, _ = value.(*goja.Object); l.next != nil && len(l.path) > maxDepth {
		in.rangeError(errJSONDepth.Error())
	}
	return value
}

// enter makes holder the end of the path: it is the value visited last, or one on the path.
func (l *levels) enter(holder *goja.Object) {
	if len(l.path) == 0 || holder == l.next {
		l.path = append(l.path, holder)
		return
	}
	for n := len(l.path) - 1; n > 0 && l.path[n] != holder; n-- {
		l.path = l.path[:n]
	}
}
