package project_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/wasm"
)

// A Go folder is built as a program where abi says that it is one, and as a plugin elsewhere.
func TestCommandFolder(t *testing.T) {
	program := map[string]string{
		"f/go.mod":  "module guest\n\ngo 1.24\n",
		"f/main.go": "package main\n\nfunc main() { print(\"Content-Type: text/plain\\n\\n\") }\n",
	}
	dir := write(t, program)
	put(t, dir, "postern.yaml", one("./f", "abi: cgi"))
	source := load(t, dir, options(t)).Snapshot.Functions[0].Plugin.Source
	runtime, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = runtime.Close(t.Context()) }()
	module, err := runtime.Compile(t.Context(), host.Source{Name: "f", Code: source.Code})
	if err != nil {
		t.Fatal(err)
	}
	if got := module.Info().Carrier; got != host.ABICGI {
		t.Errorf("the carrier is %q", got)
	}
	if err := module.Close(t.Context()); err != nil {
		t.Error(err)
	}
	put(t, dir, "postern.yaml", one("./f", "abi: stdio")+"  g: {plugin: ./f, abi: cgi}\n")
	if again := load(t, dir, options(t)).Snapshot.Functions; !bytes.Equal(again[0].Plugin.Source.Code, again[1].Plugin.Source.Code) {
		t.Error("cgi and stdio are two programs")
	}
	put(t, dir, "postern.yaml", one("./f")+"  g: {plugin: ./f, abi: cgi}\n")
	var errs definition.Errors
	errs, got := problems(t, dir, options(t))
	if len(got) != 2 || errs[0].Rule != definition.RuleConflict || !errors.Is(errs, host.Invalid) {
		t.Errorf("a folder that is both: %q", got)
	}
}
