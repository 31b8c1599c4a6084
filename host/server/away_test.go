package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	nats "github.com/nats-io/nats-server/v2/server"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/sealed"
	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
)

// startNATS starts a real server with JetStream on loopback; port -1 chooses one.
func startNATS(t *testing.T, dir string, port int) *nats.Server {
	t.Helper()
	srv, err := nats.NewServer(&nats.Options{
		Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: dir, JetStreamMaxStore: 1 << 40, // whatever the disk has free: not what these tests are about
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { stopNATS(srv) })
	if !srv.ReadyForConnections(servertest.Patience) {
		t.Fatal("the NATS server does not start")
	}
	return srv
}

func stopNATS(srv *nats.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}

// A line is a way to a server that can be cut.
type line struct {
	net.Listener
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func newLine(t *testing.T, to string) *line {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{Listener: ln}
	t.Cleanup(func() { l.set(true); _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			l.join(near, to)
		}
	}()
	return l
}

func (l *line) join(near net.Conn, to string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	far, err := net.Dial("tcp", to)
	if l.cut || err != nil {
		_ = near.Close()
		if err == nil {
			_ = far.Close()
		}
		return
	}
	l.conns = append(l.conns, near, far)
	go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
	go func() { _, _ = io.Copy(near, far); _ = near.Close() }()
}

// set cuts the line, or mends it.
func (l *line) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	if cut {
		for _, c := range l.conns {
			_ = c.Close()
		}
		l.conns = nil
	}
}

// storeIs waits until a host says that of its store.
func storeIs(t *testing.T, g *servertest.Host, ok bool) {
	t.Helper()
	servertest.Eventually(t, "the host knows of its store", func() bool {
		reply, err := g.Ask(t.Context(), "GET", "/", "")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(reply.Body, `"store": "ok"`) == ok
	})
}

// TestTheStoreGoesAwayAndComesBack has two hosts on one store. One loses the way to it, then both lose the store.
func TestTheStoreGoesAwayAndComesBack(t *testing.T) {
	dir, keys := t.TempDir(), t.TempDir()
	srv := startNATS(t, dir, -1)
	port := srv.Addr().(*net.TCPAddr).Port
	way := newLine(t, srv.Addr().String())
	start := func(addr, token string) *servertest.Host {
		data := t.TempDir()
		return servertest.StartHost(t, servertest.Options{Token: token, Config: func(c *server.Config) {
			c.AccessLog = false
			c.State = &server.State{DataDir: data, SecretsKey: filepath.Join(keys, "secrets.key"), Retry: 20 * time.Millisecond}
			c.State.Store.URL = "nats://" + addr
		}})
	}
	if _, err := sealed.Create(filepath.Join(keys, "secrets.key")); err != nil {
		t.Fatal(err)
	}
	a := start(srv.Addr().String(), "")
	b := start(way.Addr().String(), a.Token)

	files := func(n int) map[string]string {
		all := live(n)
		delete(all, "own.js")
		all["postern.yaml"] = "apis: {main: {protocol: http, root: true, routes: {GET /mock: {integration: {mock: {body: \"" +
			string(rune('0'+n)) + "\"}}}}, stages: {$default: {}}}}\n"
		return all
	}
	a.MustApply(t, files(1))
	serves := func(g *servertest.Host, want string) {
		t.Helper()
		servertest.Eventually(t, "the host serves "+want, func() bool { return g.Get(t, "/mock").Body == want })
	}
	serves(b, "1")

	ctx, cancel := context.WithCancel(t.Context())
	numbers := &span{}
	numbers.low.Store(1)
	numbers.high.Store(9)
	flows := []*traffic{{t: t, base: a.URL, end: cancel}, {t: t, base: b.URL, end: cancel}}
	for _, f := range flows {
		f.ask(ctx, "/mock", 10*time.Millisecond, numbers)
	}

	way.set(true)
	storeIs(t, b, false)
	short, end := context.WithTimeout(t.Context(), servertest.Patience)
	defer end()
	if _, err := b.Admin.PutSecret(short, "x", "1", admin.Write{}); !errors.Is(err, host.Unavailable) && !errors.Is(err, host.Timeout) {
		t.Errorf("a change without a store: %v", err)
	}
	a.MustApply(t, files(2))
	serves(a, "2")
	if reply := b.Get(t, "/mock"); reply.Body != "1" {
		t.Errorf("%+v", reply)
	}
	way.set(false)
	serves(b, "2") // what it has missed
	storeIs(t, b, true)

	stopNATS(srv)
	storeIs(t, a, false)
	if _, err := a.Admin.PutSecret(short, "x", "1", admin.Write{}); !errors.Is(err, host.Unavailable) && !errors.Is(err, host.Timeout) {
		t.Errorf("a change without a store: %v", err)
	}
	startNATS(t, dir, port)
	storeIs(t, a, true)
	storeIs(t, b, true)
	servertest.Eventually(t, "changes work again", func() bool {
		_, err := b.Apply(t, servertest.Apply{Files: files(3)})
		return err == nil
	})
	serves(a, "3")
	serves(b, "3")
	for _, f := range flows {
		f.stop()
		t.Logf("%d requests", f.asked.Load())
	}
}
