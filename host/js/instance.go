package js

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/dop251/goja"

	"github.com/postern/postern/host"
)

// An instance is one running copy of a script. It serves one call at a time.
type instance struct {
	rt        *goja.Runtime
	module    *Module
	call      *call // whose turn it is
	calls     int   // that it has served, with this one
	exported  *goja.Object
	whole     goja.Value // module.exports itself
	targets   map[string]target
	stringify goja.Callable
	base      *goja.Object // the prototype of every context
	natives   *goja.Object
	tools     map[string]*goja.Object // what a prelude gave
	async     *asyncContext           // nil until AsyncLocalStorage is used
	quiet     bool                    // the globals that could be made do not show
	admitted  bool                    // text that the parser may read next
}

// A target is the function that serves an entry.
type target struct {
	fn    goja.Callable
	this  goja.Value
	arity int
	fetch bool // fetch(request, env, ctx)
}

// load makes an instance and runs the script's code outside of functions in it.
func (c *call) load() (in *instance, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = c.failed(fmt.Errorf("goja failed while loading: %v", r))
		}
	}()
	in = newInstance(c.plugin.module)
	in.call = c
	c.in = in
	wasLoading := c.loading
	c.loading = true
	defer func() { c.loading = wasLoading }()
	stop := c.guard(in)
	defer stop()
	if err := in.run(); err != nil {
		return nil, c.failed(err)
	}
	c.reportUnseen()
	c.unseen = nil
	return in, nil
}

// loadApart loads an instance, and looks at it, apart from the caller's goroutine. It ends the call.
func (c *call) loadApart(look func(*instance)) (*instance, error) {
	var in *instance
	var err error
	whole := make(chan bool, 2)
	c.apart(func() {
		defer func() { whole <- c.phase.Load() != abandoned }()
		defer func() { c.settle(err) }()
		defer func() {
			if r := recover(); r != nil {
				in, err = nil, c.failed(fmt.Errorf("goja failed while loading: %v", r))
			}
		}()
		if in, err = c.load(); err == nil {
			look(in)
		}
	}, func() { whole <- false })
	if !<-whole {
		return nil, c.failed(errOverrun)
	}
	return in, err
}

func newInstance(m *Module) *instance {
	rt := goja.New()
	in := &instance{rt: rt, module: m, targets: map[string]target{}}
	rt.SetMaxCallStackSize(maxStack)
	rt.SetParserOptions(in.parserOptions())
	rt.SetTimeSource(func() time.Time { return in.call.world().Now() })
	rt.SetRandSource(func() float64 {
		var b [8]byte
		in.call.world().Rand(b[:])
		return float64(binary.LittleEndian.Uint64(b[:])>>11) / (1 << 53)
	})
	rt.SetPromiseRejectionTracker(func(p *goja.Promise, op goja.PromiseRejectionOperation) { in.call.rejected(p, op) })
	return in
}

func (in *instance) run() error {
	rt := in.rt
	if err := rt.GlobalObject().SetPrototype(rt.NewDynamicObject(&globals{in})); err != nil {
		return err
	}
	if in.module.async {
		in.defineAsyncIterator()
	}
	json := rt.Get("JSON").ToObject(rt)
	if err := in.replaceStringify(json); err != nil {
		return err
	}
	if err := in.replaceParse(json); err != nil {
		return err
	}
	if err := in.boundArrays(); err != nil {
		return err
	}
	if in.module.regexps {
		if err := in.guardRegexps(); err != nil {
			return err
		}
	}
	if in.module.functions {
		if err := in.guardFunctions(); err != nil {
			return err
		}
	}
	if in.module.polyfills {
		if _, err := in.tool("polyfill.js"); err != nil {
			return err
		}
	}
	wrapper, err := rt.RunProgram(in.module.program)
	if err != nil {
		return err
	}
	main, ok := goja.AssertFunction(wrapper)
	if !ok {
		return errors.New("the script is no bundle: it must be (function(module,exports,require){...})")
	}
	module, exports := rt.NewObject(), rt.NewObject()
	if err := module.Set("exports", exports); err != nil {
		return err
	}
	if _, err := main(exports, module, exports, rt.ToValue(in.require)); err != nil {
		return err
	}
	in.whole = module.Get("exports")
	in.exported, _ = in.whole.(*goja.Object)
	return nil
}

// require gives a script the modules of Node.js that are there: bundle.Supplied has the same list.
func (in *instance) require(fc goja.FunctionCall) goja.Value {
	name := fc.Argument(0).String()
	if module := in.nodeModule(name); module != nil {
		return module
	}
	panic(in.rt.NewTypeError("Cannot find module %q: only what was bundled is there", name))
}

// get reads a property; a getter that throws makes it undefined.
func (in *instance) get(obj *goja.Object, name string) (v goja.Value) {
	v = goja.Undefined()
	if obj == nil {
		return v
	}
	_ = in.rt.Try(func() {
		if p := obj.Get(name); p != nil {
			v = p
		}
	})
	return v
}

// member reads a property that is there. Some routers are proxies, which have a function for every name.
func (in *instance) member(obj *goja.Object, name string) goja.Value {
	v := in.get(obj, name)
	if _, ok := goja.AssertFunction(v); !ok || obj == in.exported && in.isESModule() {
		return v
	}
	has, _ := goja.AssertFunction(in.rt.Get("Reflect").ToObject(in.rt).Get("has"))
	if there, err := has(goja.Undefined(), obj, in.rt.ToValue(name)); err != nil || !there.ToBoolean() {
		return goja.Undefined()
	}
	return v
}

func (in *instance) exports() exported {
	var e exported
	add := func(name string, v goja.Value) {
		if _, ok := goja.AssertFunction(v); ok {
			e.names = append(e.names, name)
		}
	}
	add("default", in.whole)
	if in.exported == nil {
		return e
	}
	for _, name := range in.exported.Keys() {
		add(name, in.get(in.exported, name))
	}
	def, _ := in.get(in.exported, "default").(*goja.Object)
	add("default.fetch", in.member(def, "fetch"))
	for _, name := range append([]string{"handler"}, entries...) {
		if !e.has(name) {
			add(name, in.member(def, name))
		}
	}
	if !e.has("default.fetch") && !in.isESModule() {
		add("default.fetch", in.get(in.exported, "fetch")) // module.exports = { fetch }
	}
	sort.Strings(e.names)
	return e
}

// isESModule reports whether the script was an ES module, whose default export is one of its exports.
func (in *instance) isESModule() bool { return in.get(in.exported, "__esModule").ToBoolean() }

// target finds the function for an entry: the export of that name, then, for a function, a fetch handler, then handler
// and the default export.
func (in *instance) target(entry string) (target, error) {
	if t, known := in.targets[entry]; known {
		return t, nil
	}
	def, _ := in.get(in.exported, "default").(*goja.Object)
	names := []string{entry}
	if entry == host.EntryHandle {
		names = append(names, "fetch")
	}
	if !isFilter(entry) { // a filter says which half it is for
		names = append(names, "handler")
	}
	for _, name := range names {
		for _, owner := range []*goja.Object{in.exported, def} {
			v := in.member(owner, name)
			if fn, ok := goja.AssertFunction(v); ok && !(name == "fetch" && owner == in.exported && in.isESModule()) {
				return in.keep(entry, target{fn: fn, this: owner, arity: arity(v), fetch: name == "fetch"}), nil
			}
		}
	}
	for _, v := range []goja.Value{in.get(in.exported, "default"), in.whole} {
		if fn, ok := goja.AssertFunction(v); ok && !isFilter(entry) {
			return in.keep(entry, target{fn: fn, this: goja.Undefined(), arity: arity(v)}), nil
		}
	}
	return target{}, &host.Error{Op: "call " + in.call.plugin.cfg.Name, Kind: host.Unsupported, Pos: host.Position{File: in.module.name},
		Err: fmt.Errorf("the script exports no %s", entry)}
}

func (in *instance) keep(entry string, t target) target {
	in.targets[entry] = t
	return t
}

func arity(v goja.Value) int { return int(v.(*goja.Object).Get("length").ToInteger()) }
