package template

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/tree"
	"github.com/postern/postern/host/mapping/vtl"
)

// exchange is a request to POST /orders/{id}/{name} of the stage prod.
func exchange() *host.Exchange {
	return &host.Exchange{
		ID: "req-1", Started: time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC),
		Match: host.Match{
			API: &host.API{Name: "shop", Protocol: host.ProtocolREST}, Domain: "shop.example", Path: "/orders/4%202/x", BasePath: "/prod",
			Stage:  &host.Stage{Name: "prod", Deployment: 3, Variables: map[string]string{"table": "orders", "a-b": "dashed"}},
			Route:  &host.Route{Key: "POST /orders/{id}/{name}", Method: "POST", Pattern: "/orders/{id}/{name}"},
			Params: []host.Param{{Name: "id", Value: "4%202"}, {Name: "name", Value: "x"}},
		},
		Request: &host.Request{Method: "POST", Host: "shop.example", Target: "/prod/orders/4%202/x?q=1&q=a+b%2B;r=2&name=query&empty=",
			Header: host.Header{{Name: "X-Api-Version", Value: "1"}, {Name: "X-Api-Version", Value: "2"}, {Name: "User-Agent", Value: "test"},
				{Name: "Q", Value: "header"}, {Name: "Expect", Value: "100-continue"}, {Name: "Te", Value: "trailers"}, {Name: "Empty", Value: "filled"}},
			Peer: host.Peer{Protocol: "HTTP/2.0", Addr: netip.MustParseAddr("192.0.2.1")}},
		Principal: host.Principal{ID: "user-1", Context: map[string]any{"text": "t", "number": 1.0, "flag": true, "list": []any{"a"},
			"claims": map[string]any{"sub": "s-1"}}},
	}
}

func compile(t testing.TB, text string, phase host.Phase, opts Options) *Template {
	t.Helper()
	tmpl, err := Compile(&host.Template{Name: "order.vtl", Text: text}, phase, opts)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func mapBody(t testing.TB, text, body string) (*host.MapOutput, error) {
	t.Helper()
	return compile(t, text, host.PhaseMapRequest, Options{}).Map(t.Context(), &host.MapInput{Exchange: exchange(), Body: []byte(body)})
}

const orderBody = `{"id":7,"name":"Ann \"A\"","price":1.50,"none":null,"tags":["a","b"],"lines":[{"sku":"x","n":1},{"sku":"y","n":2}],"o":{"k":"v","l":[1]}}`

func TestInput(t *testing.T) {
	for _, test := range []struct{ name, template, body, want string }{
		// reference 1.5: $input.body
		{"body", `$input.body`, `{"a":  1}`, `{"a":  1}`},
		{"empty body [REC]", `$input.body`, ``, `{}`},
		{"property of the body [REC]", `[$input.body.x][$input.body.x.y]`, ``, `[][]`},
		{"methods of the body", `$input.body.length() $input.body.replaceAll("a", "b")`, `aa`, `2 bb`},
		{"body that is no UTF-8, 1.4.2 [REC]", `$input.body`, "a\xff\xfeb", "a\uFFFD\uFFFDb"},
		{"no such member", `[$input.nothing][$input.nothing()][$input.json()]`, ``, `[][][]`},
		// $input.json
		{"json whole", `$input.json('$')`, ` { "a" : [ 1, 2.50 ] } `, `{"a":[1,2.50]}`},
		{"json keeps quotes [LS]", `$input.json('$.name')`, orderBody, `"Ann \"A\""`},
		{"json of a list", `$input.json("$.lines[*].sku")`, orderBody, `["x","y"]`},
		{"json of null", `$input.json('$.none')`, orderBody, `null`},
		{"json of nothing [LS]", `$input.json('$.x.y')`, orderBody, `""`},
		{"json of an empty body", `$input.json('$')$input.json('$.a')`, ``, `{}""`},
		{"json without $", `$input.json('name')`, orderBody, `"Ann \"A\""`},
		// $input.path
		{"path prints as Java", `$input.path('$.o') $input.path('$.tags') $input.path('$.lines')`, orderBody, `{k=v, l=[1]} [a, b] [{sku=x, n=1}, {sku=y, n=2}]`},
		{"path of texts and numbers", `$input.path('$.name') $input.path('$.id') $input.path('$.price')`, orderBody, `Ann "A" 7 1.50`},
		{"path of nothing", `[$input.path('$.x')][$input.path('$.none')][$input.path('$.tags[9]')]`, orderBody, `[][][]`},
		{"path members", `$input.path('$').o.k $input.path('$.tags').size() $input.path('$.tags').get(1) $input.path('$.tags').contains("a") $input.path('$.o').keySet()`, orderBody,
			`v 2 b true [k, l]`},
		{"path in a loop", `#foreach($l in $input.path('$.lines'))$foreach.index:$foreach.count:$l.sku#if($foreach.hasNext),#end#end`, orderBody, `0:1:x,1:2:y`},
		{"body is decoded once", `#set($b = $input.path('$'))#set($b.o.k = "changed")$input.path('$.o.k') $input.json('$.o')`, orderBody, `changed {"k":"changed","l":[1]}`},
		{"filter", `$input.path("$.lines[?(@.n > 1)].sku")`, orderBody, `[y]`},
		{"keySet of nothing [REC]", `#foreach($k in $input.path('$.x').keySet())$k#end.`, orderBody, `.`},
		{"null is null and empty [REC]", `#if($input.path('$.x') == $null)a#end#if($input.path('$.none') == "")b#end#if($unset == "")c#end`, orderBody, `abc`},
		{"a scalar as the body", `$input.path('$') $input.json('$')`, `"s"`, `s "s"`},
		{"path of a variable", `#set($p = '$.o.k')$input.path($p) [$input.path($none)]`, orderBody, `v []`},
		// $util
		{"util", `$util.escapeJavaScript("it's").replaceAll("\\'","'") $util.base64Encode($input.path('$.o.k')) $util.parseJson('{"a":[1]}').a[0] $util.urlEncode("a b")`,
			orderBody, `it's dg== 1 a+b`},
		// $stageVariables [REC]
		{"stage variables", `$stageVariables.table ${stageVariables.table} $stageVariables['a-b'] ${stageVariables['a-b']} $stageVariables.get("table") [$stageVariables.none][${stageVariables['none']}]`,
			``, `orders orders dashed dashed orders [][]`},
		{"all stage variables", `$stageVariables.keySet() $stageVariables`, ``, `[a-b, table] {a-b=dashed, table=orders}`},
		{"macro", `#macro(twice $x)$x$x#end#twice("a")`, ``, `aa`},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := mapBody(t, test.template, test.body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(out.Body)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParams(t *testing.T) { // reference 1.5 and 1.3
	for template, want := range map[string]string{
		`$input.params('id')`: `4%202`, // 1.3 [REC]: escapes in a path stay
		`$input.params('q')`:  `a b+`,  // 1.3 [REC]: the last value, decoded
		`$input.params('r')`:  `2`,     // 1.3 [REC]: ; splits
		`$input.params('name') $input.params('X-Api-Version') $input.params('x-api-version')`: `x 2 2`,
		`[$input.params('none')]#if($input.params('none') == "")empty#end`:                    `[]empty`,
		`$input.params('empty')`:                    `filled`,     // the first that is not empty
		`[$input.params('Q')][$input.params('ID')]`: `[header][]`, // queries and paths have case
		`$input.params().keySet()`:                  `[path, querystring, header]`,
		`$input.params().path`:                      `{id=4%202, name=x}`,
		`$input.params().querystring`:               `{q=a b+, r=2, name=query, empty=}`,
		`$input.params().header.keySet()`:           `[Host, X-Api-Version, User-Agent, Q, Empty]`, // 1.4.6 [REC]
		`$input.params().header.get('x-api-version')$input.params().header['HOST']`:                                           `2shop.example`,
		`$input.params().header.containsKey('host')$input.params().header.containsKey('te')`:                                  `truefalse`,
		`#set($p = $input.params())#foreach($type in $p.keySet())$type#foreach($k in $p.get($type).keySet()) $k#end;#end`:     `path id name;querystring q r name empty;header Host X-Api-Version User-Agent Q Empty;`,
		`#foreach($e in $input.params().header.entrySet())$e.key#if($foreach.hasNext),#end#end $input.params().header.size()`: `Host,X-Api-Version,User-Agent,Q,Empty 5`,
	} {
		for _, before := range []string{"", "#set($asked = $input.params().header.size())"} { // one is looked up without the maps until they are there
			out, err := mapBody(t, before+template, "")
			if err != nil || string(out.Body) != want {
				t.Errorf("%s\ngot  %q, %v\nwant %q", before+template, out.Body, err, want)
			}
		}
	}
	// 1.5 [REC]: a response's template sees the parameters of the request
	out, err := compile(t, `$input.params('q') $input.path('$.a')`, host.PhaseMapResponse, Options{}).Map(t.Context(), &host.MapInput{Exchange: exchange(), Body: []byte(`{"a":1}`), Status: 200})
	if err != nil || string(out.Body) != "a b+ 1" {
		t.Error(out, err)
	}
}

func TestFailures(t *testing.T) {
	long := strings.Repeat("[", 2000) + strings.Repeat("]", 2000)
	for _, test := range []struct {
		name, template, body string
		in                   host.MapInput
		opts                 Options
		phase                host.Phase
		kind                 host.Kind
		code                 host.ResponseType
		pos                  string
		limit                bool
	}{
		{name: "request is no JSON", template: "\n $input.path('$.a')", body: `{"a"`, kind: host.Invalid, code: host.Default4XX, pos: "order.vtl:2:9"},
		{name: "request is too deep", template: `$input.json('$')`, body: long, kind: host.Invalid, code: host.Default4XX, pos: "order.vtl:1:8"},
		{name: "response is no JSON", template: `$input.path('$.a')`, body: `<html>`, phase: host.PhaseMapResponse, kind: host.Internal, code: host.APIConfigurationError, pos: "order.vtl:1:8"},
		{name: "binary (1.4.2)", template: `no body`, in: host.MapInput{Binary: true}, kind: host.Internal, code: host.APIConfigurationError, pos: "order.vtl"},
		{name: "bad path", template: `ab $input.path('$[')`, kind: host.Internal, code: host.APIConfigurationError, pos: "order.vtl:1:11"},
		{name: "bad JSON in the template", template: `$util.parseJson("{")`, kind: host.Internal, code: host.APIConfigurationError, pos: "order.vtl:1:7"},
		{name: "loop", template: "#foreach($i in [1..1001])#end", kind: host.Internal, code: host.APIConfigurationError, pos: "order.vtl:1:1", limit: true},
		{name: "output", template: "#foreach($i in [1..10])0123456789#end", opts: Options{VTL: vtl.Limits{Output: 20}}, kind: host.Internal, code: host.APIConfigurationError, pos: "order.vtl:1:1", limit: true},
		{name: "time", template: "#foreach($i in [1..1000])#foreach($j in [1..90])#end#end", opts: Options{VTL: vtl.Limits{Elapsed: 1}}, kind: host.Internal,
			code: host.APIConfigurationError, pos: "order.vtl:1:1", limit: true},
		{name: "found", template: "$input.path('$..*')$input.path('$..*')", body: `[1,2,3]`, opts: Options{Found: 5}, kind: host.Internal, code: host.APIConfigurationError, pos: "order.vtl:1:27", limit: true},
		{name: "copies by functions", template: "$input.path('$.append(4)')$input.path('$.append(4)')", body: `[1,2,3]`, opts: Options{Found: 5}, kind: host.Internal,
			code: host.APIConfigurationError, pos: "order.vtl:1:34", limit: true},
		{name: "overridden twice", template: "#set($context.requestOverride.header.X = 1)\n#set($context.requestOverride.header.x = 2)", kind: host.Internal,
			code: host.APIConfigurationError, pos: "order.vtl:2:38"},
		{name: "too many overrides", template: `#foreach($i in [1..4])$context.requestOverride.querystring.put("a$i", "1")#end`, opts: Options{Overrides: 3}, kind: host.Internal,
			code: host.APIConfigurationError, pos: "order.vtl:1:60", limit: true},
		{name: "long overrides", template: `#set($context.requestOverride.path.a = "0123456789")`, opts: Options{OverrideBytes: 10}, kind: host.Internal,
			code: host.APIConfigurationError, pos: "order.vtl:1:36", limit: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.phase == 0 {
				test.phase = host.PhaseMapRequest
			}
			test.in.Exchange, test.in.Body = exchange(), []byte(test.body)
			out, err := compile(t, test.template, test.phase, test.opts).Map(t.Context(), &test.in)
			var e *host.Error
			if !errors.As(err, &e) || e.Kind != test.kind || e.Code != test.code || e.Pos.String() != test.pos {
				t.Fatalf("got %v, %#v", out, err)
			}
			for _, kind := range []host.Kind{host.Invalid, host.TooLarge, host.NotFound, host.Timeout} {
				if errors.Is(err, kind) != (kind == test.kind) {
					t.Errorf("the chain has Kind %s: %v", kind, err)
				}
			}
			var limit *host.LimitError
			if errors.As(err, &limit) != test.limit {
				t.Errorf("limit: %v", err)
			}
			var told *host.Disclosure
			if errors.As(err, &told) != (test.kind == host.Invalid) || told != nil && told.Message != "Invalid JSON in request body" { // 1.4.4 [LS]
				t.Errorf("disclosure: %v", told)
			}
		})
	}
}

func TestEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := compile(t, "a", host.PhaseMapRequest, Options{}).Map(ctx, &host.MapInput{Exchange: exchange()})
	if !errors.Is(err, host.Timeout) {
		t.Error(err)
	}
}

func TestCompile(t *testing.T) {
	var e *host.Error
	if _, err := Compile(&host.Template{Ref: "a.vtl", Text: "x\n#if(1)"}, host.PhaseMapRequest, Options{}); !errors.As(err, &e) || e.Kind != host.Invalid || e.Pos.File != "a.vtl" || e.Pos.Line == 0 {
		t.Error(err)
	}
	if _, err := Compile(&host.Template{Text: "x"}, host.PhaseIntegrate, Options{}); !errors.Is(err, host.Internal) {
		t.Error(err)
	}
}

// One Template serves many requests at once, and none sees what another changed.
func TestConcurrent(t *testing.T) {
	tmpl := compile(t, `#set($b = $input.path('$'))#if($b.seen)seen#end#set($b.seen = true)$input.path("$.a[?(@.n == $b.n)].n")#set($context.requestOverride.header.n = $b.n)`,
		host.PhaseMapRequest, Options{})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 200 {
				n := string(rune('a'+i)) + strings.Repeat("x", j%100)
				out, err := tmpl.Map(t.Context(), &host.MapInput{Exchange: exchange(), Body: []byte(`{"n":"'` + n + `'","a":[{"n":"` + n + `"}]}`)})
				if err != nil || string(out.Body) != "["+n+"]" || out.Request.Header.Get("n") != "'"+n+"'" {
					t.Errorf("%v, %v", out, err)
					return
				}
			}
		})
	}
	group.Wait()
	if n := len(tmpl.paths.compiled); n > maxPaths {
		t.Errorf("%d paths are kept", n)
	}
}

func FuzzMap(f *testing.F) {
	tmpl := compile(f, `$input.body|$input.json('$')|$input.path('$.a.b[0]')|$input.path('$..*').size()|#foreach($e in $input.path('$').entrySet())$e.key=$e.value#end`+
		`$input.params($input.body)|#set($context.requestOverride.querystring[$input.body] = $input.path('$'))$context.requestOverride`, host.PhaseMapRequest,
		Options{VTL: vtl.Limits{Elapsed: time.Minute}})
	for _, body := range []string{"", orderBody, `{"a":{"b":[1]}}`, "\xff", `"\ud800"`, `{"a":1,"a":2}`, `[[[[`, `1e999`, " ", "{\"\\u0000i1\":1}"} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		out, err := tmpl.Map(context.Background(), &host.MapInput{Exchange: exchange(), Body: body})
		if err != nil {
			if kind := host.KindOf(err); kind != host.Invalid && kind != host.Internal {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		v, err := tree.Decode(append([]byte(nil), body...), tree.Limits{})
		if len(body) > 0 && err != nil {
			t.Fatalf("%q is mapped: %v", body, err)
		}
		if len(body) > 0 && !strings.Contains(string(out.Body), "|"+string(tree.Append(nil, v))+"|") {
			t.Fatalf("%q: %q has no JSON of the body", body, out.Body)
		}
	})
}
