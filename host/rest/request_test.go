package rest_test

import (
	gocmp "cmp"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/rest"
)

// posted is a request to POST /files/{id}/{path+} of stage prod, with a body.
func posted() *host.Exchange {
	x := exchange()
	x.Match.Stage.Variables["backend"] = "http://10.0.0.1:9000/v1"
	x.Match.Params = []host.Param{{Name: "id", Value: "7%2F8"}, {Name: "path", Value: "a/b%20c"}}
	x.Match.Path = "/files/7%2F8/a/b%20c/"
	x.Request = &host.Request{Method: "POST", Scheme: "https", Host: "orders.example.com", Target: "/prod/files/7%2F8/a/b%20c/?page=2&x=%2B", Length: 5,
		Body: io.NopCloser(strings.NewReader("hello")), Header: host.Header{{Name: "Content-Type", Value: "text/plain"}, {Name: "X-Mine", Value: "1"},
			{Name: "X-Hop", Value: "1"}, {Name: "Connection", Value: "close, x-hop"}, {Name: "Content-Encoding", Value: "identity"}, {Name: "Via", Value: "1.1 a"},
			{Name: "Keep-Alive", Value: "1"}, {Name: "Accept", Value: "text/html"}, {Name: "Authorization", Value: "Bearer t"}, {Name: "Content-Length", Value: "5"},
			{Name: "X-Amzn-Trace-Id", Value: "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"}}}
	return x
}

func compileOutbound(t testing.TB, x *host.Exchange, c host.IntegrationConfig) *rest.Outbound {
	t.Helper()
	x.Match.Route = &host.Route{Key: "POST /files/{id}/{path+}", Method: "POST", Pattern: "/files/{id}/{path+}", Integration: c, REST: &host.Method{}}
	o, err := rest.CompileOutbound(x.Match.Route)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

const trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

// What goes out without any mapping (reference 1.4 and 1.4.6 [REC], the trace on proxies 1.15).
func TestOutboundHeader(t *testing.T) {
	defaults := host.Header{{Name: "Accept", Value: "application/json"}, {Name: "User-Agent", Value: "AmazonAPIGateway_orders"}}
	id, traced := host.Field{Name: "X-Amzn-Apigateway-Api-Id", Value: "orders"}, host.Field{Name: "X-Amzn-Trace-Id", Value: trace}
	content := host.Field{Name: "Content-Type", Value: "text/plain"}
	tests := []struct {
		name   string
		config host.IntegrationConfig
		want   host.Header
	}{
		{"HTTP", host.IntegrationConfig{Type: host.IntegrationHTTP, URI: "http://h/"}, append(defaults.Clone(), id, content, traced)},
		{"AWS", host.IntegrationConfig{Type: host.IntegrationService}, append(defaults.Clone(), content, traced)},
		{"MOCK", host.IntegrationConfig{Type: host.IntegrationMock}, append(defaults.Clone(), id, content, traced)},
		{"HTTP_PROXY", host.IntegrationConfig{Type: host.IntegrationHTTP, URI: "http://h/", Proxy: true}, host.Header{content, {Name: "X-Mine", Value: "1"},
			{Name: "Accept", Value: "text/html"}, {Name: "Authorization", Value: "Bearer t"}, traced}},
	}
	for _, test := range tests {
		x := posted()
		before := x.Request.Header.Clone()
		in, err := compileOutbound(t, x, test.config).Invocation(x, rest.Payload{})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if diff := cmp.Diff(test.want, in.Request.Header); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
		if diff := cmp.Diff(before, x.Request.Header); diff != "" {
			t.Errorf("%s: what arrived has changed: %s", test.name, diff)
		}
		if body, err := io.ReadAll(in.Request.Body); string(body) != "hello" || in.Request.Length != 5 || err != nil {
			t.Errorf("%s: the body is %q of %d bytes (%v)", test.name, body, in.Request.Length, err)
		}
	}
}

func TestOutboundContentType(t *testing.T) { // reference 1.4.6: copied for methods with a body [REC]
	tests := []struct{ method, contentType, body, mapped, want string }{
		{"GET", "text/plain", "", "", ""},
		{"DELETE", "text/plain", "", "", ""},
		{"DELETE", "text/plain", "x", "", "text/plain"},
		{"PUT", "text/plain", "", "", "text/plain"},
		{"PATCH", "", "x", "", "application/json"},
		{"POST", "text/plain", "x", "text/xml", "text/xml"},
	}
	for _, test := range tests {
		x := posted()
		x.Request.Header = nil
		if test.contentType != "" {
			x.Request.Header.Add("content-type", test.contentType)
		}
		o := compileOutbound(t, x, host.IntegrationConfig{Type: host.IntegrationHTTP, URI: "http://h/", Method: test.method})
		in, err := o.Invocation(x, rest.Payload{Body: []byte(test.body), ContentType: test.mapped})
		if err != nil || in.Request.Header.Get("Content-Type") != test.want || in.Request.Method != test.method {
			t.Errorf("%+v: %+v (%v)", test, in.Request, err)
		}
	}
}

// Where requests go: variables by mappings alone, the query by type (reference 1.4 "URI path vars", "HTTP_PROXY" [REC], "Stage vars in URI"; 1.3 [REC]).
func TestOutboundTarget(t *testing.T) {
	path := func(name, source string) host.ParameterMapping {
		return host.ParameterMapping{Target: "integration.request.path." + name, Source: source}
	}
	all := []host.ParameterMapping{path("p", "method.request.path.path"), path("i", "method.request.path.id")}
	values := map[string]string{"p": "a/b%20c", "i": "7%2F8/9"}
	query := host.Header{{Name: "page", Value: "a b&c"}, {Name: "page", Value: "3"}}
	tests := []struct {
		name   string
		config host.IntegrationConfig
		params host.Override
		over   host.Override
		want   string
	}{
		{"HTTP takes no query along", host.IntegrationConfig{Type: host.IntegrationHTTP, URI: "http://h/x?own=1"}, host.Override{}, host.Override{}, "http h /x?own=1"},
		{"HTTP maps a query", host.IntegrationConfig{Type: host.IntegrationHTTP, URI: "http://h/x?own=1"}, host.Override{Query: query}, host.Override{}, "http h /x?own=1&page=a%20b%26c&page=3"},
		{"an override replaces it", host.IntegrationConfig{Type: host.IntegrationHTTP, URI: "http://h/x"}, host.Override{Query: query},
			host.Override{Query: host.Header{{Name: "page", Value: "4"}, {Name: "Page", Value: "5"}}}, "http h /x?page=4&Page=5"},
		{"HTTP_PROXY appends to the query", host.IntegrationConfig{Type: host.IntegrationHTTP, URI: "http://h/x?own=1", Proxy: true}, host.Override{Query: query}, host.Override{},
			"http h /x?own=1&page=2&x=%2B&page=a%20b%26c&page=3"},
		{"variables", host.IntegrationConfig{Type: host.IntegrationHTTP, URI: "${stageVariables.backend}/{i}/{p}", Parameters: all}, host.Override{Path: values}, host.Override{},
			"http 10.0.0.1:9000 /v1/7%2F8%2F9/a/b%20c"},
		{"an override of a variable", host.IntegrationConfig{Type: host.IntegrationHTTP, URI: "http://h/{i}", Parameters: all}, host.Override{Path: values},
			host.Override{Path: map[string]string{"i": "9"}}, "http h /9"},
		{"a proxy has the route's own", host.IntegrationConfig{Type: host.IntegrationHTTP, URI: "http://h/{id}/{path}", Proxy: true}, host.Override{}, host.Override{},
			"http h /7%2F8/a/b%20c?page=2&x=%2B"},
		{"an upstream gets the path as it came", host.IntegrationConfig{Type: host.IntegrationUpstream, Proxy: true}, host.Override{}, host.Override{}, "  /files/7%2F8/a/b%20c/?page=2&x=%2B"},
		{"an upstream with a path", host.IntegrationConfig{Type: host.IntegrationUpstream, Path: "/{p}", Parameters: all}, host.Override{Path: values}, host.Override{}, "  /a/b%20c"},
		{"ANY is the client's method", host.IntegrationConfig{Type: host.IntegrationHTTP, URI: "http://h", Method: "ANY"}, host.Override{}, host.Override{}, "http h /"},
	}
	for _, test := range tests {
		x := posted()
		in, err := compileOutbound(t, x, test.config).Invocation(x, rest.Payload{Parameters: test.params, Override: test.over})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := in.Request.Scheme + " " + in.Request.Host + " " + in.Request.Target; got != test.want || in.Request.Method != "POST" {
			t.Errorf("%s: %s %s", test.name, in.Request.Method, got)
		}
	}
	if values["i"] != "7%2F8/9" {
		t.Error("the mapped variables have changed")
	}
}

// Mapped header fields come in the place of others, and overrides in theirs (reference 1.4 [REC], 1.5 "Rules").
func TestOutboundMappedHeader(t *testing.T) {
	for _, proxy := range []bool{false, true} {
		x := posted()
		o := compileOutbound(t, x, host.IntegrationConfig{Type: host.IntegrationHTTP, URI: "http://h/", Proxy: proxy})
		p := rest.Payload{Parameters: host.Override{Header: host.Header{{Name: "accept", Value: "a"}, {Name: "X-Two", Value: "1"}, {Name: "X-Mine", Value: "2"},
			{Name: "Host", Value: "other"}, {Name: "Connection", Value: "close"}, {Name: "Content-Encoding", Value: "br"}}},
			Override: host.Override{Header: host.Header{{Name: "x-two", Value: "2"}, {Name: "X-Two", Value: "3"}}}}
		in, err := o.Invocation(x, p)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"Accept": "a", "X-Two": "2,3", "X-Mine": "2", "Host": "other", "Connection": "", "Content-Encoding": "br"} {
			if got := strings.Join(in.Request.Header.Values(name), ","); got != want {
				t.Errorf("proxy %t: %s is %q", proxy, name, got)
			}
		}
		if len(p.Parameters.Header) != 6 || p.Parameters.Header[1].Value != "1" {
			t.Errorf("the mapped header has changed: %v", p.Parameters.Header)
		}
	}
}

func TestOutboundToFunction(t *testing.T) { // AWS_PROXY: the request is the event (reference 1.4, 1.6)
	x := posted()
	o := compileOutbound(t, x, host.IntegrationConfig{Type: host.IntegrationFunction, Proxy: true})
	in, err := o.Invocation(x, rest.Payload{Parameters: host.Override{Header: host.Header{{Name: "X-New", Value: "1"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(x.Request.Header, in.Request.Header); diff != "" || in.Request.Target != x.Request.Target || in.Request.Method != "POST" {
		t.Errorf("%+v: %s", in.Request, diff)
	}
}

func TestOutboundRefuses(t *testing.T) {
	uri := host.IntegrationConfig{Type: host.IntegrationHTTP, URI: "http://h/{id}"}
	function := host.IntegrationConfig{Type: host.IntegrationFunction, Proxy: true}
	header := func(name, value string) host.Override {
		return host.Override{Header: host.Header{{Name: name, Value: value}}}
	}
	path := func(value string) host.Override { return host.Override{Path: map[string]string{"id": value}} }
	tests := []struct {
		name   string
		config host.IntegrationConfig
		params host.Override
		kind   host.Kind
	}{
		{"a variable that is not mapped, although the route has it (1.4)", uri, host.Override{}, host.Internal},
		{"a variable that climbs", uri, path("%2e%2E"), host.Invalid},
		{"an empty variable", uri, path(""), host.Invalid},
		{"a URI that is none by then (1.4 [REC])", host.IntegrationConfig{Type: host.IntegrationHTTP, URI: "http://${stageVariables.none}/"}, host.Override{}, host.Internal},
		{"an illegal target (1.4.4 [REC])", uri, header("Content-length", "1"), host.Internal},
		{"an illegal target of AWS_PROXY (1.4.4 [REC])", function, header("Authorization", "a"), host.Internal},
		{"no name", uri, header("a b", "1"), host.Internal},
		{"a line that splits the header", uri, header("X-A", "1\r\nX-B: 2"), host.Invalid},
	}
	for _, test := range tests {
		for _, override := range []bool{false, true} {
			x := posted()
			p := rest.Payload{Parameters: test.params}
			if override {
				p = rest.Payload{Override: test.params}
			}
			_, err := compileOutbound(t, x, test.config).Invocation(x, p)
			var e *host.Error
			if err == nil || host.KindOf(err) != test.kind || !errors.As(err, &e) || test.kind == host.Internal && e.Code != host.APIConfigurationError {
				t.Errorf("%s: %v", test.name, err)
			}
		}
	}
	x := posted()
	o := compileOutbound(t, x, host.IntegrationConfig{Type: host.IntegrationUpstream})
	x.Match.Path = "/a/../b"
	if _, err := o.Invocation(x, rest.Payload{}); !errors.Is(err, host.Invalid) {
		t.Errorf("a path that climbs: %v", err)
	}
	pos := host.Position{File: "postern.yaml", Line: 9, Column: 2}
	for _, wrong := range []host.IntegrationConfig{{Type: host.IntegrationHTTP, URI: "ftp://h/", Pos: pos}, {Type: host.IntegrationUpstream, Path: "x", Pos: pos}} {
		_, err := rest.CompileOutbound(&host.Route{Key: "GET /", Integration: wrong})
		if !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), "postern.yaml:9:2") {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
}

// A {name} that nothing can fill is told before the first request.
func TestCheckFilled(t *testing.T) {
	mapped := []host.ParameterMapping{{Target: "integration.request.path.id", Source: "method.request.path.id"}}
	template := []host.Mapping{{MediaType: "application/json"}}
	tests := []struct {
		name        string
		integration host.IntegrationConfig
		mappings    []host.Mapping
		ok          bool
	}{
		{"mapped", host.IntegrationConfig{URI: "http://h/{id}", Parameters: mapped}, nil, true},
		{"not mapped, although the route has it", host.IntegrationConfig{URI: "http://h/{id}"}, nil, false},
		{"another is mapped", host.IntegrationConfig{URI: "http://h/{di}", Parameters: mapped}, nil, false},
		{"a template may override it", host.IntegrationConfig{URI: "http://h/{id}"}, template, true},
		{"a proxy has the route's", host.IntegrationConfig{URI: "http://h/{id}/{path}", Proxy: true}, nil, true},
		{"a proxy, and the route has none", host.IntegrationConfig{URI: "http://h/{proxy}", Proxy: true}, nil, false},
		{"no variable", host.IntegrationConfig{URI: "http://h/"}, nil, true},
	}
	for _, call := range []*host.ServiceCall{{Service: "s3", Path: "things/{id}"}, {Service: "sqs", Action: "SendMessage&DelaySeconds={id}"}} {
		for _, parameters := range [][]host.ParameterMapping{nil, mapped} {
			tests = append(tests, struct {
				name        string
				integration host.IntegrationConfig
				mappings    []host.Mapping
				ok          bool
			}{call.Service, host.IntegrationConfig{Type: host.IntegrationService, Service: call, Parameters: parameters}, nil, parameters != nil})
		}
	}
	for _, test := range tests {
		test.integration.Type, test.integration.Pos = gocmp.Or(test.integration.Type, host.IntegrationHTTP), host.Position{File: "postern.yaml", Line: 9, Column: 2}
		route := &host.Route{Key: "GET /{id}/{path+}", Pattern: "/{id}/{path+}", Integration: test.integration, Mappings: test.mappings}
		o, err := rest.CompileOutbound(route)
		if err != nil {
			t.Fatal(err)
		}
		err = o.CheckFilled(route)
		if ok := err == nil; ok != test.ok || !ok && (!errors.Is(err, host.Invalid) || !strings.HasPrefix(err.Error(), "postern.yaml:9:2: ")) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// Whatever comes in by values, the request stays one request to that host, below that path.
func FuzzOutbound(f *testing.F) {
	f.Add("7", "v", "X-A", "q", "p=1")
	f.Add("../x", "a\r\nb", "Content-Length", "&q=", ";?#%")
	f.Fuzz(func(t *testing.T, id, value, name, param, query string) {
		for _, proxy := range []bool{false, true} {
			x := posted()
			x.Request.Target = "/prod/files?" + query
			o := compileOutbound(t, x, host.IntegrationConfig{Type: host.IntegrationHTTP, URI: "http://h:81/base/{id}/end?a=1", Proxy: proxy})
			in, err := o.Invocation(x, rest.Payload{Parameters: host.Override{Path: map[string]string{"id": id}, Header: host.Header{{Name: name, Value: value}},
				Query: host.Header{{Name: param, Value: value}}}})
			if err != nil {
				continue
			}
			r := in.Request
			head, _, _ := strings.Cut(r.Target, "?")
			if r.Scheme != "http" || r.Host != "h:81" || !strings.HasPrefix(head, "/base/") || !strings.HasSuffix(head, "/end") || strings.Count(head, "/") != 3 {
				t.Fatalf("it goes to %s %s", r.Host, r.Target)
			}
			for _, c := range []byte(r.Target) {
				if c <= ' ' || c >= 0x7f || c == '#' {
					t.Fatalf("the target %q is none", r.Target)
				}
			}
			for _, field := range r.Header {
				if !host.IsToken(field.Name) || !host.IsFieldValue(field.Value) {
					t.Fatalf("%q: %q is no field", field.Name, field.Value)
				}
			}
			found := false
			for n, v := range host.QueryParams(r.Query()) {
				found = found || n == param && v == value
			}
			if !found {
				t.Fatalf("%s has not %q: %q", r.Target, param, value)
			}
		}
	})
}
