package cloudformation_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/cloudformation"
	"github.com/postern/postern/host/js"
	"github.com/postern/postern/host/js/bundle"
)

// TestCodeRuns takes the code of functions as templates have it, bundles it as a project would, and calls it.
func TestCodeRuns(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string // of the code, beside the template
		properties string // of the function
		plugin     string // where the definition says that its code is
	}{
		"handler":            {"src/app.js", `exports.handler = async () => "called"`, "{CodeUri: src, Handler: app.handler}", "./src/app.js"},
		"another name":       {"src/app.js", `exports.lambdaHandler = async () => "called"`, "{CodeUri: ./src/, Handler: app.lambdaHandler}", "./functions/F.js"},
		"module":             {"app.mjs", `export const run = async () => "called"`, "{Handler: app.run}", "./functions/F.js"},
		"TypeScript":         {"src/lib/app.ts", `export const go = async (e: unknown): Promise<string> => "called"`, "{CodeUri: src, Handler: lib/app.go}", "./functions/F.js"},
		"source, not built":  {"src/app.ts", `export const handler = async (e: unknown): Promise<string> => "called"`, "{CodeUri: src, Handler: app.handler}", "./src/app.ts"},
		"inline":             {"", "", `{InlineCode: 'exports.handler = async () => "called"', Handler: index.handler}`, "./functions/F.js"},
		"inline, other name": {"", "", `{InlineCode: 'exports.main = async () => "called"', Handler: index.main}`, "./functions/F.js"},
		"in the same place":  {"functions/F.js", `exports.main = async () => "called"`, "{CodeUri: functions, Handler: F.main}", "./functions/F.handler.js"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, c.file, []byte(c.text))
			text := "Resources: {F: {Type: \"AWS::Serverless::Function\", Properties: " + c.properties[:len(c.properties)-1] + ", Runtime: nodejs22.x}}}"
			result := read(t, text, cloudformation.Options{Files: os.DirFS(dir)})
			for _, f := range result.Files {
				write(t, dir, f.Path, f.Data)
			}
			plugin := result.Definition.Get("functions").Get("F").Get("plugin")
			if plugin == nil || plugin.Text != c.plugin {
				t.Fatalf("the plugin is %v, want %s", plugin, c.plugin)
			}
			if got := called(t, dir, plugin.Text); got != `"called"` {
				t.Errorf("the function answers %s", got)
			}
		})
	}
}

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if name == "" {
		return
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// called bundles a script, and returns what it answers.
func called(t *testing.T, dir, entry string) string {
	t.Helper()
	built, err := bundle.Build(t.Context(), bundle.Options{Dir: dir, Entry: entry})
	if err != nil {
		t.Fatal(err)
	}
	runtime := js.New(js.Options{})
	defer runtime.Close(t.Context())
	module, err := runtime.Compile(t.Context(), *built.Source)
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := module.Open(t.Context(), host.PluginConfig{Name: "F", Isolation: host.IsolationFresh, Limits: host.Limits{Timeout: host.Setting[time.Duration]{Value: 25 * time.Second}}})
	if err != nil {
		t.Fatal(err)
	}
	defer plugin.Close(t.Context())
	event, err := plugin.Call(t.Context(), host.EntryHandle, host.Event{Meta: []byte("{}")}, &host.StartEffects{Logger: slog.New(slog.DiscardHandler), Plugin: &host.PluginConfig{}})
	if err != nil {
		t.Fatal(err)
	}
	return string(event.Meta)
}
