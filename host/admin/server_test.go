package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
	"github.com/postern/postern/host/catalog"
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

// uploaded uploads a script.
func (f *fixture) uploaded(function, script string) catalog.Version {
	f.Helper()
	var v catalog.Version
	f.want(201, "POST", "/v1/functions/"+function+"/versions", script, "Content-Type", TypeJavaScript).into(f, &v)
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
	if !strings.Contains(p.Detail, "read it again") {
		t.Errorf("not told how to go on: %s", p.Detail)
	}
	f.want(204, "DELETE", "/v1/apis/shop/stages/beta", nil)
	f.want(204, "DELETE", "/v1/apis/shop", nil)
}

func TestOwnedByAProject(t *testing.T) {
	f := start(t)
	f.applied("web", shop)
	f.wantProblem(409, host.Conflict, "DELETE", "/v1/apis/shop", nil)
	f.want(204, "DELETE", "/v1/apis/shop?force=true", nil)
}

func TestFunctionsVersionsAndAliases(t *testing.T) {
	f := start(t)
	one := f.uploaded("greet", numbered(1))
	if one.Version != 1 || one.By != "token root" {
		t.Errorf("%+v", one)
	}
	two := f.uploaded("greet", numbered(2))
	f.want(200, "POST", "/v1/functions/greet/versions", numbered(2), "Content-Type", TypeJavaScript) // equals the newest
	f.want(201, "POST", "/v1/functions/greet/versions?promote=false&message=the+third", numbered(3), "Content-Type", TypeJavaScript)
	var g catalog.Function
	f.want(200, "GET", "/v1/functions/greet", nil).into(t, &g)
	if g.Live != two.Version || g.Version != 3 {
		t.Errorf("%+v", g)
	}
	var a catalog.Alias
	f.want(200, "PUT", "/v1/functions/greet/aliases/live", AliasInput{Version: 2, Second: 3, Weight: 0.1}).into(t, &a)
	if a.Second != 3 || a.Weight != 0.1 {
		t.Errorf("%+v", a)
	}
	a = catalog.Alias{}
	f.want(200, "POST", "/v1/functions/greet/aliases/live/rollback", nil).into(t, &a)
	if a.Second != 0 || a.Version != 2 {
		t.Errorf("%+v", a)
	}
	a = catalog.Alias{}
	f.want(200, "POST", "/v1/functions/greet/aliases/live/rollback", nil).into(t, &a)
	if a.Version != 1 {
		t.Errorf("%+v", a)
	}
	f.want(200, "PUT", "/v1/functions/greet/aliases/canary", AliasInput{Version: 3})
	f.wantProblem(409, host.Conflict, "DELETE", "/v1/functions/greet/versions/3", nil)
	f.want(204, "DELETE", "/v1/functions/greet/aliases/canary", nil)
	f.want(204, "DELETE", "/v1/functions/greet/versions/3", nil)
	f.wantProblem(404, host.NotFound, "GET", "/v1/functions/greet/versions/3", nil)
	var v catalog.Version
	f.want(201, "PUT", "/v1/functions/greet/config", catalog.FunctionConfig{Timeout: "7s", Env: map[string]string{"TABLE": "orders"}}).into(t, &v)
	if v.Config.Timeout != "7s" || v.Digest == "" {
		t.Errorf("%+v", v)
	}
	f.want(200, "GET", "/v1/functions/greet/versions?limit=1&after=1", nil)
	f.want(200, "GET", "/v1/functions/greet/aliases", nil)
	f.want(200, "GET", "/v1/functions/greet/aliases/live", nil)
	f.wantProblem(404, host.NotFound, "GET", "/v1/functions/greet/aliases/liv", nil)
	f.want(204, "DELETE", "/v1/functions/greet", nil)
}

func TestVersionOfASavedBlob(t *testing.T) {
	f := start(t)
	code := []byte("exports.handler = async () => 7\n")
	sum := sha256.Sum256(code)
	digest := hex.EncodeToString(sum[:])
	f.want(404, "HEAD", "/v1/blobs/"+digest, nil)
	f.want(201, "PUT", "/v1/blobs/"+digest, code, "Content-Type", TypeOctets)
	f.want(200, "PUT", "/v1/blobs/"+digest, code)
	if a := f.want(200, "HEAD", "/v1/blobs/"+digest, nil); a.header.Get("Content-Length") != strconv.Itoa(len(code)) {
		t.Errorf("%v", a.header)
	}
	if a := f.want(200, "GET", "/v1/blobs/"+digest, nil); !slices.Equal(a.body, code) {
		t.Errorf("%q", a.body)
	}
	f.wantProblem(422, host.Invalid, "PUT", "/v1/blobs/"+strings.Repeat("0", 64), code)
	f.wantProblem(404, host.NotFound, "GET", "/v1/blobs/"+strings.Repeat("0", 64), nil)
	no := false
	var v catalog.Version
	f.want(201, "POST", "/v1/functions/seven/versions", UploadInput{Code: &catalog.Code{Runtime: "js", Digest: digest, Exports: []string{"handler"}, Size: int64(len(code))},
		Config: &catalog.FunctionConfig{Timeout: "5s"}, Promote: &no, Message: "by digest"}).into(t, &v)
	if v.Message != "by digest" || v.Config.Timeout != "5s" {
		t.Errorf("%+v", v)
	}
	var g catalog.Function
	f.want(200, "GET", "/v1/functions/seven", nil).into(t, &g)
	if g.Live != 0 {
		t.Errorf("live is %d", g.Live)
	}
}

func TestProgressOfLongWork(t *testing.T) {
	f := start(t)
	a := f.want(200, "POST", "/v1/functions/greet/versions", numbered(1), "Content-Type", TypeJavaScript, "Accept", TypeNDJSON)
	var last ProgressLine
	for line := range strings.Lines(string(a.body)) {
		last = ProgressLine{}
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatal(err)
		}
	}
	var v catalog.Version
	if err := json.Unmarshal(last.Result, &v); err != nil || v.Version != 1 {
		t.Errorf("%v: %s", err, a.body)
	}
	// What is refused before anything began has its own status.
	f.wantProblem(415, host.Unsupported, "POST", "/v1/functions/greet/versions", "x", "Content-Type", "text/css", "Accept", TypeNDJSON)
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

func TestSecretsAreNeverShown(t *testing.T) {
	f := start(t)
	f.want(200, "PUT", "/v1/secrets/db-password", "hunter2hunter2")
	f.want(200, "PUT", "/v1/secrets/db-password", "hunter3hunter3", "Content-Type", "application/x-www-form-urlencoded")
	all := string(f.want(200, "GET", "/v1/secrets", nil).body) + string(f.want(200, "GET", "/v1/audit", nil).body) + f.log.String()
	if strings.Contains(all, "hunter") {
		t.Error("a secret was shown")
	}
	f.wantProblem(413, host.TooLarge, "PUT", "/v1/secrets/big", strings.Repeat("x", maxSecret+1))
	f.wantProblem(400, host.Invalid, "PUT", "/v1/secrets/empty", "")
	f.want(204, "DELETE", "/v1/secrets/db-password", nil)
	f.wantProblem(404, host.NotFound, "DELETE", "/v1/secrets/db-password", nil)
}

func TestDeadLetters(t *testing.T) {
	f := start(t)
	f.uploaded("greet", numbered(1))
	f.gate.set(func() {
		for i := range uint64(3) {
			f.gate.letters = append(f.gate.letters, DeadLetter{Sequence: i + 1, Function: "greet", RequestID: "r", Condition: "RetriesExhausted", Attempts: 3, Payload: json.RawMessage("1")})
		}
	})
	var list List[DeadLetter]
	f.want(200, "GET", "/v1/functions/greet/dead-letters?limit=2", nil).into(t, &list)
	if len(list.Items) != 2 || list.Next != "2" {
		t.Errorf("%+v", list)
	}
	f.want(204, "DELETE", "/v1/functions/greet/dead-letters?upTo=2", nil)
	list = List[DeadLetter]{}
	f.want(200, "GET", "/v1/functions/greet/dead-letters", nil).into(t, &list)
	if len(list.Items) != 1 || list.Next != "" {
		t.Errorf("%+v", list)
	}
	f.wantProblem(400, host.Invalid, "DELETE", "/v1/functions/greet/dead-letters", nil)
	f.wantProblem(404, host.NotFound, "GET", "/v1/functions/greeet/dead-letters", nil)
}

func TestRolesAndErrorsOfLogins(t *testing.T) {
	f := start(t)
	viewer, deployer := f.login(access.Viewer), f.login(access.Deployer)
	allowed := map[string][]int{ // by viewer, deployer, admin: what is forbidden has 403
		"GET /v1/status": {200, 200, 200}, "GET /v1/secrets": {200, 200, 200}, "GET /v1/blobs/" + strings.Repeat("0", 64): {403, 404, 404},
		"PUT /v1/secrets/a": {403, 200, 200}, "DELETE /v1/apis/nope": {403, 404, 404}, "GET /v1/tokens": {403, 403, 200}, "GET /v1/audit": {403, 403, 200},
		"GET /v1/backup": {403, 403, 200}, "POST /2015-03-31/functions/nope/invocations": {403, 404, 404}, "GET /2015-03-31/functions": {200, 200, 200},
	}
	for request, codes := range allowed {
		method, path, _ := strings.Cut(request, " ")
		for i, header := range []string{viewer, deployer, "Bearer " + f.token} {
			var body any
			if method == "PUT" {
				body = "v"
			}
			if a := f.send(method, path, body, "Authorization", header); a.status != codes[i] {
				t.Errorf("%s as %v: %d, want %d: %s", request, []string{"viewer", "deployer", "admin"}[i], a.status, codes[i], a.body)
			}
		}
	}
	var who Whoami
	f.want(200, "GET", "/v1/whoami", nil, "Authorization", viewer).into(t, &who)
	if who.By != "token viewer" || who.Role != "viewer" {
		t.Errorf("%+v", who)
	}
	for _, header := range []string{"", "Bearer nonsense", "Bearer pst_" + strings.Repeat("A", 43), "Basic YTpi"} {
		a := f.want(401, "GET", "/v1/status", nil, "Authorization", header)
		if a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%q: no challenge", header)
		}
	}
}

func TestTooManyFailedLogins(t *testing.T) {
	f := start(t)
	f.want(200, "GET", "/v1/whoami", nil)
	wrong := "Bearer pst_" + strings.Repeat("B", 43)
	var last answer
	for range 12 {
		last = f.send("GET", "/v1/whoami", nil, "Authorization", wrong)
	}
	if last.status != 429 || last.header.Get("Retry-After") == "" {
		t.Errorf("%d %v", last.status, last.header)
	}
	f.want(200, "GET", "/v1/whoami", nil) // who is known is not locked out
	if strings.Contains(f.log.String(), wrong[len("Bearer "):]) {
		t.Error("the log has a token")
	}
}

func TestTokensAndKeys(t *testing.T) {
	f := start(t)
	var made NewToken
	f.want(201, "POST", "/v1/tokens", CredentialInput{Name: "ci", Role: "deployer"}).into(t, &made)
	f.want(200, "GET", "/v1/whoami", nil, "Authorization", "Bearer "+made.Text)
	f.wantProblem(409, host.Conflict, "POST", "/v1/tokens", CredentialInput{Name: "ci", Role: "deployer"})
	f.wantProblem(422, host.Invalid, "POST", "/v1/tokens", CredentialInput{Name: "x", Role: "owner"})
	f.wantProblem(422, host.Invalid, "POST", "/v1/tokens", CredentialInput{Name: "a b", Role: "viewer"})
	if body := f.want(200, "GET", "/v1/tokens", nil).body; strings.Contains(string(body), made.Text) {
		t.Error("a token is shown again")
	}
	f.want(204, "DELETE", "/v1/tokens/"+made.ID, nil)
	f.wantProblem(404, host.NotFound, "DELETE", "/v1/tokens/"+made.ID, nil)
	var key NewKey
	f.want(201, "POST", "/v1/keys", CredentialInput{Name: "sdk", Role: "deployer"}).into(t, &key)
	if body := f.want(200, "GET", "/v1/keys", nil).body; strings.Contains(string(body), key.Secret) || !strings.Contains(string(body), key.ID) {
		t.Errorf("%s", body)
	}
	f.want(204, "DELETE", "/v1/keys/"+key.ID, nil)
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
