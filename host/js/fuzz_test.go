package js

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/dop251/goja"
)

// What decodeJSON takes is what encoding/json takes, but for its depth and invalid UTF-8, and it means the same.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e3,true,null,"\\u00e9\\ud83d\\ude00\\n"],"a":2}`, `"\\ud800"`, `[`, `01`, `{"__proto__":{}}`, ` [ ] `, `-`, `1e`, "\"\x01\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Count(s, "[")+strings.Count(s, "{") >= maxDepth {
			return
		}
		rt := goja.New()
		v, err := decodeJSON(rt, s)
		if valid := json.Valid([]byte(s)); valid != (err == nil) {
			t.Fatalf("encoding/json says %v of %q, and we %v", valid, s, err)
		}
		if err != nil {
			return
		}
		in := &instance{rt: rt}
		in.stringify, _ = goja.AssertFunction(rt.Get("JSON").ToObject(rt).Get("stringify"))
		if _, err := in.json(v); err != nil {
			t.Fatal(err)
		}
	})
}

// A URL that was parsed is its own fixed point, and net/url sees the same host in it.
func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"http://user:p@EXAMPLE.com:80/a/../b?c#d", "http:\\\\a\\b", "//x", "mailto:a", "file:///c|/x", "http://0x7f.1", "http://[::1]", "a:/.//b", "?q", "http://ex%41mple"} {
		f.Add(s, "http://base/a/b")
	}
	f.Fuzz(func(t *testing.T, s, b string) {
		base, err := parseWebURL(b, nil)
		if err != nil {
			base = nil
		}
		u, err := parseWebURL(s, base)
		if err != nil {
			return
		}
		again, err := parseWebURL(u.href(), nil)
		if err != nil {
			t.Fatalf("%q gives %q, which is refused", s, u.href())
		}
		if again.href() != u.href() {
			t.Fatalf("%q, %q, %q", s, u.href(), again.href())
		}
		if u.fetchable() != nil {
			return
		}
		theirs, err := url.Parse(u.href())
		if err == nil && theirs.Host != u.hostport() {
			t.Fatalf("%q: net/url sees host %q, we %q", u.href(), theirs.Host, u.hostport())
		}
	})
}

// Whatever a source map holds, reading it gives a map or an error.
func FuzzSourceMap(f *testing.F) {
	f.Add([]byte(`{"version":3,"sources":["a.ts"],"mappings":"AAAA;;GACA,CAAC"}`))
	f.Add([]byte(`{"version":3,"sources":[],"mappings":"AAAA"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if m, err := readSourceMap(text); err == nil {
			m.Source(1, 1)
			m.Source(3, 9)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"$", "$.a['b\\\\'c'][-1]", "$..a", "$[", "$.", "$['a'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, _ = parsePath(s)
	})
}
