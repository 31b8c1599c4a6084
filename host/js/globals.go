package js

import (
	"embed"
	"fmt"
	"path"

	"github.com/dop251/goja"
	"github.com/dop251/goja_nodejs/buffer"
)

//go:embed prelude/*.js
var preludeFiles embed.FS

// A prelude is one part of the web API, in JavaScript: a function from the native functions to an object.
type prelude struct{ program *goja.Program }

// Where each global comes from. A part is loaded when a script first names one of its globals: most scripts name
// few, and a fresh instance must stay cheap.
var globalParts = map[string]string{
	"URL": "url.js", "URLSearchParams": "url.js",
	"DOMException": "events.js", "Event": "events.js", "EventTarget": "events.js", "AbortController": "events.js", "AbortSignal": "events.js",
	"Headers": "fetch.js", "Request": "fetch.js", "Response": "fetch.js", "fetch": "fetch.js",
	"TextEncoder": "text.js", "TextDecoder": "text.js",
	"crypto": "crypto.js", "CryptoKey": "crypto.js",
	"console": "console.js", "structuredClone": "clone.js",
	"performance": "time.js", "queueMicrotask": "time.js", "process": "process.js",
}

// Globals that are native functions.
var globalFunctions = map[string]bool{"setTimeout": true, "setInterval": true, "setImmediate": true, "clearTimeout": true,
	"clearInterval": true, "clearImmediate": true, "atob": true, "btoa": true, execName: true, checkName: true}

// compilePreludes compiles every part; that these files compile is for the tests to see.
func compilePreludes() map[string]*prelude {
	files, err := preludeFiles.ReadDir("prelude")
	if err != nil {
		panic(err)
	}
	out := map[string]*prelude{}
	for _, f := range files {
		text, err := preludeFiles.ReadFile(path.Join("prelude", f.Name()))
		if err != nil {
			panic(err)
		}
		out[f.Name()] = &prelude{program: goja.MustCompile(ours+f.Name(), string(text), true)}
	}
	return out
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
	case globalParts[name] != "":
		part, err := in.tool(globalParts[name])
		if err != nil {
			panic(err) // an interrupt, or the end of the stack
		}
		for _, key := range part.Keys() {
			if globalParts[key] == globalParts[name] {
				in.global(key, part.Get(key))
			}
		}
		return part.Get(name)
	}
	return nil
}

// Has tells whether there is a global of that name.
func (g *globals) Has(name string) bool {
	return name == "self" || name == "Buffer" || globalFunctions[name] || globalParts[name] != ""
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
	fnValue, err := in.rt.RunProgram(in.module.runtime.preludes[file].program)
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

// buffer loads Node's Buffer, of goja_nodejs, and returns its constructor.
func (in *instance) buffer() goja.Value {
	if in.tools["buffer"] == nil {
		module, exports := in.rt.NewObject(), in.rt.NewObject()
		if err := module.Set("exports", exports); err != nil {
			panic(err)
		}
		buffer.Require(in.rt, module)
		if in.tools == nil {
			in.tools = map[string]*goja.Object{}
		}
		in.tools["buffer"] = exports
	}
	return in.global("Buffer", in.tools["buffer"].Get("Buffer"))
}

// nativeObject gives the preludes their native functions.
type nativeObject struct{ in *instance }

// Get returns the native function called name, nil when there is none.
func (n *nativeObject) Get(name string) goja.Value {
	if natives(name) == nil {
		return nil
	}
	return n.in.nativeFunction(name)
}

// Has tells whether there is one.
func (n *nativeObject) Has(name string) bool { return natives(name) != nil }

// Set refuses.
func (n *nativeObject) Set(string, goja.Value) bool { return false }

// Delete refuses.
func (n *nativeObject) Delete(string) bool { return false }

// Keys lists nothing.
func (n *nativeObject) Keys() []string { return nil }

func (in *instance) nativeFunction(name string) goja.Value {
	fn := natives(name)
	v := in.rt.ToValue(func(fc goja.FunctionCall) goja.Value { return fn(in, fc) }).(*goja.Object)
	_ = v.DefineDataProperty("name", in.rt.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	return v
}

// natives finds a native function. It is a switch, not a table, because a table would refer to itself through the
// functions in it.
func natives(name string) func(*instance, goja.FunctionCall) goja.Value {
	switch name {
	case "setTimeout":
		return (*instance).setTimeout
	case "setInterval":
		return (*instance).setInterval
	case "setImmediate":
		return (*instance).setImmediate
	case "clearTimeout", "clearInterval", "clearImmediate":
		return (*instance).clearTimer
	case "now":
		return (*instance).now
	case "log":
		return (*instance).log
	case "cleanStack":
		return (*instance).cleanStack
	case "env":
		return (*instance).env
	case "secret":
		return (*instance).secret
	case "atob":
		return (*instance).atob
	case "btoa":
		return (*instance).btoa
	case "encode":
		return (*instance).encode
	case "decode":
		return (*instance).decode
	case "random":
		return (*instance).random
	case "digest":
		return (*instance).digest
	case "hmac":
		return (*instance).hmac
	case "sameBytes":
		return (*instance).sameBytes
	case "parseURL":
		return (*instance).parseURL
	case "setURL":
		return (*instance).setURL
	case "decodeForm":
		return (*instance).decodeForm
	case "encodeForm":
		return (*instance).encodeForm
	case "headerName":
		return (*instance).headerName
	case "headerValue":
		return (*instance).headerValue
	case "isToken":
		return (*instance).isToken
	case "fetch":
		return (*instance).fetch
	case "path":
		return (*instance).path
	case execName:
		return (*instance).exec
	case checkName:
		return (*instance).checkText
	}
	return nil
}
