package router

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

// routes makes routes of keys as users write them.
func routes(keys ...string) []*host.Route {
	var list []*host.Route
	for i, key := range keys {
		r := &host.Route{Key: key, Pos: host.Position{File: "postern.yaml", Line: i + 1}}
		if key != host.DefaultRoute {
			r.Method, r.Pattern, _ = strings.Cut(key, " ")
			if r.Method == "ANY" {
				r.Method = ""
			}
		}
		list = append(list, r)
	}
	return list
}

func table(t testing.TB, keys ...string) *Table {
	t.Helper()
	tab, err := NewTable(routes(keys...))
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestMatch(t *testing.T) {
	// "Working with routes for HTTP APIs" [GUIDE]: a full match, then greedy, then $default; ANY for methods not defined.
	guide := []string{"GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"}
	tests := []struct {
		name   string
		keys   []string
		method string
		path   string
		want   string // the route's key, "" for none
		params []host.Param
	}{
		{"guide: literal", guide, "GET", "/pets/dog/1", "GET /pets/dog/1", nil},
		{"guide: parameter", guide, "GET", "/pets/dog/2", "GET /pets/dog/{id}", []host.Param{{Name: "id", Value: "2"}}},
		{"guide: greedy", guide, "GET", "/pets/cat/3", "GET /pets/{proxy+}", []host.Param{{Name: "proxy", Value: "cat/3"}}},
		{"guide: ANY", guide, "POST", "/test/5", "ANY /{proxy+}", []host.Param{{Name: "proxy", Value: "test/5"}}},
		{"guide: default", guide, "GET", "/", "$default", nil},

		{"a full match of parameters before a greedy one below a literal", []string{"GET /a/{p+}", "GET /{x}/{y}"}, "GET", "/a/b", "GET /{x}/{y}",
			[]host.Param{{Name: "x", Value: "a"}, {Name: "y", Value: "b"}}},
		{"the deeper greedy", []string{"GET /{p+}", "GET /a/{p+}", "GET /a/{x}/{p+}"}, "GET", "/a/b/c", "GET /a/{x}/{p+}",
			[]host.Param{{Name: "x", Value: "b"}, {Name: "p", Value: "c"}}},
		{"the first difference decides", []string{"GET /{x}/b/c", "GET /a/{y}/{z}"}, "GET", "/a/b/c", "GET /a/{y}/{z}",
			[]host.Param{{Name: "y", Value: "b"}, {Name: "z", Value: "c"}}},
		{"back out of a literal that leads nowhere", []string{"GET /part1/only", "GET /{p+}"}, "GET", "/part1/random", "GET /{p+}",
			[]host.Param{{Name: "p", Value: "part1/random"}}}, // 1.3 REST path priority [AST]
		{"back out of a route without the method", []string{"POST /test", "OPTIONS /{p+}"}, "OPTIONS", "/test", "OPTIONS /{p+}",
			[]host.Param{{Name: "p", Value: "test"}}}, // 1.3 REST path priority [AST]
		{"method before ANY", []string{"ANY /a", "GET /a"}, "GET", "/a", "GET /a", nil},
		{"ANY for the other methods", []string{"ANY /a", "GET /a"}, "PURGE", "/a", "ANY /a", nil},
		{"ANY of a more specific path before the method of another", []string{"ANY /a", "GET /{x}"}, "GET", "/a", "ANY /a", nil},
		{"HEAD is not GET", []string{"GET /a"}, "HEAD", "/a", "", nil}, // 1.3 ANY [LS]
		{"methods have case", []string{"GET /a"}, "get", "/a", "", nil},
		{"no route", []string{"GET /a"}, "GET", "/b", "", nil},
		{"longer than the routes", []string{"GET /a"}, "GET", "/a/b", "", nil},

		{"root", []string{"GET /", "$default"}, "GET", "/", "GET /", nil},
		{"a slash at the end counts", []string{"GET /a"}, "GET", "/a/", "", nil},
		{"a slash at the end in the route", []string{"GET /a/", "GET /a"}, "GET", "/a/", "GET /a/", nil},
		{"no empty parameter", []string{"GET /a/{id}"}, "GET", "/a/", "", nil},
		{"no empty parameter within", []string{"GET /a/{id}/b"}, "GET", "/a//b", "", nil},
		{"no empty greedy", []string{"GET /a/{p+}"}, "GET", "/a/", "", nil},
		{"greedy keeps slashes", []string{"GET /a/{p+}"}, "GET", "/a//b//", "GET /a/{p+}", []host.Param{{Name: "p", Value: "/b//"}}},
		{"greedy of a slash", []string{"GET /a/{p+}"}, "GET", "/a//", "GET /a/{p+}", []host.Param{{Name: "p", Value: "/"}}},

		{"parameters stay encoded", []string{"GET /a/{id}"}, "GET", "/a/x%2Fy%20z+", "GET /a/{id}", []host.Param{{Name: "id", Value: "x%2Fy%20z+"}}},
		{"an encoded letter of a literal", []string{"GET /admin", "$default"}, "GET", "/%61dmin", "GET /admin", nil},
		{"an encoded reserved octet of a literal", []string{"GET /a@b"}, "GET", "/a%40b", "GET /a@b", nil},
		{"a literal that is encoded in the route", []string{"GET /a%20b"}, "GET", "/a%20b", "GET /a%20b", nil},
		{"hex digits have no case", []string{"GET /%c3%a9"}, "GET", "/%C3%A9", "GET /%c3%a9", nil},
		{"a raw octet in the route", []string{"GET /é"}, "GET", "/%C3%A9", "GET /é", nil},
		{"an encoded slash separates nothing", []string{"GET /a/b"}, "GET", "/a%2Fb", "", nil},
		{"an encoded slash in a literal", []string{"GET /a%2Fb"}, "GET", "/a%2fb", "GET /a%2Fb", nil},
		{"decoded once", []string{"GET /a"}, "GET", "/%2561", "", nil},
		{"a broken escape", []string{"GET /{x}"}, "GET", "/%zz%", "GET /{x}", []host.Param{{Name: "x", Value: "%zz%"}}},
		{"dots are segments", []string{"GET /a", "GET /{x}/../a"}, "GET", "/b/../a", "GET /{x}/../a", []host.Param{{Name: "x", Value: "b"}}},
		{"asterisk", []string{"ANY /{p+}", "$default"}, "OPTIONS", "*", "$default", nil},
		{"nothing", nil, "GET", "/", "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tab := table(t, test.keys...)
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

func TestNewTableRefuses(t *testing.T) {
	tests := [][]string{
		{"GET a"}, {"GET /a//b"}, {"GET /{p+}/x"}, {"GET /a{x}"}, {"GET /{x}a"}, {"GET /{}"}, {"GET /{+}"}, {"GET /{a b}"},
		{"GET /{x}/{x}"}, {"GET /{x}/{x+}"}, {"GET /a?b"}, {"GET /a#b"}, {"GET /a b"}, {"GET /%"}, {"GET /%4"}, {"GET /%zz"}, {"GET /a}"},
		{"GET /a", "GET /a"}, {"ANY /a", "ANY /a"}, {"$default", "$default"}, {"GET /{a}", "GET /{b}"}, {"GET /{a+}", "GET /{b+}"},
		{"GET /%61", "GET /a"},
	}
	for _, keys := range tests {
		_, err := NewTable(routes(keys...))
		if !errors.Is(err, host.Invalid) {
			t.Errorf("%q: got %v, want Kind Invalid", keys, err)
			continue
		}
		var e *host.Error
		if errors.As(err, &e); e.Pos.Line != len(keys) {
			t.Errorf("%q: position %v", keys, e.Pos)
		}
	}
	_, err := NewTable(routes("GET x", "GET /", "GET y"))
	if all, ok := err.(interface{ Unwrap() []error }); !ok || len(all.Unwrap()) != 2 {
		t.Errorf("not every error at once: %v", err)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	tab := table(t, "GET /orders/{id}/items/{item}", "ANY /files/{path+}", "$default")
	var buf [4]host.Param
	for _, path := range []string{"/orders/7/items/8", "/%6Frders/7/items/9", "/files/a/b/c", "/none"} {
		if n := testing.AllocsPerRun(100, func() { tab.Match("GET", path, buf[:0]) }); n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}

// TestVisits holds the look-up to the bound that the package promises.
func TestVisits(t *testing.T) {
	// Every mix of a literal and a parameter in 12 segments, and a path that fails at the last of them.
	const depth = 12
	var keys []string
	for mix := range 1 << depth {
		key := "GET "
		for i := range depth {
			if mix>>i&1 == 0 {
				key += "/a"
			} else {
				key += fmt.Sprintf("/{p%d}", i)
			}
		}
		keys = append(keys, key+"/end")
	}
	tab := table(t, keys...)
	if e, n := tab.find("GET", strings.Repeat("/a", depth)+"/other"); e != nil || n > tab.nodes {
		t.Errorf("%d visits of %d nodes, found %v", n, tab.nodes, e)
	}
	if _, n := tab.find("GET", strings.Repeat("/a", 100_000)); n > tab.nodes {
		t.Errorf("%d visits of %d nodes for a long path", n, tab.nodes)
	}
	// A thousand routes along one path: as many visits as it has segments, for each of the two ways.
	keys = keys[:0]
	for i := range 1000 {
		keys = append(keys, "GET "+strings.Repeat("/a", i)+"/{p+}")
	}
	tab = table(t, keys...)
	if e, n := tab.find("GET", strings.Repeat("/a", 500)+"/b/"); e == nil || n > 502 {
		t.Errorf("%d visits, found %v", n, e)
	}
	// The number of routes beside the path costs no visit.
	for _, count := range []int{10, 1000} {
		if _, n := table(t, manyRoutes(count)...).find("GET", "/service3/items/42/parts/7"); n > 12 {
			t.Errorf("%d visits among %d routes", n, count)
		}
	}
}

func TestExplain(t *testing.T) {
	tab := table(t, "$default", "ANY /{p+}", "GET /orders/{id}", "POST /orders/new", "ANY /orders/new", "GET /orders/new", "GET /{a}/{b}",
		"GET /orders/{p+}", "GET /orders/new/", "GET /elsewhere")
	type line struct {
		Key    string
		Wins   bool
		Reason string
	}
	var got []line
	for _, c := range tab.Explain("GET", "/orders/new") {
		got = append(got, line{c.Route.Key, c.Wins, c.Reason})
	}
	want := []line{
		{"GET /orders/new", true, "the most specific path with method GET"},
		{"POST /orders/new", false, "method POST only"},
		{"ANY /orders/new", false, "less specific: ANY against method GET"},
		{"GET /orders/{id}", false, "less specific: {id} at segment 2 against literal"},
		{"GET /{a}/{b}", false, "less specific: {a} at segment 1 against literal"},
		{"GET /orders/{p+}", false, "less specific: {p+} at segment 2 against a full match"},
		{"ANY /{p+}", false, "less specific: {p+} at segment 1 against a full match"},
		{"$default", false, "less specific: $default takes what no other route matches"},
		{"GET /orders/new/", false, "the path has no slash at its end, the route has one"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := table(t, "POST /a").Explain("GET", "/a"); len(got) != 1 || got[0].Wins || got[0].Reason != "method POST only" {
		t.Errorf("without a winner: %+v", got)
	}
}

// naive chooses by writing the rules down: it splits, filters and compares, without a tree.
func naive(rs []*host.Route, method, path string) *host.Route {
	var best *host.Route
	var bestKey string
	for _, r := range rs {
		if r.Method != "" && r.Method != method {
			continue
		}
		key, ok := "9", true // sort of match, the kind of each segment, then the method
		if r.Pattern != "" {
			key, ok = naiveKey(r.Pattern, path)
		}
		if r.Method == "" {
			key += "z"
		} else {
			key += "a"
		}
		if ok && (best == nil || key < bestKey) {
			best, bestKey = r, key
		}
	}
	return best
}

func naiveKey(pattern, path string) (string, bool) {
	ps, ss := strings.Split(pattern, "/"), strings.Split(path, "/")
	if ss[0] != "" || len(ss) < 2 {
		return "", false
	}
	kinds := ""
	for i := 1; i < len(ps); i++ {
		if i >= len(ss) {
			return "", false
		}
		p := ps[i]
		if strings.HasSuffix(p, "+}") {
			return "1" + kinds + "2", strings.Join(ss[i:], "/") != ""
		}
		if strings.HasPrefix(p, "{") {
			if ss[i] == "" {
				return "", false
			}
			kinds += "1"
			continue
		}
		if string(host.AppendUnescaped(nil, p)) != string(host.AppendUnescaped(nil, ss[i])) {
			return "", false
		}
		kinds += "0"
	}
	return "0" + kinds, len(ps) == len(ss)
}

// FuzzMatch compares the table with the naive rules, and Explain with both.
func FuzzMatch(f *testing.F) {
	f.Add("GET /a/{b}\nANY /{p+}\n$default", "GET", "/a/b")
	f.Add("GET /a/{p+}\nGET /{x}/{y}\nPOST /a/b", "GET", "/a//")
	f.Add("GET /%61\nGET /a/\nANY /{x}/a/{p+}", "GET", "/%61/")
	f.Add("GET /a%2Fb/{x}\nGET /a/b/{x}", "GET", "/a%2fb/%zz%")
	f.Fuzz(func(t *testing.T, keys, method, path string) {
		var list []*host.Route
		for _, r := range routes(strings.Split(keys, "\n")...) {
			if _, err := NewTable(append(list[:len(list):len(list)], r)); err == nil {
				list = append(list, r)
			}
		}
		tab, err := NewTable(list)
		if err != nil {
			t.Fatal(err)
		}
		route, params := tab.Match(method, path, nil)
		if want := naive(list, method, path); route != want {
			t.Fatalf("%q: %s %q: got %v, want %v", keys, method, path, route, want)
		}
		explained := tab.Explain(method, path)
		if i := slices.IndexFunc(explained, func(c Candidate) bool { return c.Wins }); route == nil && i >= 0 || route != nil && (i != 0 || explained[0].Route != route) {
			t.Fatalf("%q: %s %q: explain says %+v, match %v", keys, method, path, explained, route)
		}
		if _, n := tab.find(method, path); n > tab.nodes {
			t.Fatalf("%d visits of %d nodes", n, tab.nodes)
		}
		if route == nil {
			return
		}
		// The values put back into the pattern make the path again.
		rebuilt := route.Pattern
		for _, p := range params {
			if p.Value == "" {
				t.Fatalf("%q: %q: the parameter %s is empty", route.Key, path, p.Name)
			}
			rebuilt = strings.Replace(strings.Replace(rebuilt, "{"+p.Name+"+}", p.Value, 1), "{"+p.Name+"}", p.Value, 1)
		}
		if route.Pattern != "" && !strings.ContainsAny(path, "%{") && !strings.Contains(rebuilt, "%") && rebuilt != path {
			t.Fatalf("%q: %q: rebuilt %q", route.Key, path, rebuilt)
		}
	})
}

// manyRoutes makes count routes of five sorts.
func manyRoutes(count int) []string {
	var keys []string
	for i := range count / 5 {
		s := fmt.Sprintf("/service%d", i+2)
		keys = append(keys, "GET "+s, "GET "+s+"/items/{id}", "GET "+s+"/items/{id}/parts/{part}", "POST "+s+"/items", "ANY "+s+"/{rest+}")
	}
	return keys
}

// BenchmarkMatch prints the time among more routes over that among 10.
func BenchmarkMatch(b *testing.B) {
	paths := []string{"/service3", "/service2/items/42", "/service3/items/42/parts/7", "/service3/some/other/path"}
	var base float64
	for _, count := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("routes=%d", count), func(b *testing.B) {
			tab := table(b, manyRoutes(count)...)
			var buf [4]host.Param
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if r, _ := tab.Match("GET", paths[i%len(paths)], buf[:0]); r == nil {
					b.Fatal("no match")
				}
				i++
			}
			ns := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			if count == 10 {
				base = ns
			}
			b.ReportMetric(ns/base, "x/10-routes")
		})
	}
}
