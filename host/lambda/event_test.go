package lambda

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

var update = flag.Bool("update", false, "write the golden events")

// exchange is a request that has something in every group.
func exchange() *host.Exchange {
	route := &host.Route{Key: "GET /orders/{id}", Method: "GET", Pattern: "/orders/{id}", Authorizer: &host.Authorizer{Name: "caller"}}
	stage := &host.Stage{Name: host.DefaultStage, Variables: map[string]string{"backend": "b", "a\"b": "quoted"}}
	return &host.Exchange{
		ID: "req-1", Started: time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC),
		Match: host.Match{
			API: &host.API{Name: "orders", Routes: []*host.Route{route}}, Stage: stage, Route: route,
			Params: []host.Param{{Name: "id", Value: "a%2Fb+c%20d"}},
			Path:   "/orders/a%2Fb+c%20d", Domain: "orders.execute-api.localhost",
		},
		Request: &host.Request{
			Method: "GET", Scheme: "https", Host: "orders.execute-api.localhost:8443",
			Target: "/orders/a%2Fb+c%20d?q=1&q=a%2Bb+c&Q=2&empty=&bare&j=%7B%22x%22",
			Header: host.Header{
				{Name: "User-agent", Value: "test/1"}, {Name: "Accept", Value: "text/html"}, {Name: "tEsT-HEADeR", Value: "one"},
				{Name: "Cookie", Value: "a=1; b=2"}, {Name: "test-header", Value: "two \"quoted\"\t"}, {Name: "authorization", Value: "Bearer x"},
				{Name: "cookie", Value: "c=3"}, {Name: "Connection", Value: "close"}, {Name: "Content-Length", Value: "0"},
				{Name: "X-Forwarded-For", Value: "6.6.6.6"}, {Name: "Latin", Value: "caf\xe9"},
			},
			Peer: host.Peer{
				Addr: netip.MustParseAddr("::ffff:192.0.2.1"), Remote: netip.MustParseAddrPort("192.0.2.1:5555"),
				Local: netip.MustParseAddrPort("10.0.0.1:8443"), Protocol: "HTTP/1.1",
			},
		},
		Principal: host.Principal{ID: "user-7", Context: map[string]any{"tenant": "acme", "level": 3, "scopes": []any{"a", "b"}}},
	}
}

// bare is a request that has next to nothing: the $default route, no authorizer.
func bare() *host.Exchange {
	x := exchange()
	route := &host.Route{Key: host.DefaultRoute}
	x.Match.Route, x.Match.Params, x.Match.Stage = route, nil, &host.Stage{Name: "prod"}
	x.Match.BasePath, x.Match.Path = "/prod", "/"
	x.Request.Target, x.Request.Header = "/prod", nil
	x.Principal = host.Principal{}
	return x
}

// TestEvents compares whole events. The fields are those of reference 1.6 and 1.7: recorded [REC] for format 1.0 on REST APIs; what is left
// out when empty in 2.0, and the stage in rawPath, are [MEM].
func TestEvents(t *testing.T) {
	url := exchange()
	url.Match = host.Match{Path: "/x", Domain: "hello.function.localhost"}
	tests := map[string]func() ([]byte, error){
		"function-2.0":        func() ([]byte, error) { return FunctionEvent(exchange(), Format2) },
		"function-1.0":        func() ([]byte, error) { return FunctionEvent(exchange(), Format1) },
		"function-2.0-bare":   func() ([]byte, error) { return FunctionEvent(bare(), Format2) },
		"function-1.0-bare":   func() ([]byte, error) { return FunctionEvent(bare(), Format1) },
		"function-2.0-url":    func() ([]byte, error) { return FunctionEvent(url, Format2) },
		"authorizer-2.0":      func() ([]byte, error) { return AuthorizerEvent(exchange(), Format2, []string{"Bearer x", "1"}) },
		"authorizer-1.0":      func() ([]byte, error) { return AuthorizerEvent(exchange(), Format1, []string{"Bearer x", "1"}) },
		"authorizer-1.0-bare": func() ([]byte, error) { return AuthorizerEvent(bare(), Format1, nil) },
	}
	for name, make := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := make()
			if err != nil {
				t.Fatal(err)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, got, "", "  "); err != nil {
				t.Fatalf("%v in %s", err, got)
			}
			pretty.WriteByte('\n')
			file := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func decoded(t *testing.T, x *host.Exchange, format string) map[string]any {
	t.Helper()
	b, err := FunctionEvent(x, format)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPaths(t *testing.T) {
	tests := []struct{ base, stage, rawPath, path string }{
		{"", "$default", "/a", "/a"},
		{"/prod", "prod", "/prod/a", "/a"},                      // 1.6: rawPath with the stage [MEM], path without
		{"/shop", "prod", "/shop/a", "/shop/a"},                 // 1.6: a domain's base path is in both
		{"/_postern/orders/prod", "prod", "/prod/a", "/a"},      // as at the API's own host
		{"/_postern/orders/$default", "$default", "/a", "/a"},   //
		{"/_postern/orders/%24default", "$default", "/a", "/a"}, //
		{"/%70rod", "prod", "/%70rod/a", "/a"},                  // the stage, however it was written
	}
	for _, test := range tests {
		x := bare()
		x.Match.BasePath, x.Match.Path, x.Match.Stage = test.base, "/a", &host.Stage{Name: test.stage}
		x.Match.Mapped = test.base == "/shop"
		two, one := decoded(t, x, Format2), decoded(t, x, Format1)
		if two["rawPath"] != test.rawPath || one["path"] != test.path {
			t.Errorf("%s: rawPath %v and path %v, want %s and %s", test.base, two["rawPath"], one["path"], test.rawPath, test.path)
		}
		if got := one["requestContext"].(map[string]any)["path"]; got != test.rawPath {
			t.Errorf("%s: requestContext.path %v, want %s", test.base, got, test.rawPath)
		}
	}
}

func TestForwarded(t *testing.T) {
	x := exchange()
	x.Request.Peer.Trusted = true
	x.Request.Peer.Addr = netip.MustParseAddr("6.6.6.6")
	x.Request.Header.Add("X-Forwarded-Proto", "http")
	h := decoded(t, x, Format2)["headers"].(map[string]any)
	want := map[string]any{"x-forwarded-for": "6.6.6.6, 192.0.2.1", "x-forwarded-proto": "http", "x-forwarded-port": "8443"}
	for k, v := range want {
		if h[k] != v {
			t.Errorf("%s: got %v, want %v", k, h[k], v)
		}
	}
}

func TestRouteARN(t *testing.T) {
	x := exchange()
	x.Match.Path = "/a/*/b%2Fc"
	if got, want := RouteARN(x), "arn:postern:execute-api:local:000000000000:orders/$default/GET/a/%2A/b%2Fc"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	x.Request.Method = "*" // a token, which a route of any method takes
	if got, want := RouteARN(x), "arn:postern:execute-api:local:000000000000:orders/$default/%2A/a/%2A/b%2Fc"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUnknownFormat(t *testing.T) {
	_, err := FunctionEvent(exchange(), "3.0")
	var e *host.Error
	if !errors.As(err, &e) || e.Kind != host.Internal || e.Code != host.APIConfigurationError {
		t.Errorf("got %v", err)
	}
}

// FuzzEvent: whatever the request, events are JSON, and format 2.0 keeps every cookie and header.
func FuzzEvent(f *testing.F) {
	f.Add("/a?b=c&d=%zz", "X-Y", "v", "a=b; c", "p%41")
	f.Add("/?&&=&", "cOOkie", "\x00\xff", ";;", "\u2028")
	f.Fuzz(func(t *testing.T, target, name, value, cookie, param string) {
		x := exchange()
		x.Request.Target = target
		x.Match.Params[0].Value = param
		x.Request.Header = host.Header{{Name: name, Value: value}, {Name: "Cookie", Value: cookie}}
		for _, format := range []string{Format1, Format2} {
			b, err := FunctionEvent(x, format)
			if err != nil || !json.Valid(b) || !utf8.Valid(b) {
				t.Fatalf("%v: %q", err, b)
			}
		}
		h := decoded(t, x, Format2)["headers"].(map[string]any)
		if lower := strings.ToLower(name); lower != "cookie" && !dropped(name) && lower == strings.ToUpper(lower) {
			if _, ok := h[lower]; !ok && utf8.ValidString(lower) {
				t.Fatalf("no %q in %v", lower, h)
			}
		}
		if _, ok := h["cookie"]; ok {
			t.Fatalf("a cookie among the headers: %v", h)
		}
	})
}

func BenchmarkFunctionEvent(b *testing.B) {
	var base float64
	for _, format := range []string{"json.Marshal", Format2, Format1} {
		b.Run(format, func(b *testing.B) {
			x := exchange()
			x.Match.Route.Authorizer = nil
			var tree any
			event, err := FunctionEvent(x, Format2)
			if err != nil || json.Unmarshal(event, &tree) != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if format == "json.Marshal" {
					_, err = json.Marshal(tree)
				} else {
					_, err = FunctionEvent(x, format)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			ns := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			if format == "json.Marshal" {
				base = ns
			}
			b.ReportMetric(ns/base, "x/json.Marshal")
		})
	}
}
