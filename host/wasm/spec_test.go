package wasm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm"
)

// The examples of spec/abi.md are complete, build as the page says, and work.
func TestSpecExamples(t *testing.T) {
	page, err := os.ReadFile("../../spec/abi.md")
	if err != nil {
		t.Fatal(err)
	}
	for language, test := range map[string]struct {
		build                        []string
		entry, in, body, want, after string
	}{
		"c": {[]string{"clang", "--target=wasm32", "-O2", "-nostdlib", "-Wl,--no-entry", "-o", "guest.wasm", "guest.c"}, host.EntryAuthorize,
			`{"headers":{"authorization":"Bearer demo"}}`, "", `{"isAuthorized":true,"context":{"user":"demo"}}`, ""},
		"wat": {[]string{"wat2wasm", "guest.wat", "-o", "guest.wasm"}, host.EntryHandle, `{}`, "hello", `{"statusCode":200}`, "hello"},
	} {
		t.Run(language, func(t *testing.T) {
			if _, err := exec.LookPath(test.build[0]); err != nil {
				t.Skipf("%s is not there; apt-get install clang lld wabt", test.build[0])
			}
			source := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(page)
			if source == nil {
				t.Fatal("the page has no example")
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "guest."+language), source[1], 0o600); err != nil {
				t.Fatal(err)
			}
			build := exec.Command(test.build[0], test.build[1:]...)
			build.Dir = dir
			if text, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			code, err := os.ReadFile(filepath.Join(dir, "guest.wasm"))
			if err != nil {
				t.Fatal(err)
			}
			rt := newRuntime(t, wasm.Options{})
			p := open(t, compile(t, rt, language, code), host.PluginConfig{Name: language, Limits: limits()})
			if language == "wat" { // the example has a filter too
				meta, body, err := ask(p, host.EntryFilterResponse, responseMeta, []byte("hello"), &effects{})
				if err != nil || meta != `{"body":true,"addHeaders":[["via","wat"]]}` || body != "hello" {
					t.Errorf("the filter: got %s %q, %v", meta, body, err)
				}
			}
			meta, body, err := ask(p, test.entry, test.in, []byte(test.body), &effects{})
			if err != nil || meta != test.want || body != test.after {
				t.Errorf("got %s %q, %v; want %s %q", meta, body, err, test.want, test.after)
			}
		})
	}
}
