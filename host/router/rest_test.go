package router

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

func restTable(t testing.TB, keys ...string) *Table {
	t.Helper()
	tab, err := TableOf(&host.API{Protocol: host.ProtocolREST, Routes: routes(keys...)})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestMatchREST(t *testing.T) {
	param := func(name, value string) []host.Param { return []host.Param{{Name: name, Value: value}} }
	tests := []struct {
		name   string
		keys   []string
		method string
		path   string
		want   string // the route's key, "" for none
		params []host.Param
	}{
		// reference 1.3, "REST path priority" [AST]
		{"a literal before a parameter", []string{"GET /{x}", "GET /a"}, "GET", "/a", "GET /a", nil},
		{"a parameter before a greedy one", []string{"GET /a/{p+}", "GET /a/{x}"}, "GET", "/a/b", "GET /a/{x}", param("x", "b")},
		{"back out of a route without the method", []string{"POST /test", "OPTIONS /{proxy+}"}, "OPTIONS", "/test", "OPTIONS /{proxy+}", param("proxy", "test")},
		{"back out of a literal that leads nowhere", []string{"GET /part1/only", "GET /{param+}"}, "GET", "/part1/random", "GET /{param+}", param("param", "part1/random")},
		{"a greedy one below a literal before a full match", []string{"GET /a/{p+}", "GET /{x}/{y}"}, "GET", "/a/b", "GET /a/{p+}", param("p", "b")},
		{"back out of a greedy one without the method", []string{"POST /a/{p+}", "GET /{x}/{y}"}, "GET", "/a/b", "GET /{x}/{y}",
			[]host.Param{{Name: "x", Value: "a"}, {Name: "y", Value: "b"}}},

		// reference 1.3, "ANY" [LS]
		{"a method before ANY", []string{"ANY /a", "GET /a"}, "GET", "/a", "GET /a", nil},
		{"ANY is DELETE", []string{"ANY /a", "GET /a"}, "DELETE", "/a", "ANY /a", nil},
		{"ANY is HEAD", []string{"ANY /a", "GET /a"}, "HEAD", "/a", "ANY /a", nil},
		{"ANY is no other method", []string{"ANY /a", "ANY /{p+}"}, "PURGE", "/a", "", nil},
		{"ANY is not CONNECT", []string{"ANY /a"}, "CONNECT", "/a", "", nil},
		{"HEAD is not GET", []string{"GET /a"}, "HEAD", "/a", "", nil},

		// reference 1.3, "Trailing slash" [REC]
		{"a slash at the end", []string{"GET /a"}, "GET", "/a/", "GET /a", nil},
		{"a slash at the end of a parameter", []string{"GET /a/{id}"}, "GET", "/a/7/", "GET /a/{id}", param("id", "7")},
		{"a slash at the end of a greedy one", []string{"GET /{proxy+}"}, "GET", "/a/b/", "GET /{proxy+}", param("proxy", "a/b")},
		{"a slash at the end of the route", []string{"GET /a/"}, "GET", "/a", "GET /a/", nil},
		{"no empty greedy one", []string{"GET /a/{proxy+}"}, "GET", "/a/", "", nil},
		{"the root is no greedy one's", []string{"GET /{proxy+}"}, "GET", "/", "", nil},
		{"the root", []string{"GET /", "GET /{proxy+}"}, "GET", "/", "GET /", nil},

		// reference 1.3, "Double slashes" [REC]
		{"slashes within a greedy one", []string{"GET /{proxy+}"}, "GET", "/a//b", "GET /{proxy+}", param("proxy", "a//b")},
		{"slashes behind the stage", []string{"GET /{proxy+}"}, "GET", "//a/b", "GET /{proxy+}", param("proxy", "a/b")},
		{"slashes behind the stage, of a literal", []string{"GET /a"}, "GET", "//a", "GET /a", nil},
		{"slashes alone", []string{"GET /", "GET /{proxy+}"}, "GET", "///", "GET /", nil},
		{"slashes separate empty segments", []string{"GET /a/{id}/b"}, "GET", "/a//b", "", nil},

		// reference 1.3, "Path params" [REC]
		{"parameters stay encoded", []string{"GET /a/{id}"}, "GET", "/a/x%2By+%2F", "GET /a/{id}", param("id", "x%2By+%2F")},
		{"a greedy one stays encoded", []string{"GET /{proxy+}"}, "GET", "/a%20b/%2B/", "GET /{proxy+}", param("proxy", "a%20b/%2B")},
		{"an encoded letter of a literal", []string{"GET /admin", "GET /{proxy+}"}, "GET", "/%61dmin/", "GET /admin", nil},

		{"asterisk", []string{"OPTIONS /", "OPTIONS /{p+}"}, "OPTIONS", "*", "", nil},
		{"nothing", nil, "GET", "/", "", nil},
		{"an empty path", []string{"GET /"}, "GET", "", "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tab := restTable(t, test.keys...)
			route, params := tab.Match(test.method, test.path, nil)
			got := ""
			if route != nil {
				got = route.Key
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if diff := cmp.Diff(test.params, params); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNewRESTTableRefuses(t *testing.T) {
	tests := [][]string{
		{"$default"}, {"PURGE /a"}, {"get /a"}, {"GET /a//b"}, {"GET /a//"}, {"GET //a"}, {"GET /{p+}/x"},
		{"GET /a", "GET /a/"}, {"GET /{a}", "GET /{b}"}, {"ANY /a", "ANY /a"},
	}
	for _, keys := range tests {
		_, err := NewRESTTable(routes(keys...))
		var e *host.Error
		if !errors.As(err, &e) || e.Kind != host.Invalid || e.Pos.Line != len(keys) {
			t.Errorf("%q: got %v", keys, err)
		}
	}
}

func TestMatchRESTAllocatesNothing(t *testing.T) {
	tab := restTable(t, "GET /orders/{id}/items/{item}", "ANY /files/{path+}", "ANY /{proxy+}")
	var buf [4]host.Param
	for _, path := range []string{"/orders/7/items/8/", "//%6Frders/7/items/9", "/files/a/b/c/", "/none"} {
		if n := testing.AllocsPerRun(100, func() { tab.Match("GET", path, buf[:0]) }); n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}

func TestExplainREST(t *testing.T) {
	tab := restTable(t, "GET /{a}/{b}", "ANY /{p+}", "GET /orders/{id}", "POST /orders/new", "GET /orders/{p+}", "GET /orders/new/", "ANY /orders/new")
	type line struct {
		Key    string
		Wins   bool
		Reason string
	}
	explain := func(method, path string) (got []line) {
		for _, c := range tab.Explain(method, path) {
			got = append(got, line{c.Route.Key, c.Wins, c.Reason})
		}
		return got
	}
	want := []line{
		{"GET /orders/new/", true, "the most specific path with method GET"},
		{"POST /orders/new", false, "method POST only"},
		{"ANY /orders/new", false, "less specific: ANY against method GET"},
		{"GET /orders/{id}", false, "less specific: {id} at segment 2 against literal"},
		{"GET /orders/{p+}", false, "less specific: {p+} at segment 2 against literal"},
		{"GET /{a}/{b}", false, "less specific: {a} at segment 1 against literal"},
		{"ANY /{p+}", false, "less specific: {p+} at segment 1 against literal"},
	}
	if diff := cmp.Diff(want, explain("GET", "//orders/new/")); diff != "" {
		t.Error(diff)
	}
	const seven = "ANY means DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT only"
	if diff := cmp.Diff([]line{{"ANY /{p+}", false, seven}}, explain("PURGE", "/x")); diff != "" {
		t.Error(diff)
	}
	tab = restTable(t, "GET /{a}/{b}", "GET /orders/{p+}")
	want = []line{{"GET /orders/{p+}", true, "the most specific path with method GET"},
		{"GET /{a}/{b}", false, "less specific: {a} at segment 1 against literal"}}
	if diff := cmp.Diff(want, explain("GET", "/orders/new")); diff != "" {
		t.Error(diff)
	}
}

// FuzzMatchREST compares the table of a rest API with Explain, which looks at every route and sorts, and holds parameters to the path.
func FuzzMatchREST(f *testing.F) {
	f.Add("GET /a/{b}\nANY /{p+}\nGET /", "GET", "/a/b/")
	f.Add("GET /a/{p+}\nGET /{x}/{y}\nPOST /a/b", "GET", "//a//b//")
	f.Add("GET /%61\nGET /a/\nANY /{x}/a/{p+}", "PURGE", "/%61/")
	f.Add("POST /a/{p+}\nGET /{x}/{y}\nANY /{q+}", "GET", "/a//b")
	f.Fuzz(func(t *testing.T, keys, method, path string) {
		var list []*host.Route
		for _, r := range routes(strings.Split(keys, "\n")...) {
			if _, err := NewRESTTable(append(list[:len(list):len(list)], r)); err == nil {
				list = append(list, r)
			}
		}
		tab, err := NewRESTTable(list)
		if err != nil {
			t.Fatal(err)
		}
		route, params := tab.Match(method, path, nil)
		explained := tab.Explain(method, path)
		i := slices.IndexFunc(explained, func(c Candidate) bool { return c.Wins })
		if route == nil && i >= 0 || route != nil && (i != 0 || explained[0].Route != route) {
			t.Fatalf("%q: %s %q: explain says %+v, match %v", keys, method, path, explained, route)
		}
		if _, n := tab.find(method, tab.path(path)); n > tab.nodes {
			t.Fatalf("%d visits of %d nodes", n, tab.nodes)
		}
		for _, p := range params {
			if p.Value == "" || !strings.Contains(path, p.Value) {
				t.Fatalf("%q: %q: the parameter %s is %q", route.Key, path, p.Name, p.Value)
			}
		}
		if route == nil || !strings.HasPrefix(path, "/") {
			return
		}
		if again, _ := tab.Match(method, "/"+strings.TrimSuffix(path, "/")+"/", nil); again != route && !strings.HasSuffix(path, "/") {
			t.Fatalf("%q: %q and slashes around it match %v and %v", keys, path, route, again)
		}
	})
}

// A rest API's paths begin with a stage; where one is missing, the target says of which API (reference 1.3, "Default host" [GUIDE]).
func TestHostsOfRESTAPIs(t *testing.T) {
	h := hosts(t, &host.Snapshot{APIs: []*host.API{
		{Name: "pets", Protocol: host.ProtocolREST, Root: true, DefaultEndpoint: true, Stages: []*host.Stage{{Name: "prod"}}},
	}})
	for _, test := range []struct {
		host, path, base, rest string
		ok                     bool
	}{
		{"pets.execute-api.localhost", "/prod/prod/a", "/prod", "/prod/a", true}, // the first occurrence only
		{"pets.execute-api.localhost", "/prod//a/", "/prod", "//a/", true},       // as it came
		{"127.0.0.1", "/prod", "/prod", "/", true},                               // root: true
		{"any", "/_postern/pets/prod/a", "/_postern/pets/prod", "/a", true},
		{"pets.execute-api.localhost", "/a", "", "", false},
		{"127.0.0.1", "/", "", "", false},
		{"any", "/_postern/pets/dev/a", "", "", false},
	} {
		got, ok := h.Match(test.host, test.path)
		if ok != test.ok || got.BasePath != test.base || got.Path != test.rest || got.API == nil || got.API.Name != "pets" || (got.Stage != nil) != ok {
			t.Errorf("%s%s: got %+v, %v", test.host, test.path, got, ok)
		}
	}
	if got, ok := h.Match("nobody.execute-api.localhost", "/prod"); ok || got.API != nil {
		t.Errorf("nobody's host: got %+v, %v", got, ok)
	}
}
