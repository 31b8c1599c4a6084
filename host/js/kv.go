package js

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/postern/postern/host"
)

// maxRevision is the highest number that a script can tell from its neighbours.
const maxRevision = 1<<53 - 1

// kv makes context.kv, the plugin's map. All of its functions give promises.
func (in *instance) kv() goja.Value {
	obj := in.rt.NewObject()
	in.set(obj, "get", in.kvGet(func(e host.KVEntry) goja.Value { return in.kvText(e.Value) }))
	in.set(obj, "getBytes", in.kvGet(func(e host.KVEntry) goja.Value { return in.bytes(e.Value) }))
	in.set(obj, "entry", in.kvGet(func(e host.KVEntry) goja.Value {
		entry := in.rt.NewObject()
		in.set(entry, "value", in.kvText(e.Value))
		in.set(entry, "revision", e.Revision)
		return entry
	}))
	in.set(obj, "put", in.kvPut)
	in.set(obj, "delete", in.kvDelete)
	in.set(obj, "keys", in.kvKeys)
	return obj
}

func (in *instance) kvText(b []byte) goja.Value {
	return in.rt.ToValue(strings.ToValidUTF8(string(b), "\uFFFD"))
}

// kvDo asks the map beside the script, and gives a promise of what ask's function makes of the answer.
func (in *instance) kvDo(ask func(ctx context.Context, m host.KV) (use func() goja.Value, err error)) goja.Value {
	c := in.call
	if c.loading {
		in.throw("the map is there within a call only, not while the script is loaded")
	}
	promise, resolve, reject := in.rt.NewPromise()
	fx := c.world()
	c.loop.beginIn(c.ctx, func(ctx context.Context) func() error {
		use, err := ask(ctx, fx)
		return func() error {
			if err != nil {
				return reject(in.kvFailed(err))
			}
			return resolve(use())
		}
	})
	return in.rt.ToValue(promise)
}

// kvFailed is the error that a promise of the map rejects with. Its name says what a script can do about it.
func (in *instance) kvFailed(err error) goja.Value {
	name := "Error"
	switch {
	case errors.Is(err, host.Conflict):
		name = "ConflictError"
	case errors.Is(err, host.TooLarge):
		name = "QuotaExceededError"
	case errors.Is(err, host.Invalid):
		return in.rt.NewTypeError(err.Error())
	}
	made, failed := in.rt.New(in.rt.Get("Error"), in.rt.ToValue(err.Error()))
	if failed != nil {
		return in.rt.NewTypeError(err.Error())
	}
	in.set(made, "name", name)
	return made
}

func (in *instance) kvGet(use func(host.KVEntry) goja.Value) func(goja.FunctionCall) goja.Value {
	return func(fc goja.FunctionCall) goja.Value {
		key := in.kvKey(fc.Argument(0))
		return in.kvDo(func(ctx context.Context, m host.KV) (func() goja.Value, error) {
			entry, err := m.KVGet(ctx, key)
			if errors.Is(err, host.NotFound) {
				return goja.Null, nil
			}
			return func() goja.Value { return use(entry) }, err
		})
	}
}

func (in *instance) kvKey(v goja.Value) string {
	if !goja.IsString(v) {
		in.throw("a key of the map is a string")
	}
	return v.String()
}

func (in *instance) kvPut(fc goja.FunctionCall) goja.Value {
	key := in.kvKey(fc.Argument(0))
	value, ok := in.raw(fc.Argument(1))
	if !ok {
		in.throw("a value of the map is a string, an ArrayBuffer or a view on one; use JSON.stringify for others")
	}
	options := host.KVOptions{Revision: in.kvRevision(fc.Argument(2))}
	if ttl := in.kvOption(fc.Argument(2), "ttl"); !goja.IsUndefined(ttl) {
		seconds := ttl.ToFloat()
		if !(seconds > 0 && seconds <= math.MaxInt64/float64(2*time.Second)) {
			in.throw("ttl is a number of seconds above 0")
		}
		options.TTL = time.Duration(seconds * float64(time.Second))
	}
	return in.kvDo(func(ctx context.Context, m host.KV) (func() goja.Value, error) {
		revision, err := m.KVPut(ctx, key, value, options)
		return func() goja.Value { return in.rt.ToValue(revision) }, err
	})
}

func (in *instance) kvDelete(fc goja.FunctionCall) goja.Value {
	key, revision := in.kvKey(fc.Argument(0)), in.kvRevision(fc.Argument(1))
	return in.kvDo(func(ctx context.Context, m host.KV) (func() goja.Value, error) {
		return goja.Undefined, m.KVDelete(ctx, key, revision)
	})
}

func (in *instance) kvKeys(fc goja.FunctionCall) goja.Value {
	text := func(name string) string {
		v := in.kvOption(fc.Argument(0), name)
		if goja.IsUndefined(v) {
			return ""
		}
		return v.String()
	}
	prefix, after := text("prefix"), text("after")
	return in.kvDo(func(ctx context.Context, m host.KV) (func() goja.Value, error) {
		keys, err := m.KVKeys(ctx, prefix, after)
		return func() goja.Value {
			list := make([]any, len(keys))
			for i, key := range keys {
				list[i] = key
			}
			return in.rt.NewArray(list...)
		}, err
	})
}

// kvOption is a property of an argument that may be left out.
func (in *instance) kvOption(v goja.Value, name string) goja.Value {
	if goja.IsUndefined(v) || goja.IsNull(v) {
		return goja.Undefined()
	}
	option := v.ToObject(in.rt).Get(name)
	if option == nil || goja.IsNull(option) {
		return goja.Undefined()
	}
	return option
}

// kvRevision is the revision that an entry must have; 0 for none, and any where it is left out.
func (in *instance) kvRevision(v goja.Value) int64 {
	option := in.kvOption(v, "revision")
	if goja.IsUndefined(option) {
		return host.AnyRevision
	}
	n := option.ToFloat()
	if !(n >= 0 && n <= maxRevision && n == math.Trunc(n)) {
		in.throw("revision is what put gave, or entry, or 0 where there must be none")
	}
	return int64(n)
}

// metric makes context.count, gauge or record: (name, value), where a counter's value is 1 when it is left out.
func (in *instance) metric(kind host.MetricKind) func(goja.FunctionCall) goja.Value {
	return func(fc goja.FunctionCall) goja.Value {
		c := in.call
		if c.loading {
			in.throw("metrics can be recorded within a call only, not while the script is loaded")
		}
		value := 1.0
		if v := fc.Argument(1); kind != host.MetricCounter || !goja.IsUndefined(v) {
			value = v.ToFloat()
		}
		switch err := c.world().Metric(c.ctx, kind, fc.Argument(0).String(), value); {
		case err == nil:
		case errors.Is(err, host.TooLarge):
			in.throwRange(err.Error())
		default:
			in.throw(err.Error())
		}
		return goja.Undefined()
	}
}

func (in *instance) throwRange(text string) {
	made, err := in.rt.New(in.rt.Get("RangeError"), in.rt.ToValue(text))
	if err != nil {
		panic(fmt.Errorf("make a RangeError: %w", err))
	}
	panic(made)
}
