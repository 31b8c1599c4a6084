package web

import (
	"net/url"
	"testing"
)

// A URL that was parsed is its own fixed point, and net/url sees the same host in it.
func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"http://user:p@EXAMPLE.com:80/a/../b?c#d", "http:\\\\a\\b", "//x", "mailto:a", "file:///c|/x", "http://0x7f.1", "http://[::1]", "a:/.//b", "?q", "http://ex%41mple"} {
		f.Add(s, "http://base/a/b")
	}
	f.Fuzz(func(t *testing.T, s, b string) {
		base, err := ParseURL(b, nil)
		if err != nil {
			base = nil
		}
		u, err := ParseURL(s, base)
		if err != nil {
			return
		}
		again, err := ParseURL(u.Href(), nil)
		if err != nil {
			t.Fatalf("%q gives %q, which is refused", s, u.Href())
		}
		if again.Href() != u.Href() {
			t.Fatalf("%q, %q, %q", s, u.Href(), again.Href())
		}
		if u.fetchable() != nil {
			return
		}
		theirs, err := url.Parse(u.Href())
		if err == nil && theirs.Host != u.Hostport() {
			t.Fatalf("%q: net/url sees host %q, we %q", u.Href(), theirs.Host, u.Hostport())
		}
	})
}

// Whatever a source map holds, reading it gives a map or an error.
func FuzzSourceMap(f *testing.F) {
	f.Add([]byte(`{"version":3,"sources":["a.ts"],"mappings":"AAAA;;GACA,CAAC"}`))
	f.Add([]byte(`{"version":3,"sources":[],"mappings":"AAAA"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if m, err := SourceMap(text); err == nil {
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
		_, _ = ParsePath(s)
	})
}
