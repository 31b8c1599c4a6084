package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/pipeline"
)

const shop = `
apis:
  shop:
    routes:
      GET /hello: {integration: {mock: {status: 200, body: hi}}}
    stages: {prod: {variables: {color: blue}}, $default: {}}
`

// applied applies a definition that has no code.
func (f *fixture) applied(project, text string) catalog.Plan {
	f.Helper()
	var plan catalog.Plan
	f.want(200, "POST", "/v1/projects/"+project+"/apply", catalog.Input{Bundle: catalog.Bundle{File: "postern.yaml", Text: text}}).into(f, &plan)
	return plan
}

// uploaded uploads a script, which has as much time as a slow machine needs.
func (f *fixture) uploaded(function, script string) catalog.Version {
	f.Helper()
	var v catalog.Version
	f.want(201, "POST", "/v1/functions/"+function+"/versions?config="+url.QueryEscape(`{"timeout":"25s"}`), script, "Content-Type", TypeJavaScript).into(f, &v)
	return v
}

func TestStatusAsToday(t *testing.T) {
	f := start(t)
	anonymous := []string{"Authorization", ""}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/", "/v1/openapi.yaml"} {
		f.want(200, "GET", path, nil, anonymous...)
	}
	f.gate.set(func() { f.gate.ready = false })
	f.want(503, "GET", "/readyz", nil, anonymous...)

	public := start(t, func(c *Config) { c.Loopback = false })
	public.want(200, "GET", "/healthz", nil, anonymous...)
	public.wantProblem(401, host.Unauthenticated, "GET", "/metrics", nil, anonymous...)
	public.wantProblem(401, host.Unauthenticated, "GET", "/", nil, anonymous...)
	public.want(200, "GET", "/metrics", nil, "Authorization", public.login(access.Viewer))
}

// A probe that waited with the host for its store would take down what still serves.
func TestReadinessAsksNoStore(t *testing.T) {
	f := start(t)
	asked := 0
	f.gate.set(func() {
		f.gate.store = func(context.Context) error {
			asked++
			return errors.New("no connection to NATS")
		}
	})
	f.want(200, "GET", "/readyz", nil)
	f.want(200, "GET", "/healthz", nil)
	if asked != 0 {
		t.Errorf("probes asked the store %d times", asked)
	}
	for _, path := range []string{"/", "/v1/status"} {
		var status Status
		f.want(200, "GET", path, nil).into(t, &status)
		if status.Store != "no connection to NATS" {
			t.Errorf("%s says of the store: %q", path, status.Store)
		}
	}
}

func TestApplyListAndDelete(t *testing.T) {
	f := start(t)
	plan := f.applied("web", shop)
	if !plan.Changed || plan.Project != "web" {
		t.Errorf("%+v", plan)
	}
	if again := f.applied("web", shop); again.Changed {
		t.Errorf("the same again: %+v", again)
	}
	var projects List[catalog.Project]
	f.want(200, "GET", "/v1/projects", nil).into(t, &projects)
	if len(projects.Items) != 1 || projects.Items[0].By != "token root" {
		t.Errorf("%+v", projects)
	}
	a := f.want(200, "GET", "/v1/projects/web", nil)
	tag := a.header.Get("ETag")
	if tag != ETag(projects.Items[0].Revision) {
		t.Errorf("ETag %q", tag)
	}
	f.want(200, "GET", "/v1/projects/web/bundle", nil)
	f.want(200, "GET", "/v1/apis/shop", nil)
	f.want(200, "GET", "/v1/apis/shop/deployments", nil)
	f.want(200, "GET", "/v1/apis/shop/deployments/1", nil)
	f.wantProblem(404, host.NotFound, "GET", "/v1/apis/shop/deployments/9", nil)
	var stages List[catalog.Stage]
	f.want(200, "GET", "/v1/apis/shop/stages?prefix=p", nil).into(t, &stages)
	if len(stages.Items) != 1 || stages.Items[0].Name != "prod" {
		t.Errorf("%+v", stages)
	}
	f.want(200, "GET", "/v1/apis/shop/stages/$default", nil)
	if p := f.wantProblem(404, host.NotFound, "GET", "/v1/apis/shop/stages/prd", nil); !strings.Contains(p.Detail, `"prod"`) {
		t.Errorf("no hint: %s", p.Detail)
	}
	if p := f.wantProblem(404, host.NotFound, "GET", "/v1/apis/shp", nil); !strings.Contains(p.Detail, `shop`) {
		t.Errorf("no hint: %s", p.Detail)
	}
	f.wantProblem(409, host.Conflict, "DELETE", "/v1/projects/web", nil, "If-Match", `"99"`)
	f.want(204, "DELETE", "/v1/projects/web", nil, "If-Match", tag)
	f.wantProblem(404, host.NotFound, "GET", "/v1/projects/web", nil)
}

func TestDefinitionErrorsHaveTheirPlaces(t *testing.T) {
	f := start(t)
	bad := strings.Replace(shop, "routes:", "rotes:", 1)
	p := f.wantProblem(422, host.Invalid, "POST", "/v1/projects/web/apply?dryRun=true", catalog.Input{Bundle: catalog.Bundle{File: "postern.yaml", Text: bad}})
	want := ProblemError{"postern.yaml", 4, 5, "apis.shop.rotes", "unknown-key", `"rotes" is not a key of "shop"`, `did you mean "routes"?`}
	if !slices.Contains(p.Errors, want) {
		t.Errorf("%+v", p.Errors)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	f := start(t)
	in := catalog.Input{Bundle: catalog.Bundle{File: "postern.yaml", Text: shop}}
	var plan catalog.Plan
	a := f.want(200, "POST", "/v1/projects/web/apply?dryRun=true", in)
	a.into(t, &plan)
	if !plan.Changed || a.header.Get(HeaderRevision) != "" {
		t.Errorf("%+v %v", plan, a.header)
	}
	f.wantProblem(404, host.NotFound, "GET", "/v1/projects/web", nil)
	f.want(200, "POST", "/v1/functions/greet/versions?dryRun=true", numbered(1), "Content-Type", TypeJavaScript)
	f.wantProblem(404, host.NotFound, "GET", "/v1/functions/greet", nil)
	f.want(200, "POST", "/v1/tokens?dryRun=true", CredentialInput{Name: "ci", Role: "viewer"})
	f.want(200, "POST", "/v1/keys?dryRun=true", CredentialInput{Name: "ci", Role: "viewer"})
	f.want(200, "PUT", "/v1/secrets/db?dryRun=true", "value")
	var tokens List[Token]
	f.want(200, "GET", "/v1/tokens", nil).into(t, &tokens)
	var secrets List[catalog.Secret]
	f.want(200, "GET", "/v1/secrets", nil).into(t, &secrets)
	if len(tokens.Items) != 1 || len(secrets.Items) != 0 {
		t.Errorf("%+v %+v", tokens, secrets)
	}
	// A parameter that is misspelt must not make the change come true.
	if p := f.wantProblem(400, host.Invalid, "POST", "/v1/projects/web/apply?dryrun=true", in); !strings.Contains(p.Detail, "dryRun") {
		t.Errorf("no hint: %s", p.Detail)
	}
	f.wantProblem(404, host.NotFound, "GET", "/v1/projects/web", nil)
}

func TestStagesDeploymentsAndCanaries(t *testing.T) {
	f := start(t)
	one := strings.Replace(shop, ", $default: {}", "", 1) // which would deploy each head at once
	in := catalog.Input{Bundle: catalog.Bundle{File: "api.yaml", Text: one}}
	f.want(200, "PUT", "/v1/apis/shop", in)
	in.Bundle.Text = strings.Replace(one, "body: hi", "body: two", 1)
	f.want(200, "PUT", "/v1/apis/shop", in)
	a := f.want(201, "POST", "/v1/apis/shop/deployments", DeployInput{Description: "the second"})
	var d catalog.Deployment
	a.into(t, &d)
	if a.header.Get("Location") != "/v1/apis/shop/deployments/"+strconv.Itoa(d.Number) || d.Description != "the second" {
		t.Errorf("%+v %v", d, a.header)
	}
	number := strconv.Itoa(d.Number)
	f.want(200, "POST", "/v1/apis/shop/deployments", nil) // is there already
	f.want(200, "GET", a.header.Get("Location"), nil)
	f.want(200, "PUT", "/v1/apis/shop/stages/prod/canary", catalog.Canary{Deployment: d.Number, Percent: 25, Variables: map[string]string{"color": "red"}})
	f.wantProblem(409, host.Conflict, "DELETE", "/v1/apis/shop/deployments/"+number, nil)
	f.want(200, "DELETE", "/v1/apis/shop/stages/prod/canary", nil)
	f.want(200, "PUT", "/v1/apis/shop/stages/prod/canary", catalog.Canary{Deployment: d.Number, Percent: 50})
	var s catalog.Stage
	f.want(200, "POST", "/v1/apis/shop/stages/prod/canary/promote", nil).into(t, &s)
	if s.Deployment != d.Number || s.Canary != nil {
		t.Errorf("%+v", s)
	}
	f.want(200, "POST", "/v1/apis/shop/stages/prod/rollback", nil).into(t, &s)
	if s.Deployment == d.Number {
		t.Errorf("%+v", s)
	}
	f.want(200, "POST", "/v1/apis/shop/stages/prod/rollback", RollbackInput{To: d.Number}).into(t, &s)
	if s.Deployment != d.Number {
		t.Errorf("%+v", s)
	}
	tag := f.want(200, "GET", "/v1/apis/shop/stages/prod", nil).header.Get("ETag")
	a = f.want(200, "PUT", "/v1/apis/shop/stages/beta", StageInput{Deployment: 1, Variables: map[string]string{"color": "green"}}, "If-Match", tag)
	if a.header.Get("ETag") == tag || a.header.Get(HeaderRevision) == "" {
		t.Errorf("%v", a.header)
	}
	// The other writer has the old revision.
	p := f.wantProblem(409, host.Conflict, "PUT", "/v1/apis/shop/stages/beta", StageInput{Deployment: d.Number}, "If-Match", tag)
	if !strings.Contains(p.Detail, "Read it again") {
		t.Errorf("not told how to go on: %s", p.Detail)
	}
	f.want(204, "DELETE", "/v1/apis/shop/stages/beta", nil)
	f.want(204, "DELETE", "/v1/apis/shop", nil)
}

func TestConditions(t *testing.T) {
	f := start(t)
	f.uploaded("greet", numbered(1))
	tag := f.want(200, "GET", "/v1/functions/greet", nil).header.Get("ETag")
	// A conflict that another writer has no part in does not speak of one.
	p := f.wantProblem(409, host.Conflict, "DELETE", "/v1/functions/greet/versions/1", nil, "If-Match", tag)
	if strings.Contains(p.Detail, "somebody else") {
		t.Errorf("%s", p.Detail)
	}
	// A condition that nothing would look at is not passed over.
	for _, condition := range []string{"*", `W/"1"`, `"1", "2"`, `""`, `"0"`, "1"} {
		f.wantProblem(400, host.Invalid, "PUT", "/v1/functions/other/config", catalog.FunctionConfig{}, "If-Match", condition)
	}
	for _, request := range []string{"POST /v1/tokens", "DELETE /v1/tokens/x", "POST /v1/keys", "DELETE /v1/keys/x", "PUT /v1/blobs/" + strings.Repeat("0", 64),
		"POST /v1/restore", "DELETE /v1/functions/greet/dead-letters"} {
		method, path, _ := strings.Cut(request, " ")
		f.wantProblem(400, host.Invalid, method, path, nil, "If-Match", `"1"`)
	}
	f.wantProblem(400, host.Invalid, "PUT", "/v1/secrets/a", "v", "If-None-Match", "*")
}

func TestOneOfManyWritersWins(t *testing.T) {
	f := start(t)
	f.uploaded("greet", numbered(1))
	f.uploaded("greet", numbered(2))
	tag := f.want(200, "GET", "/v1/functions/greet", nil).header.Get("ETag")
	var all sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		all.Go(func() {
			codes[i] = f.send("PUT", "/v1/functions/greet/aliases/a"+strconv.Itoa(i), AliasInput{Version: 1}, "If-Match", tag).status
		})
	}
	all.Wait()
	slices.Sort(codes)
	if !slices.Equal(codes, []int{200, 409, 409, 409, 409, 409, 409, 409}) {
		t.Errorf("%v", codes)
	}
}

func TestOwnedByAProject(t *testing.T) {
	f := start(t)
	f.applied("web", shop)
	f.wantProblem(409, host.Conflict, "DELETE", "/v1/apis/shop", nil)
	f.want(204, "DELETE", "/v1/apis/shop?force=true", nil)
}

func TestWait(t *testing.T) {
	f := start(t)
	f.gate.set(func() {
		f.gate.parts = []Part{{API: "shop", Stage: "prod", Desired: 1, Reason: "it does not compile"}, {API: "shop", Stage: "$default", Desired: 1, Applied: 1}, {Function: "other", Desired: 2}}
	})
	in := catalog.Input{Bundle: catalog.Bundle{File: "postern.yaml", Text: shop}}
	a := f.want(200, "POST", "/v1/projects/web/apply?wait=10s", in)
	var got struct {
		catalog.Plan
		Waited
	}
	a.into(t, &got)
	if !got.Changed || len(got.Parts) != 1 || got.Parts[0].Stage != "prod" {
		t.Errorf("%s", a.body)
	}
	if a.header.Get(HeaderRevision) != strconv.FormatUint(f.gate.served, 10) {
		t.Errorf("waited for %d, and told %v", f.gate.served, a.header)
	}
	f.gate.set(func() { f.gate.stuck = true })
	p := f.wantProblem(504, host.Timeout, "DELETE", "/v1/projects/web?wait=10ms", nil)
	if !p.Kept {
		t.Errorf("%+v", p)
	}
	f.wantProblem(404, host.NotFound, "GET", "/v1/projects/web", nil)
	f.wantProblem(400, host.Invalid, "DELETE", "/v1/projects/web?wait=5", nil)
}

func TestPages(t *testing.T) {
	f := start(t)
	for i := range 5 {
		f.want(200, "PUT", "/v1/secrets/s"+strconv.Itoa(i), "v")
	}
	var names []string
	after := ""
	for pages := 0; ; pages++ {
		var list List[catalog.Secret]
		f.want(200, "GET", "/v1/secrets?limit=2&after="+after, nil).into(t, &list)
		for _, s := range list.Items {
			names = append(names, s.Name)
		}
		if after = list.Next; after == "" {
			break
		}
		if pages > 5 {
			t.Fatal("no end")
		}
	}
	if !slices.Equal(names, []string{"s0", "s1", "s2", "s3", "s4"}) {
		t.Errorf("%v", names)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "offset=3", "a;b"} {
		f.wantProblem(400, host.Invalid, "GET", "/v1/secrets?"+query, nil)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	f := start(t)
	f.wantProblem(404, host.NotFound, "GET", "/v2/nothing", nil)
	a := f.send("PATCH", "/v1/apis/shop", nil)
	if a.status != 405 || a.header.Get("Allow") != "DELETE, GET, HEAD, PUT" || a.header.Get("Content-Type") != TypeProblem {
		t.Errorf("%d %v", a.status, a.header)
	}
	if a := f.send(http.MethodOptions, "/v1/apis", nil, "Origin", "https://evil.example"); a.status != 405 || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%d %v", a.status, a.header)
	}
	f.want(200, "HEAD", "/v1/apis", nil)
}

func TestPluginHealth(t *testing.T) {
	f := start(t)
	var health PluginHealth
	f.want(200, "GET", "/healthz/plugins", nil).into(t, &health)
	if health.Status != "ok" || health.Plugins == nil {
		t.Errorf("%+v", health)
	}
	crashed := Plugin{Name: "orders", Kind: "function", Runtime: "wasm", Carrier: "postern", Digest: strings.Repeat("a", 64), KV: "functions/orders",
		State: pipeline.BreakerOpen, RetryAt: time.Now().Add(time.Second), CrashesInRow: 5, Crashes: 5, Calls: 9, LastCrash: &pipeline.Crash{Type: host.GuestTrap, Time: time.Now()}}
	f.gate.set(func() { f.gate.plugins = []Plugin{crashed} })
	f.want(503, "GET", "/healthz/plugins", nil).into(t, &health)
	if health.Status != "degraded" || len(health.Plugins) != 1 || health.Plugins[0].LastCrash == nil {
		t.Errorf("%+v", health)
	}
	f.want(200, "GET", "/healthz", nil) // the host itself is well
	f.want(200, "GET", "/v1/plugins", nil)
	if items, err := must(NewClient(f.url, ClientOptions{Token: f.token})).Plugins(t.Context()); err != nil || len(items) != 1 || items[0].Name != "orders" {
		t.Errorf("%+v, %v", items, err)
	}
}
