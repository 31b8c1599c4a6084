package mapping

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

func TestExpand(t *testing.T) {
	tests := []struct {
		template, query string
		params          map[string]string // beside those of the exchange
		want            Target
	}{
		{"http://h", "", nil, Target{"http", "h", "/"}},
		{"HTTPS://h:443", "a=b", nil, Target{"https", "h:443", "/?a=b"}},
		{"http://[::1]:80?x=1", "a=b", nil, Target{"http", "[::1]:80", "/?x=1&a=b"}},
		{"http://h/o?", "a=b", nil, Target{"http", "h", "/o?a=b"}},
		{"http://h/o?x&", "a=b", nil, Target{"http", "h", "/o?x&a=b"}},
		{"${stageVariables.backend}/orders", "", nil, Target{"http", "10.0.0.1:9000", "/v1/orders"}},
		{"http://h/${stageVariables.none}/x", "", nil, Target{"http", "h", "//x"}}, // 1.4: undefined is empty
		{"http://${stageVariables.host}:8/x", "", nil, Target{"http", "inner", "/x"}},
		{"http://h/$/x", "", nil, Target{"http", "h", "/$/x"}},

		{"http://h/{id}", "", nil, Target{"http", "h", "/a%20b"}},
		{"http://h/x-{id}.json", "", nil, Target{"http", "h", "/x-a%20b.json"}},
		{"http://h/{rest}", "", nil, Target{"http", "h", "/c/d"}},
		{"http://h/{rest+}", "", nil, Target{"http", "h", "/c/d"}},
		{"http://h/{id}", "", map[string]string{"id": "a/b?c#d\\e\r\n f%2Fg%"}, Target{"http", "h", "/a%2Fb%3Fc%23d%5Ce%0D%0A%20f%2Fg%25"}},
		{"http://h/{rest}", "", map[string]string{"rest": "/a//b/?c#d;e"}, Target{"http", "h", "//a//b/%3Fc%23d;e"}},
		{"http://h/{id}", "", map[string]string{"id": "...é"}, Target{"http", "h", "/...%C3%A9"}},
		{"http://h/?q={id}&r=1", "", map[string]string{"id": "a&b=c+d/e%26"}, Target{"http", "h", "/?q=a%26b%3Dc%2Bd%2Fe%26&r=1"}},
		{"http://h/", "a=b c\r\nx#y\x00é&p={\"}%zz", nil, Target{"http", "h", "/?a=b%20c%0D%0Ax%23y%00%C3%A9&p={\"}%25zz"}},
	}
	for _, test := range tests {
		x := exchange()
		x.Match.Stage.Variables["host"] = "inner"
		if strings.Contains(test.template, ":8/") {
			test.want.Host = "inner:8"
		}
		u, err := ParseURI(test.template)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := u.Expand(x, test.query, test.params)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.template, diff)
		}
	}
}

func TestExpandPath(t *testing.T) {
	for template, want := range map[string]string{"/{rest}": "/c/d", "/": "/", "/a?b={id}": "/a?b=a%20b", "${stageVariables.p}/x": "/base/x"} {
		x := exchange()
		x.Match.Stage.Variables["p"] = "/base"
		u, err := ParsePath(template)
		if err != nil {
			t.Error(err)
			continue
		}
		if got, err := u.Expand(x, "", nil); err != nil || got != (Target{Path: want}) {
			t.Errorf("%s: got %+v, %v", template, got, err)
		}
	}
}

func TestExpandRefusesToClimb(t *testing.T) {
	values := []string{".", "..", "%2e%2E", ".%2e", "a%2F..%2Fb", "a%2f%2e%2e%2fb", "%252e%252e", "a%252F..%252F", `..\`, `a\..\b`, "a%5C..%5Cb", "..;a=b", "%2e%2e%3b", "."}
	for _, template := range []string{"http://h/fixed/{id}", "http://h/fixed/{id+}", "http://h/fixed/{id}/x?y", "http://h/{id}{id}"} {
		u, err := ParseURI(template)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range append(values, "") {
			if strings.Contains(template, "{id}{id}") && v != "." {
				continue
			}
			for _, override := range []bool{false, true} {
				x := exchange()
				var overrides map[string]string
				if override {
					overrides = map[string]string{"id": v}
				} else {
					x.Match.Params[0].Value = v
				}
				if got, err := u.Expand(x, "", overrides); !errors.Is(err, host.Invalid) {
					t.Errorf("%s with %q: got %v, %v", template, v, got, err)
				}
			}
		}
	}
	u, err := ParseURI("http://h/a/.{id}")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := u.Expand(exchange(), "", map[string]string{"id": "."}); !errors.Is(err, host.Invalid) {
		t.Errorf("text and value together climb: got %v, %v", got, err)
	}
}

func TestExpandConfigurationErrors(t *testing.T) {
	tests := []struct{ template, variable string }{ // 1.4 "Bad URI at runtime" [REC] is a 500
		{"${stageVariables.none}/x", ""}, {"${stageVariables.v}/x", "ftp://h"}, {"${stageVariables.v}/x", "h"}, {"${stageVariables.v}/x", "/path"},
		{"http://${stageVariables.none}/x", ""}, {"http://${stageVariables.v}/x", "user@h"}, {"http://${stageVariables.v}/x", "h h"},
		{"http://${stageVariables.v}/x", "h:0"}, {"http://${stageVariables.v}/x", "h:x"}, {"http://${stageVariables.v}/x", "h#"},
		{"${stageVariables.v}/{id}", "http:/"}, {"${stageVariables.v}/{id}", "http:"}, {"http://h/${stageVariables.v}/x", ".."},
		{"http://h/%2${stageVariables.v}e/x", "g"}, {"http://h/${stageVariables.v}", "a b"}, {"http://h/${stageVariables.v}", "a\nb"}, {"http://h/{none}", ""},
	}
	for _, test := range tests {
		x := exchange()
		x.Match.Stage.Variables["v"] = test.variable
		u, err := ParseURI(test.template)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := u.Expand(x, "", nil)
		var e *host.Error
		if !errors.As(err, &e) || e.Kind != host.Internal || e.Code != host.APIConfigurationError {
			t.Errorf("%s with %q: got %+v, %v", test.template, test.variable, got, err)
		}
	}
}

func TestParseURIRefuses(t *testing.T) {
	for _, template := range []string{"", "h", "/path", "ftp://h/", "http:/h", "http://", "http:///x", "http://{id}/x", "http://h{id}/x", "http://h:{id}/x", "http://{id}@h/",
		"{id}", "{id}://h/", "${stageVariables.v}{id}", "http://${stageVariables.v}{id}/", "http://h/{", "http://h/}", "http://h/{}", "http://h/{+}", "http://h/{a b}",
		"http://h/${x}", "http://h/${stageVariables.}", "http://h/${stageVariables.x", "http://h/#f", "http://h/a b", "http://h/\x00", "http://h/%zz", "http://h/é",
		"http://h/../x", "http://h/%2e%2e/", "http://user@h/", "http://h:99999/", "http://h:/", "http://h:+1/", "http://[::1/", "http://[x]/", "http://[fe80::1%25e]/", "http://[1.2.3.4]/", "http://h\\x/"} {
		if _, err := ParseURI(template); !errors.Is(err, host.Invalid) {
			t.Errorf("%q: got %v, want Kind Invalid", template, err)
		}
	}
	for _, template := range []string{"", "x", "http://h/", "{id}", "/..", "/a b", "/{"} {
		if _, err := ParsePath(template); !errors.Is(err, host.Invalid) {
			t.Errorf("%q as a path: got %v, want Kind Invalid", template, err)
		}
	}
}

func TestNames(t *testing.T) {
	u, err := ParseURI("${stageVariables.a}/{x}/{y+}?z={x}&${stageVariables.b}${stageVariables.a}")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"x", "y"}, u.Params()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a", "b"}, u.Variables()); diff != "" {
		t.Error(diff)
	}
}

// FuzzExpand: whatever the values, authority and fixed path are the template's, nothing climbs, and nothing but one request line is made.
func FuzzExpand(f *testing.F) {
	f.Add("x/{id}/y", "a/../b", "c/%2e%2e", "q=1")
	f.Add("{rest}?a={id}", "%2f%5c..", "//evil.example/", "#\r\n")
	f.Add("{id}{rest}", ".", ".", "")
	f.Fuzz(func(t *testing.T, tail, id, rest, query string) {
		u, err := ParseURI("http://backend.example:81/fixed/" + tail)
		if err != nil || len(u.Variables()) > 0 {
			return
		}
		x := exchange()
		x.Match.Params[0].Value, x.Match.Params[1].Value = id, rest
		got, err := u.Expand(x, query, nil)
		if err != nil {
			return
		}
		if got.Scheme != "http" || got.Host != "backend.example:81" || !strings.HasPrefix(got.Path, "/fixed/") {
			t.Fatalf("%q: %+v", tail, got)
		}
		for i := 0; i < len(got.Path); i++ {
			if c := got.Path[i]; c <= ' ' || c >= 0x7f || c == '#' {
				t.Fatalf("%q holds %q", got.Path, c)
			}
		}
		path, _, _ := strings.Cut(got.Path, "?")
		parsed, err := url.Parse(got.Scheme + "://" + got.Host + path)
		if err != nil || parsed.Host != got.Host || parsed.User != nil || parsed.Fragment != "" {
			t.Fatalf("%q: %v, %v", got.Path, parsed, err)
		}
		for _, p := range []string{parsed.EscapedPath(), parsed.Path, host.Unescape(parsed.Path)} {
			for seg := range strings.FieldsFuncSeq(p, func(r rune) bool { return r == '/' || r == '\\' }) {
				if seg == ".." || seg == "." {
					t.Fatalf("%q climbs", got.Path)
				}
			}
		}
		if !strings.Contains(tail, "rest") && strings.Count(path, "/") != strings.Count(strings.SplitN("/fixed/"+tail, "?", 2)[0], "/") && !strings.Contains(tail, "+}") {
			t.Fatalf("%q: %q has another number of segments", tail, path)
		}
	})
}

// FuzzParseURI: no panic, with any template and any variable.
func FuzzParseURI(f *testing.F) {
	f.Add("${stageVariables.backend}/{id}", "http://h", "v")
	f.Add("http://[::1]:1/%2{id+}?$", "", "")
	f.Fuzz(func(t *testing.T, template, variable, value string) {
		x := exchange()
		x.Match.Stage.Variables["backend"], x.Match.Params[0].Value = variable, value
		for _, parse := range []func(string) (*URI, error){ParseURI, ParsePath} {
			u, err := parse(template)
			if err != nil {
				continue
			}
			got, err := u.Expand(x, "", nil)
			if err == nil && (!strings.HasPrefix(got.Path, "/") || (got.Host == "") != (got.Scheme == "") || strings.ContainsAny(got.Host, "/@?# \\\r\n")) {
				t.Fatalf("%q: %+v", template, got)
			}
		}
	})
}

func BenchmarkExpand(b *testing.B) {
	for _, template := range []string{"http://h:1/orders/{id}", "${stageVariables.backend}/orders/{id}"} {
		b.Run(template[:4], func(b *testing.B) {
			u, err := ParseURI(template)
			if err != nil {
				b.Fatal(err)
			}
			x := exchange()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := u.Expand(x, "a=b", nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
