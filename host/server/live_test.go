package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/pipeline"
	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
)

// live is a project whose answers say which apply they are of, and which calls uploaded functions.
func live(n int) map[string]string {
	return map[string]string{
		"postern.yaml": strings.ReplaceAll(`
apis:
  main:
    protocol: http
    root: true
    routes:
      GET /mock: {integration: {mock: {body: "N"}}}
      GET /own: {integration: {function: own}}
      GET /up: {integration: {function: up}}
      GET /held: {integration: {function: "weighted@some"}}
      GET /route-N: {integration: {mock: {body: "N"}}}
    stages: {$default: {}}
  staged:
    protocol: http
    routes:
      GET /: {integration: {mock: {body: "N"}}}
    stages: {prod: {}}
functions:
  own: {plugin: ./own.js}
`, "N", strconv.Itoa(n)),
		"own.js": fmt.Sprintf("export const handler = () => %q;\n", strconv.Itoa(n)),
	}
}

func says(n int) string {
	return fmt.Sprintf("export const handler = async () => %q;\n", strconv.Itoa(n))
}

// A span is which numbers may answer: those from low, which is live for sure, to high, which is under way.
type span struct{ low, high atomic.Int64 }

// A traffic asks for paths until it is ended, and counts what is not as it should be.
type traffic struct {
	t     *testing.T
	base  string
	group sync.WaitGroup
	end   context.CancelFunc
	asked atomic.Int64
	mu    sync.Mutex
	wrong []string
}

// ask has a connection of its own, on which it asks for a path every so often.
func (f *traffic) ask(ctx context.Context, path string, every time.Duration, fits *span) {
	f.group.Go(func() {
		client := &http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		for ticker := time.NewTicker(every); ctx.Err() == nil; <-ticker.C {
			low := fits.low.Load()
			status, body, err := get(client, f.base+path)
			high := fits.high.Load()
			f.asked.Add(1)
			n, atoi := strconv.ParseInt(body, 10, 64)
			if err != nil || status != 200 || atoi != nil || n < low || n > high {
				f.mu.Lock()
				f.wrong = append(f.wrong, fmt.Sprintf("GET %s: %d %q %v, and not of %d to %d", path, status, body, err, low, high))
				f.mu.Unlock()
			}
		}
	})
}

func get(client *http.Client, url string) (int, string, error) {
	resp, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// stop ends the traffic and fails the test for each answer that was wrong.
func (f *traffic) stop() {
	f.end()
	f.group.Wait()
	for i, w := range f.wrong {
		if i == 10 {
			f.t.Errorf("and %d more", len(f.wrong)-10)
			break
		}
		f.t.Error(w)
	}
}

// A usage is what a process holds.
type usage struct {
	Stats      pipeline.Stats
	Goroutines int
	Files      int
	Heap       int64
}

func used(g *servertest.Host) usage {
	runtime.GC()
	runtime.GC() // what finalizers let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd") // none where there is no such folder
	return usage{Stats: g.Stats(), Goroutines: runtime.NumGoroutine(), Files: len(files), Heap: int64(m.HeapAlloc)}
}

// changes is how many changes the tests of live change make, each under traffic.
func changes() int {
	if testing.Short() || raceEnabled {
		return 30
	}
	return 104 // what is held in the end depends on which change is the last: that of a stage is one of 8, that of an alias one of 3
}

func TestLiveChangeLosesNothing(t *testing.T) {
	data, temp := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	g := servertest.StartHost(t, servertest.Options{Config: func(c *server.Config) {
		c.AccessLog = false
		c.State = &server.State{DataDir: data}
	}})
	l := &liveChange{t: t, h: g, dir: t.TempDir()}
	for n := 1; n <= 2; n++ {
		g.MustUpload(t, "weighted", says(n))
	}
	l.must(g.Admin.SetAlias(t.Context(), "weighted", "some", admin.AliasInput{Version: 1}, admin.Write{Wait: servertest.Patience}))
	l.weighted.low.Store(1)
	l.weighted.high.Store(2)
	l.upload(1)
	l.apply(1)
	l.traffic(t)
	l.run(2, 10)
	l.flow.stop()
	before := l.settled()

	l.traffic(t)
	l.run(11, changes())
	l.flow.stop()
	t.Logf("%d requests during %d uploads and as many applies", l.flow.asked.Load(), changes())
	var after usage
	servertest.Eventually(t, "as little is held as before", func() bool {
		after = l.settled()
		return after.Stats == before.Stats && after.Goroutines <= before.Goroutines+10 && after.Files <= before.Files+5
	})
	const caches = 48 << 20 // the catalog's may have 48 MiB, and an embedded store's buffers go after a while
	servertest.Eventually(t, "the heap is as small as before, but for caches", func() bool {
		after = l.settled()
		return after.Heap-before.Heap < caches
	})
	t.Logf("before %+v, after %+v", before, after)
	for _, dir := range []string{temp, filepath.Join(data, "tmp")} {
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%d files are left in %s, such as %s", len(left), dir, left[0].Name())
		}
	}
}

// A liveChange changes a host under traffic.
type liveChange struct {
	t   *testing.T
	h   *servertest.Host
	dir string

	flow                        *traffic
	up, applied, weighted, prod span
}

func (l *liveChange) must(_ any, err error) {
	if err != nil {
		l.t.Error(err)
	}
}

func (l *liveChange) traffic(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l.flow = &traffic{t: t, base: l.h.URL, end: cancel}
	for range 2 {
		l.flow.ask(ctx, "/mock", 20*time.Millisecond, &l.applied)
		l.flow.ask(ctx, "/own", 20*time.Millisecond, &l.applied)
		l.flow.ask(ctx, "/up", 20*time.Millisecond, &l.up)
		l.flow.ask(ctx, "/held", 20*time.Millisecond, &l.weighted)
		l.flow.ask(ctx, "/_postern/staged/prod/", 20*time.Millisecond, &l.prod)
	}
}

// settled is what is held when nothing is asked for any more.
func (l *liveChange) settled() usage {
	l.h.Client.CloseIdleConnections()
	l.h.Admin.Close()
	return used(l.h)
}

// upload waits until the version serves.
func (l *liveChange) upload(n int) {
	l.up.high.Store(int64(n))
	reply, err := l.h.Upload(l.t.Context(), "up", admin.TypeJavaScript, says(n), "wait=20s")
	if err != nil || reply.Status/100 != 2 {
		l.t.Errorf("upload %d: %d %s %v", n, reply.Status, reply.Body, err)
	}
	l.up.low.Store(int64(n))
}

// apply waits until it serves.
func (l *liveChange) apply(n int) {
	l.applied.high.Store(int64(n))
	l.prod.high.Store(int64(n))
	_, err := l.h.ApplyWith(l.t.Context(), l.dir, servertest.Apply{Files: live(n), Write: admin.Write{Wait: servertest.Patience}})
	if err != nil {
		l.t.Errorf("apply %d: %v", n, err)
	}
	l.applied.low.Store(int64(n))
}

// run makes the uploads and applies of these numbers, side by side, and others beside them.
func (l *liveChange) run(from, to int) {
	var group sync.WaitGroup
	group.Go(func() {
		for n := from; n <= to; n++ {
			l.upload(n)
		}
	})
	group.Go(func() {
		for n := from; n <= to; n++ {
			l.apply(n)
			l.stages(n)
		}
	})
	group.Go(func() {
		for n := from; n <= to; n += 2 {
			l.aliases(n)
		}
	})
	group.Wait()
}

// stages shifts the stage prod, which project test owns: to a canary of the deployment before, back, and to another variable.
func (l *liveChange) stages(n int) {
	ctx, w := l.t.Context(), admin.Write{Force: true}
	stage, err := l.h.Admin.Stage(ctx, "staged", "prod")
	l.must(stage, err)
	switch n % 8 {
	case 1:
		l.must(l.h.Admin.RollbackStage(ctx, "staged", "prod", 0, w))
	case 3:
		l.must(l.h.Admin.PutCanary(ctx, "staged", "prod", catalog.Canary{Deployment: stage.Deployment - 1, Percent: 50}, w))
	case 4:
		l.must(nil, ignore(l.h.Admin.DeleteCanary(ctx, "staged", "prod", w), host.NotFound))
	case 6:
		l.must(l.h.Admin.PutCanary(ctx, "staged", "prod", catalog.Canary{Deployment: stage.Deployment - 1, Percent: 30}, w))
		_, err := l.h.Admin.PromoteCanary(ctx, "staged", "prod", w)
		l.must(nil, err)
	}
}

func ignore(err error, kind host.Kind) error {
	if errors.Is(err, kind) {
		return nil
	}
	return err
}

// aliases shifts and promotes and rolls back an alias between two versions.
func (l *liveChange) aliases(n int) {
	ctx, w := l.t.Context(), admin.Write{Wait: servertest.Patience}
	set := func(in admin.AliasInput) { l.must(l.h.Admin.SetAlias(ctx, "weighted", "some", in, w)) }
	switch n / 2 % 3 {
	case 0:
		set(admin.AliasInput{Version: 1, Second: 2, Weight: 0.5})
	case 1:
		set(admin.AliasInput{Version: 2})
	case 2:
		set(admin.AliasInput{Version: 1})
		set(admin.AliasInput{Version: 2})
		l.must(l.h.Admin.RollbackAlias(ctx, "weighted", "some", w))
	}
}

// TestBadChangesTouchNothing holds the running host against uploads and definitions that are refused.
func TestBadChangesTouchNothing(t *testing.T) {
	g := servertest.StartHost(t)
	l := &liveChange{t: t, h: g, dir: t.TempDir()}
	for n := 1; n <= 2; n++ {
		g.MustUpload(t, "weighted", says(n))
	}
	l.must(g.Admin.SetAlias(t.Context(), "weighted", "some", admin.AliasInput{Version: 1}, admin.Write{Wait: servertest.Patience}))
	l.upload(1)
	l.apply(1)
	status, err := g.Admin.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := l.settled()
	bad := func(name string, reply servertest.Reply, err error) {
		t.Helper()
		if err != nil || reply.Status < 400 || reply.Status >= 500 {
			t.Errorf("%s: %d %s %v", name, reply.Status, reply.Body, err)
		}
	}
	for name, code := range map[string]string{"syntax": "export const handler = (", "throws": "throw new Error('at start'); export const handler = () => 1",
		"no entry": "export const other = 1", "empty": ""} {
		reply, err := g.Upload(t.Context(), "up", admin.TypeJavaScript, code, "")
		bad(name, reply, err)
	}
	reply, err := g.Upload(t.Context(), "up", admin.TypeWasm, "\x00asm no", "")
	bad("wasm", reply, err)
	for name, edit := range map[string][2]string{
		"unknown key":      {"routes:", "rutes:"},
		"unknown function": {"function: up", "function: upp"},
		"unknown alias":    {"weighted@some", "weighted@sum"},
	} {
		files := live(2)
		files["postern.yaml"] = strings.Replace(files["postern.yaml"], edit[0], edit[1], 1)
		if _, err := g.Apply(t, servertest.Apply{Files: files}); !errors.Is(err, host.Invalid) && !errors.Is(err, host.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	files := live(2)
	files["own.js"] = "throw new Error('at start'); export const handler = () => 1"
	if _, err := g.Apply(t, servertest.Apply{Files: files}); !errors.Is(err, host.Invalid) {
		t.Errorf("a function that throws at its start: %v", err)
	}
	now, err := g.Admin.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(status, now); diff != "" {
		t.Error(diff)
	}
	for _, path := range []string{"/mock", "/own", "/up", "/held"} {
		if reply := g.Get(t, path); reply.Status != 200 || reply.Body != "1" {
			t.Errorf("%s: %+v", path, reply)
		}
	}
	servertest.Eventually(t, "as little is held as before", func() bool {
		after := l.settled()
		return after.Stats == before.Stats && after.Goroutines <= before.Goroutines+5
	})
}
