package project_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/project"
)

// hosted is a project that needs a host: it names what is uploaded and stored there.
const hosted = `
apis:
  orders:
    authorizers: {caller: {plugin: "caller@live"}}
    filters: ["sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]
    routes:
      GET /a: {authorizer: caller, integration: {function: greet@canary}, responses: [{mapping: {application/json: ./maps/x.js}}]}
      GET /b: {integration: {function: elsewhere}}
functions:
  greet:
    plugin: ./fn
    secrets: {A: {file: ./a.secret}, B: {env: NOT_SET_HERE}, C: {store: c}}
  same: {plugin: ././fn/index.ts}
  wasm: {plugin: ./f.wasm}
`

func hostedFiles() map[string]string {
	return map[string]string{"postern.yaml": hosted, "fn/index.ts": "export const handler = () => 1", "maps/x.js": "export const map_response = () => 1",
		"f.wasm": module, "a.secret": "hush\n"}
}

func hostOptions(t *testing.T) project.Options {
	opts := options(t)
	opts.Host = true
	return opts
}

func TestInput(t *testing.T) {
	p := load(t, write(t, hostedFiles()), hostOptions(t))
	in := p.Input()
	if in.Bundle.File != "postern.yaml" || in.Bundle.Text != hosted {
		t.Errorf("the definition: %+v", in.Bundle)
	}
	if diff := cmp.Diff([]string{"f.wasm", "fn", "fn/index.ts", "maps/x.js"}, slices.Sorted(maps.Keys(in.Bundle.Code))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"a.secret": "hush"}, in.Secrets); diff != "" {
		t.Error(diff)
	}
	blobs := map[string]int{}
	for digest, content := range p.Blobs() {
		sum := sha256.Sum256(content)
		if _, twice := blobs[digest]; twice || hex.EncodeToString(sum[:]) != digest {
			t.Errorf("the blob %s: twice %v", digest, twice)
		}
		blobs[digest] = len(content)
	}
	for ref, code := range in.Bundle.Code {
		if size, ok := blobs[code.Digest]; !ok || int64(size) != code.Size {
			t.Errorf("%s: there is no blob of %d bytes for it", ref, code.Size)
		}
		if _, ok := blobs[code.SourceMap]; ok != (code.Runtime == host.RuntimeJS) {
			t.Errorf("%s: its source map is there: %v", ref, ok)
		}
	}
	if text, _ := json.Marshal(in.Bundle); strings.Contains(string(text), "hush") {
		t.Error("a secret stands in the bundle")
	}
}

// What needs a host is refused without one, and what only it knows is nobody else's to miss.
func TestHostOptions(t *testing.T) {
	dir := write(t, hostedFiles())
	_, got := problems(t, dir, options(t))
	want := []string{"postern.yaml:4:36 needs-host", "postern.yaml:5:15 needs-host", "postern.yaml:7:60 needs-host", "postern.yaml:8:40 unknown-reference",
		"postern.yaml:12:47 missing-secret", "postern.yaml:12:73 needs-host"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	put(t, dir, "a.secret", "\xff\xfe")
	errs, got := problems(t, dir, hostOptions(t))
	if diff := cmp.Diff([]string{"postern.yaml:12:25 invalid-value"}, got); diff != "" || strings.Contains(errs.Error(), "\xff") {
		t.Error(diff)
	}
}

// The files of an upstream's certificates go with the definition, its key with the secrets.
func TestInputCertificates(t *testing.T) {
	cert, key := pair(t)
	files := map[string]string{"postern.yaml": one("./f.wasm") + mutual, "f.wasm": module, "ca.pem": cert, "client.pem": cert, "client.key": key}
	in := load(t, write(t, files), hostOptions(t)).Input()
	if diff := cmp.Diff(map[string]string{"ca.pem": cert, "client.pem": cert}, in.Bundle.Files); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"client.key": key}, in.Secrets); diff != "" {
		t.Error(diff)
	}
}

func TestName(t *testing.T) {
	for folder, want := range map[string]string{"orders": "orders", "My Orders.v2": "My-Orders-v2", "ä€": "project", strings.Repeat("x", 80): strings.Repeat("x", 64)} {
		if got := (&project.Project{Dir: filepath.Join("/tmp", folder)}).Name(); got != want {
			t.Errorf("%s is called %q, want %q", folder, got, want)
		}
	}
}
