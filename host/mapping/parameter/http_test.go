package parameter_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
	"github.com/postern/postern/host/mapping/parameter"
)

var here = host.Position{File: "postern.yaml", Line: 7, Column: 3}

// mappings are pairs of target and source.
func mappings(pairs ...string) []host.ParameterMapping {
	var all []host.ParameterMapping
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, host.ParameterMapping{Target: pairs[i], Source: pairs[i+1], Pos: here})
	}
	return all
}

// arrived is an exchange in which all sources have something.
func arrived() *host.Exchange {
	return &host.Exchange{
		ID: "req-1",
		Match: host.Match{API: &host.API{Name: "shop"}, Stage: &host.Stage{Name: "prod", Variables: map[string]string{"tier": "gold"}}, Path: "/orders/a%2Fb",
			Params: []host.Param{{Name: "id", Value: "a%2Fb"}}},
		Request: &host.Request{Method: "POST", Host: "shop.example.com", Target: "/orders/a%2Fb?q=1&s=a+b&q=2",
			Header: host.Header{{Name: "X-One", Value: "1"}, {Name: "x-two", Value: "a"}, {Name: "X-Two", Value: "b"}, {Name: "X-Empty", Value: ""}}},
	}
}

func body(text string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(text), nil }
}

// refused checks that a compiler's error is Invalid and has its place.
func refused(t *testing.T, err error) {
	t.Helper()
	var e *host.Error
	if !errors.Is(err, host.Invalid) || !errors.As(err, &e) || e.Pos != here {
		t.Errorf("the error %v is not Invalid with its place", err)
	}
}

const order = `{"order": {"id": 7, "lines": [{"sku": "x y"}], "none": null, "text": "a\nb"}}`

func TestRequestEdits(t *testing.T) { // reference 1.4.5
	for name, c := range map[string]struct {
		edits       []string
		body        string
		x1          string // the fields X-One that are sent
		query, path string
		invalid     bool
	}{
		"append":                          {[]string{"append:header.x-one", "2"}, "", "1|2", "q=1&s=a+b&q=2", "", false},
		"overwrite":                       {[]string{"overwrite:header.x-one", "$request.querystring.q"}, "", "1,2", "q=1&s=a+b&q=2", "", false},
		"remove":                          {[]string{"remove:header.x-one", "''"}, "", "", "q=1&s=a+b&q=2", "", false},
		"remove without a value":          {[]string{"remove:header.x-one", ""}, "", "", "q=1&s=a+b&q=2", "", false},
		"several values":                  {[]string{"overwrite:header.X-One", "$request.header.X-Two"}, "", "a,b", "q=1&s=a+b&q=2", "", false},
		"several expressions":             {[]string{"overwrite:header.X-One", "${request.path.id}-${stageVariables.tier}/${context.requestId}"}, "", "a/b-gold/req-1", "q=1&s=a+b&q=2", "", false},
		"a missing value changes nothing": {[]string{"overwrite:header.X-One", "$request.header.Gone"}, "", "1", "q=1&s=a+b&q=2", "", false},
		"several missing values":          {[]string{"overwrite:header.X-One", "${request.header.Gone}${stageVariables.no}"}, "", "1", "q=1&s=a+b&q=2", "", false},
		"text and a missing value":        {[]string{"overwrite:header.X-One", "v-${stageVariables.no}"}, "", "v-", "q=1&s=a+b&q=2", "", false},
		"what arrived is read":            {[]string{"remove:header.x-one", "", "append:querystring.h", "$request.header.x-one"}, "", "", "q=1&s=a+b&q=2&h=1", "", false},
		"append to the query":             {[]string{"append:querystring.q", "a&b=+c"}, "", "1", "q=1&s=a+b&q=2&q=a%26b%3D%2Bc", "", false},
		"overwrite in the query":          {[]string{"overwrite:querystring.q", "3"}, "", "1", "s=a+b&q=3", "", false},
		"remove from the query":           {[]string{"remove:querystring.q", ""}, "", "1", "s=a+b", "", false},
		"a field of the body":             {[]string{"overwrite:header.X-One", "$request.body.order.id"}, order, "7", "q=1&s=a+b&q=2", "", false},
		"an object of the body":           {[]string{"overwrite:header.X-One", "$request.body.order.lines[0]"}, order, `{"sku":"x y"}`, "q=1&s=a+b&q=2", "", false},
		"null in the body":                {[]string{"overwrite:header.X-One", "$request.body.order.none"}, order, "1", "q=1&s=a+b&q=2", "", false},
		"the whole body":                  {[]string{"overwrite:header.X-One", "$request.body"}, "plain", "plain", "q=1&s=a+b&q=2", "", false},
		"a path into no JSON":             {[]string{"overwrite:header.X-One", "$request.body.a"}, "plain", "1", "q=1&s=a+b&q=2", "", false},
		"a path into much":                {[]string{"overwrite:header.X-One", "$request.body.a"}, `{"a":"b"}` + strings.Repeat(" ", 100<<10), "1", "q=1&s=a+b&q=2", "", false},
		"a line break from the body":      {[]string{"overwrite:header.X-One", "$request.body.order.text"}, order, "", "", "", true},
		"a path":                          {[]string{"overwrite:path", "/v2${request.path}"}, "", "1", "q=1&s=a+b&q=2", "/v2/orders/a%2Fb", false},
		"a path without a slash":          {[]string{"overwrite:path", "$request.body"}, "a b?c#d\r\n", "1", "q=1&s=a+b&q=2", "/a%20b%3Fc%23d%0D%0A", false},
		"a path that climbs":              {[]string{"overwrite:path", "$request.body"}, "/a/../b", "", "", "", true},
		"a path that climbs, encoded":     {[]string{"overwrite:path", "$request.body"}, "/a/%2e%2E/b", "", "", "", true},
		"a path that climbs, twice":       {[]string{"overwrite:path", "$request.body"}, "/a/%252e%252e/b", "", "", "", true},
		"a path that climbs at the back":  {[]string{"overwrite:path", "$request.body"}, `/a\..\b`, "", "", "", true},
		"another authority":               {[]string{"overwrite:path", "$request.body"}, "//evil.example/x", "", "", "", true},
		"another authority, backslash":    {[]string{"overwrite:path", "$request.body"}, `/\evil.example/x`, "", "", "", true},
		"another authority, encoded":      {[]string{"overwrite:path", "$request.body"}, "/%2fevil.example/x", "", "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			edits, err := parameter.CompileHTTPRequest(mappings(c.edits...))
			if err != nil {
				t.Fatal(err)
			}
			x := arrived()
			out, err := edits.Request(x, x.Request.Header, x.Request.Query(), body(c.body))
			if c.invalid {
				if !errors.Is(err, host.Invalid) {
					t.Errorf("the error is %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := [3]string{strings.Join(out.Header.Values("X-One"), "|"), out.Query, out.Path}
			if want := [3]string{c.x1, c.query, c.path}; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if diff := cmp.Diff(arrived().Request.Header, x.Request.Header); diff != "" {
				t.Errorf("what arrived was changed: %s", diff)
			}
		})
	}
}

func TestResponseEdits(t *testing.T) { // reference 1.4.5
	for name, c := range map[string]struct {
		edits  []string
		status int
		x      string
		kind   host.Kind
	}{
		"append":               {[]string{"append:header.x-up", "$context.requestId"}, 200, "up|req-1", 0},
		"of the response":      {[]string{"overwrite:header.X-Up", "${response.header.x-up}/${response.body.a[0]}"}, 200, "up/1", 0},
		"of the request":       {[]string{"overwrite:header.X-Up", "$request.header.X-Two"}, 200, "a,b", 0},
		"the host is no field": {[]string{"overwrite:header.X-Up", "$response.header.Host"}, 200, "up", 0},
		"remove":               {[]string{"remove:header.X-Up", ""}, 200, "", 0},
		"a status":             {[]string{"overwrite:statuscode", "418"}, 418, "up", 0},
		"a status, read":       {[]string{"overwrite:statuscode", "$response.body.status"}, 503, "up", 0},
		"no status":            {[]string{"overwrite:statuscode", "$response.header.X-Up"}, 0, "", host.Internal},
		"101":                  {[]string{"overwrite:statuscode", "${response.body.a[0]}01"}, 0, "", host.Internal},
		"a line break":         {[]string{"append:header.X-Up", "$response.body.break"}, 0, "", host.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			edits, err := parameter.CompileHTTPResponse(mappings(c.edits...))
			if err != nil {
				t.Fatal(err)
			}
			resp := &host.Response{Status: 200, Header: host.Header{{Name: "X-Up", Value: "up"}}}
			err = edits.Response(arrived(), resp, body(`{"a": [1], "status": 503, "break": "a\r\nb"}`))
			if c.status == 0 {
				if host.KindOf(err) != c.kind || err == nil {
					t.Errorf("the error is %v", err)
				}
				return
			}
			if got := strings.Join(resp.Header.Values("X-Up"), "|"); err != nil || got != c.x || resp.Status != c.status {
				t.Errorf("got %q %d %v, want %q %d", got, resp.Status, err, c.x, c.status)
			}
		})
	}
}

func TestHTTPCompileErrors(t *testing.T) { // reference 1.4.5, "Reserved headers"
	request := map[string][2]string{
		"an operation":          {"replace:header.X", "a"},
		"no target":             {"append:cookie.x", "a"},
		"append a path":         {"append:path", "/a"},
		"a status":              {"overwrite:statuscode", "200"},
		"a name":                {"append:header.a b", "a"},
		"no name":               {"append:querystring.", "a"},
		"Authorization":         {"overwrite:header.Authorization", "a"},
		"access-control":        {"append:header.Access-Control-Allow-Origin", "*"},
		"X-Amz":                 {"append:header.X-Amz-Target", "a"},
		"a connection's":        {"append:header.Trailer", "a"},
		"Via":                   {"remove:header.Via", ""},
		"remove with a value":   {"remove:header.X", "a"},
		"no value":              {"append:header.X", ""},
		"not closed":            {"append:header.X", "a${request.path"},
		"an unknown variable":   {"append:header.X", "$context.nothing"},
		"of a response":         {"append:header.X", "$response.header.X"},
		"a response's body":     {"append:header.X", "$response.body"},
		"a filter":              {"append:header.X", "$request.body.a[?(@.b)]"},
		"a search":              {"append:header.X", "$request.body..a"},
		"a control character":   {"append:header.X", "a\r\nb: c"},
		"a control beside":      {"append:header.X", "${request.path}\n"},
		"a path that climbs":    {"overwrite:path", "/a/%2e%2e/b"},
		"a path with authority": {"overwrite:path", "//evil.example"},
	}
	for name, c := range request {
		t.Run(name, func(t *testing.T) {
			_, err := parameter.CompileHTTPRequest(mappings(c[0], c[1]))
			refused(t, err)
		})
	}
	for name, c := range map[string][2]string{
		"a query":        {"append:querystring.q", "a"},
		"a path":         {"overwrite:path", "/a"},
		"a status":       {"overwrite:statuscode", "600"},
		"append status":  {"append:statuscode", "200"},
		"a request body": {"append:header.X", "$request.body"},
		"Content-Length": {"append:header.Content-Length", "1"},
	} {
		t.Run("response, "+name, func(t *testing.T) {
			_, err := parameter.CompileHTTPResponse(mappings(c[0], c[1]))
			refused(t, err)
		})
	}
	_, err := parameter.CompileValues(mappings("Detail", "$nothing"))
	refused(t, err)
}

func TestValues(t *testing.T) {
	values, err := parameter.CompileValues(mappings("QueueUrl", "http://q/${stageVariables.tier}", "MessageBody", "$request.body", "Delay", "$request.header.Gone"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := values.Of(arrived(), body("hello"))
	if diff := cmp.Diff(map[string]string{"QueueUrl": "http://q/gold", "MessageBody": "hello", "Delay": ""}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if pos, reads := values.BodyReader(); !reads || pos != here {
		t.Errorf("%v %v", pos, reads)
	}
}

func FuzzHTTP(f *testing.F) {
	for _, seed := range [][3]string{
		{"overwrite:path", "/a/${request.body.p}", `{"p": "../%2e"}`}, {"overwrite:path", "$request.body", `//evil`}, {"append:header.X", "a${request.body}", "b\r\nc"},
		{"overwrite:querystring.q", "$request.body", "a&b=c"}, {"overwrite:statuscode", "$response.body", "204"}, {"append:header.X", "$response.body.a", `{"a": "\n"}`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, target, source, text string) {
		if edits, err := parameter.CompileHTTPRequest(mappings(target, source)); err != nil {
			refused(t, err)
		} else {
			x := arrived()
			out, err := edits.Request(x, x.Request.Header, x.Request.Query(), body(text))
			if err == nil {
				checkFields(t, out.Header)
				if strings.ContainsAny(out.Query, " #\r\n\x00") || strings.ContainsAny(out.Path, " ?#\\\r\n\x00") || strings.HasPrefix(out.Path, "//") || mapping.Climbs(out.Path) {
					t.Errorf("%q becomes %q %q", text, out.Path, out.Query)
				}
			}
		}
		if edits, err := parameter.CompileHTTPResponse(mappings(target, source)); err != nil {
			refused(t, err)
		} else {
			resp := &host.Response{Status: 200, Header: host.Header{{Name: "X-Up", Value: "up"}}}
			if edits.Response(arrived(), resp, body(text)) == nil {
				checkFields(t, resp.Header)
				if resp.Status < 200 || resp.Status > 599 {
					t.Errorf("status %d", resp.Status)
				}
			}
		}
	})
}

func checkFields(t *testing.T, h host.Header) {
	t.Helper()
	for _, f := range h {
		if !host.IsToken(f.Name) || !host.IsFieldValue(f.Value) {
			t.Errorf("the field %q: %q", f.Name, f.Value)
		}
	}
}
