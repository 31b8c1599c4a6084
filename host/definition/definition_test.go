package definition_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file beside the definition.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

// read reads a file and parses it.
func read(fsys fs.FS, name string, opts definition.Options) (*host.Snapshot, error) {
	data, err := definition.Read(fsys, name)
	if err != nil {
		return nil, err
	}
	return definition.Parse(name, data, opts)
}

func definitions(t *testing.T, folder string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	if err != nil || len(names) == 0 {
		t.Fatal("no definitions in", folder, err)
	}
	return names
}

func TestBad(t *testing.T) {
	for _, name := range definitions(t, "bad") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			snapshot, err := definition.Parse("postern.yaml", data, definition.Options{})
			var errs definition.Errors
			if !errors.As(err, &errs) || !errors.Is(err, host.Invalid) || host.KindOf(err) != host.Invalid {
				t.Fatalf("Parse = %v, %v; want Errors of Kind Invalid alone", snapshot, err)
			}
			for _, e := range errs {
				if e.Pos.Line < 1 || e.Pos.Column < 1 || e.Rule == "" || e.Message == "" {
					t.Errorf("incomplete: %+v", e)
				}
				if e.Source != strings.TrimSuffix(definition.SourceLine(data, e.Pos.Line), "\r") {
					t.Errorf("source %q is not line %d", e.Source, e.Pos.Line)
				}
			}
			golden(t, strings.TrimSuffix(name, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

func TestGood(t *testing.T) {
	for _, name := range definitions(t, "good") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			opts := definition.Options{Host: filepath.Base(name) == "host.yaml"}
			snapshot, err := read(os.DirFS(filepath.Dir(name)), filepath.Base(name), opts)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.MarshalIndent(snapshot, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(name, ".yaml")+".json", string(text)+"\n")
		})
	}
}

// TestDesign holds the design's own example to what it must mean, by hand.
func TestDesign(t *testing.T) {
	got, err := read(os.DirFS("testdata/good"), "design.yaml", definition.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(designExample(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func at(line, column int) host.Position {
	return host.Position{File: "design.yaml", Line: line, Column: column}
}

func set[T any](v T, line, column int) host.Setting[T] {
	return host.Setting[T]{Value: v, Pos: at(line, column)}
}

func script(name string, line, column int) host.PluginConfig {
	return host.PluginConfig{
		Name: name, Ref: name, Runtime: host.RuntimeJS, Isolation: host.IsolationPooled, Pos: at(line, column),
		OnError: host.OnError{Mode: host.OnErrorClosed}, KV: "apis/orders/plugins/" + strings.TrimPrefix(name, "./"),
		Limits: limits(func(l *host.Limits) {
			l.Fuel, l.Memory, l.HostCalls = host.Default[int64](0), host.Default[int64](0), host.Default[int64](0)
		}),
	}
}

// limits are the defaults of a plugin that is no function, with a change.
func limits(change func(*host.Limits)) host.Limits {
	l := host.Limits{
		Timeout:     host.Default(host.DefaultPluginTimeout),
		Memory:      host.Default[int64](host.DefaultMemory),
		Concurrency: host.Default(host.DefaultConcurrency),
		MaxResult:   host.Default[int64](host.DefaultMaxResult),
		Fuel:        host.Default[int64](host.DefaultFuel),
		HostCalls:   host.Default[int64](host.DefaultHostCalls),
		Fetches:     host.Default[int64](host.DefaultFetches),
		FetchBytes:  host.Default[int64](host.DefaultFetchBytes),
		LogLines:    host.Default[int64](host.DefaultLogLines),
		LogBytes:    host.Default[int64](host.DefaultLogBytes),
		Headers:     host.Default[int64](host.DefaultHeaders),
		HeaderBytes: host.Default[int64](host.DefaultHeaderBytes),
		KVBytes:     host.Default[int64](host.DefaultKVBytes),
	}
	change(&l)
	return l
}

func route(key string, line int, fill func(*host.Route)) *host.Route {
	r := &host.Route{
		Key: key, Pos: at(line, 7), Timeout: host.Default(host.DefaultRouteTimeout), MaxBody: host.Default[int64](host.DefaultMaxBody),
		IdleTimeout: host.Default(host.DefaultStreamIdle), MaxDuration: host.Default(host.DefaultMaxDuration),
		Integration: host.IntegrationConfig{Passthrough: host.PassthroughWhenNoMatch},
	}
	fill(r)
	return r
}

func designExample() *host.Snapshot {
	caller := &host.Authorizer{
		Name: "caller", Plugin: script("caller", 10, 17), IdentitySources: []string{"$request.header.Authorization"},
		ResultTTL: set(5*time.Minute, 12, 20), PayloadFormat: "2.0", Pos: at(9, 7),
	}
	caller.Plugin.Ref, caller.Plugin.Config = "./authorizers/caller.ts", json.RawMessage(`{"issuer":"acme"}`)
	caller.Plugin.KV = "apis/orders/authorizers/caller"
	orders := &host.API{
		Name: "orders", Protocol: host.ProtocolHTTP, Root: true, DefaultEndpoint: true, Pos: at(4, 3),
		CORS: &host.CORS{
			AllowOrigins: []string{"https://shop.example.com"}, AllowMethods: []string{"GET", "POST"}, MaxAge: 5 * time.Minute, Pos: at(7, 11),
		},
		Authorizers: []*host.Authorizer{caller},
		Stages: []*host.Stage{{
			Name: "$default", Variables: map[string]string{"backend": "http://127.0.0.1:8080/_postern/inventory/$default"}, Pos: at(33, 7),
		}},
	}
	orders.Routes = []*host.Route{
		route("GET /orders/{id}", 15, func(r *host.Route) {
			r.Method, r.Pattern, r.Authorizer = "GET", "/orders/{id}", caller
			r.Integration.Type, r.Integration.Function, r.Integration.PayloadFormat = host.IntegrationFunction, "get-order", "2.0"
			r.Integration.Pos = at(17, 33)
		}),
		route("POST /orders", 18, func(r *host.Route) {
			r.Method, r.Pattern, r.Authorizer = "POST", "/orders", caller
			r.Timeout, r.MaxBody = set(10*time.Second, 20, 18), set[int64](1<<20, 22, 20)
			r.Mappings = []host.Mapping{{MediaType: "application/json", Plugin: script("./mappings/create-order.js", 23, 39)}}
			r.Integration.Type, r.Integration.URI, r.Integration.Timeout = host.IntegrationHTTP, "${stageVariables.backend}/orders", set(5*time.Second, 24, 74)
			r.Integration.Pos = at(24, 29)
			r.Responses = []host.ResponseRule{
				{Match: `2\d\d`, Status: 201, Mappings: []host.Mapping{{MediaType: "application/json", Plugin: script("./mappings/created.js", 26, 73)}}, Pos: at(26, 13)},
				{Match: `4\d\d`, Status: 400, Pos: at(27, 13)},
			}
		}),
		route("ANY /legacy/{proxy+}", 28, func(r *host.Route) {
			r.Pattern = "/legacy/{proxy+}"
			r.Integration.Type, r.Integration.Upstream, r.Integration.Path, r.Integration.Pos = host.IntegrationUpstream, "legacy", "/{proxy}", at(29, 33)
		}),
		route("$default", 30, func(r *host.Route) {
			r.Integration.Type, r.Integration.Mock, r.Integration.Pos = host.IntegrationMock, &host.MockResponse{Status: 404}, at(31, 29)
		}),
	}
	return &host.Snapshot{
		APIs: []*host.API{orders},
		Functions: []*host.Function{{
			Name: "get-order", URL: true, Pos: at(35, 3),
			Async: host.Async{Retries: host.Default(host.DefaultAsyncRetries), MaxAge: host.Default(host.DefaultAsyncMaxAge)},
			Plugin: host.PluginConfig{
				Name: "get-order", Ref: "./functions/get-order", Pos: at(36, 13),
				Env:     map[string]string{"TABLE": "orders"},
				Secrets: []host.Secret{{Name: "DB_PASSWORD", File: "./db.secret", Pos: at(40, 35)}},
				Egress:  []string{"https://payments.example.com"},
				OnError: host.OnError{Mode: host.OnErrorClosed}, KV: "functions/get-order",
				Limits: limits(func(l *host.Limits) { l.Timeout, l.Memory = set(3*time.Second, 37, 14), set[int64](64<<20, 38, 13) }),
			},
		}},
		Upstreams: []*host.Upstream{{
			Name: "legacy", Targets: []host.Target{{URL: "http://10.0.0.5:9000", Weight: 1, Pos: at(44, 22)}}, Timeout: set(5*time.Second, 44, 56),
			ConnectTimeout: host.Default(host.DefaultConnectTimeout), IdleTimeout: host.Default(host.DefaultUpstreamIdle),
			Balance: host.BalanceRoundRobin, DNSRefresh: host.Default(host.DefaultDNSRefresh),
			TLS: host.UpstreamTLS{CAFile: set("./ca.pem", 44, 70), Pos: at(44, 65)}, Pos: at(44, 3),
		}},
		Domains: []*host.Domain{{
			Name: "api.example.com", Pos: at(46, 3),
			Mappings: []host.DomainMapping{{Path: "/orders", API: "orders", Stage: "$default", Pos: at(46, 30)}},
		}},
	}
}

func TestLoadNoFile(t *testing.T) {
	for _, mode := range []fs.FileMode{fs.ModeDir | 0o755, fs.ModeNamedPipe | 0o644} {
		_, err := read(fstest.MapFS{"postern.yaml": {Mode: mode}}, "postern.yaml", definition.Options{})
		if !errors.Is(err, host.Internal) || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%v: %v", mode, err)
		}
	}
}

func TestLoadMissing(t *testing.T) {
	_, err := read(fstest.MapFS{}, "postern.yaml", definition.Options{})
	if host.KindOf(err) != host.NotFound {
		t.Errorf("Load = %v, want Kind NotFound", err)
	}
}

func TestErrorJSON(t *testing.T) {
	e := &definition.Error{
		Pos: host.Position{File: "postern.yaml", Line: 3, Column: 5}, Path: "apis.a", Rule: definition.RuleUnknownKey,
		Message: `"x" is not a key`, Hint: `did you mean "y"?`, Source: "    x: 1",
	}
	got, err := json.Marshal(definition.Errors{e})
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"file":"postern.yaml","line":3,"column":5,"path":"apis.a","rule":"unknown-key","message":"\"x\" is not a key","hint":"did you mean \"y\"?"}]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want := `postern.yaml:3:5: "x" is not a key (unknown-key); did you mean "y"?`; e.Error() != want {
		t.Errorf("Error() = %q, want %q", e.Error(), want)
	}
}

func TestLimits(t *testing.T) {
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "k%d: 1\n", i)
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"bytes":    "# " + strings.Repeat("x", 4<<20),
		"tokens":   "a: [" + strings.Repeat("1,", 200_000) + "]",
		"keys":     keys(20_001),
		"brackets": strings.Repeat("[", 1<<20),
		"dashes":   strings.Repeat("- ", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(fstest.MapFS{"postern.yaml": {Data: []byte(text)}}, "postern.yaml", definition.Options{})
			var errs definition.Errors
			if !errors.As(err, &errs) || len(errs) != 1 || errs[0].Rule != definition.RuleTooLarge {
				t.Errorf("Load = %v, want one error with the rule too-large", err)
			}
		})
	}
}

func TestManyErrors(t *testing.T) {
	text := "apis: {}\n"
	for i := range 1000 {
		text += fmt.Sprintf("k%d: 1\n", i)
	}
	_, err := definition.Parse("postern.yaml", []byte(text), definition.Options{})
	var errs definition.Errors
	if !errors.As(err, &errs) || len(errs) != 201 || errs[200].Message != "and 800 more errors from here" {
		t.Errorf("Parse gave %d errors, want the first 200 and how many more", len(errs))
	}
}

// TestPaths checks how errors name what they are about.
func TestPaths(t *testing.T) {
	const text = `
apis:
  a:
    routes:
      GET /x:
        authorizer: nobody
        integration: {mock: {satus: 1}}
        responses: [{status: 1}]
      GET /y: {}
    stages: {$default: {variables: {a: 1}}}
`
	_, err := definition.Parse("postern.yaml", []byte(text), definition.Options{})
	var errs definition.Errors
	errors.As(err, &errs)
	var got []string
	for _, e := range errs {
		got = append(got, e.Path)
	}
	want := []string{
		`apis.a.routes["GET /x"].authorizer`,
		`apis.a.routes["GET /x"].integration.mock.satus`,
		`apis.a.routes["GET /x"].responses[0].status`,
		`apis.a.routes["GET /y"].integration`,
		`apis.a.stages.$default.variables.a`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
