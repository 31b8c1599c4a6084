package command

import (
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/lambda"
)

// exchange is a request with what the environment is made of.
func exchange(target string, match host.Match, fields ...host.Field) *host.Exchange {
	path, _, _ := strings.Cut(target, "?")
	match.API, match.Domain = &host.API{Name: "shop"}, "shop.example"
	match.Path = strings.TrimPrefix(path, match.BasePath)
	if match.Stage == nil {
		match.Stage = &host.Stage{Name: host.DefaultStage}
	}
	return &host.Exchange{ID: "id", Started: time.Unix(0, 0), Match: match, Request: &host.Request{
		Method: "POST", Scheme: "https", Host: "shop.example:8443", Target: target, Header: fields,
		Peer: host.Peer{Addr: netip.MustParseAddr("203.0.113.7"), Local: netip.MustParseAddrPort("127.0.0.1:8443"), Protocol: "HTTP/2.0"},
	}}
}

// environment is what a program sees of an exchange.
func environment(t *testing.T, x *host.Exchange, format string, length int64, env ...string) []string {
	t.Helper()
	meta, err := lambda.FunctionEvent(x, format)
	if err != nil {
		t.Fatal(err)
	}
	c := &call{plugin: &host.PluginConfig{}}
	if err := c.prepareCGI(env, host.Event{Meta: meta, Length: length}); err != nil {
		t.Fatal(err)
	}
	return c.env
}

func value(env []string, name string) string {
	for _, line := range env {
		if v, ok := strings.CutPrefix(line, name+"="); ok {
			return v
		}
	}
	return "(none)"
}

func TestEnvironment(t *testing.T) {
	authorizer := &host.Authorizer{Name: "caller"}
	route := &host.Route{Key: "ANY /files/{name+}", Pattern: "/files/{name+}", Authorizer: authorizer}
	x := exchange("/dev/files/a%20b/c?x=1&y=%26&y=2", host.Match{Route: route, Stage: &host.Stage{Name: "dev"}, BasePath: "/dev",
		Params: []host.Param{{Name: "name", Value: "a%20b/c"}}},
		host.Field{Name: "Content-Type", Value: "text/csv"}, host.Field{Name: "Content-Length", Value: "9"},
		host.Field{Name: "Proxy", Value: "http://evil.example"}, host.Field{Name: "X_A", Value: "spoofed"}, host.Field{Name: "X-A", Value: "1"},
		host.Field{Name: "X-A", Value: "2"}, host.Field{Name: "X.B", Value: "1"}, host.Field{Name: "Cookie", Value: "a=1; b=2"},
		host.Field{Name: "Authorization", Value: "Bearer demo"}, host.Field{Name: "Connection", Value: "close"})
	x.Principal = host.Principal{ID: "ada", Context: map[string]any{"user": "ada", "n": 1}}
	want := []string{
		"AUTH_TYPE=Bearer", "CONTENT_LENGTH=9", "CONTENT_TYPE=text/csv", "GATEWAY_INTERFACE=CGI/1.1", "HTTPS=on",
		"HTTP_AUTHORIZATION=Bearer demo", "HTTP_COOKIE=a=1; b=2", "HTTP_HOST=shop.example:8443",
		"HTTP_X_A=1,2", "HTTP_X_FORWARDED_FOR=203.0.113.7", "HTTP_X_FORWARDED_PORT=8443", "HTTP_X_FORWARDED_PROTO=https",
		"PATH_INFO=/a b/c", "QUERY_STRING=x=1&y=%26&y=2", "REMOTE_ADDR=203.0.113.7", "REMOTE_HOST=203.0.113.7", "REMOTE_USER=ada",
		"REQUEST_METHOD=POST", "REQUEST_URI=/dev/files/a%20b/c?x=1&y=%26&y=2", "SCRIPT_NAME=/dev/files",
		"SERVER_NAME=shop.example", "SERVER_PORT=8443", "SERVER_PROTOCOL=HTTP/2.0", "SERVER_SOFTWARE=postern",
		"X_FULL_URL=https://shop.example:8443/dev/files/a%20b/c?x=1&y=%26&y=2", "X_MATCHED_ROUTE=/files/{name+}", "X_RAW_PATH_INFO=/a%20b/c",
	}
	for _, format := range []string{lambda.Format2, lambda.Format1} {
		// The plugin's own variables stand beside, and never in the place of the request's.
		got := environment(t, x, format, 9, "TABLE=orders", "REMOTE_USER=root", "HTTP_PROXY=http://mine.example")
		if diff := cmp.Diff(append(slices.Clone(want), "TABLE=orders", "HTTP_PROXY=http://mine.example"), got); diff != "" {
			t.Errorf("format %s: %s", format, diff)
		}
	}
}

// The page that others rely on has exactly the variables that a program gets.
func TestEnvironmentIsThatOfTheSpecification(t *testing.T) {
	page, err := os.ReadFile("../../../spec/wasi.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## `cgi`: the environment")
	table, _, _ = strings.Cut(table, "Left out of")
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(table, -1) {
		for _, name := range regexp.MustCompile("`([A-Z_]+)`").FindAllStringSubmatch(row[1], -1) {
			documented = append(documented, name[1])
		}
	}
	x := exchange("/", host.Match{Route: &host.Route{Key: "$default", Authorizer: &host.Authorizer{}}}, host.Field{Name: "Content-Type", Value: "a/b"})
	x.Principal = host.Principal{Context: map[string]any{"user": "ada"}}
	var set []string
	for _, line := range environment(t, x, lambda.Format2, 1) {
		if name, _, _ := strings.Cut(line, "="); !strings.HasPrefix(name, "HTTP_") {
			set = append(set, name)
		}
	}
	slices.Sort(documented)
	slices.Sort(set)
	if diff := cmp.Diff(documented, set); diff != "" {
		t.Errorf("spec/wasi.md (-) and what is set (+) differ:\n%s", diff)
	}
}

func TestPaths(t *testing.T) {
	greedy := &host.Route{Key: "GET /a/{p+}", Pattern: "/a/{p+}"}
	for name, test := range map[string]struct {
		target       string
		match        host.Match
		script, info string
		raw          string
	}{
		"no greedy parameter": {"/a/b", host.Match{Route: &host.Route{Key: "GET /a/{x}", Pattern: "/a/{x}"}}, "/a/b", "", ""},
		"$default":            {"/a/b%2Fc", host.Match{Route: &host.Route{Key: "$default"}}, "", "/a/b/c", "/a/b%2Fc"},
		"$default of a stage": {"/dev/a", host.Match{Route: &host.Route{Key: "$default"}, Stage: &host.Stage{Name: "dev"}, BasePath: "/dev"}, "/dev", "/a", "/a"},
		"a function's URL":    {"/a", host.Match{}, "", "/a", "/a"},
		"a domain's path":     {"/shop/a/b/c", host.Match{Route: greedy, BasePath: "/shop", Params: []host.Param{{Name: "p", Value: "b/c"}}}, "/shop/a", "/b/c", "/b/c"},
		"an escaped slash":    {"/a/b%2Fc/d", host.Match{Route: greedy, Params: []host.Param{{Name: "p", Value: "b%2Fc/d"}}}, "/a", "/b/c/d", "/b%2Fc/d"},
		"a NUL":               {"/a/b%00", host.Match{Route: greedy, Params: []host.Param{{Name: "p", Value: "b%00"}}}, "/a", "/b%00", "/b%00"},
		"_postern":            {"/_postern/shop/dev/a/b", host.Match{Route: greedy, Stage: &host.Stage{Name: "dev"}, BasePath: "/_postern/shop/dev", Params: []host.Param{{Name: "p", Value: "b"}}}, "/dev/a", "/b", "/b"},
	} {
		env := environment(t, exchange(test.target, test.match), lambda.Format2, -1)
		got := []string{value(env, "SCRIPT_NAME"), value(env, "PATH_INFO"), value(env, "X_RAW_PATH_INFO"), value(env, "CONTENT_LENGTH"), value(env, "AUTH_TYPE")}
		if want := []string{test.script, test.info, test.raw, "(none)", "(none)"}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q; want %q", name, got, want)
		}
	}
}

// Format 1.0 has an authorizer also where there is none.
func TestNoPrincipal(t *testing.T) {
	for _, format := range []string{lambda.Format1, lambda.Format2} {
		env := environment(t, exchange("/", host.Match{}), format, 0)
		if got := value(env, "AUTH_TYPE") + value(env, "REMOTE_USER"); got != "(none)(none)" {
			t.Errorf("format %s: %s", format, got)
		}
	}
}
