package js_test

import (
	"testing"
)

const nest = "const nest = (n, wrap = (o) => [o], o = 1) => { for (let i = 0; i < n; i++) o = wrap(o); return o };"

// Each is made with the depth that is allowed, and with one more.
func TestStringifyDepth(t *testing.T) {
	for _, code := range []string{
		"JSON.stringify(nest(n))",
		"JSON.stringify(nest(n, (o) => ({ o })))",
		"JSON.stringify(nest(n - 1, (o) => [1, {}, [], o, {}, 2]))",
		"JSON.stringify(nest(n - 2, (o) => ({ a: [[]], o, b: { c: 1 } })))",
		"JSON.stringify(nest(n - 1, (o) => ({ o }), { toJSON: () => [1] }))",
		"JSON.stringify(nest(n), null, 1)",
		"JSON.stringify(nest(n), (k, v) => v)",
		"JSON.stringify(nest(n, (o) => ({ o })), ['o'])",
		"JSON.stringify(1, (k, v) => (k === '' ? nest(n) : v))",
		"(() => { const same = [[]]; return JSON.stringify(nest(n - 2, (o) => [same, o, same], same)) })()",
	} {
		t.Run(code, func(t *testing.T) {
			got := eval(t, nest+"const f = (n) => "+code+"; f(2000); try { f(2001) } catch (e) { return e.name + (e instanceof RangeError) }", nil)
			if got != `"RangeErrortrue"` {
				t.Error(got)
			}
		})
	}
	p := open(t, "a.js", nest+"export const handle = (e) => nest(e.n)")
	if _, err := call(p, "handle", `{"n": 2000}`, nil, nil); err != nil {
		t.Error(err)
	}
	_, err := call(p, "handle", `{"n": 20000}`, nil, nil)
	if g := guest(t, err); g.Type != "RangeError" {
		t.Error(err)
	}
}

func TestArraysAsText(t *testing.T) {
	for _, code := range []string{"String(o)", "`${o}`", "o.join()", "o.toLocaleString()", "o + ''"} {
		t.Run(code, func(t *testing.T) {
			got := eval(t, nest+"const f = (o) => "+code+"; const ok = f(nest(2000)); try { f(nest(2001)) } catch (e) { return ok + e.name + f([2, [3, 4]]) }", nil)
			if got != `"1RangeError2,3,4"` {
				t.Error(got)
			}
		})
	}
}

func TestStringify(t *testing.T) {
	for code, want := range map[string]string{
		`JSON.stringify({ a: [1, { b: undefined, c: () => 1 }, undefined], d: 'ü\ud800' })`:                          `{"a":[1,{},null],"d":"ü\ud800"}`,
		`[JSON.stringify(undefined), JSON.stringify(), JSON.stringify(Symbol())].map(String).join('')`:               `undefinedundefinedundefined`,
		`JSON.stringify([new Date(0), Object(1), Object('a'), Object(true), NaN, null])`:                             `["1970-01-01T00:00:00.000Z",1,"a",true,null,null]`,
		`JSON.stringify({ b: 1, a: { c: 2, b: 3 }, c: 4 }, ['c', 'a'])`:                                              `{"c":4,"a":{"c":2}}`,
		`JSON.stringify({ a: 1, b: [2, 3] }, (k, v) => (typeof v === 'number' ? v + 1 : v))`:                         `{"a":2,"b":[3,4]}`,
		`JSON.stringify({ a: 1 }, function (k, v) { return k === '' ? v : this.a + k })`:                             `{"a":"1a"}`,
		`JSON.stringify(1, (k, v) => (k === '' ? { n: v } : v))`:                                                     `{"n":1}`,
		`JSON.stringify([1, [2]], null, '-')`:                                                                        "[\n-1,\n-[\n--2\n-]\n]",
		`JSON.stringify({ toJSON(k) { return [k] } }) + JSON.stringify({ a: { toJSON: (k) => k } })`:                 `[""]{"a":"a"}`,
		`(() => { const a = []; a.push(a); try { JSON.stringify(a) } catch (e) { return e.name } })()`:               `TypeError`,
		`(() => { try { JSON.stringify([1], () => { throw new Error('own') }) } catch (e) { return e.message } })()`: `own`,
		`JSON.stringify(new Proxy([1, 2], {})) + JSON.stringify(new Proxy({ a: 1 }, {}))`:                            `[1,2]{"a":1}`,
	} {
		t.Run(code, func(t *testing.T) {
			r, err := call(open(t, "a.js", "export const handle = () => ({ body: new TextEncoder().encode("+code+") })"), "handle", "{}", nil, nil)
			if err != nil || r.body != want {
				t.Errorf("%s, %v", r.body, err)
			}
		})
	}
}
