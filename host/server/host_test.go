package server_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
)

func TestRestartHasEverything(t *testing.T) {
	g := servertest.StartHost(t)
	l := &liveChange{t: t, h: g, dir: t.TempDir()}
	for n := 1; n <= 2; n++ {
		g.MustUpload(t, "weighted", says(n))
	}
	l.must(g.Admin.SetAlias(t.Context(), "weighted", "some", admin.AliasInput{Version: 1, Second: 2, Weight: 0.5}, admin.Write{}))
	l.upload(1)
	l.apply(1)
	revision := g.Status().Revision
	g = g.Restart(t)
	if now := g.Status().Revision; now != revision {
		t.Errorf("%s serves, and %s did", now, revision)
	}
	for _, path := range []string{"/mock", "/own", "/up", "/_postern/staged/prod/"} {
		answers(t, g, path, 200, "1")
	}
	seen := map[string]bool{}
	servertest.Eventually(t, "both versions of the alias answer", func() bool {
		seen[g.Get(t, "/held").Body] = true
		return seen["1"] && seen["2"] && len(seen) == 2
	})
}

// TestVersionsByNumber calls more versions that nothing points at than are kept open.
func TestVersionsByNumber(t *testing.T) {
	g := servertest.StartHost(t)
	const n = 20
	for i := 1; i <= n; i++ {
		g.MustUpload(t, "greet", says(i))
	}
	for round := range 2 {
		for i := 1; i <= n; i++ {
			r, err := g.Admin.Invoke(t.Context(), admin.Call{Function: "greet", Qualifier: fmt.Sprint(i)})
			if err != nil || string(r.Payload) != fmt.Sprintf("%q", fmt.Sprint(i)) || r.Version != i {
				t.Fatalf("round %d, version %d: %+v %v", round, i, r, err)
			}
		}
	}
	if kept := server.Pinned(g.Server); kept > 16 {
		t.Errorf("%d are kept open", kept)
	}
	if _, err := g.Admin.Invoke(t.Context(), admin.Call{Function: "greet", Qualifier: "21"}); err == nil {
		t.Error("a version that is not there answers")
	}
}

// TestSecretsAreNowhere looks for the value of a secret in all that a host tells.
func TestSecretsAreNowhere(t *testing.T) {
	const value = "the-value-that-nobody-shall-see"
	g := servertest.StartHost(t)
	putSecret(t, g, "key", value)
	g.MustApply(t, guardedFiles("v1"))
	answers(t, g, secretPath, 200, value)
	told := map[string]string{"the log": g.Log.String()}
	for _, path := range []string{"/", "/metrics", "/v1/status", "/v1/parts", "/v1/projects/test", "/v1/projects/test/bundle", "/v1/apis/guarded",
		"/v1/apis/guarded/deployments/1", "/v1/apis/guarded/stages/$default", "/v1/functions/keeper", "/v1/functions/keeper/versions/1",
		"/v1/secrets", "/v1/audit", "/v1/logs?last=1000"} {
		reply := g.MustAsk(t, "GET", path, "")
		if reply.Status != 200 {
			t.Errorf("%s: %d %s", path, reply.Status, reply.Body)
		}
		told[path] = reply.Body
	}
	backup, err := g.Admin.Backup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer backup.Close()
	plain, err := gzip.NewReader(backup)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(plain)
	if err != nil || !bytes.Contains(text, []byte("secrets")) {
		t.Errorf("a backup of %d bytes: %v", len(text), err)
	}
	told["the backup"] = string(text)
	for where, what := range told {
		if strings.Contains(what, value) {
			t.Errorf("%s has the value", where)
		}
	}
}

// TestReloadsLeaveNothing edits a script a hundred times while developing.
func TestReloadsLeaveNothing(t *testing.T) {
	g := servertest.StartHost(t, servertest.Options{Config: func(c *server.Config) { c.State = &server.State{Open: true, Keep: 1} }})
	reload := func(n int) {
		t.Helper()
		g.Write(t, map[string]string{"postern.yaml": "apis: {main: {protocol: http, root: true, routes: {GET /: {integration: {function: own}}}, stages: {$default: {}}}}\n" +
			"functions: {own: {plugin: ./own.js}}\n", "own.js": says(n)})
		if _, err := g.Gateway.Apply(t); err != nil {
			t.Fatal(err)
		}
		answers(t, g, "/", 200, fmt.Sprint(n))
	}
	blobs := func() (n int) {
		if _, err := server.Collect(t.Context(), g.Server, 0); err != nil {
			t.Fatal(err)
		}
		for _, err := range server.Blobs(g.Server).List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	reload(0)
	reload(1)
	before, kept := used(g), blobs()
	for n := range 100 {
		reload(n + 2)
	}
	if now := blobs(); now > kept+2 {
		t.Errorf("%d contents are kept, and %d were", now, kept)
	}
	var after usage
	servertest.Eventually(t, "as little is held as before", func() bool {
		after = used(g)
		return after.Stats == before.Stats && after.Goroutines <= before.Goroutines+10 && after.Heap-before.Heap < 16<<20
	})
	t.Logf("before %+v, after %+v, %d contents", before, after, kept)
	// An upload while developing lasts until the next load says otherwise.
	if reply, err := g.Upload(t.Context(), "other", admin.TypeJavaScript, says(1), "wait=20s"); err != nil || reply.Status/100 != 2 {
		t.Errorf("%+v %v", reply, err)
	}
	reload(500)
	if r, err := g.Admin.Invoke(t.Context(), admin.Call{Function: "other"}); err != nil || string(r.Payload) != `"1"` {
		t.Errorf("%+v %v", r, err)
	}
}
