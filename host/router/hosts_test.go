package router

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

func snapshot() *host.Snapshot {
	stages := func(names ...string) []*host.Stage {
		var list []*host.Stage
		for _, n := range names {
			list = append(list, &host.Stage{Name: n})
		}
		return list
	}
	return &host.Snapshot{
		APIs: []*host.API{
			{Name: "inner", DefaultEndpoint: false, Stages: stages("$default")},
			{Name: "Orders", DefaultEndpoint: true, Stages: stages("$default", "prod")},
			{Name: "shop", DefaultEndpoint: true, Root: true, Stages: stages("dev")},
		},
		Functions: []*host.Function{{Name: "hello", URL: true}, {Name: "quiet"}},
		Domains: []*host.Domain{
			{Name: "API.example.com", Mappings: []host.DomainMapping{
				{Path: "/orders", API: "Orders", Stage: "prod"},
				{Path: "/orders/v2", API: "Orders", Stage: "$default"},
				{Path: "/inner", API: "inner", Stage: "$default"},
			}},
			{Name: "all.example.com", Mappings: []host.DomainMapping{{Path: "/", API: "Orders", Stage: "prod"}}},
		},
	}
}

func hosts(t testing.TB, s *host.Snapshot) *Hosts {
	t.Helper()
	h, err := NewHosts(s, "localhost")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHosts(t *testing.T) {
	h := hosts(t, snapshot())
	tests := []struct{ host, path, want string }{ // API/stage base path, or "" for none
		// 1.3 "HTTP API stage": a first segment that is a stage's name wins, else $default, else 404.
		{"orders.execute-api.localhost:8080", "/a", "Orders $default||/a"},
		{"orders.execute-api.localhost", "/prod/a", "Orders prod|/prod|/a"},
		{"orders.execute-api.localhost", "/prod", "Orders prod|/prod|/"},
		{"orders.execute-api.localhost", "/prod/", "Orders prod|/prod|/"},
		{"orders.execute-api.localhost", "/product", "Orders $default||/product"},
		{"orders.execute-api.localhost", "/%70rod/a", "Orders prod|/%70rod|/a"},
		{"orders.execute-api.localhost", "/$default/a", "Orders $default||/$default/a"},
		{"orders.execute-api.localhost", "//prod", "Orders $default||//prod"},
		{"ORDERS.Execute-API.LocalHost.:8080", "/", "Orders $default||/"},
		{"shop.execute-api.localhost", "/a", ""},
		{"shop.execute-api.localhost", "/dev/a", "shop dev|/dev|/a"},
		{"inner.execute-api.localhost", "/a", ""},
		{"nobody.execute-api.localhost", "/dev/a", ""},
		{"nobody.function.localhost", "/dev/a", ""},

		{"hello.function.localhost:80", "/x/y", "hello||/x/y"},
		{"quiet.function.localhost", "/x", ""},

		{"anything", "/_postern/Orders/prod/a/b", "Orders prod|/_postern/Orders/prod|/a/b"},
		{"anything", "/_postern/Orders/$default", "Orders $default|/_postern/Orders/$default|/"},
		{"anything", "/_postern/Orders/%24default/a", "Orders $default|/_postern/Orders/%24default|/a"},
		{"api.example.com", "/_postern/Orders/prod/a", "Orders prod|/_postern/Orders/prod|/a"},
		{"hello.function.localhost", "/_postern/Orders/prod/a", "Orders prod|/_postern/Orders/prod|/a"},
		{"anything", "/_postern/Orders/none/a", ""},
		{"anything", "/_postern/Orders", ""},
		{"anything", "/_postern/inner/$default/a", ""},
		{"anything", "/_postern/nobody/dev/a", ""},
		{"anything", "/_postern", ""},

		// 1.15 "Custom domains": the longest path prefix wins, the mapping's stage replaces the stage segment.
		{"api.example.com:8443", "/orders/a", "Orders prod|/orders|/a"},
		{"api.example.com", "/orders", "Orders prod|/orders|/"},
		{"api.example.com", "/orders/prod/a", "Orders prod|/orders|/prod/a"},
		{"api.example.com", "/orders/v2/a", "Orders $default|/orders/v2|/a"},
		{"api.example.com", "/orders/v20/a", "Orders prod|/orders|/v20/a"},
		{"api.example.com", "/ordersx", ""},
		{"api.example.com", "/inner/a", "inner $default|/inner|/a"},
		{"api.example.com", "/dev/a", ""}, // a domain claims its host: not the root API's
		{"all.example.com", "/a", "Orders prod||/a"},
		{"all.example.com", "/", "Orders prod||/"},

		{"127.0.0.1:8080", "/dev/a", "shop dev|/dev|/a"},
		{"127.0.0.1:8080", "/a", ""}, // shop has no $default stage
		{"[::1]:8080", "/dev", "shop dev|/dev|/"},
		{"[2001:DB8::1]", "/dev", "shop dev|/dev|/"},
		{"", "/dev", "shop dev|/dev|/"},
		{"localhost", "/dev", "shop dev|/dev|/"},
		{"localhost", "*", ""},
		{"localhost", "", ""},
	}
	for _, test := range tests {
		got := ""
		if target, ok := h.Match(test.host, test.path); ok {
			name := ""
			if target.Function != nil {
				name = target.Function.Name
			} else {
				name = target.API.Name + " " + target.Stage.Name
			}
			got = name + "|" + target.BasePath + "|" + target.Path
		}
		if got != test.want {
			t.Errorf("%s%s: got %q, want %q", test.host, test.path, got, test.want)
		}
	}
}

func TestHostsDomain(t *testing.T) {
	h := hosts(t, snapshot())
	for in, want := range map[string]string{
		"API.example.com.:80": "api.example.com", "[2001:DB8::1]:80": "[2001:db8::1]", "[::1]": "[::1]", "::1": "::1", "10.0.0.1:80": "10.0.0.1",
	} {
		if target, _ := h.Match(in, "/dev"); target.Domain != want {
			t.Errorf("%s: got %q, want %q", in, target.Domain, want)
		}
	}
}

func TestHostsAllocateNothing(t *testing.T) {
	h := hosts(t, snapshot())
	for _, authority := range []string{"orders.execute-api.localhost:8080", "api.example.com", "127.0.0.1:80", "hello.function.localhost"} {
		for _, path := range []string{"/orders/v2/x", "/_postern/Orders/%24default/a", "/dev/x"} {
			if n := testing.AllocsPerRun(100, func() { h.Match(authority, path) }); n != 0 {
				t.Errorf("%s%s: %v allocations", authority, path, n)
			}
		}
	}
}

func TestNewHostsRefuses(t *testing.T) {
	tests := map[string]func(*host.Snapshot){
		"a second root":         func(s *host.Snapshot) { s.APIs[0].Root = true },
		"names that clash":      func(s *host.Snapshot) { s.APIs[2].Name = "ORDERS" },
		"a domain twice":        func(s *host.Snapshot) { s.Domains[1].Name = "api.EXAMPLE.com." },
		"an API's host":         func(s *host.Snapshot) { s.Domains[1].Name = "orders.execute-api.localhost" },
		"a mapping twice":       func(s *host.Snapshot) { s.Domains[0].Mappings[1].Path = "/orders/" },
		"an API that is absent": func(s *host.Snapshot) { s.Domains[0].Mappings[1].API = "none" },
		"a stage that is none":  func(s *host.Snapshot) { s.Domains[0].Mappings[1].Stage = "none" },
	}
	for name, change := range tests {
		s := snapshot()
		change(s)
		if _, err := NewHosts(s, "localhost"); !errors.Is(err, host.Invalid) {
			t.Errorf("%s: got %v, want Kind Invalid", name, err)
		}
	}
}

func TestURLs(t *testing.T) {
	got := map[string][]string{}
	for _, a := range hosts(t, snapshot()).URLs("http", "127.0.0.1:8080") {
		if a.Function != nil {
			got[a.Function.Name] = a.URLs
		} else {
			got[a.API.Name+" "+a.Stage.Name] = a.URLs
		}
	}
	want := map[string][]string{
		"inner $default": {"http://api.example.com:8080/inner"},
		"Orders $default": {"http://orders.execute-api.localhost:8080", "http://127.0.0.1:8080/_postern/Orders/$default",
			"http://api.example.com:8080/orders/v2"},
		"Orders prod": {"http://orders.execute-api.localhost:8080/prod", "http://127.0.0.1:8080/_postern/Orders/prod",
			"http://api.example.com:8080/orders", "http://all.example.com:8080"},
		"shop dev": {"http://127.0.0.1:8080/dev", "http://shop.execute-api.localhost:8080/dev", "http://127.0.0.1:8080/_postern/shop/dev"},
		"hello":    {"http://hello.function.localhost:8080"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, a := range hosts(t, snapshot()).URLs("https", "localhost:443") {
		for _, u := range a.URLs {
			if strings.Contains(u, ":443") {
				t.Errorf("%s names the default port", u)
			}
		}
	}
}

// TestURLsMatch asks the selection for every URL that it lists.
func TestURLsMatch(t *testing.T) {
	h := hosts(t, snapshot())
	for _, a := range h.URLs("http", "[::1]:8080") {
		for _, u := range a.URLs {
			authority, path, _ := strings.Cut(strings.TrimPrefix(u, "http://"), "/")
			got, ok := h.Match(authority, "/"+path)
			if !ok || got.API != a.API || got.Stage != a.Stage || got.Function != a.Function || got.Path != "/" {
				t.Errorf("%s: got %+v, %v", u, got, ok)
			}
		}
	}
}

// FuzzHosts holds every target to what was asked: base path and path make the request's path again.
func FuzzHosts(f *testing.F) {
	f.Add("orders.execute-api.localhost:80", "/prod/x")
	f.Add("[::1", "/_postern/Orders/%24default")
	f.Add("api.example.com.", "/orders//")
	h := hosts(f, snapshot())
	f.Fuzz(func(t *testing.T, authority, path string) {
		got, ok := h.Match(authority, path)
		if !ok {
			return
		}
		if joined := got.BasePath + got.Path; joined != path && joined != path+"/" {
			t.Fatalf("%q and %q are not %q", got.BasePath, got.Path, path)
		}
		if (got.Function == nil) == (got.API == nil) || (got.API == nil) != (got.Stage == nil) || !strings.HasPrefix(got.Path, "/") {
			t.Fatalf("%+v", got)
		}
	})
}
