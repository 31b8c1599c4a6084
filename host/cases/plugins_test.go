package cases_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/cases"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/project"
)

// TestPlugins runs the cases of each of the plugins that come along, as "postern test plugins/NAME" does; scripts on both runtimes. Those in Go and
// TypeScript always run; others where their toolchain is, and in CI, with POSTERN_LANGS, all.
func TestPlugins(t *testing.T) {
	e := engine(t)
	for _, name := range pluginNames(t) {
		t.Run(name, func(t *testing.T) {
			src := loadPlugin(t, filepath.Join(root, "plugins", name))
			if src.ConfigSchema == nil {
				t.Error("there is no config.schema.json")
			}
			if src.Runtime != host.RuntimeJS {
				runPlugin(t, e, src, name)
				return
			}
			for _, runtime := range []string{host.RuntimeJS, host.RuntimeQuickJS} {
				on := *src
				on.Runtime = runtime
				t.Run(runtime, func(t *testing.T) { runPlugin(t, e, &on, name) })
			}
		})
	}
}

// pluginNames are the folders of plugins.
func pluginNames(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, "plugins"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	if len(names) < 3 {
		t.Fatalf("only %v", names)
	}
	return names
}

// loadPlugin builds a plugin, or skips the test where another toolchain than Go's is missing.
func loadPlugin(t *testing.T, dir string) *host.Source {
	t.Helper()
	_, locked := os.Stat(filepath.Join(dir, "package-lock.json"))
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); locked == nil && err != nil && os.Getenv("POSTERN_LANGS") != "" {
		install := exec.Command("npm", "ci", "--no-audit", "--no-fund")
		install.Dir = dir
		if out, err := install.CombinedOutput(); err != nil {
			t.Logf("npm ci: %v\n%s", err, out) // what is missing, the build says
		}
	}
	src, _, err := project.LoadSource(t.Context(), dir, "", project.Options{CacheDir: t.TempDir()})
	if err == nil {
		return src
	}
	_, always := os.Stat(filepath.Join(dir, "go.mod"))
	_, script := os.Stat(filepath.Join(dir, "index.ts"))
	if always == nil || script == nil || os.Getenv("POSTERN_LANGS") != "" && os.Getenv("CI") != "" || !lacksTool(err) {
		t.Fatal(err)
	}
	t.Skip(err)
	return nil
}

// lacksTool reports whether a build failed for what is not installed, and not for the code. Without POSTERN_LANGS, any failing build of another
// language counts: a compiler may be there without its library for WebAssembly.
func lacksTool(err error) bool {
	if os.Getenv("POSTERN_LANGS") == "" {
		return true
	}
	var errs definition.Errors
	return errors.As(err, &errs) && len(errs) > 0 && errs[0].Rule == project.RuleMissingToolchain
}

func runPlugin(t *testing.T, e *cases.Engine, src *host.Source, name string) {
	s, err := e.Subject(t.Context(), src, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	files, err := filepath.Glob(filepath.Join(root, "plugins", name, "tests", "*.txtar"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c, err := cases.Parse(file, text)
		if err != nil {
			t.Fatal(err)
		}
		r := s.Run(t.Context(), c)
		if r.NotOffered != "" {
			t.Errorf("%s: %s", file, r.NotOffered)
		}
		for _, f := range r.Failures {
			t.Errorf("%s: %s\n%s", f.Pos, f.Section, f.Text)
		}
	}
}

// TestPluginsInGo runs the tests that plugins in Go have of their own.
func TestPluginsInGo(t *testing.T) {
	modules, err := filepath.Glob(filepath.Join(root, "plugins", "*", "go.mod"))
	if err != nil || len(modules) < 2 {
		t.Fatalf("%v, %v", modules, err)
	}
	for _, module := range modules {
		t.Run(filepath.Base(filepath.Dir(module)), func(t *testing.T) {
			test := exec.Command("go", "test", "./...")
			test.Dir = filepath.Dir(module)
			test.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
			if out, err := test.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

var (
	definitionBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	fromEnv         = func(string) (string, bool) { return "a value", true }
)

// TestPluginReadmes: each README's definitions are such as a project has, with the plugin in the place where they look for it.
func TestPluginReadmes(t *testing.T) {
	for _, name := range pluginNames(t) {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(root, "plugins", name)
			readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
			if err != nil {
				t.Fatal(err)
			}
			blocks := definitionBlock.FindAllSubmatch(readme, -1)
			if len(blocks) == 0 {
				t.Fatal("there is no definition")
			}
			at := t.TempDir()
			schema, err := os.ReadFile(filepath.Join(dir, "config.schema.json"))
			if err != nil {
				t.Fatal(err)
			}
			// A module with the plugin's schema beside it stands in for the plugin: what the definition says of it is what counts here.
			for file, data := range map[string][]byte{"plugin.wasm": []byte("\x00asm\x01\x00\x00\x00"), "config.schema.json": schema} {
				file = filepath.Join(at, "plugins", name, file)
				if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, data, 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			for _, block := range blocks {
				text := string(block[1])
				if !strings.Contains(text, "\nfunctions:") { // which a README need not have for its routes
					text += "functions: {orders: {plugin: ./plugins/" + name + "/plugin.wasm}}\n"
				}
				if err := os.WriteFile(filepath.Join(at, project.FileName), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				if _, err := project.Load(t.Context(), at, project.Options{CacheDir: t.TempDir(), Env: fromEnv}); err != nil {
					t.Errorf("%v\n%s", err, text)
				}
			}
		})
	}
}
