package bundle_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js/bundle"
)

// project writes files and returns their folder.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func build(t *testing.T, entry string, files map[string]string) *bundle.Result {
	t.Helper()
	res, err := bundle.Build(context.Background(), bundle.Options{Dir: project(t, files), Entry: entry})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// problems returns each error as "file:line:column text".
func problems(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	all := []error{err}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		all = many.Unwrap()
	}
	var out []string
	for _, e := range all {
		var he *host.Error
		if !errors.As(e, &he) {
			t.Fatalf("%v is no *host.Error", e)
		}
		if he.Kind != host.Invalid {
			t.Errorf("kind %v of %v", he.Kind, he)
		}
		out = append(out, he.Pos.String()+" "+he.Err.Error())
	}
	slices.Sort(out)
	return out
}

func TestBuild(t *testing.T) {
	res := build(t, "./fn/index.ts", map[string]string{
		"fn/index.ts":                     "import data from '../data.json'\nimport { twice } from './twice'\nimport pkg from 'pkg'\nexport const handler = async (e: {n: number}) => twice(e.n) + data.add + pkg.one\nexport const other: number = 1\n",
		"fn/twice.js":                     "export const twice = n => 2 * n",
		"data.json":                       `{"add": 1}`,
		"node_modules/pkg/package.json":   `{"name": "pkg", "main": "./cjs.js", "exports": {"import": "./esm.js", "require": "./cjs.js"}}`,
		"node_modules/pkg/esm.js":         "export default { one: 1 }",
		"node_modules/pkg/cjs.js":         "throw new Error('the CommonJS half')",
		"node_modules/other/package.json": `{}`,
	})
	if diff := cmp.Diff([]string{"data.json", "fn/index.ts", "fn/twice.js", "node_modules/pkg/esm.js"}, res.Inputs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"handler", "other"}, res.Source.Exports); diff != "" {
		t.Error(diff)
	}
	code := strings.TrimSpace(string(res.Source.Code))
	if !strings.HasPrefix(code, "(function(module,exports,require){") || !strings.HasSuffix(code, "})") {
		t.Errorf("not wrapped:\n%s", code)
	}
	if !strings.Contains(string(res.Source.SourceMap), `"fn/index.ts"`) {
		t.Errorf("the map lacks the user's file:\n%s", res.Source.SourceMap)
	}
	if res.Source.Runtime != host.RuntimeJS || len(res.Source.Digest) != 64 || res.Source.Name != "fn/index.ts" {
		t.Errorf("source %+v", res.Source)
	}
}

func TestFolder(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"index.ts":     {"fn/index.ts": "export const handler = (): number => 1"},
		"index.js":     {"fn/index.js": "export const handler = () => 1"},
		"main":         {"fn/package.json": `{"main": "src/app.ts"}`, "fn/src/app.ts": "export const handler = (): number => 1"},
		"module":       {"fn/package.json": `{"main": "no.js", "module": "app.mjs"}`, "fn/app.mjs": "export const handler = () => 1"},
		"own packages": {"fn/index.ts": "import a from 'a'\nexport const handler = () => a", "fn/node_modules/a/index.js": "export default 1"},
	} {
		t.Run(name, func(t *testing.T) {
			res := build(t, "./fn", files)
			if diff := cmp.Diff([]string{"handler"}, res.Source.Exports); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCommonJSExportsAreUnknown(t *testing.T) {
	if res := build(t, "a.js", map[string]string{"a.js": "exports.handler = () => 1"}); res.Source.Exports != nil {
		t.Errorf("exports %v", res.Source.Exports)
	}
}

func TestExports(t *testing.T) {
	for name, c := range map[string]struct {
		code string
		want []string
	}{
		"default":   {"export default { fetch() {} }", []string{"default"}},
		"renamed":   {"const a = 1\nexport { a as handler, a as 'not a name' }", []string{"handler", "not a name"}},
		"re-export": {"export * from './b.js'\nexport const handler = 1", []string{"b", "handler"}},
		"dynamic":   {"export * from './c.cjs'\nexport const handler = 1", nil},
		"nothing":   {"console.log(1)", nil},
		"in a text": {"export const handler = () => `\nmodule.exports = __toCommonJS(x);\n`", []string{"handler"}},
	} {
		t.Run(name, func(t *testing.T) {
			res := build(t, "a.js", map[string]string{"a.js": c.code, "b.js": "export const b = 1", "c.cjs": "exports.c = 1"})
			if diff := cmp.Diff(c.want, res.Source.Exports); diff != "" {
				t.Errorf("%s\n%s", diff, res.Source.Code)
			}
		})
	}
}

func TestSameBytesEverywhere(t *testing.T) {
	files := map[string]string{"a.ts": "import b from './b'\nexport const handler = () => b", "b.js": "module.exports = 1"}
	one, two := build(t, "./a.ts", files), build(t, "a.ts", files)
	if one.Source.Digest != two.Source.Digest || string(one.Source.SourceMap) != string(two.Source.SourceMap) {
		t.Error("two folders, two bundles")
	}
}

func TestErrors(t *testing.T) {
	outside := project(t, map[string]string{"secret.js": "export default 1"})
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"syntax, twice": {map[string]string{"a.ts": "import './b'\nimport './c'\n", "b.ts": "let\n  y = )", "c.ts": "const x: = 1"},
			[]string{`b.ts:2:7 Unexpected ")"`, `c.ts:1:10 Unexpected "="`}},
		"missing package": {map[string]string{"a.ts": "import x from '@scope/pkg/deep'\nimport y from 'zod'\nexport default x + y"},
			[]string{`a.ts:1:15 package "@scope/pkg/deep" is not in node_modules; run: npm install @scope/pkg`, `a.ts:2:15 package "zod" is not in node_modules; run: npm install zod`}},
		"missing file":    {map[string]string{"a.ts": "import x from './x'\nexport default x"}, []string{`a.ts:1:15 no file for the import "./x"`}},
		"URL":             {map[string]string{"a.ts": "import 'https://example.com/x.js'"}, []string{`a.ts:1:8 "https://example.com/x.js": scripts cannot be imported from a URL; put the file into the project, or install it as a package`}},
		"Node":            {map[string]string{"a.ts": "import fs from 'node:fs'\nexport default fs"}, []string{`a.ts:1:16 "node:fs" is a module of Node.js, which scripts do not have; a script has no files; import the file, so that it becomes a part of the bundle, or fetch it`}},
		"top-level await": {map[string]string{"a.ts": "const x = 1\nawait x"}, []string{`a.ts:2:1 await is only possible inside of an async function; at the top level nothing waits for it`}},
		"import.meta":     {map[string]string{"a.ts": "export const u = import.meta.url"}, []string{`a.ts:1:18 import.meta is not there; a bundled script has no URL of its own`}},
		"outside":         {map[string]string{"a.ts": "import x from '" + filepath.ToSlash(filepath.Join(outside, "secret.js")) + "'\nexport default x"}, []string{`a.ts:1:15 this leads to secret.js, outside of the project's folder; nothing outside of it can be imported`}},
		"no entry":        {nil, []string{"a.ts no such file"}},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := bundle.Build(context.Background(), bundle.Options{Dir: project(t, c.files), Entry: "./a.ts"})
			if diff := cmp.Diff(c.want, problems(t, err)); diff != "" {
				t.Error(diff)
			}
			if !slices.Contains(res.Inputs, "a.ts") {
				t.Errorf("a watcher would miss the mending edit: %v", res.Inputs)
			}
		})
	}
}

func TestSymlinkOutside(t *testing.T) {
	outside := project(t, map[string]string{"secret.js": "export default 1"})
	dir := project(t, map[string]string{"a.js": "import x from './link.js'\nexport default x"})
	if err := os.Symlink(filepath.Join(outside, "secret.js"), filepath.Join(dir, "link.js")); err != nil {
		t.Skip(err)
	}
	_, err := bundle.Build(context.Background(), bundle.Options{Dir: dir, Entry: "a.js"})
	if got := problems(t, err); len(got) != 1 || !strings.HasPrefix(got[0], "a.js:1:15 this leads to secret.js") {
		t.Error(got)
	}
	_, err = bundle.Build(context.Background(), bundle.Options{Dir: dir, Entry: "link.js"})
	problems(t, err)
	_, err = bundle.Build(context.Background(), bundle.Options{Dir: dir, Entry: "../a.js"})
	problems(t, err)
}

// Nobody writes to the pipe: a build that read it would wait for ever.
func TestPipe(t *testing.T) {
	mkfifo, err := exec.LookPath("mkfifo")
	if err != nil {
		t.Skip(err)
	}
	dir := project(t, map[string]string{"a.js": "import x from './pipe.js'\nexport default x"})
	if out, err := exec.Command(mkfifo, filepath.Join(dir, "pipe.js")).CombinedOutput(); err != nil {
		t.Skip(string(out))
	}
	for _, entry := range []string{"a.js", "pipe.js"} {
		_, err := bundle.Build(context.Background(), bundle.Options{Dir: dir, Entry: entry})
		if got := problems(t, err); len(got) != 1 || !strings.Contains(got[0], "pipe.js is not a regular file") {
			t.Error(entry, got)
		}
	}
}

func TestTsconfigAboveTheProjectIsNotRead(t *testing.T) {
	outer := project(t, map[string]string{"tsconfig.json": "{ this is no JSON", "inner/a.ts": "export const handler = () => 1"})
	if _, err := bundle.Build(context.Background(), bundle.Options{Dir: filepath.Join(outer, "inner"), Entry: "a.ts"}); err != nil {
		t.Error(err)
	}
	res := build(t, "src/a.ts", map[string]string{
		"tsconfig.json": `{"compilerOptions": {"baseUrl": ".", "paths": {"~/*": ["./lib/*"]}}}`,
		"src/a.ts":      "import one from '~/one'\nexport const handler = () => one", "lib/one.ts": "export default 1"})
	if !slices.Contains(res.Inputs, "tsconfig.json") || !slices.Contains(res.Inputs, "lib/one.ts") {
		t.Errorf("inputs %v", res.Inputs)
	}
}

func TestNodeModulesOfPackages(t *testing.T) {
	res := build(t, "a.ts", map[string]string{
		"a.ts":                             "import p from 'p'\nimport { Buffer } from 'node:buffer'\nimport e from 'events'\nexport const handler = () => p(Buffer, e)",
		"node_modules/p/index.js":          "module.exports = () => { if (globalThis.never) require('fs') }",
		"node_modules/events/a.js":         "module.exports = 'the package'",
		"node_modules/events/package.json": `{"main": "a.js"}`,
	})
	code := string(res.Source.Code)
	if !strings.Contains(code, `require("fs")`) || !strings.Contains(code, `require("node:buffer")`) || !strings.Contains(code, "the package") {
		t.Error(code)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := bundle.Build(ctx, bundle.Options{Dir: project(t, map[string]string{"a.js": "1"}), Entry: "a.js"})
	if !errors.Is(err, host.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A module of Node.js that scripts do not have is refused with what is there instead.
func TestModulesThatAreMissing(t *testing.T) {
	for name, remedy := range map[string]string{"node:fs/promises": "import the file", "net": "egress", "child_process": "runs alone", "node:stream": "ReadableStream", "node:v8": "without an import"} {
		_, err := bundle.Build(context.Background(), bundle.Options{Dir: project(t, map[string]string{"a.js": "import x from '" + name + "'\nexport const handler = () => x"}), Entry: "a.js"})
		if found := problems(t, err); len(found) != 1 || !strings.Contains(found[0], remedy) || !strings.HasPrefix(found[0], "a.js:1:15 ") {
			t.Errorf("%s: %q", name, found)
		}
	}
}

// ES modules are strict code. What is bundled with CommonJS is not, or some of it would not run.
func TestStrictCode(t *testing.T) {
	const strict = `{"use strict";`
	esm := map[string]string{"a.js": "import { b } from './b'\nimport d from './d.json'\nexport const handler = () => b + d.n", "b.ts": "export const b = 1", "d.json": `{"n": 1}`}
	if code := string(build(t, "a.js", esm).Source.Code); !strings.Contains(strings.SplitN(code, "\n", 2)[0], strict) {
		t.Errorf("not strict:\n%s", code)
	}
	for name, files := range map[string]map[string]string{
		"entry":   {"a.js": "exports.handler = () => 1"},
		"package": {"a.js": "import p from 'p'\nexport const handler = () => p", "node_modules/p/index.js": "x = 1\nmodule.exports = x"},
	} {
		if code := string(build(t, "a.js", files).Source.Code); strings.Contains(code, strict) {
			t.Errorf("%s: strict:\n%s", name, code)
		}
	}
}

// What Build has made is taken as it stands, with the map beside it; what only looks like it is bundled.
func TestBundled(t *testing.T) {
	first := build(t, "fn.ts", map[string]string{"fn.ts": "export const handler = async function* (): any { yield 1 }\n"})
	code, sourceMap := string(first.Source.Code), string(first.Source.SourceMap)
	for entry, files := range map[string]map[string]string{
		"a.js": {"a.js": code, "a.js.map": sourceMap},
		"a.ts": {"a.ts": code, "a.ts.map": sourceMap},
		"fn":   {"fn/index.js": code, "fn/index.js.map": sourceMap},
	} {
		again := build(t, entry, files)
		if again.Source.Digest != first.Source.Digest || string(again.Source.SourceMap) != sourceMap || cmp.Diff(first.Source.Exports, again.Source.Exports) != "" {
			t.Errorf("%s: %+v", entry, again.Source)
		}
		if len(again.Inputs) != 2 {
			t.Errorf("%s: inputs %q", entry, again.Inputs)
		}
		foreign, err := bundle.Build(t.Context(), bundle.Options{Dir: project(t, files), Entry: entry, Foreign: true, MaxInput: 1 << 20})
		if err != nil || foreign.Source.Digest != first.Source.Digest || foreign.Source.SourceMap != nil {
			t.Errorf("%s, of somebody else: %+v, %v", entry, foreign.Source, err)
		}
		if _, err := bundle.Build(t.Context(), bundle.Options{Dir: project(t, files), Entry: entry, Foreign: true, MaxInput: 100}); err == nil {
			t.Errorf("%s: it is too long, and is taken", entry)
		}
	}
	half := build(t, "a.js", map[string]string{"a.js": strings.TrimSuffix(strings.TrimSpace(code), ")") + ")\nconst x = 1\n"})
	if half.Source.Digest == first.Source.Digest {
		t.Error("half a bundle is taken for one")
	}
}
