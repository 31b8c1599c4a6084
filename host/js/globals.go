package js

import (
	"fmt"
	"io/fs"
	"sync"

	"github.com/dop251/goja"

	parts "github.com/postern/postern/host/js/prelude"
)

// A prelude is one part of the web API, in JavaScript: a function from the native functions to an object. It is
// compiled when it is first needed, once for a Runtime.
type prelude func() *goja.Program

// Globals that are native functions.
var globalFunctions = map[string]bool{"setTimeout": true, "setInterval": true, "setImmediate": true, "clearTimeout": true,
	"clearInterval": true, "clearImmediate": true, "atob": true, "btoa": true, execName: true, checkName: true, indirectName: true}

// preludes returns every part, by its file's path. That each compiles is for the tests to see.
func preludes() (map[string]prelude, error) {
	out := map[string]prelude{}
	err := fs.WalkDir(parts.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := parts.Files.ReadFile(name)
		out[name] = sync.OnceValue(func() *goja.Program { return goja.MustCompile(ours+name, string(text), true) })
		return err
	})
	return out, err
}

// globals stands behind the global object as its prototype, and makes what a script asks for.
type globals struct{ in *instance }

// Get makes the global called name, nil when there is none.
func (g *globals) Get(name string) goja.Value {
	in := g.in
	switch {
	case in.quiet:
		return nil
	case name == "self":
		return in.rt.GlobalObject()
	case name == "Buffer":
		return in.buffer()
	case globalFunctions[name]:
		return in.global(name, in.nativeFunction(name))
	case parts.Globals[name] != "":
		part, err := in.tool(parts.Globals[name])
		if err != nil {
			panic(err) // an interrupt, or the end of the stack
		}
		for _, key := range part.Keys() {
			if parts.Globals[key] == parts.Globals[name] {
				in.global(key, part.Get(key))
			}
		}
		return part.Get(name)
	}
	return nil
}

// Has tells whether there is a global of that name.
func (g *globals) Has(name string) bool {
	return name == "self" || name == "Buffer" || globalFunctions[name] || parts.Globals[name] != ""
}

// Set lets nothing be set here: assignments reach the global object itself.
func (g *globals) Set(name string, v goja.Value) bool {
	g.in.global(name, v)
	return true
}

// Delete deletes nothing.
func (g *globals) Delete(string) bool { return false }

// Keys lists nothing: what the web gives is not enumerable.
func (g *globals) Keys() []string { return nil }

func (in *instance) global(name string, v goja.Value) goja.Value {
	global := in.rt.GlobalObject()
	in.quiet = true // or the look-up would come here again
	own := global.Get(name)
	in.quiet = false
	if own != nil {
		return own // the script put its own there
	}
	if err := global.DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
		panic(err)
	}
	return v
}

// tool runs a prelude file once and returns its object.
func (in *instance) tool(file string) (*goja.Object, error) {
	if part := in.tools[file]; part != nil {
		return part, nil
	}
	fnValue, err := in.rt.RunProgram(in.module.runtime.preludes[file]())
	if err != nil {
		return nil, err
	}
	fn, _ := goja.AssertFunction(fnValue)
	if in.natives == nil {
		in.natives = in.rt.NewDynamicObject(&nativeObject{in})
	}
	v, err := fn(goja.Undefined(), in.natives)
	if err != nil {
		return nil, err
	}
	if in.tools == nil {
		in.tools = map[string]*goja.Object{}
	}
	part, ok := v.(*goja.Object)
	if !ok {
		return nil, fmt.Errorf("%s gave no object", file)
	}
	in.tools[file] = part
	return part, nil
}

// part(file) is the object of a prelude file, for another one.
func (in *instance) part(fc goja.FunctionCall) goja.Value {
	part, err := in.tool(fc.Argument(0).String())
	if err != nil {
		panic(err)
	}
	return part
}

// buffer is Node's Buffer.
func (in *instance) buffer() goja.Value {
	return in.global("Buffer", in.nodeModule("buffer").ToObject(in.rt).Get("Buffer"))
}

// nativeObject gives the preludes their native functions.
type nativeObject struct{ in *instance }

// Get returns the native function called name, nil when there is none.
func (n *nativeObject) Get(name string) goja.Value {
	if !n.Has(name) {
		return nil
	}
	return n.in.nativeFunction(name)
}

// Has tells whether there is one.
func (n *nativeObject) Has(name string) bool { return n.in.module.runtime.natives[name] != nil }

// Set refuses.
func (n *nativeObject) Set(string, goja.Value) bool { return false }

// Delete refuses.
func (n *nativeObject) Delete(string) bool { return false }

// Keys lists nothing.
func (n *nativeObject) Keys() []string { return nil }

func (in *instance) nativeFunction(name string) goja.Value {
	fn := in.module.runtime.natives[name]
	v := in.rt.ToValue(func(fc goja.FunctionCall) goja.Value {
		in.call.live()
		return fn(in, fc)
	}).(*goja.Object)
	_ = v.DefineDataProperty("name", in.rt.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	return v
}

// A native is a function of a script's world that is written in Go.
type native func(*instance, goja.FunctionCall) goja.Value

// nativeFunctions are all of them. Some load preludes, which ask for natives again: as a variable, the table would
// refer to itself.
func nativeFunctions() map[string]native {
	return map[string]native{
		"setTimeout": (*instance).setTimeout, "setInterval": (*instance).setInterval, "setImmediate": (*instance).setImmediate,
		"clearTimeout": (*instance).clearTimer, "clearInterval": (*instance).clearTimer, "clearImmediate": (*instance).clearTimer,
		"now": (*instance).now, "log": (*instance).log, "cleanStack": (*instance).cleanStack,
		"env": (*instance).env, "secret": (*instance).secret,
		"atob": (*instance).atob, "btoa": (*instance).btoa, "encode": (*instance).encode, "decode": (*instance).decode,
		"random": (*instance).random, "subtle": (*instance).subtle, "uuid": (*instance).uuid, "base64": (*instance).base64,
		"parseURL": (*instance).parseURL, "setURL": (*instance).setURL, "isIdentifier": (*instance).isIdentifier,
		"decodeForm": (*instance).decodeForm, "encodeForm": (*instance).encodeForm,
		"headerName": (*instance).headerName, "headerValue": (*instance).headerValue, "isToken": (*instance).isToken, "isConnectionField": (*instance).isConnectionField,
		"fetch": (*instance).fetch, "path": (*instance).path, "loaded": (*instance).loaded,
		"readSome": (*instance).readSome, "readAll": (*instance).readAll, "drop": (*instance).drop, "abort": (*instance).abort,
		"started": (*instance).started, "href": (*instance).href, "transfer": (*instance).transfer, "codec": (*instance).codec, "asyncIterator": (*instance).asyncIterator,
		"part": (*instance).part, "scalar": (*instance).scalar, "parseMultipart": (*instance).parseMultipart,
		"baseBuffer": (*instance).baseBuffer, "encodeText": (*instance).encodeText, "decodeText": (*instance).decodeText,
		"unescapeBytes": (*instance).unescapeBytes, "hash": (*instance).hash, "hmac": (*instance).hmac, "sameBytes": (*instance).sameBytes,
		"asyncValues": (*instance).asyncValues, "setAsyncValues": (*instance).setAsyncValues,
		"detach": (*instance).detach, "detached": (*instance).detached, "timeOrigin": (*instance).timeOrigin, "turn": (*instance).turn,
		execName: (*instance).exec, checkName: (*instance).checkText, indirectName: (*instance).indirect,
	}
}
