package catalog

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/postern/postern/host"
)

// putAPI puts an API whose one route answers with a status, so that each status is another definition.
func putAPI(t testing.TB, c *Catalog, name string, status int) API {
	t.Helper()
	text := fmt.Sprintf("apis: {%s: {routes: {GET /: {integration: {mock: {status: %d}}}}}}", name, status)
	a, err := c.PutAPI(t.Context(), name, inputOf(t, c, text, nil), Change{By: "token test"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestPutAPI(t *testing.T) {
	c := newCatalog(t)
	a := putAPI(t, c, "orders", 200)
	if a.Deployment != 1 || len(a.Stages) != 1 || a.Stages[0].Name != "$default" || !a.Stages[0].AutoDeploy || !a.Root || a.Project != "" || a.Revision != 1 {
		t.Fatalf("%+v", a)
	}
	if a = putAPI(t, c, "orders", 200); a.Revision != 1 {
		t.Errorf("the same API has revision %d", a.Revision)
	}
	if a = putAPI(t, c, "orders", 201); a.Stages[0].Deployment != 2 || a.Revision != 2 {
		t.Errorf("auto-deploy: %+v", a)
	}
	if _, err := c.PutStage(t.Context(), "orders", Stage{Name: "$default", Variables: map[string]string{"x": "y"}}, Change{}); err != nil {
		t.Fatal(err)
	}
	if a = putAPI(t, c, "orders", 202); a.Stages[0].Deployment != 2 || a.Deployment != 2 || a.Stages[0].Variables["x"] != "y" {
		t.Errorf("without auto-deploy: %+v", a)
	}
	d, err := c.Deploy(t.Context(), "orders", "$default", "by hand", Change{})
	if err != nil || d.Number != 3 || d.Description != "by hand" || len(d.Stages) != 1 || len(d.ID) != 10 {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err = c.Deploy(t.Context(), "orders", "", "", Change{}); err != nil || d.Number != 3 {
		t.Errorf("what is deployed was copied: %+v, %v", d, err)
	}
	for name, text := range map[string]string{
		"functions are not":  "apis: {orders: {routes: {GET /: {integration: {mock: {}}}}}}\nfunctions: {f: {plugin: ./f.js}}",
		"has the API \"b\"":  "apis: {orders: {routes: {GET /: {integration: {mock: {}}}}}, b: {routes: {GET /: {integration: {mock: {}}}}}}",
		"only a project has": "apis: {orders: {routes: {GET /: {integration: {mock: {}}}}}}\ndomains: {x.example.com: {/: orders/$default}}",
	} {
		_, err := c.PutAPI(t.Context(), "orders", inputOf(t, c, text, nil), Change{})
		wantKind(t, err, host.Invalid, name)
	}
	_, err = c.PutAPI(t.Context(), "orders", Input{Bundle: Bundle{Text: "apis: {orders: {routes: {GET /: {integration: {mock: {}}}}}}"}}, Change{Revision: 1})
	wantKind(t, err, host.Conflict, "revision")
	if err := c.DeleteAPI(t.Context(), "orders", Change{}); err != nil {
		t.Fatal(err)
	}
	_, err = c.API(t.Context(), "orders")
	wantKind(t, err, host.NotFound)
	if a = putAPI(t, c, "orders", 200); a.Deployment != 4 {
		t.Errorf("deployment %d after a deletion, want 4", a.Deployment)
	}
}

func TestStages(t *testing.T) {
	c := newCatalog(t)
	for status := 200; status < 205; status++ {
		putAPI(t, c, "orders", status)
	}
	stage := func(s Stage, err error) Stage {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	stage(c.PutStage(t.Context(), "orders", Stage{Name: "prod", Deployment: 1}, Change{}))
	s := stage(c.PutStage(t.Context(), "orders", Stage{Name: "prod", Deployment: 3}, Change{}))
	if s.Deployment != 3 || len(s.History) != 1 || s.History[0].Deployment != 1 {
		t.Fatalf("%+v", s)
	}
	stage(c.PutStage(t.Context(), "orders", Stage{Name: "prod", Deployment: 4}, Change{}))
	if s = stage(c.RollbackStage(t.Context(), "orders", "prod", 0, Change{})); s.Deployment != 3 {
		t.Errorf("rolled back to %d", s.Deployment)
	}
	if s = stage(c.RollbackStage(t.Context(), "orders", "prod", 0, Change{})); s.Deployment != 1 {
		t.Errorf("rolled back further to %d", s.Deployment)
	}
	_, err := c.RollbackStage(t.Context(), "orders", "prod", 0, Change{})
	wantKind(t, err, host.Conflict, "no other deployment")
	if s = stage(c.RollbackStage(t.Context(), "orders", "prod", 2, Change{})); s.Deployment != 2 {
		t.Errorf("rolled back to %d", s.Deployment)
	}
	wantKind(t, c.DeleteDeployment(t.Context(), "orders", 2, Change{}), host.Conflict, "Active stages pointing to this deployment must be moved or deleted: prod")
	if err := c.DeleteDeployment(t.Context(), "orders", 1, Change{}); err != nil {
		t.Fatal(err)
	}
	_, err = c.RollbackStage(t.Context(), "orders", "prod", 0, Change{})
	wantKind(t, err, host.Conflict, "no other deployment") // the one before was deleted
	_, err = c.RollbackStage(t.Context(), "orders", "prod", 1, Change{})
	wantKind(t, err, host.NotFound, "no deployment 1", "2, 3, 4, 5")
	_, err = c.RollbackStage(t.Context(), "orders", "prot", 0, Change{})
	wantKind(t, err, host.NotFound, `did you mean "prod"`)
	if err := c.DeleteStage(t.Context(), "orders", "prod", Change{}); err != nil {
		t.Fatal(err)
	}
	list, err := c.Deployments(t.Context(), "orders")
	if err != nil || len(list) != 4 || list[0].Number != 2 || len(list[0].Stages) != 0 || list[3].Stages[0] != "$default" {
		t.Errorf("%+v, %v", list, err)
	}
	for n := range 60 {
		stage(c.PutStage(t.Context(), "orders", Stage{Name: "dev", Deployment: 2 + n%3}, Change{}))
	}
	if s = stage(c.PutStage(t.Context(), "orders", Stage{Name: "dev"}, Change{})); len(s.History) != MaxHistory || s.Deployment != 4 {
		t.Errorf("%d moves, deployment %d", len(s.History), s.Deployment)
	}
	many := map[string]string{}
	for n := range 101 {
		many[fmt.Sprint("v", n)] = ""
	}
	for _, bad := range []Stage{
		{Name: "a/b"}, {Name: ""}, {Name: strings.Repeat("s", 10_000)}, {Name: "ok", Variables: many}, {Name: "ok", Variables: map[string]string{"a b": "x"}},
		{Name: "ok", Variables: map[string]string{strings.Repeat("k", 65): "x"}}, {Name: "ok", Variables: map[string]string{"k": strings.Repeat("x", 513)}},
		{Name: "ok", Canary: &Canary{Percent: 101}}, {Name: "ok", Canary: &Canary{Percent: math.NaN()}},
	} {
		_, err := c.PutStage(t.Context(), "orders", bad, Change{})
		wantKind(t, err, host.Invalid)
	}
	_, err = c.PutStage(t.Context(), "orders", Stage{Name: "ok", Deployment: 9}, Change{})
	wantKind(t, err, host.NotFound)
}

func TestVariablesThatAreRead(t *testing.T) {
	c := newCatalog(t)
	applyText(t, c, "shop", shop)
	_, err := c.Deploy(t.Context(), "orders", "dev", "", Change{})
	wantKind(t, err, host.Invalid, `"backend"`, "dev")
	if a, _ := c.API(t.Context(), "orders"); len(a.Stages) != 2 {
		t.Errorf("the stage was made: %+v", a.Stages)
	}
}

func TestCanary(t *testing.T) {
	c := newCatalog(t)
	applyText(t, c, "shop", shop)
	in := inputOf(t, c, strings.Replace(shop, "timeout: 10s", "timeout: 1s", 1), nil)
	in.Stage = "$default"
	apply(t, c, "shop", in)
	_, err := c.SetCanary(t.Context(), "orders", "nope", &Canary{Percent: 10}, Change{})
	wantKind(t, err, host.NotFound)
	s, err := c.SetCanary(t.Context(), "orders", "prod", &Canary{Percent: 12.5, Variables: map[string]string{"backend": "http://canary"}}, Change{})
	if err != nil || s.Canary.Deployment != 2 || s.Deployment != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	composed := compose(t, c)
	prod := composed.Snapshot.APIs[0].Stage("prod")
	if prod == nil || prod.Deployment != 1 || prod.Canary == nil || prod.Canary.Percent != 12.5 || prod.Canary.Stage.Deployment != 2 ||
		prod.Canary.Stage.Variables["backend"] != "http://canary" || prod.Variables["backend"] != "http://10.0.0.1" ||
		prod.Canary.API.Routes[1].Timeout.Value.String() != "1s" || prod.Canary.API.Stage("prod") != prod.Canary.Stage || len(prod.Canary.API.Stages) != 1 {
		t.Fatalf("%+v", prod)
	}
	wantKind(t, c.DeleteDeployment(t.Context(), "orders", 2, Change{}), host.Conflict, "$default, prod (canary)")
	if s, err = c.SetCanary(t.Context(), "orders", "prod", &Canary{Percent: 50, Variables: s.Canary.Variables}, Change{}); err != nil || s.Canary.Deployment != 2 {
		t.Fatalf("%+v, %v", s, err)
	}
	s, err = c.PromoteCanary(t.Context(), "orders", "prod", Change{})
	if err != nil || s.Canary != nil || s.Deployment != 2 || s.Variables["backend"] != "http://canary" || s.History[0].Deployment != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	_, err = c.PromoteCanary(t.Context(), "orders", "prod", Change{})
	wantKind(t, err, host.Conflict, "no canary")
	if _, err = c.SetCanary(t.Context(), "orders", "prod", &Canary{Deployment: 1, Percent: 5}, Change{}); err != nil {
		t.Fatal(err)
	}
	in.Stage = ""
	wantLines(t, apply(t, c, "shop", in), "update stage orders/prod (deployment 2 -> deployment 2)",
		"  the canary ends, which had 5% of the requests at deployment 1", `  variable backend "http://canary" -> "http://10.0.0.1"`)
	if s, err = c.SetCanary(t.Context(), "orders", "prod", nil, Change{}); err != nil || s.Canary != nil {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestKeepDeployments(t *testing.T) {
	c := newCatalog(t)
	c.opts.Keep = 1
	for status := 200; status < 210; status++ {
		putAPI(t, c, "orders", status)
	}
	list, err := c.Deployments(t.Context(), "orders")
	if err != nil || len(list) != 2 || list[0].Number != 9 || list[1].Number != 10 {
		t.Errorf("%+v, %v", list, err)
	}
}
