//go:build unix

package bundle_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/postern/postern/host/js/bundle"
)

// what is not to be read: each file holds this, and nothing that a build says or makes may.
const confidential = "very-confidential"

// hostile builds fn.js of a folder beside which files lie that are not its own.
func hostile(t *testing.T, files map[string]string) (*bundle.Result, error) {
	t.Helper()
	files["../secret.json"] = `{"` + confidential + `": "` + confidential + `"}`
	files["../secret.txt"] = confidential
	files["../secret.js"] = "module.exports = '" + confidential + "'"
	files["../node_modules/beside/index.js"] = "module.exports = '" + confidential + "'"
	files["../map.js.map"] = `{"version": 3, "sources": ["` + confidential + `"], "names": [], "mappings": "AAAA"}`
	parent := t.TempDir()
	for name, text := range files {
		file := filepath.Join(parent, "own", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "PARENT", parent)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(parent, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	res, err := bundle.Build(t.Context(), bundle.Options{Dir: filepath.Join(parent, "own"), Entry: "fn.js", Foreign: true, MaxInput: 1 << 20})
	said := ""
	if err != nil {
		said = err.Error()
	}
	for _, w := range res.Warnings {
		said += w.Error()
	}
	if res.Source != nil {
		said += string(res.Source.Code) + string(res.Source.SourceMap)
	}
	if strings.Contains(said, confidential) {
		t.Errorf("what lies outside was read: %s", said)
	}
	return res, err
}

func TestHostileImports(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"absolute":         {"fn.js": "import '/etc/passwd'"},
		"parent":           {"fn.js": "import x from '../secret.js'\nexport const handler = x"},
		"parent json":      {"fn.js": "import x from '../secret.json'\nexport const handler = x"},
		"parent text":      {"fn.js": "import x from './../secret.txt'\nexport const handler = x"},
		"nothing there":    {"fn.js": "import x from '../nothing.js'\nexport const handler = x"},
		"absolute own":     {"fn.js": "import x from 'PARENT/secret.js'\nexport const handler = x"},
		"require":          {"fn.js": "exports.handler = require('../secret')"},
		"dynamic":          {"fn.js": "export const handler = () => import('../secret.js')"},
		"glob":             {"fn.js": "export const handler = n => import('../' + n + '.js')\nimport '../secret.js'"},
		"a package beside": {"fn.js": "import x from 'beside'\nexport const handler = x"},
		"file URL":         {"fn.js": "import x from 'file://PARENT/secret.js'\nexport const handler = x"},
		"a pipe":           {"fn.js": "import '../pipe'"},
		"main": {"fn.js": "import x from 'p'\nexport const handler = x",
			"node_modules/p/package.json": `{"main": "../../../secret.js"}`},
		"browser": {"fn.js": "import x from 'p'\nexport const handler = x", "node_modules/p/i.js": "",
			"node_modules/p/package.json": `{"main": "i.js", "browser": {"./i.js": "../../../secret.js"}}`},
		"exports": {"fn.js": "import x from 'p'\nexport const handler = x",
			"node_modules/p/package.json": `{"exports": "./../../../secret.js"}`},
		"paths":         {"fn.js": "import x from 'p'\nexport const handler = x", "tsconfig.json": `{"compilerOptions": {"paths": {"p": ["../secret.js"]}}}`},
		"baseUrl":       {"fn.js": "import x from 'secret.js'\nexport const handler = x", "tsconfig.json": `{"compilerOptions": {"baseUrl": ".."}}`},
		"extends":       {"fn.js": "export const handler = 1", "tsconfig.json": `{"extends": "../secret.txt"}`},
		"extends list":  {"fn.js": "export const handler = 1", "tsconfig.json": `{"extends": ["./x.json", "PARENT/secret.txt"]}`},
		"extends spelt": {"fn.js": "export const handler = 1", "tsconfig.json": `{"\u0065xtends": "../secret.txt"}`},
		"alias":         {"fn.js": "import x from '#x'\nexport const handler = x", "package.json": `{"imports": {"#x": "./../secret.js"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := hostile(t, files)
			if err == nil || res.Source != nil {
				t.Errorf("it was bundled: %v", res.Source)
			}
			t.Log(err)
		})
	}
}

// A comment may name any file as a script's source map; only those of the project are looked at.
func TestHostileSourceMaps(t *testing.T) {
	for _, ref := range []string{"../map.js.map", "PARENT/map.js.map", "file://PARENT/map.js.map", "file://localhostPARENT/map.js.map", "%2e%2e/map.js.map",
		"../secret.txt", "/dev/zero", "PARENT/pipe", "../pipe", "../map.js.map\u00a0x", "../map.js.map*/x", "link.map", "."} {
		for _, comment := range []string{"//# sourceMappingURL=" + ref + "\n", "//@ sourceMappingURL=" + ref + " ", "/*# sourceMappingURL=" + ref + " */", "/*# sourceMappingURL=" + ref + "*/"} {
			res, err := hostile(t, map[string]string{"fn.js": "import './x.css'\nexport const handler = () => 1\n" + comment, "x.css": ""})
			if err != nil && !strings.Contains(comment, "*/") {
				t.Errorf("%s: %v", comment, err)
			}
			for _, w := range res.Warnings {
				t.Errorf("%s: %v", comment, w)
			}
		}
	}
}

// The project's own maps are used, and text that looks like such a comment stays as it is.
func TestOwnSourceMap(t *testing.T) {
	res := build(t, "fn.js", map[string]string{
		"fn.js":        "import {x} from './lib/a.js'\nexport const handler = () => x + '# sourceMappingURL=' + '//# sourceMappingURL=none.map'\n",
		"lib/a.js":     "export const x = 1\n//# sourceMappingURL=a.js.map\n",
		"lib/a.js.map": `{"version": 3, "sources": ["original.ts"], "names": [], "mappings": "AAAA"}`,
	})
	if !strings.Contains(string(res.Source.SourceMap), "lib/original.ts") {
		t.Errorf("the map: %s", res.Source.SourceMap)
	}
	if strings.Contains(string(res.Source.Code), "LRU") {
		t.Errorf("the code: %s", res.Source.Code)
	}
}

func TestNotText(t *testing.T) {
	_, err := bundle.Build(t.Context(), bundle.Options{Dir: project(t, map[string]string{"fn.js": "import './a.js'\nexport const handler = 1", "a.js": "let a = 1\nlet b = '\xff'\n"}), Entry: "fn.js"})
	if got := problems(t, err); len(got) != 1 || got[0] != "a.js:2:10 byte 19 is not UTF-8; save the file as UTF-8" {
		t.Errorf("got %q", got)
	}
}

func TestMaxInput(t *testing.T) {
	dir := project(t, map[string]string{"fn.js": "import './a.js'\nimport './b.js'\nexport const handler = 1\n", "a.js": strings.Repeat(";", 500), "b.js": strings.Repeat(";", 500)})
	for limit, fits := range map[int64]bool{0: true, 2000: true, 900: false, 400: false} {
		if _, err := bundle.Build(t.Context(), bundle.Options{Dir: dir, Entry: "fn.js", MaxInput: limit}); (err == nil) != fits {
			t.Errorf("%d bytes: %v", limit, err)
		}
	}
}
