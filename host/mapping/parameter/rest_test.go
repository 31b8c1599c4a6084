package parameter_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/parameter"
)

func TestOverride(t *testing.T) { // reference 1.4.4
	const to = "integration.request."
	one := func(value string) host.Override { return host.Override{Header: host.Header{{Name: "X", Value: value}}} }
	for name, c := range map[string]struct {
		target, source, query, body string
		want                        host.Override
	}{
		"a header's last value":        {"header.X", "method.request.header.x-two", "", "", one("b")},
		"all of a header":              {"header.X", "method.request.multivalueheader.X-Two", "", "", one("a,b")},
		"the last of a query":          {"header.X", "method.request.querystring.q", "q=1&q=2", "", one("2")},
		"a semicolon splits":           {"header.X", "method.request.querystring.r", "q=1;r=2", "", one("2")},
		"all of a query":               {"querystring.p", "method.request.multivaluequerystring.q", "q=1&q=2", "", host.Override{Query: host.Header{{Name: "p", Value: "1"}, {Name: "p", Value: "2"}}}},
		"a path":                       {"path.key", "method.request.path.id", "", "", host.Override{Path: map[string]string{"key": "a/b"}}},
		"a literal":                    {"header.X", "'it''s'", "", "", one("it''s")},
		"context":                      {"header.X", "context.requestId", "", "", one("req-1")},
		"a stage variable":             {"header.X", "stageVariables.tier", "", "", one("gold")},
		"an empty value is not sent":   {"header.X", "method.request.header.X-Empty", "", "", host.Override{}},
		"a missing value is not sent":  {"header.X", "stageVariables.none", "", "", host.Override{}},
		"an empty literal is not sent": {"header.X", "''", "", "", host.Override{}},
		"an empty body is {}":          {"header.X", "method.request.body", "", "", one("{}")},
		"a body":                       {"header.X", "method.request.body", "", "text", one("text")},
		"text of a body":               {"header.X", "method.request.body.a.b", "", `{"a":{"b":"c"}}`, one("c")},
		"JSON of a body":               {"header.X", "method.request.body.a", "", `{"a":{"b":[1]}}`, one(`{"b":[1]}`)},
		"a list of a body":             {"header.X", "method.request.body[1]", "", `["a","b"]`, one("b")},
		"null of a body":               {"header.X", "method.request.body.a", "", `{"a":null}`, host.Override{}},
		"no JSON is skipped":           {"header.X", "method.request.body.a", "", "text", host.Override{}},
		"the host":                     {"header.X", "method.request.header.Host", "", "", one("shop.example.com")},
	} {
		t.Run(name, func(t *testing.T) {
			compiled, err := parameter.CompileRequest(mappings(to+c.target, c.source), nil)
			if err != nil {
				t.Fatal(err)
			}
			x := arrived()
			x.Request.Target = "/orders/a%2Fb?" + c.query
			got, err := compiled.Override(x, body(c.body))
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
}

func TestBrokenBodies(t *testing.T) { // reference 1.4.4 [LS]
	for _, text := range []string{`{"a`, `[1`, `"a`, `'a'`} {
		compiled, err := parameter.CompileRequest(mappings("integration.request.header.X", "method.request.body.a"), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = compiled.Override(arrived(), body(text))
		var told *host.Disclosure
		if !errors.Is(err, host.Invalid) || !errors.As(err, &told) || told.Message != "Invalid JSON in request body" {
			t.Errorf("%s: %v", text, err)
		}
		response, err := parameter.CompileResponse(mappings("method.response.header.X", "integration.response.body.a"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = response.Header(arrived(), &host.Response{}, []byte(text)); host.KindOf(err) != host.Internal || err == nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestResponseHeader(t *testing.T) { // reference 1.4.3, 1.4.4
	from := &host.Response{Header: host.Header{{Name: "X-A", Value: "1"}, {Name: "x-a", Value: "2"}}}
	const failed = `{"errorMessage": "{\"trace\": {\"function\": \"f\", \"at\": [1]}, \"break\": \"a\\nb\"}", "errorType": "E"}`
	for name, c := range map[string]struct{ source, body, want string }{
		"the last value":          {"integration.response.header.X-A", "", "2"},
		"all values":              {"integration.response.multivalueheader.X-A", "", "1,2"},
		"Host is the client's":    {"integration.response.header.Host", "", ""},
		"JSON in an errorMessage": {"integration.response.body.errorMessage.trace.function", failed, "f"},
		"an object in it":         {"integration.response.body.errorMessage.trace", failed, `{"function":"f","at":[1]}`},
		"a list in it":            {"integration.response.body.errorMessage.trace.at[0]", failed, "1"},
		"nothing in it":           {"integration.response.body.errorMessage.nothing", failed, ""},
		"an errorMessage of text": {"integration.response.body.errorMessage.trace", `{"errorMessage": "boom"}`, ""},
		"an errorMessage, whole":  {"integration.response.body.errorMessage", `{"errorMessage": "boom"}`, "boom"},
		"errorMessage an object":  {"integration.response.body.errorMessage.a", `{"errorMessage": {"a": "b"}}`, "b"},
		"a line break in it":      {"integration.response.body.errorMessage.break", failed, "!"},
	} {
		t.Run(name, func(t *testing.T) {
			compiled, err := parameter.CompileResponse(mappings("method.response.header.X", c.source))
			if err != nil {
				t.Fatal(err)
			}
			h, err := compiled.Header(arrived(), from, []byte(c.body))
			if c.want == "!" {
				if host.KindOf(err) != host.Internal || err == nil {
					t.Errorf("the error is %v", err)
				}
			} else if got := h.Get("X"); got != c.want || err != nil {
				t.Errorf("got %q %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestGatewayHeader(t *testing.T) { // reference 1.11
	compiled, err := parameter.CompileGateway(mappings("gatewayresponse.header.A", "method.request.header.X-Two", "gatewayresponse.header.B", "method.request.path.id",
		"gatewayresponse.header.C", "method.request.querystring.q", "gatewayresponse.header.D", "context.stage", "gatewayresponse.header.E", "'*'"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := compiled.Header(arrived(), nil, nil)
	want := host.Header{{Name: "A", Value: "b"}, {Name: "B", Value: "a/b"}, {Name: "C", Value: "2"}, {Name: "D", Value: "prod"}, {Name: "E", Value: "*"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, source := range []string{"method.request.body", "method.request.body.a", "integration.response.header.X", "method.request.multivalueheader.X"} {
		_, err := parameter.CompileGateway(mappings("gatewayresponse.header.A", source))
		refused(t, err)
	}
}

func TestRESTCompileErrors(t *testing.T) { // reference 1.4.4
	declared := []host.MethodParameter{{In: host.InHeader, Name: "X-One"}, {In: host.InQuery, Name: "q"}}
	for name, c := range map[string]struct {
		target, source string
		fits           bool
	}{
		"declared":                {"integration.request.header.X", "method.request.header.x-one", true},
		"not declared":            {"integration.request.header.X", "method.request.header.X-Two", false},
		"a query's case":          {"integration.request.header.X", "method.request.querystring.Q", false},
		"a target of a response":  {"method.response.header.X", "'a'", false},
		"a target that is none":   {"integration.request.cookie.X", "'a'", false},
		"a name":                  {"integration.request.header.a b", "'a'", false},
		"no name":                 {"integration.request.header.", "'a'", false},
		"a source of a response":  {"integration.request.header.X", "integration.response.header.X", false},
		"no source":               {"integration.request.header.X", "a", false},
		"no quote":                {"integration.request.header.X", "'a", false},
		"one quote":               {"integration.request.header.X", "'", false},
		"an unknown variable":     {"integration.request.header.X", "context.nothing", false},
		"a control character":     {"integration.request.header.X", "'a\r\nb: c'", false},
		"a control in the query":  {"integration.request.querystring.x", "'a\nb'", true},
		"a JSONPath that is none": {"integration.request.header.X", "method.request.body.a[?(", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parameter.CompileRequest(mappings(c.target, c.source), declared)
			if c.fits {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refused(t, err)
		})
	}
}

func FuzzREST(f *testing.F) {
	for _, seed := range [][2]string{{"method.request.body.a", `{"a": "b\n"}`}, {"integration.response.body.errorMessage.a", `{"errorMessage": "{\"a\": \"\\r\"}"}`},
		{"'text'", ""}, {"method.request.multivaluequerystring.q", ""}, {"context.requestId", "'"}, {"integration.response.body", "\x00"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, source, text string) {
		if compiled, err := parameter.CompileRequest(mappings("integration.request.header.X", source), nil); err != nil {
			refused(t, err)
		} else if out, err := compiled.Override(arrived(), body(text)); err == nil {
			for _, field := range out.Header {
				if field.Name != "X" || field.Value == "" {
					t.Errorf("the field %q: %q", field.Name, field.Value)
				}
			}
		}
		compiled, err := parameter.CompileResponse(mappings("method.response.header.X", source))
		if err != nil {
			refused(t, err)
		} else if h, err := compiled.Header(arrived(), &host.Response{Header: host.Header{{Name: "X", Value: "1"}}}, []byte(text)); err == nil {
			checkFields(t, h)
		}
		if compiled, err = parameter.CompileGateway(mappings("gatewayresponse.header.X", source)); err != nil {
			refused(t, err)
		} else if h, err := compiled.Header(arrived(), nil, nil); err == nil {
			checkFields(t, h)
		}
	})
}
