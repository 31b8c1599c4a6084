package catalog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/router"
)

// A world is a catalog under random changes, with what must stay true of it.
type world struct {
	t       *testing.T
	c       *Catalog
	r       *rand.Rand
	numbers map[string]map[int]string // of deployments and versions ever seen: their digests
	refused int
	made    int
}

// projectText is a random definition of a project of two APIs and two functions that belong to it.
func (w *world) projectText(project string) string {
	r := w.r
	text := "apis:\n"
	apis := 0
	for _, api := range []string{"one", "two"} {
		if r.IntN(4) == 0 && (api == "one" || apis > 0) {
			continue
		}
		apis++
		name := project + "-" + api
		text += fmt.Sprintf("  %s:\n    root: %t\n    routes:\n      GET /: {integration: {mock: {status: %d}}}\n", name, api == "one" && r.IntN(6) == 0, 200+r.IntN(3))
		text += fmt.Sprintf("      GET /up: {integration: {upstream: up}, timeout: %ds}\n      GET /v: {integration: {http: \"${stageVariables.x}/\"}}\n", 1+r.IntN(2))
		text += "    stages:\n"
		for _, stage := range []string{"$default", "prod", "dev"}[:1+r.IntN(3)] {
			text += fmt.Sprintf("      %s: {variables: {x: \"http://h%d\"}}\n", stage, r.IntN(2))
		}
	}
	text += fmt.Sprintf("upstreams:\n  up: {targets: [\"http://10.0.0.%d\"]}\nfunctions:\n", 1+r.IntN(3))
	for _, f := range []string{"f", "g"}[:1+r.IntN(2)] {
		text += fmt.Sprintf("  %s-%s: {plugin: ./%s.js, timeout: %ds}\n", project, f, f, 1+r.IntN(2))
	}
	return text
}

// step makes one random change. It may be refused, and then must have changed nothing.
func (w *world) step() {
	w.t.Helper()
	ctx := w.t.Context()
	before, err := w.c.state(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	change := Change{By: "test", DryRun: w.r.IntN(10) == 0, Force: w.r.IntN(4) == 0}
	project := []string{"a", "b"}[w.r.IntN(2)]
	api := project + "-" + []string{"one", "two"}[w.r.IntN(2)]
	stage := []string{"$default", "prod", "dev", "extra"}[w.r.IntN(4)]
	number := w.r.IntN(8)
	what := ""
	switch w.r.IntN(14) {
	case 0, 1, 2, 3:
		in := inputOf(w.t, w.c, w.projectText(project), map[string]string{"f.js": fmt.Sprint(w.r.IntN(3))})
		in.Prune = w.r.IntN(3) == 0
		if w.r.IntN(4) == 0 {
			in.Stage = stage
		}
		what = "apply " + project
		err = w.applyTwice(project, in, change)
	case 4:
		what = "delete project"
		if w.r.IntN(3) == 0 {
			err = w.c.DeleteProject(ctx, project, change)
		}
	case 5:
		what, err = "deploy", errOf(w.c.Deploy(ctx, api, stage, "", change))
	case 6:
		what, err = "delete deployment", w.c.DeleteDeployment(ctx, api, number, change)
	case 7:
		what, err = "put stage", errOf(w.c.PutStage(ctx, api, Stage{Name: stage, Deployment: number, Variables: map[string]string{"x": "http://p"}}, change))
	case 8:
		what, err = "delete stage", w.c.DeleteStage(ctx, api, stage, change)
	case 9:
		what, err = "roll back", errOf(w.c.RollbackStage(ctx, api, stage, w.r.IntN(4), change))
	case 10:
		what, err = "canary", errOf(w.c.SetCanary(ctx, api, stage, &Canary{Deployment: number, Percent: 10}, change))
	case 11:
		what, err = "set alias", errOf(w.c.SetAlias(ctx, project+"-f", "live", 1+number, w.r.IntN(3), 0.5, change))
	case 12:
		what, err = "roll back alias", errOf(w.c.RollbackAlias(ctx, project+"-f", "live", change))
	case 13:
		what, err = "promote", errOf(w.c.PromoteCanary(ctx, api, stage, change))
	}
	after, readErr := w.c.state(ctx)
	if readErr != nil {
		w.t.Fatal(readErr)
	}
	switch {
	case err != nil && host.KindOf(err) == host.Internal && !errors.Is(err, host.Invalid):
		w.t.Fatalf("%s: %v", what, err)
	case (err != nil || change.DryRun) && after.revision != before.revision:
		w.t.Fatalf("%s (dry run %t, %v) changed the state", what, change.DryRun, err)
	case err != nil:
		w.refused++
	case after.revision != before.revision:
		w.made++
	}
	w.check(what)
}

// applyTwice applies, and holds the plan to what became of the state: a dry run tells the same, and again changes nothing.
func (w *world) applyTwice(project string, in Input, change Change) error {
	ctx := w.t.Context()
	dry := change
	dry.DryRun = true
	planned, err := w.c.Apply(ctx, project, in, dry)
	if err != nil {
		return err
	}
	before, err := w.c.View(ctx)
	if err != nil {
		return err
	}
	plan, err := w.c.Apply(ctx, project, in, change)
	if err != nil {
		w.t.Fatalf("a dry run was content, and then: %v", err)
	}
	if !reflect.DeepEqual(lines(planned), lines(plan)) {
		w.t.Fatalf("planned %q, made %q", lines(planned), lines(plan))
	}
	if change.DryRun {
		return nil
	}
	if moved := plan.Revision != before.Revision; moved != plan.Changed {
		w.t.Fatalf("the revision moved: %t; the plan says %t: %q", moved, plan.Changed, lines(plan))
	}
	again, err := w.c.Apply(ctx, project, in, change)
	if err != nil {
		w.t.Fatalf("again: %v, after %q", err, lines(plan))
	}
	if again.Changed || again.Revision != plan.Revision {
		w.t.Fatalf("again: %q", lines(again))
	}
	return nil
}

// check holds the state to what must be true of it.
func (w *world) check(what string) {
	w.t.Helper()
	ctx := w.t.Context()
	composed, err := w.c.Compose(ctx)
	if err != nil {
		w.t.Fatalf("after %s: %v", what, err)
	}
	for _, p := range composed.Parts {
		if p.Err != nil {
			w.t.Fatalf("after %s: %s %s %d: %v", what, p.Kind, p.Name, p.Number, p.Err)
		}
	}
	if _, err := router.NewHosts(composed.Snapshot, "localhost"); err != nil {
		w.t.Fatalf("after %s the router refuses: %v", what, err)
	}
	w.checkAPIs(what, composed)
	functions, err := w.c.Functions(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range functions {
		versions, err := w.c.Versions(ctx, f.Name)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, v := range versions {
			w.seen(what, "function "+f.Name, v.Version, v.Digest+v.Config.Timeout)
		}
	}
}

func (w *world) checkAPIs(what string, composed *Composition) {
	w.t.Helper()
	apis, err := w.c.APIs(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	stages, roots := 0, 0
	for _, a := range apis {
		if a.Root {
			roots++
		}
		deployments, err := w.c.Deployments(w.t.Context(), a.Name)
		if err != nil {
			w.t.Fatal(err)
		}
		var there []int
		for _, d := range deployments {
			there = append(there, d.Number)
			w.seen(what, "api "+a.Name, d.Number, d.Digest)
		}
		for _, s := range a.Stages {
			stages++
			if !slices.Contains(there, s.Deployment) || s.Canary != nil && !slices.Contains(there, s.Canary.Deployment) {
				w.t.Fatalf("after %s the stage %s/%s points at nothing: %+v of %v", what, a.Name, s.Name, s, there)
			}
		}
	}
	served := 0
	upstreams := map[string]bool{}
	for _, u := range composed.Snapshot.Upstreams {
		if upstreams[u.Name] {
			w.t.Fatalf("after %s there are two upstreams %s", what, u.Name)
		}
		upstreams[u.Name] = true
	}
	for _, a := range composed.Snapshot.APIs {
		served += len(a.Stages)
	}
	for a := range composed.Snapshot.Definitions() {
		for _, r := range a.Routes {
			if name := r.Integration.Upstream; name != "" && !upstreams[name] {
				w.t.Fatalf("after %s there is no upstream %s", what, name)
			}
		}
	}
	if served != stages || roots > 1 {
		w.t.Fatalf("after %s: %d stages, %d served, %d roots", what, stages, served, roots)
	}
}

// seen refuses a number that was something else before.
func (w *world) seen(what, of string, number int, digest string) {
	w.t.Helper()
	if w.numbers[of] == nil {
		w.numbers[of] = map[int]string{}
	}
	if was, ok := w.numbers[of][number]; ok && was != digest {
		w.t.Fatalf("after %s: %s %d was something else before", what, of, number)
	}
	w.numbers[of][number] = digest
}

// TestInvariants makes random changes and looks after each of them.
func TestInvariants(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := newCatalog(t)
			c.opts.Keep = int(seed % 3)
			w := &world{t: t, c: c, r: rand.New(rand.NewPCG(seed, 7)), numbers: map[string]map[int]string{}}
			for range 100 {
				w.step()
			}
			if w.made < 20 || w.refused < 10 {
				t.Errorf("%d changes were made and %d refused: the test looks at too little", w.made, w.refused)
			}
		})
	}
}

// TestApplyCut cuts an apply off at each call of the store and of the blobs, as a kill would: what is there then is the old state or the
// new one, and the same apply can be made again.
func TestApplyCut(t *testing.T) {
	text := `
apis:
  orders:
    routes:
      GET /: {integration: {function: f}, timeout: %ds}
      GET /up: {integration: {upstream: up}}
functions:
  f: {plugin: ./f.js, timeout: %ds, secrets: {P: {file: ./p.secret}}}
upstreams:
  up: {targets: ["http://10.0.0.1"]}
`
	for _, mode := range []string{"before", "after", "cancelled"} {
		t.Run(mode, func(t *testing.T) {
			whole := New(optionsOf(t, openState(t)))
			input := func(n int) Input {
				in := inputOf(t, whole, fmt.Sprintf(text, n, n), map[string]string{"f.js": fmt.Sprint(n)})
				in.Secrets = map[string]string{"p.secret": fmt.Sprint("secret ", n)}
				return in
			}
			current := 1
			apply(t, whole, "p", input(1))
			for call := int32(1); ; call++ {
				next := current + 1
				broken := &cut{at: call, after: mode == "after"}
				ctx, cancel := context.WithCancel(t.Context())
				if mode == "cancelled" {
					broken.cancel = cancel
				}
				_, err := New(broken.with(whole.opts)).Apply(ctx, "p", input(next), Change{})
				cancel()
				is := runs(t, New(whole.opts))
				switch {
				case is == next:
					current = next
				case is != current || err == nil:
					t.Fatalf("cut at call %d (%v): %d runs, was %d", call, err, is, current)
				}
				if err == nil {
					if call < 8 {
						t.Fatalf("only %d calls", call)
					}
					return
				}
				if call%3 == 0 {
					apply(t, New(whole.opts), "p", input(next))
					current = next
				}
			}
		})
	}
}

// runs tells which of the states of TestApplyCut is there, as a whole.
func runs(t *testing.T, c *Catalog) int {
	t.Helper()
	s := compose(t, c).Snapshot
	n := int(s.APIs[0].Routes[0].Timeout.Value.Seconds())
	f := s.Functions[0]
	code, _, err := f.Plugin.Source.Load(t.Context())
	if err != nil || string(code) != script(fmt.Sprint(n)) || int(f.Plugin.Limits.Timeout.Value.Seconds()) != n || secretOf(f.Plugin) != fmt.Sprint("secret ", n) {
		t.Fatalf("half of an apply: route %d, timeout %s, code %q, %v", n, f.Plugin.Limits.Timeout.Value, code, err)
	}
	return n
}
