package js

import (
	"strings"

	"github.com/dop251/goja"

	"github.com/postern/postern/host/js/web"
)

// record is what the prelude keeps of a URL.
func (in *instance) record(u *web.URL) goja.Value {
	fields := u.Record()
	list := make([]any, len(fields))
	for i, f := range fields {
		list[i] = f
	}
	return in.rt.NewArray(list...)
}

// parseURL(text, base) is a record, null when the URL is invalid.
func (in *instance) parseURL(fc goja.FunctionCall) goja.Value {
	var base *web.URL
	if b := fc.Argument(1); !goja.IsUndefined(b) {
		var err error
		if base, err = web.ParseURL(b.String(), nil); err != nil {
			return goja.Null()
		}
	}
	u, err := web.ParseURL(fc.Argument(0).String(), base)
	if err != nil {
		return goja.Null()
	}
	return in.record(u)
}

// setURL(href, name, value) is the record after one part was set; null when the value does not fit.
func (in *instance) setURL(fc goja.FunctionCall) goja.Value {
	u, err := web.ParseURL(fc.Argument(0).String(), nil)
	if err != nil || !u.Set(fc.Argument(1).String(), fc.Argument(2).String()) {
		return goja.Null()
	}
	return in.record(u)
}

// href(url) is a URL as the parser writes it; one that is none throws.
func (in *instance) href(fc goja.FunctionCall) goja.Value {
	u, err := web.ParseURL(fc.Argument(0).String(), nil)
	if err != nil {
		in.throw("Invalid URL")
	}
	return in.rt.ToValue(u.Href())
}

// decodeForm(text, form) is the pairs of application/x-www-form-urlencoded, web.MaxParts at most when form is true. The end of the
// call ends it.
func (in *instance) decodeForm(fc goja.FunctionCall) goja.Value {
	pairs := in.rt.NewArray()
	push, _ := goja.AssertFunction(pairs.Get("push"))
	bounded, n := fc.Argument(1).ToBoolean(), 0
	for name, value := range web.DecodeForm(fc.Argument(0).String()) {
		if n++; bounded && n > web.MaxParts {
			in.throw("The form has more than 10,000 parts")
		}
		if n%1024 == 0 && in.call.ctx.Err() != nil {
			break // the interrupt is on its way
		}
		if _, err := push(pairs, in.rt.NewArray(name, value)); err != nil {
			panic(err)
		}
	}
	return pairs
}

// encodeForm(pairs) is the text.
func (in *instance) encodeForm(fc goja.FunctionCall) goja.Value {
	var b strings.Builder
	in.rt.ForOf(fc.Argument(0), func(pair goja.Value) bool {
		obj := pair.ToObject(in.rt)
		web.EncodeForm(&b, obj.Get("0").String(), obj.Get("1").String())
		return true
	})
	return in.rt.ToValue(b.String())
}

// isIdentifier(character, first) tells whether a character may be in a name of JavaScript, or begin one.
func (in *instance) isIdentifier(fc goja.FunctionCall) goja.Value {
	return in.rt.ToValue(web.IsIdentifier(fc.Argument(0).String(), fc.Argument(1).ToBoolean()))
}
