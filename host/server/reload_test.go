package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/pipeline"
	"github.com/postern/postern/host/project"
	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
)

const versioned = `
apis:
  main:
    authorizers: {counts: {plugin: ./counts.js}}
    routes:
      GET /version: {integration: {function: version}}
      GET /count: {authorizer: counts, integration: {function: tell}}
      GET /held: {integration: {http: "UPSTREAM/"}, responses: [{mapping: {$default: ./mapping.js}}]}
      POST /echo: {integration: {function: echo}}
functions:
  version: {plugin: ./version.js}
  tell: {plugin: ./tell.js}
  echo: {plugin: ./echo.wasm, env: {VERSION: "1"}}
`

func versionedFiles(t *testing.T, upstream string) map[string]string {
	t.Helper()
	return map[string]string{
		"postern.yaml": strings.ReplaceAll(versioned, "UPSTREAM", upstream),
		"counts.js":    `let n = 0; export const authorize = () => ({isAuthorized: true, context: {n: ++n}})`,
		"tell.js":      `export const handler = (e) => String(e.requestContext.authorizer.lambda.n)`,
		"version.js":   version("one"),
		"mapping.js":   `export const map_response = (i) => i.body + " mapped by one"`,
		"echo.wasm":    servertest.Guest(t, "echo.wasm"),
	}
}

func version(name string) string { return `export const handler = () => "version ` + name + `"` }

func body(t *testing.T, g *servertest.Gateway, path, want string) {
	t.Helper()
	if reply := g.Get(t, path); reply.Status != 200 || reply.Body != want {
		t.Errorf("%s: %d %q, want %q", path, reply.Status, reply.Body, want)
	}
}

func apply(t *testing.T, g *servertest.Gateway, want bool) {
	t.Helper()
	if changed, err := g.Apply(t); err != nil || changed != want {
		t.Fatalf("changed: %v, want %v; %v", changed, want, err)
	}
}

func TestApplySwapsOnlyWhatChanged(t *testing.T) {
	files := versionedFiles(t, "http://127.0.0.1:1")
	g := servertest.Start(t, files)
	body(t, g, "/count", "1")
	body(t, g, "/count", "2")
	apply(t, g, false)
	g.Write(t, map[string]string{"postern.yaml": files["postern.yaml"] + "\n# a comment\n"})
	apply(t, g, false)
	revision := g.Status().Revision

	g.Write(t, map[string]string{"version.js": version("two")})
	apply(t, g, true)
	body(t, g, "/version", "version two")
	body(t, g, "/count", "3") // the same instance: what did not change was not touched
	if now := g.Status().Revision; now == revision || now == "" {
		t.Errorf("revision %q after %q", now, revision)
	}
	g.Write(t, map[string]string{"version.js": version("one")})
	apply(t, g, true)
	if now := g.Status().Revision; now != revision {
		t.Errorf("the same project has revision %q and %q", revision, now)
	}
	body(t, g, "/count", "4")
}

// A comment is not in the bundle, but it moves the lines that the bundle's errors name.
func TestErrorsNameTheLinesOfNow(t *testing.T) {
	const fails = "export const handler = () => { throw new Error() }\n"
	g := servertest.Start(t, map[string]string{"postern.yaml": "functions: {f: {plugin: ./f.js}}\n", "f.js": fails})
	for line := 1; line <= 2; line++ {
		_, err := g.Server.Invoke(t.Context(), "f", []byte("{}"))
		var guest *host.GuestError
		if !errors.As(err, &guest) || guest.Pos.Line != line {
			t.Errorf("got %v, want an error in line %d", err, line)
		}
		g.Write(t, map[string]string{"f.js": "// a comment\n" + fails})
		apply(t, g, line == 1)
	}
}

// An exchange ends on the pipeline that it began on; then what only that one held is closed.
func TestExchangesFinishOnTheirOwnPipeline(t *testing.T) {
	came, release := make(chan struct{}, 1), make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		came <- struct{}{}
		<-release
		_, _ = io.WriteString(w, "answer")
	}))
	t.Cleanup(upstream.Close)
	g := servertest.Start(t, versionedFiles(t, upstream.URL))
	before := g.Stats()

	held := make(chan servertest.Reply, 1)
	go func() {
		reply, _ := g.Send(context.WithoutCancel(t.Context()), "GET", "/held", nil)
		held <- reply
	}()
	<-came
	g.Write(t, map[string]string{"version.js": version("two"), "mapping.js": `export const map_response = (i) => i.body + " mapped by two"`})
	apply(t, g, true)
	body(t, g, "/version", "version two")
	want := pipeline.Stats{Modules: before.Modules + 2, Plugins: before.Plugins + 2, Pools: before.Pools}
	if now := g.Stats(); now != want {
		t.Errorf("with an exchange on the old pipeline, open are %+v, want %+v", now, want)
	}
	close(release)
	if reply := <-held; reply.Body != "answer mapped by one" {
		t.Errorf("the running exchange got %+v", reply)
	}
	servertest.Eventually(t, "the old pipeline is closed", func() bool { return g.Stats() == before })
	body(t, g, "/held", "answer mapped by two")
}

func TestBrokenDefinitionsKeepTheLastGoodOne(t *testing.T) {
	files := versionedFiles(t, "http://127.0.0.1:1")
	g := servertest.Start(t, files)
	before := g.Stats()
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"a file that is not YAML":           {map[string]string{"postern.yaml": "apis: [\n"}, "postern.yaml:"},
		"an unknown key":                    {map[string]string{"postern.yaml": strings.Replace(files["postern.yaml"], "routes:", "rutes:", 1)}, "routes"},
		"a script that is none":             {map[string]string{"version.js": "export const handler = ( => 1"}, "version.js:1:"},
		"a script that throws at its start": {map[string]string{"version.js": "export const handler = () => 1;\nthrow new Error('not today')"}, "not today"},
		"a script without an entry":         {map[string]string{"counts.js": "export const handle = () => 1"}, `and not authorize`},
		"a module that is none":             {map[string]string{"echo.wasm": "\x00asm\x01\x00\x00\x00\x01"}, "echo.wasm"},
		"a module that breaks at its start": {map[string]string{"echo.wasm": servertest.Guest(t, "start_call.wasm")}, "start echo: trap"},
		"a module of another kind":          {map[string]string{"echo.wasm": servertest.Guest(t, "is_extism.wasm")}, "xtism"},
		"a parameter that no path has":      {map[string]string{"postern.yaml": strings.Replace(files["postern.yaml"], "http://127.0.0.1:1/", "http://127.0.0.1:1/{id}", 1)}, "{id}"},
	} {
		t.Run(name, func(t *testing.T) {
			g.Write(t, c.files)
			if changed, err := g.Apply(t); err == nil || changed || !strings.Contains(err.Error(), c.want) {
				t.Errorf("changed: %v; the error is %v; want one with %q", changed, err, c.want)
			}
			status := g.Status()
			if !status.Ready || !strings.Contains(status.Reason, c.want) || status.Revision == "" {
				t.Errorf("the status is %+v", status)
			}
			body(t, g, "/version", "version one")
			if now := g.Stats(); now != before {
				t.Errorf("open were %+v, now %+v", before, now)
			}
			g.Write(t, files)
			apply(t, g, false)
			if status := g.Status(); status.Reason != "" {
				t.Errorf("mended, and the status still says %q", status.Reason)
			}
		})
	}
}

// Reloads under load lose no request, and leave nothing behind.
func TestReloadsUnderLoad(t *testing.T) {
	reloads := changes()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "answer") }))
	t.Cleanup(upstream.Close)
	files := versionedFiles(t, upstream.URL)
	g := servertest.Start(t, files)
	turn := func(i int) {
		n := fmt.Sprint(i)
		g.Write(t, map[string]string{
			"version.js":   version(n),
			"mapping.js":   `export const map_response = (i) => i.body + " mapped by ` + n + `"`,
			"postern.yaml": strings.Replace(files["postern.yaml"], `VERSION: "1"`, `VERSION: "`+n+`"`, 1),
		})
		apply(t, g, true)
	}
	for i := range 3 {
		turn(1000 + i)
	}
	servertest.Eventually(t, "old pipelines are closed", func() bool { return g.Stats().Plugins == 5 })
	stats, goroutines := g.Stats(), runtime.NumGoroutine()

	var stop atomic.Bool
	var served atomic.Int64
	var wait sync.WaitGroup
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/version", "", "version "}, {"GET", "/held", "", "answer mapped by "}, {"POST", "/echo", "echoed", "echoed"}, {"GET", "/count", "", ""},
	} {
		wait.Go(func() {
			for !stop.Load() {
				reply, err := g.Send(t.Context(), c.method, c.path, strings.NewReader(c.body))
				if err != nil || reply.Err != nil || reply.Status != 200 || !strings.HasPrefix(reply.Body, c.want) {
					t.Errorf("%s: %+v %v", c.path, reply, err)
					return
				}
				served.Add(1)
				time.Sleep(5 * time.Millisecond) // or the load takes the cores from the reloads
			}
		})
	}
	for i := range reloads {
		turn(i)
	}
	stop.Store(true)
	wait.Wait()
	body(t, g, "/version", fmt.Sprintf("version %d", reloads-1))
	g.Client.CloseIdleConnections()
	servertest.Eventually(t, fmt.Sprintf("what was open at first is open again: %+v", stats), func() bool { return g.Stats() == stats })
	servertest.Eventually(t, "no goroutine is left over", func() bool {
		g.Client.CloseIdleConnections()
		return runtime.NumGoroutine() <= goroutines+2 // the upstream's connections come and go
	})
	t.Logf("%d requests over %d reloads", served.Load(), reloads)
}

// While developing, an edit is served, a broken one told, and what is not an edit makes no difference.
func TestDevelop(t *testing.T) {
	g := servertest.New(t)
	g.Write(t, versionedFiles(t, "http://127.0.0.1:1"))
	ctx, cancel := context.WithCancel(t.Context())
	reports, ended := make(chan server.Report, 100), make(chan error, 1)
	go func() {
		ended <- g.Develop(ctx, g.Dir, project.Options{}, func(r server.Report) { reports <- r })
	}()
	until := func(what string, fits func(server.Report) bool) { // an edit may be told in two parts
		t.Helper()
		last := server.Report{}
		for {
			select {
			case last = <-reports:
			case <-time.After(servertest.Patience):
				t.Fatalf("%s: the last report is %+v", what, last)
			}
			if fits(last) {
				return
			}
		}
	}
	until("first", func(r server.Report) bool { return r.Err == nil && r.Swapped && r.Changed == nil })
	g.Write(t, map[string]string{"version.js": version("two")})
	until("edited", func(r server.Report) bool {
		return r.Err == nil && r.Swapped && slices.Equal(r.Changed, []string{"version.js"})
	})
	body(t, g, "/version", "version two")
	g.Write(t, map[string]string{"version.js": "export const handler = ("})
	until("broken", func(r server.Report) bool {
		return r.Err != nil && !r.Swapped && strings.Contains(r.Err.Error(), "version.js:1:")
	})
	body(t, g, "/version", "version two")
	g.Write(t, map[string]string{"version.js": version("two")})
	until("mended", func(r server.Report) bool { return r.Err == nil && !r.Swapped })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestInvokeByName(t *testing.T) {
	g := servertest.New(t)
	if _, err := g.Invoke(t.Context(), "version", nil); !isKind(err, host.Unavailable) {
		t.Errorf("before there is anything: %v", err)
	}
	g.Write(t, versionedFiles(t, "http://127.0.0.1:1"))
	apply(t, g, true)
	if out, err := g.Invoke(t.Context(), "version", []byte(`{}`)); err != nil || string(out) != `"version one"` {
		t.Errorf("%s %v", out, err)
	}
	if _, err := g.Invoke(t.Context(), "tell", []byte(`{}`)); !isKind(err, host.Internal) {
		t.Errorf("a function that throws: %v", err)
	}
	if _, err := g.Invoke(t.Context(), "nobody", []byte(`{}`)); !isKind(err, host.NotFound) {
		t.Errorf("a function that is not there: %v", err)
	}
}
