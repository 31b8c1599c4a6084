package catalog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postern/postern/host"
)

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
