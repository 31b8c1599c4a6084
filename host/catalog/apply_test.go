package catalog

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// inputOf makes an input of a definition whose scripts answer with their own names, or with what other says. Every reference to a script
// of the project is sent.
func inputOf(t testing.TB, c *Catalog, text string, other map[string]string) Input {
	t.Helper()
	in := Input{Bundle: Bundle{File: "postern.yaml", Text: text, Code: map[string]Code{}}}
	snapshot, _ := in.Bundle.Definition()
	if snapshot == nil {
		return in
	}
	for use := range definition.Uses(snapshot) {
		if definition.IsUploaded(use.Plugin.Ref) {
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

// TestApplyAfterUpgrade has a head whose digest another version of Postern has made, which knew other settings.
func TestApplyAfterUpgrade(t *testing.T) {
	c := newCatalog(t)
	applyText(t, c, "shop", shop)
	_, err := c.change(t.Context(), Change{}, func(ctx context.Context, x *tx) error {
		a, err := read[apiDoc](ctx, &x.state, kindAPI, "orders")
		if err != nil {
			return err
		}
		a.Head.Digest = strings.Repeat("0", 64)
		a.Deployments[0].Digest = a.Head.Digest
		return x.putAPI("orders", a)
	})
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, applyText(t, c, "shop", shop))
	if got := lines(applyText(t, c, "shop", strings.Replace(shop, "timeout: 10s", "timeout: 1s", 1))); !contains(got, "create deployment orders/2") {
		t.Errorf("%q", got)
	}
}

// TestApplyAtOnce has several writers, on catalogs of their own: each change is there once, whoever was first.
func TestApplyAtOnce(t *testing.T) {
	c := newCatalog(t)
	var group errgroup.Group
	for n := range 4 {
		in := inputOf(t, c, fmt.Sprintf("apis: {a%d: {routes: {GET /: {integration: {mock: {}}}}}}", n), nil)
		shared := inputOf(t, c, fmt.Sprintf("apis: {shared: {routes: {GET /: {integration: {mock: {status: %d}}}}}}", 200+n), nil)
		group.Go(func() error {
			own := New(c.opts)
			_, err := own.Apply(t.Context(), fmt.Sprint("p", n), in, Change{})
			_, err2 := own.Apply(t.Context(), "shared", shared, Change{})
			return errors.Join(err, err2)
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	compose(t, c)
	projects, err := c.Projects(t.Context())
	if a, _ := c.API(t.Context(), "shared"); err != nil || len(projects) != 5 || a.Deployment != 4 || a.Stages[0].Deployment != 4 {
		t.Errorf("%d projects, %+v, %v", len(projects), a, err)
	}
	roots := 0
	apis, _ := c.APIs(t.Context())
	for _, a := range apis {
		if a.Root {
			roots++
		}
	}
	if roots != 1 {
		t.Errorf("%d APIs answer at /", roots)
	}
}
