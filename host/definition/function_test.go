package definition_test

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

func TestParseFunction(t *testing.T) {
	f, err := definition.ParseFunction("Greet_2", []byte("{\n\t\"timeout\": \"5s\", \"env\": {\"A\": \"\\ud83d\\ude00\"},\n\t\"config\": {\"a\": [1]}, \"egress\": [\"https://x.example\"]}"), "")
	if err != nil {
		t.Fatal(err)
	}
	if f.Name != "Greet_2" || f.URL || f.Plugin.Name != "Greet_2" || f.Plugin.Ref != "" || f.Plugin.Limits.Timeout.Value != 5*time.Second ||
		f.Plugin.Env["A"] != "😀" || string(f.Plugin.Config) != `{"a":[1]}` || f.Plugin.Limits.Concurrency.Value != host.DefaultConcurrency {
		t.Errorf("%+v", f)
	}
	for _, empty := range []string{"", "{}"} {
		if f, err := definition.ParseFunction("f", []byte(empty), ""); err != nil || f.Plugin.Limits.Timeout.Value != host.DefaultFunctionTimeout {
			t.Errorf("%q: %+v, %v", empty, f, err)
		}
	}
}

func TestParseFunctionRefuses(t *testing.T) {
	tests := []struct {
		name, config, path, rule string
		line                     int
	}{
		{"f", "{\n  \"timeut\": \"5s\"}", "timeut", definition.RuleUnknownKey, 2},
		{"f", `{"timeout": "5 sec"}`, "timeout", definition.RuleInvalidValue, 1},
		{"f", `{"plugin": "./x.ts"}`, "plugin", definition.RuleUnknownKey, 1},
		{"f", `{"secrets": {"X": {}}}`, "secrets.X", definition.RuleInvalidValue, 1},
		{"f", `{"env": {"a b": "c"}}`, `env["a b"]`, definition.RuleInvalidValue, 1},
		{"f", `[1]`, "", definition.RuleWrongType, 1},
		{"f", `{"timeout": `, "", definition.RuleSyntax, 1},
		{"a/b", `{}`, "", definition.RuleInvalidValue, 1},
		{"a.b", `{}`, "", definition.RuleInvalidValue, 1},
		{"", `{}`, "", definition.RuleInvalidValue, 1},
	}
	for _, tt := range tests {
		f, err := definition.ParseFunction(tt.name, []byte(tt.config), "")
		var errs definition.Errors
		if !errors.As(err, &errs) || f != nil || host.KindOf(err) != host.Invalid {
			t.Errorf("%q %s: %v, %v", tt.name, tt.config, f, err)
			continue
		}
		if e := errs[0]; len(errs) != 1 || e.Path != tt.path || e.Rule != tt.rule || e.Pos.File != "config" || e.Pos.Line != tt.line {
			t.Errorf("%q %s: %v at %q", tt.name, tt.config, errs, errs[0].Path)
		}
	}
}

// What settles a plugin is what its reference came to: a function of an unknown kind gets the defaults of that kind.
func TestSettle(t *testing.T) {
	f, err := definition.ParseFunction("f", []byte(`{"memory": "1MiB", "abi": "postern"}`), "")
	if err != nil {
		t.Fatal(err)
	}
	use := definition.Use{Plugin: &f.Plugin, Function: true}
	f.Plugin.Source = &host.Source{Runtime: host.RuntimeJS}
	errs := use.Settle("")
	if len(errs) != 2 || errs[0].Path != "memory" || errs[0].Pos.Line != 1 || errs[1].Rule != definition.RuleConflict {
		t.Errorf("%v", errs)
	}
	for _, tt := range []struct {
		runtime   string
		written   string // {"runtime": …}
		isolation host.Isolation
		memory    int64
		fuel      int64
	}{
		{host.RuntimeJS, "", host.IsolationFresh, 0, 0},
		{host.RuntimeJS, host.RuntimeJS, host.IsolationFresh, 0, 0},
		{host.RuntimeWasm, "", host.IsolationPooled, host.DefaultMemory, host.DefaultFuel},
		{host.RuntimeJS, host.RuntimeQuickJS, host.IsolationReset, host.DefaultMemory, host.DefaultFuel},
	} {
		config := "{}"
		if tt.written != "" {
			config = fmt.Sprintf(`{"runtime": %q}`, tt.written)
		}
		f, err := definition.ParseFunction("f", []byte(config), "")
		if err != nil {
			t.Fatal(err)
		}
		f.Plugin.Source = &host.Source{Runtime: tt.runtime}
		use := definition.Use{Plugin: &f.Plugin, Function: true}
		for range 2 { // it may be settled again
			if errs := use.Settle(""); errs != nil {
				t.Error(errs)
			}
			got := []any{f.Plugin.Runtime, f.Plugin.Isolation, f.Plugin.Limits.Memory.Value, f.Plugin.Limits.Fuel.Value}
			if diff := gocmp.Diff([]any{cmp.Or(tt.written, tt.runtime), tt.isolation, tt.memory, tt.fuel}, got); diff != "" {
				t.Error(diff)
			}
		}
		f.Plugin.Runtime = "other"
		if errs := use.Settle(""); len(errs) != 1 || errs[0].Rule != definition.RuleConflict {
			t.Error(errs)
		}
	}
}

// What a folder turns out to hold may not be able to do what is written beside it.
func TestSettleRefuses(t *testing.T) {
	for config, want := range map[string]string{
		`{"isolation": "reset"}`:        "",
		`{"limits": {"fuel": 1000000}}`: "limits.fuel",
		`{"memory": "1MiB"}`:            "memory",
		`{"limits": {"hostCalls": 10}}`: "limits.hostCalls",
	} {
		f, err := definition.ParseFunction("f", []byte(config), "")
		if err != nil {
			t.Fatal(err)
		}
		f.Plugin.Source = &host.Source{Runtime: host.RuntimeJS}
		errs := definition.Use{Plugin: &f.Plugin, Function: true}.Settle("")
		if len(errs) != 1 || errs[0].Rule != definition.RuleUnsupported || errs[0].Path != want || !strings.Contains(errs[0].Error(), "js") {
			t.Errorf("%s: %v", config, errs)
		}
		if errs := (definition.Use{Plugin: &f.Plugin, Function: true}).Settle(""); len(errs) > 0 {
			t.Errorf("%s is told twice: %v", config, errs)
		}
	}
	f, err := definition.ParseFunction("f", []byte(`{"runtime": "quickjs"}`), "")
	if err != nil {
		t.Fatal(err)
	}
	f.Plugin.Source = &host.Source{Runtime: host.RuntimeWasm}
	if errs := (definition.Use{Plugin: &f.Plugin, Function: true}).Settle(""); len(errs) != 1 || errs[0].Rule != definition.RuleConflict {
		t.Error(errs)
	}
}

// For a host, what only it knows is held to its form.
func TestHost(t *testing.T) {
	const text = `
apis:
  a:
    routes:
      GET /1: {integration: {function: %q}}
functions:
  greet: {plugin: %q}
`
	tests := []struct {
		function, plugin, path string
	}{
		{"greet", "./a.ts", ""},
		{"other", "other@1", ""},
		{"greet@live", "sha256:" + strings.Repeat("0a", 32), ""},
		{"greet@" + strings.Repeat("a", 128), "other@a-1", ""},
		{"greet@" + strings.Repeat("a", 129), "./a.ts", "function"},
		{"greet@", "./a.ts", "function"},
		{"greet@0", "./a.ts", "function"},
		{"greet@01", "./a.ts", "function"},
		{"greet@1@2", "./a.ts", "function"},
		{"gr eet", "./a.ts", "function"},
		{"gr.eet@1", "./a.ts", "function"},
		{"@1", "./a.ts", "function"},
		{"greet", "other@", "plugin"},
		{"greet", "other@a b", "plugin"},
		{"greet", strings.Repeat("o", 65) + "@1", "plugin"},
		{"greet", "sha256:" + strings.Repeat("0A", 32), "plugin"},
		{"greet", "sha256:" + strings.Repeat("0a", 31), "plugin"},
		{"greet", "sha256:", "plugin"},
	}
	for _, tt := range tests {
		s, err := definition.Parse("postern.yaml", fmt.Appendf(nil, text, tt.function, tt.plugin), definition.Options{Host: true})
		var errs definition.Errors
		if tt.path == "" && err != nil || tt.path != "" && (!errors.As(err, &errs) || len(errs) != 1 || !strings.HasSuffix(errs[0].Path, "."+tt.path)) {
			t.Errorf("function %s, plugin %s: %v, want an error at %q", tt.function, tt.plugin, err, tt.path)
		}
		if tt.path != "" {
			continue
		}
		name, qualifier, _ := strings.Cut(tt.function, "@")
		if i := s.APIs[0].Routes[0].Integration; i.Function != name || i.Qualifier != qualifier {
			t.Errorf("%s came to %q and %q", tt.function, i.Function, i.Qualifier)
		}
	}
}

// A host that runs scripts of others on quickjs does so where they name no runtime, and tells those that name another.
func TestScriptsOfOthers(t *testing.T) {
	text := `
apis: {a: {routes: {GET /: {integration: {function: script}}}}}
functions:
  script: {plugin: ./a.ts}
  folder: {plugin: ./f}
  named: {plugin: ./b.js, runtime: quickjs}
  wasm: {plugin: ./c.wasm}
`
	options := definition.Options{Host: true, Scripts: host.RuntimeQuickJS}
	s, err := definition.Parse("postern.yaml", []byte(text), options)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"script": host.RuntimeQuickJS, "folder": "", "named": host.RuntimeQuickJS, "wasm": host.RuntimeWasm}
	for _, f := range s.Functions {
		if f.Plugin.Runtime != want[f.Name] {
			t.Errorf("%s runs on %q, want %q", f.Name, f.Plugin.Runtime, want[f.Name])
		}
		if f.Name != "folder" {
			continue
		}
		f.Plugin.Source = &host.Source{Runtime: host.RuntimeJS}
		if errs := (definition.Use{Plugin: &f.Plugin, Function: true}).Settle(host.RuntimeQuickJS); errs != nil || f.Plugin.Runtime != host.RuntimeQuickJS || f.Plugin.Isolation != host.IsolationReset {
			t.Errorf("a folder of scripts: %q, %q, %v", f.Plugin.Runtime, f.Plugin.Isolation, errs)
		}
	}
	for _, ref := range []string{"./a.ts", "./f"} {
		_, err := definition.Parse("postern.yaml", []byte("functions:\n  f: {plugin: "+ref+", runtime: js}\n"), options)
		var errs definition.Errors
		if !errors.As(err, &errs) || !strings.Contains(errs[0].Hint, "--allow-goja") || errs[0].Pos.Line != 2 {
			t.Errorf("%s on js: %v", ref, err)
		}
	}
}

// What a definition is told of a script is not told again once the script is there.
func TestScriptIsToldOnce(t *testing.T) {
	s, err := definition.Parse("postern.yaml", []byte(`functions: {f: {plugin: ./f.js, abi: stdio, memory: 1MiB, isolation: reset, limits: {fuel: 1, hostCalls: 1}}}`), definition.Options{})
	var errs definition.Errors
	if !errors.As(err, &errs) || len(errs) != 5 {
		t.Fatal(err)
	}
	p := &s.Functions[0].Plugin
	p.Source = &host.Source{Runtime: host.RuntimeJS}
	if errs := (definition.Use{Plugin: p, Function: true}).Settle(""); len(errs) > 0 {
		t.Error(errs)
	}
}

func TestProjectMap(t *testing.T) {
	for _, tt := range []struct{ project, kv, want string }{
		{"shop", "sessions", "projects/shop/maps/sessions"},
		{"shop", definition.FunctionMap("f"), "functions/f"},
		{"shop", "apis/a/plugins/f.js", "apis/a/plugins/f.js"},
		{"", "sessions", "sessions"},
	} {
		if got := definition.ProjectMap(tt.project, tt.kv); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}
