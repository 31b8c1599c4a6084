package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/project"
)

// benchState measures a host that is changed while it runs: times that a user waits, on a disk, with the client in the same machine.
func benchState(t *testing.T, binary string) {
	t.Setenv("PATH", filepath.Dir(binary)+string(filepath.ListSeparator)+os.Getenv("PATH")) // startProcess looks there
	t.Run("idle", benchIdle)
	t.Run("upload", benchUpload)
	t.Run("apply", benchApply)
	t.Run("routes", benchRoutes)
	t.Run("start", benchStateStart)
}

// typical runs something some times, and returns the median of the times that it says it took.
func typical(t *testing.T, run func(n int) (time.Duration, error)) time.Duration {
	t.Helper()
	var all []time.Duration
	for n := range 2*benchRounds + 2 {
		d, err := run(n)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 { // the first one warms up
			all = append(all, d)
		}
	}
	slices.Sort(all)
	return all[len(all)/2].Round(100 * time.Microsecond)
}

// timed is how long something takes.
func timed(do func() error) (time.Duration, error) {
	started := time.Now()
	err := do()
	return time.Since(started), err
}

// asPeer is a process as the other benches know one.
func (p *process) asPeer() *peer { return &peer{cmd: p.cmd} }

// settled waits until a process has done what it does behind its start, and given memory back.
func settled() { time.Sleep(2 * time.Second) }

func benchIdle(t *testing.T) {
	p := mustStart(t, filepath.Join(t.TempDir(), "data"))
	settled()
	t.Logf("idle memory of a host with a state, and nothing in it: %.0f MiB resident", p.asPeer().rss(t))
}

// withSection is a Wasm module with a custom section of n bytes more, which begin with what tells it from others (WebAssembly Core
// Specification, 5.5.3), as does the mark of testdata/bench/gofunction. So nothing that was compiled before counts.
func withSection(module []byte, n int, text string) []byte {
	name := "bench"
	content := append([]byte{byte(len(name))}, name...)
	content = append(content, text...)
	if n > len(content) {
		content = append(content, make([]byte, n-len(content))...)
	}
	const mark = "mark-000000000000"
	sum := sha256.Sum256([]byte(text))
	module = bytes.ReplaceAll(module, []byte(mark), fmt.Appendf(nil, "mark-%x", sum[:6]))
	out := append(slices.Clone(module), 0) // the id of custom sections
	out = binary.AppendUvarint(out, uint64(len(content)))
	return append(out, content...)
}

// goFunction is testdata/bench/gofunction, compiled.
func goFunction(t *testing.T) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "function.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-o", out, ".")
	cmd.Dir = filepath.Join("testdata", "bench", "gofunction")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// script is a function in JavaScript of about 2 KiB that answers text.
func script(text string) string {
	var b strings.Builder
	for i := 0; b.Len() < 2<<10-80; i++ {
		fmt.Fprintf(&b, "const step%d = (list) => list.filter((x) => x.id %% %d).map((x) => ({...x, at: %d}));\n", i, i+2, i)
	}
	fmt.Fprintf(&b, "export const handler = async () => ({statusCode: 200, body: step0([]) + %q});\n", text)
	return b.String()
}

func benchUpload(t *testing.T) {
	ctx := t.Context()
	p := mustStart(t, filepath.Join(t.TempDir(), "data"), "--cache-dir", t.TempDir())
	module := goFunction(t)
	for _, name := range []string{"wasm", "js"} { // what the uploads replace
		if _, err := p.upload(ctx, name, script("first"), nil); err != nil {
			t.Fatal(err)
		}
	}
	routes := "apis: {x: {routes: {GET /wasm: {integration: {function: wasm}}, GET /js: {integration: {function: js}}}}}"
	if _, err := p.client.Apply(ctx, "x", catalog.Input{Bundle: catalog.Bundle{File: "postern.yaml", Text: routes}}, admin.Write{Wait: patience}); err != nil {
		t.Fatal(err)
	}
	whole := typical(t, func(n int) (time.Duration, error) {
		code := withSection(module, 2<<20-len(module)-8, fmt.Sprint("upload ", n))
		return timed(func() error {
			if err := p.post(ctx, "wasm", code, "wait=1m"); err != nil {
				return err
			}
			_, err := p.get(ctx, "/_postern/x/$default/wasm")
			return err
		})
	})
	t.Logf("a Wasm function of 2 MiB (Go), from its upload to the first answer: %v", whole)
	benchScript(t, p)
}

// benchScript measures the upload of a script, and its parts as differences between requests that do more and more of it.
func benchScript(t *testing.T, p *process) {
	ctx := t.Context()
	number := 0
	fresh := func() string { number++; return script(fmt.Sprint("v", number)) }
	whole := typical(t, func(int) (time.Duration, error) {
		text := fresh()
		return timed(func() error {
			if err := p.post(ctx, "js", []byte(text), "wait=1m"); err != nil {
				return err
			}
			got, err := p.get(ctx, "/_postern/x/$default/js")
			if err == nil && got != fmt.Sprint("v", number) {
				err = fmt.Errorf("an old version answered: %q", got)
			}
			return err
		})
	})
	bundle := typical(t, func(int) (time.Duration, error) {
		text := fresh()
		return timed(func() error {
			_, err := project.SourceFromUpload(ctx, strings.NewReader(text), admin.TypeJavaScript, project.UploadLimits{})
			return err
		})
	})
	ask := typical(t, func(int) (time.Duration, error) {
		return timed(func() error { _, err := p.client.Whoami(ctx); return err })
	})
	sent := typical(t, func(int) (time.Duration, error) {
		text := fresh()
		return timed(func() error { return p.post(ctx, "js", []byte(text), "dryRun=true") })
	})
	version := func(w admin.Write) time.Duration {
		return typical(t, func(int) (time.Duration, error) {
			code, err := p.save(ctx, []byte(fresh()))
			if err != nil {
				return 0, err
			}
			return timed(func() error {
				_, err := p.client.UploadFunction(ctx, "js", admin.UploadInput{Code: &code}, w)
				return err
			})
		})
	}
	checked, stored, swapped := version(admin.Write{DryRun: true}), version(admin.Write{}), version(admin.Write{Wait: patience})
	t.Logf("a JavaScript function of 2 KiB, from its upload to the first answer: %v. Of that: bundled %v (in this process); sent, with its blob "+
		"saved %v; compiled and started %v; version stored %v; swapped in %v (an empty request takes %v)",
		whole, bundle, sent-checked-bundle, checked-ask, stored-checked, swapped-stored, ask)
}

// allServe matches the answer of a change that was waited for, when all parts serve as they should.
var allServe = regexp.MustCompile(`"parts":\s*\[\]`)

// post uploads code as the body of a request, as curl does.
func (p *process) post(ctx context.Context, function string, code []byte, query string) error {
	address := p.admin + "/v1/functions/" + function + "/versions?" + query
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(string(code)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", admin.TypeOctets)
	req.Header.Set("Authorization", "Bearer "+p.token)
	resp, err := p.web.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode >= 300 || strings.Contains(query, "wait") && !allServe.Match(text) {
		return fmt.Errorf("%s: %s, %v", resp.Status, text, err)
	}
	return nil
}

// mocks is a definition of n routes, of which the first changed have another answer than with another revision.
func mocks(n, changed, revision int) catalog.Input {
	var b strings.Builder
	b.WriteString("apis:\n  x:\n    routes:\n")
	for i := range n {
		text := "as ever"
		if i < changed {
			text = fmt.Sprint("revision ", revision)
		}
		fmt.Fprintf(&b, "      GET /r%d/{id}: {integration: {mock: {body: %q}}}\n", i, text)
	}
	return catalog.Input{Bundle: catalog.Bundle{File: "postern.yaml", Text: b.String()}}
}

func benchApply(t *testing.T) {
	p := mustStart(t, filepath.Join(t.TempDir(), "data"))
	const all = 1000
	var took [2]time.Duration
	for i, changed := range []int{1, all} {
		took[i] = typical(t, func(n int) (time.Duration, error) {
			in := mocks(all, changed, n)
			return timed(func() error {
				_, err := p.client.Apply(t.Context(), "x", in, admin.Write{Wait: patience})
				return err
			})
		})
	}
	t.Logf("apply until it is live, of 1 changed route among %d: %v; of %d: %v", all, took[0], all, took[1])
}

// benchRoutes measures the memory of routes in a host that was started with them.
func benchRoutes(t *testing.T) {
	few, many := 1000, 11_000
	var took [2]float64
	for i, n := range []int{few, many} {
		dir := filepath.Join(t.TempDir(), "data")
		p := mustStart(t, dir)
		if _, err := p.client.Apply(t.Context(), "x", mocks(n, 0, 0), admin.Write{Wait: patience}); err != nil {
			t.Fatal(err)
		}
		p.kill()
		p = mustStart(t, dir)
		settled()
		took[i] = p.asPeer().rss(t)
		p.kill()
	}
	t.Logf("memory of a host with %d routes: %.0f MiB, with %d: %.0f MiB, so %.1f MiB for 1,000", few, took[0], many, took[1], (took[1]-took[0])*1000/float64(many-few))
}

// benchStateStart measures the start with 200 functions and 1,000 routes to them.
func benchStateStart(t *testing.T) {
	ctx := t.Context()
	dir, cache := filepath.Join(t.TempDir(), "data"), t.TempDir()
	p := mustStart(t, dir, "--cache-dir", cache)
	in, paths, err := p.manyFunctions(ctx, goFunction(t), 100, 80, 20)
	if err != nil {
		t.Fatal(err)
	}
	took, err := timed(func() error {
		_, err := p.client.Apply(ctx, "x", in, admin.Write{Wait: 10 * time.Minute})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the first apply of 1,000 routes and 200 functions: %v", took.Round(time.Millisecond))
	p.kill()
	for _, c := range []struct {
		name string
		dir  func() string
	}{{"cold", t.TempDir}, {"with the compilation cache", func() string { return cache }}} {
		for _, first := range []string{"js", "wasm", "go"} {
			benchFirst(t, c.name, first, paths, dir, c.dir())
		}
	}
}

// benchFirst starts a host, asks a function of a kind, and then each of the others.
func benchFirst(t *testing.T, cold, kind string, paths map[string][]string, dir, cache string) {
	t.Helper()
	ctx := t.Context()
	started := time.Now()
	p := mustStart(t, dir, "--cache-dir", cache)
	defer p.kill()
	listening := time.Since(started)
	if _, err := p.get(ctx, paths[kind][len(paths[kind])-1]); err != nil {
		t.Fatal(err)
	}
	answered := time.Since(started)
	for _, list := range paths {
		for _, path := range list {
			if _, err := p.get(ctx, path); err != nil {
				t.Fatal(err)
			}
		}
	}
	loaded := time.Since(started)
	if err := p.serving(ctx); err != nil {
		t.Error(err)
	}
	settled()
	t.Logf("start with 1,000 routes and 200 functions, %s: listening after %v, first answer (of a function in %s) %v, all 200 have answered %v; then %.0f MiB resident",
		cold, listening.Round(time.Millisecond), kind, answered.Round(time.Millisecond), loaded.Round(time.Millisecond), p.asPeer().rss(t))
}

// manyFunctions saves the code of functions in JavaScript, in small Wasm and in Go, and returns a definition with five routes to each,
// and a path to each by its kind.
func (p *process) manyFunctions(ctx context.Context, goModule []byte, js, wasm, golang int) (catalog.Input, map[string][]string, error) {
	small, err := os.ReadFile(filepath.Join("..", "..", "host", "wasm", "testdata", "echo.wasm"))
	if err != nil {
		return catalog.Input{}, nil, err
	}
	code, paths := map[string]catalog.Code{}, map[string][]string{}
	var functions, routes strings.Builder
	for _, kind := range []struct {
		name, file string
		n          int
		code       func(text string) []byte
	}{
		{"js", ".js", js, func(text string) []byte { return []byte(script(text)) }},
		{"wasm", ".wasm", wasm, func(text string) []byte { return withSection(small, 0, text) }},
		{"go", ".wasm", golang, func(text string) []byte { return withSection(goModule, 0, text) }},
	} {
		for i := range kind.n {
			name := fmt.Sprintf("%s-%d", kind.name, i)
			file := name + kind.file
			if code[file], err = p.save(ctx, kind.code(name)); err != nil {
				return catalog.Input{}, nil, err
			}
			fmt.Fprintf(&functions, "  %s: {plugin: ./%s}\n", name, file)
			for n := range 5 {
				fmt.Fprintf(&routes, "      GET /%s/%d/{id}: {integration: {function: %s}}\n", name, n, name)
			}
			paths[kind.name] = append(paths[kind.name], "/_postern/x/"+url.PathEscape("$default")+"/"+name+"/0/1")
		}
	}
	text := "apis:\n  x:\n    routes:\n" + routes.String() + "functions:\n" + functions.String()
	return catalog.Input{Bundle: catalog.Bundle{File: "postern.yaml", Text: text, Code: code}}, paths, nil
}
