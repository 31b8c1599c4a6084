package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// inputOf makes an input of a definition whose scripts answer with their own names, or with what other says. Every reference to a script
// of the project is sent.
func inputOf(t testing.TB, c *Catalog, text string, other map[string]string) Input {
	t.Helper()
	in := Input{Bundle: Bundle{File: "postern.yaml", Text: text, Code: map[string]Code{}}}
	snapshot, _ := in.Bundle.parseText()
	if snapshot == nil {
		return in
	}
	for use := range definition.Uses(snapshot) {
		if uploadedRef.MatchString(use.Plugin.Ref) {
			continue
		}
		ref := codeKey(use.Plugin.Ref)
		answer := ref
		if other[ref] != "" {
			answer = other[ref]
		}
		in.Bundle.Code[ref] = *save(t, c, script(answer))
	}
	return in
}

func apply(t testing.TB, c *Catalog, project string, in Input) *Plan {
	t.Helper()
	plan, err := c.Apply(t.Context(), project, in, Change{By: "token test"})
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return plan
}

func applyText(t testing.TB, c *Catalog, project, text string) *Plan {
	t.Helper()
	return apply(t, c, project, inputOf(t, c, text, nil))
}

// lines is a plan as text.
func lines(p *Plan) []string {
	list := []string{}
	for _, d := range p.Changes {
		line := strings.TrimSpace(fmt.Sprintf("%s %s %s", d.Action, d.Kind, d.Name))
		if d.Kind == "stage" || d.Kind == "function" {
			line += fmt.Sprintf(" (%s -> %s)", d.Before, d.After)
		}
		list = append(list, line)
		for _, detail := range d.Detail {
			list = append(list, "  "+detail)
		}
	}
	for _, d := range p.Orphans {
		list = append(list, fmt.Sprintf("orphan %s %s", d.Kind, d.Name))
	}
	for _, w := range p.Warnings {
		list = append(list, "warning "+w)
	}
	return list
}

func wantLines(t testing.TB, p *Plan, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, lines(p)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if p.Changed != (len(p.Changes) > 0) {
		t.Errorf("Changed is %t, with %d changes", p.Changed, len(p.Changes))
	}
}

const shop = `
apis:
  orders:
    root: true
    authorizers:
      caller: {plugin: ./caller.js, identitySources: [$request.header.Authorization]}
    routes:
      GET /orders: {integration: {function: get-order}, authorizer: caller}
      POST /orders: {timeout: 10s, integration: {http: "${stageVariables.backend}/orders"}}
      ANY /legacy/{proxy+}: {integration: {upstream: legacy, path: "/{proxy}"}}
    stages:
      $default: {variables: {backend: "http://127.0.0.1:9000"}}
      prod: {variables: {backend: "http://10.0.0.1"}}
functions:
  get-order: {plugin: ./get-order.js, timeout: 3s, env: {TABLE: orders}}
upstreams:
  legacy: {targets: ["http://10.0.0.5:9000"]}
domains:
  api.example.com: {/orders: orders/prod}
`

func TestApply(t *testing.T) {
	c := newCatalog(t)
	plan := applyText(t, c, "shop", shop)
	wantLines(t, plan,
		"create upstream legacy",
		"create function get-order ( -> version 1)",
		"create api orders",
		"create deployment orders/1",
		"create stage orders/$default ( -> deployment 1)",
		"create stage orders/prod ( -> deployment 1)",
		"create domain api.example.com",
	)
	again := applyText(t, c, "shop", shop)
	wantLines(t, again)
	if again.Revision != plan.Revision {
		t.Errorf("the same apply moved the revision from %d to %d", plan.Revision, again.Revision)
	}

	changed := strings.NewReplacer("timeout: 10s", "timeout: 5s", "TABLE: orders", "TABLE: new", "http://10.0.0.1", "http://10.0.0.2",
		"10.0.0.5:9000", "10.0.0.6:9000", "  GET /orders", "  GET /all: {integration: {mock: {}}}\n      GET /orders").Replace(shop)
	in := inputOf(t, c, changed, map[string]string{"caller.js": "other"})
	dry, err := c.Apply(t.Context(), "shop", in, Change{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	code := func(name string) string { return short(save(t, c, script(name)).Digest) }
	want := []string{
		"update upstream legacy",
		"  targets http://10.0.0.5:9000 (weight 1) -> http://10.0.0.6:9000 (weight 1)",
		"update function get-order (version 1 -> version 2)",
		`  env TABLE "orders" -> "new"`,
		"update api orders",
		"  authorizer caller: code " + code("caller.js") + " -> " + code("other"),
		"  route GET /all: added",
		"  route POST /orders: timeout 10s -> 5s",
		"  order of the routes GET /orders, POST /orders, ANY /legacy/{proxy+} -> GET /all, GET /orders, POST /orders, ANY /legacy/{proxy+}",
		"  the upstream legacy has changed",
		"create deployment orders/2",
		"deploy stage orders/$default (deployment 1 -> deployment 2)",
		"deploy stage orders/prod (deployment 1 -> deployment 2)",
		`  variable backend "http://10.0.0.1" -> "http://10.0.0.2"`,
	}
	wantLines(t, dry, want...)
	if dry.Revision != plan.Revision {
		t.Errorf("a dry run tells the revision %d, want %d", dry.Revision, plan.Revision)
	}
	if a, _ := c.API(t.Context(), "orders"); a.Deployment != 1 {
		t.Errorf("a dry run deployed: %+v", a)
	}
	wantLines(t, apply(t, c, "shop", in), want...)
	wantLines(t, apply(t, c, "shop", in))

	p, bundle, err := c.Project(t.Context(), "shop")
	if err != nil || p.Revision != 2 || bundle.Text != changed || !reflect.DeepEqual(p.APIs, []string{"orders"}) || !reflect.DeepEqual(p.Functions, []string{"get-order"}) ||
		!reflect.DeepEqual(p.Domains, []string{"api.example.com"}) || p.ARN != "arn:postern:postern:local:000000000000:project/shop" {
		t.Errorf("project %+v, %v", p, err)
	}
	a, err := c.API(t.Context(), "orders")
	if err != nil || !a.Root || a.Deployment != 2 || len(a.Stages) != 2 || a.Stages[1].Deployment != 2 || len(a.Stages[1].History) != 1 ||
		a.Stages[1].ARN != "arn:postern:apigateway:local:000000000000:/apis/orders/stages/prod" || !a.Stages[0].AutoDeploy || a.Stages[1].AutoDeploy {
		t.Errorf("API %+v, %v", a, err)
	}
	wantLines(t, applyText(t, c, "shop", "# a comment\n"+changed), // caller.js is what it was at first
		"update api orders",
		"  authorizer caller: code "+code("other")+" -> "+code("caller.js"),
		"create deployment orders/3",
		"deploy stage orders/$default (deployment 2 -> deployment 3)",
		"deploy stage orders/prod (deployment 2 -> deployment 3)")
	wantLines(t, applyText(t, c, "shop", "# another\n"+changed),
		"update project shop", "  the text of the definition, and nothing that it does")
}

func TestApplyOneStage(t *testing.T) {
	c := newCatalog(t)
	in := inputOf(t, c, shop, nil)
	in.Stage = "prod"
	plan := apply(t, c, "shop", in)
	a, _ := c.API(t.Context(), "orders")
	if len(a.Stages) != 1 || a.Stages[0].Name != "prod" {
		t.Fatalf("stages %+v, plan %v", a.Stages, lines(plan))
	}
	in.Stage = "other"
	_, err := c.Apply(t.Context(), "shop", in, Change{})
	wantKind(t, err, host.Invalid, "no API of the project has a stage other")

	// A stage that was made by hand gets it too, with its own variables.
	if _, err := c.PutStage(t.Context(), "orders", Stage{Name: "other", Variables: map[string]string{"backend": "http://x"}}, Change{}); err != nil {
		t.Fatal(err)
	}
	in2 := inputOf(t, c, strings.Replace(shop, "timeout: 10s", "timeout: 1s", 1), nil)
	in2.Stage = "other"
	plan = apply(t, c, "shop", in2)
	wantLines(t, plan, "update api orders", "  route POST /orders: timeout 10s -> 1s", "create deployment orders/2",
		"deploy stage orders/other (deployment 1 -> deployment 2)")
	a, _ = c.API(t.Context(), "orders")
	if a.Stages[0].Deployment != 2 || a.Stages[0].Variables["backend"] != "http://x" || a.Stages[1].Deployment != 1 {
		t.Errorf("stages %+v", a.Stages)
	}
	// The rest follows with an apply of all.
	in2.Stage = ""
	wantLines(t, apply(t, c, "shop", in2), "create stage orders/$default ( -> deployment 2)", "deploy stage orders/prod (deployment 1 -> deployment 2)")
}

func TestApplyRemoved(t *testing.T) {
	c := newCatalog(t)
	applyText(t, c, "shop", shop+"  old.example.com: {/: orders/$default}\n")
	less := `
apis:
  orders:
    routes: {GET /: {integration: {mock: {}}}}
    stages: {prod: {}}
`
	in := inputOf(t, c, less, nil)
	plan := apply(t, c, "shop", in)
	got := lines(plan)
	for _, want := range []string{"orphan function get-order", "orphan stage orders/$default", "orphan domain api.example.com", "orphan domain old.example.com", "delete upstream legacy"} {
		if !contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	composed := compose(t, c)
	if len(composed.Snapshot.Functions) != 1 || len(composed.Snapshot.Domains) != 2 || len(composed.Snapshot.APIs) != 2 {
		t.Errorf("what is orphaned does not serve: %+v", composed.Snapshot)
	}
	// Another project's API calls the function: it cannot go.
	applyText(t, c, "other", "apis: {caller: {routes: {GET /: {integration: {function: get-order}}}}}")
	in.Prune = true
	_, err := c.Apply(t.Context(), "shop", in, Change{})
	wantKind(t, err, host.Conflict, "get-order", "the API caller")
	if err := c.DeleteProject(t.Context(), "shop", Change{}); host.KindOf(err) != host.Conflict {
		t.Errorf("delete project: %v", err)
	}
	if err := c.DeleteProject(t.Context(), "other", Change{}); err != nil {
		t.Fatal(err)
	}
	wantLines(t, apply(t, c, "shop", in), "delete function get-order ( -> )", "delete stage orders/$default (deployment 1 -> )",
		"delete domain api.example.com", "delete domain old.example.com")
	wantLines(t, apply(t, c, "shop", in))
	if err := c.DeleteProject(t.Context(), "shop", Change{}); err != nil {
		t.Fatal(err)
	}
	composed = compose(t, c)
	if s := composed.Snapshot; len(s.APIs)+len(s.Functions)+len(s.Domains)+len(s.Upstreams) != 0 {
		t.Errorf("left: %+v", s)
	}
	// Numbers are not used again.
	applyText(t, c, "shop", less)
	if a, _ := c.API(t.Context(), "orders"); a.Deployment != 3 {
		t.Errorf("deployment %d, want 3", a.Deployment)
	}
}

func contains(list []string, want string) bool {
	for _, s := range list {
		if s == want {
			return true
		}
	}
	return false
}

func TestOwnership(t *testing.T) {
	c := newCatalog(t)
	applyText(t, c, "shop", shop)
	one := "apis: {%s: {%sroutes: {GET /: {integration: {mock: {}}}}}}\n"
	for name, text := range map[string]string{
		`the api "orders" belongs to the project "shop"`:         fmt.Sprintf(one, "orders", ""),
		`the function "get-order" belongs to the project "shop"`: "functions: {get-order: {plugin: ./x.js}}",
		"the domain api.example.com belongs":                     fmt.Sprintf(one, "mine", "") + "domains: {api.example.com: {/: mine/$default}}",
		`"orders" answers at / already`:                          fmt.Sprintf(one, "mine", "root: true, "),
	} {
		_, err := c.Apply(t.Context(), "other", inputOf(t, c, text, nil), Change{Force: true})
		wantKind(t, err, host.Conflict, name)
	}
	upload(t, c, "greet", "hello")
	in := inputOf(t, c, "functions: {greet: {plugin: ./greet.js}}", nil)
	_, err := c.Apply(t.Context(), "other", in, Change{})
	wantKind(t, err, host.Conflict, "belongs to no project", "--force")
	plan, err := c.Apply(t.Context(), "other", in, Change{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	if f, _ := c.Function(t.Context(), "greet"); f.Project != "other" || f.Live != 2 || len(plan.Warnings) != 1 {
		t.Errorf("%+v, %q", f, lines(plan))
	}
	for what, err := range map[string]error{
		"delete API":   c.DeleteAPI(t.Context(), "orders", Change{Force: true}),
		"delete stage": c.DeleteStage(t.Context(), "orders", "$default", Change{}),
		"put stage":    errOf(c.PutStage(t.Context(), "orders", Stage{Name: "prod", Variables: map[string]string{"backend": "http://y"}}, Change{})),
		"put API":      errOf(c.PutAPI(t.Context(), "orders", inputOf(t, c, fmt.Sprintf(one, "orders", ""), nil), Change{})),
	} {
		if host.KindOf(err) != host.Conflict {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestRoot(t *testing.T) {
	c := newCatalog(t)
	one := "apis: {%s: {%sroutes: {GET /: {integration: {mock: {}}}}}}\n"
	roots := func() string {
		var list []string
		apis, _ := c.APIs(t.Context())
		for _, a := range apis {
			if a.Root {
				list = append(list, a.Name)
			}
		}
		return strings.Join(list, " ")
	}
	applyText(t, c, "a", fmt.Sprintf(one, "first", ""))
	if plan := applyText(t, c, "b", fmt.Sprintf(one, "second", "")); roots() != "first" || len(plan.Warnings) != 0 {
		t.Errorf("roots %q, %q", roots(), lines(plan))
	}
	plan := applyText(t, c, "c", fmt.Sprintf(one, "third", "root: true, "))
	if roots() != "third" || len(plan.Warnings) != 1 || !strings.Contains(plan.Warnings[0], "first no longer answers") {
		t.Errorf("roots %q, %q", roots(), lines(plan))
	}
	wantLines(t, applyText(t, c, "c", fmt.Sprintf(one, "third", "root: true, ")))
	wantLines(t, applyText(t, c, "a", fmt.Sprintf(one, "first", "")))
	// Within a project root moves without a conflict.
	two := "apis:\n  third: {root: %t, routes: {GET /: {integration: {mock: {}}}}}\n  fourth: {root: %t, routes: {GET /: {integration: {mock: {}}}}}\n"
	applyText(t, c, "c", fmt.Sprintf(two, false, true))
	if roots() != "fourth" {
		t.Errorf("roots %q", roots())
	}
	applyText(t, c, "c", fmt.Sprintf(two, false, false))
	wantLines(t, applyText(t, c, "b", fmt.Sprintf(one, "second", "")), "update api second", "  root: false -> true")
}

func TestApplyRefuses(t *testing.T) {
	c := newCatalog(t)
	upload(t, c, "greet", "hello")
	good := *save(t, c, script("x"))
	long := strings.Repeat("v", 513)
	for _, test := range []struct {
		name string
		text string
		edit func(*Input)
		want []string
	}{
		{"yaml", "apis: {a: {rout: {}}}", nil, []string{"postern.yaml:1", "rout"}},
		{"nothing sent", "functions:\n  f: {plugin: ./f.js}", func(in *Input) { in.Bundle.Code = nil }, []string{"postern.yaml:2:15", "was not sent"}},
		{"lost blob", "functions:\n  f: {plugin: ./f.js}", func(in *Input) {
			in.Bundle.Code["f.js"] = Code{Runtime: host.RuntimeJS, Digest: strings.Repeat("a", 64)}
		}, []string{"postern.yaml:2:15", "is not saved"}},
		{"wrong runtime", "functions:\n  f: {plugin: ./f.wasm}", func(in *Input) {
			in.Bundle.Code["f.wasm"] = Code{Runtime: host.RuntimeWasm, Digest: good.Digest}
		}, []string{"runs on js"}},
		{"no runtime", "functions:\n  f: {plugin: ./f.js}", func(in *Input) { in.Bundle.Code["f.js"] = Code{Runtime: "lua", Digest: good.Digest} }, []string{"lua"}},
		{"bad digest", "functions:\n  f: {plugin: ./f.js}", func(in *Input) {
			in.Bundle.Code["f.js"] = Code{Runtime: host.RuntimeJS, Digest: "../../etc/passwd"}
		}, []string{"not a SHA-256"}},
		{"too many exports", "functions:\n  f: {plugin: ./f.js}", func(in *Input) {
			code := good
			code.Exports = make([]string, maxExports+1)
			in.Bundle.Code["f.js"] = code
		}, []string{"exports"}},
		{"code too many", "functions:\n  f: {plugin: ./f.js}", func(in *Input) { in.Bundle.Code["other.js"] = good }, []string{"other.js", "does not refer"}},
		{"file too many", "functions:\n  f: {plugin: ./f.js}", func(in *Input) { in.Bundle.Files = map[string]string{"ca.pem": "x"} }, []string{"ca.pem"}},
		{"secret too many", "functions:\n  f: {plugin: ./f.js}", func(in *Input) { in.Secrets = map[string]string{"x": "y"} }, []string{"secrets", `"x"`}},
		{"no secret", "functions:\n  f: {plugin: ./f.js, secrets: {A: {file: ./a.secret}}}", nil, []string{"postern.yaml:2", "a.secret"}},
		{"no store secret", "functions:\n  f: {plugin: ./f.js, secrets: {A: {store: nope}}}", nil, []string{`no secret "nope"`}},
		{"no env secret", "functions:\n  f: {plugin: ./f.js, secrets: {A: {env: NOPE}}}", nil, []string{"NOPE"}},
		{"no function", "apis: {a: {routes: {GET /: {integration: {function: gret}}}}}", nil, []string{"no function", `did you mean "greet"`}},
		{"no alias", "apis: {a: {routes: {GET /: {integration: {function: greet@nope}}}}}", nil, []string{"nope"}},
		{"no version", "apis: {a: {routes: {GET /: {integration: {function: greet@7}}}}}", nil, []string{"version 7"}},
		{"no uploaded version", "functions: {f: {plugin: greet@7}}", nil, []string{"version 7"}},
		{"no blob", "functions: {f: {plugin: 'sha256:" + strings.Repeat("b", 64) + "'}}", nil, []string{"no blob"}},
		{"long variable", "apis: {a: {routes: {GET /: {integration: {mock: {}}}}, stages: {prod: {variables: {x: " + long + "}}}}}", nil, []string{"513", "512"}},
		{"empty", " ", nil, []string{"no definition"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := inputOf(t, c, test.text, nil)
			if test.edit != nil {
				test.edit(&in)
			}
			_, err := c.Apply(t.Context(), "p", in, Change{})
			wantKind(t, err, host.Invalid, test.want...)
		})
	}
	for _, name := range []string{"", "a/b", "a b", strings.Repeat("n", 10_000), "..", "ä"} {
		_, err := c.Apply(t.Context(), name, inputOf(t, c, shop, nil), Change{})
		wantKind(t, err, host.Invalid)
	}
	if view, err := c.Projects(t.Context()); err != nil || len(view) != 0 {
		t.Errorf("%v, %v", view, err)
	}
	applyText(t, c, "p", shop)
	_, err := c.Apply(t.Context(), "p", inputOf(t, c, shop, nil), Change{Revision: 9})
	wantKind(t, err, host.Conflict, "revision 1")
}

func TestReferencesToTheHost(t *testing.T) {
	c := newCatalog(t)
	upload(t, c, "greet", "one")
	blob := save(t, c, script("blob"))
	text := fmt.Sprintf("functions:\n  pinned: {plugin: greet@live}\n  blob: {plugin: 'sha256:%s'}\n", blob.Digest)
	in := inputOf(t, c, text, nil)
	in.Bundle.Code["greet@live"] = *blob // a lie
	apply(t, c, "p", in)
	_, bundle, err := c.Project(t.Context(), "p")
	if err != nil {
		t.Fatal(err)
	}
	one := save(t, c, script("one")).Digest
	if got := bundle.Code["greet@live"].Digest; got != one {
		t.Errorf("greet@live was pinned to %s, want %s", got, one)
	}
	upload(t, c, "greet", "two") // what was applied stays
	f, err := c.ComposeVersion(t.Context(), "pinned", 1)
	if err != nil || f.Plugin.Source.Digest != one {
		t.Errorf("%+v, %v", f, err)
	}
	wantLines(t, apply(t, c, "p", Input{Bundle: *bundle}), "update function pinned (version 1 -> version 2)",
		"  code "+short(one)+" -> "+short(save(t, c, script("two")).Digest))
}

func TestApplySecrets(t *testing.T) {
	c := newCatalog(t)
	text := `
functions:
  f: {plugin: ./f.js, secrets: {PASSWORD: {file: ./db.secret}}}
apis:
  a:
    authorizers: {who: {plugin: ./who.js, secrets: {KEY: {file: ./sub/key.secret}}}}
    routes: {GET /: {authorizer: who, integration: {function: f}}}
`
	in := inputOf(t, c, text, nil)
	in.Secrets = map[string]string{"db.secret": "hunter2", "sub/key.secret": "opensesame"}
	plan := apply(t, c, "p", in)
	first := compose(t, c).Snapshot
	if got := secretOf(first.Functions[0].Plugin); got != "hunter2" {
		t.Errorf("secret %q", got)
	}
	if got := secretOf(first.APIs[0].Authorizers[0].Plugin); got != "opensesame" {
		t.Errorf("secret %q", got)
	}
	wantLines(t, apply(t, c, "p", in))
	in.Secrets = nil // those that are kept stay
	wantLines(t, apply(t, c, "p", in))

	in.Secrets = map[string]string{"db.secret": "hunter3"}
	wantLines(t, apply(t, c, "p", in), "update secret db.secret", "  the value of the file; it is kept sealed")
	second := compose(t, c).Snapshot
	if got := secretOf(second.Functions[0].Plugin); got != "hunter3" || first.Revision == second.Revision {
		t.Errorf("secret %q, revisions %.6s and %.6s", got, first.Revision, second.Revision)
	}
	// An apply that fails changes no secret.
	in.Secrets = map[string]string{"db.secret": "hunter4"}
	c.opts.Check = func(context.Context, *host.Snapshot) error { return errors.New("it does not compile") }
	bad := in
	bad.Bundle.Text += "  # \n"
	bad.Bundle.Text = strings.Replace(bad.Bundle.Text, "GET /:", "GET /other:", 1)
	if _, err := c.Apply(t.Context(), "p", bad, Change{}); err == nil {
		t.Fatal("the check was not asked")
	}
	c.opts.Check = nil
	if got := secretOf(compose(t, c).Snapshot.Functions[0].Plugin); got != "hunter3" {
		t.Errorf("secret %q after a failed apply", got)
	}
	list, err := c.Secrets(t.Context())
	if err != nil || len(list) != 2 || list[0].Name != "project/p:db.secret" || list[0].Project != "p" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, shown := range []any{plan, list, second} {
		encoded, err := json.Marshal(shown)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(encoded) + fmt.Sprintf("%+v", shown); strings.Contains(text, "hunter") || strings.Contains(text, "opensesame") {
			t.Errorf("a value is shown: %s", text)
		}
	}
	// What nothing reads any more goes.
	c.opts.Keep = 1
	applyText(t, c, "p", "functions: {f: {plugin: ./f.js}}")
	if list, _ := c.Secrets(t.Context()); len(list) != 2 { // the API is an orphan, and version 1 of f is kept
		t.Errorf("left: %+v", list)
	}
	in = inputOf(t, c, "functions: {f: {plugin: ./f2.js}}", nil)
	in.Prune = true
	plan = apply(t, c, "p", in)
	if list, _ := c.Secrets(t.Context()); len(list) != 0 || !contains(lines(plan), "delete secret sub/key.secret") {
		t.Errorf("left: %+v after %q", list, lines(plan))
	}
}

func secretOf(p host.PluginConfig) string { return p.Secrets[0].Value.Reveal() }

func compose(t testing.TB, c *Catalog) *Composition {
	t.Helper()
	composed, err := c.Compose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range composed.Parts {
		if part.Err != nil {
			t.Errorf("%s %s %d: %v", part.Kind, part.Name, part.Number, part.Err)
		}
	}
	return composed
}

func TestApplyCheck(t *testing.T) {
	c := newCatalog(t)
	var calls atomic.Int32
	var seen *host.Snapshot
	compile := compileJS(t, &calls)
	c.opts.Check = func(ctx context.Context, s *host.Snapshot) error {
		seen = s
		return compile(ctx, s)
	}
	text := shop + "  # end\n"
	applyText(t, c, "shop", text)
	if calls.Load() != 1 || len(seen.APIs) != 1 || len(seen.Functions) != 1 || len(seen.Upstreams) != 1 || len(seen.APIs[0].Stages) != 2 {
		t.Fatalf("%d calls, the last with %+v", calls.Load(), seen)
	}
	applyText(t, c, "shop", text)
	if calls.Load() != 1 {
		t.Error("what is not new was checked")
	}
	in := inputOf(t, c, text, nil)
	broken, err := c.opts.Blobs.Save(t.Context(), strings.NewReader("module.exports = {"))
	if err != nil {
		t.Fatal(err)
	}
	in.Bundle.Code["get-order.js"] = Code{Runtime: host.RuntimeJS, Digest: broken.Digest}
	_, err = c.Apply(t.Context(), "shop", in, Change{})
	wantKind(t, err, host.Invalid)
	if f, _ := c.Function(t.Context(), "get-order"); f.Version != 1 {
		t.Errorf("%+v", f)
	}
}
