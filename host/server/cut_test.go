package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/postern/postern/host/server/servertest"
)

// A cutter stands between a client and the gateway and cuts the connection after so many bytes of one direction.
type cutter struct {
	ln       net.Listener
	target   string
	up, down int64 // how many bytes may pass toward the gateway, and toward the client; -1 for all
	sent     atomic.Int64
	received atomic.Int64
	open     sync.WaitGroup
}

func newCutter(t *testing.T, target string, up, down int64) *cutter {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{ln: ln, target: target, up: up, down: down}
	c.open.Go(c.serve)
	return c
}

func (c *cutter) serve() {
	for {
		client, err := c.ln.Accept()
		if err != nil {
			return
		}
		gateway, err := net.Dial("tcp", c.target)
		if err != nil {
			_ = client.Close()
			return
		}
		cut := sync.OnceFunc(func() {
			_ = client.Close()
			_ = gateway.(*net.TCPConn).SetLinger(0) // a reset: nothing is said in peace
			_ = gateway.Close()
		})
		c.open.Go(func() { defer cut(); pass(gateway, client, &c.sent, c.up) })
		c.open.Go(func() { defer cut(); pass(client, gateway, &c.received, c.down) })
	}
}

// pass copies, byte by byte where it matters, until limit bytes have passed.
func pass(to, from net.Conn, passed *atomic.Int64, limit int64) {
	var r io.Reader = from
	if limit >= 0 {
		r = io.LimitReader(from, limit)
	}
	_, _ = io.Copy(to, io.TeeReader(r, counter{passed}))
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

func (c *cutter) close() {
	_ = c.ln.Close()
	c.open.Wait()
}

const cutProject = `
apis:
  cut:
    routes:
      POST /proxy: {integration: {http: "UPSTREAM/echo"}, timeout: 60s}
      POST /script: {integration: {function: script}, timeout: 60s}
      POST /wasm: {integration: {function: wasm}, timeout: 60s}
      POST /filtered: {filters: [{plugin: ./upper.js, timeout: 60s, concurrency: 2}], integration: {http: "UPSTREAM/echo"}, timeout: 60s}
      POST /wasm-filtered: {filters: [{plugin: ./filter.wasm, timeout: 60s, concurrency: 2, env: {DO_REQUEST: u, REQUEST: '{"body":true}', DO_RESPONSE: u, RESPONSE: '{"body":true}'}}], integration: {http: "UPSTREAM/echo"}, timeout: 60s}
      POST /cgi: {integration: {function: cgi}, timeout: 60s}
      POST /stdio: {integration: {function: stdio}, timeout: 60s}
      POST /grpc.testing.TestService/{method}: {streaming: true, timeout: 60s, filters: [{plugin: ./edits.js, timeout: 60s, concurrency: 2}], integration: {http: "RPC/grpc.testing.TestService/{method}"}}
      GET /socket: {integration: {http: "UPSTREAM/socket"}, timeout: 60s}
functions:
  script: {plugin: ./script.js, timeout: 60s, concurrency: 2}
  wasm: {plugin: ./echo.wasm, timeout: 60s, concurrency: 2}
  cgi: {plugin: ./cgi.wasm, timeout: 60s, concurrency: 2}
  stdio: {plugin: ./stdio.wasm, abi: stdio, timeout: 60s, concurrency: 2}
`

// A script that answers chunk by chunk, and a filter that changes both bodies chunk by chunk.
const (
	cutScript = `export default { fetch: (request) => new Response(request.body.pipeThrough(new TransformStream())) }`
	cutFilter = `
const upper = (body) => body.pipeThrough(new TextDecoderStream()).pipeThrough(
	new TransformStream({ transform: (chunk, out) => out.enqueue(chunk.toUpperCase()) })).pipeThrough(new TextEncoderStream());
export const filter_request = (request) => new Request(request, { body: upper(request.body), duplex: "half" });
export const filter_response = (response) => new Response(upper(response.body), response);
`
)

// cutUpstream echoes bodies as they come, and WebSocket messages.
func cutUpstream(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/socket" {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil || conn.Write(r.Context(), kind, message) != nil {
				return
			}
		}
	}
	_ = http.NewResponseController(w).EnableFullDuplex()
	buf := make([]byte, 512)
	for {
		n, err := r.Body.Read(buf)
		_, _ = w.Write(buf[:n])
		_ = http.NewResponseController(w).Flush()
		if err != nil {
			return
		}
	}
}

// An exchanger makes one whole exchange through an address. What becomes of it when the connection is cut is its own matter.
type exchanger func(ctx context.Context, address string) error

func posts(path string, over way) exchanger {
	return func(ctx context.Context, address string) error {
		transport, done := over.dial()
		defer func() { _ = done() }()
		// Of unknown length, so that it goes in chunks.
		body := io.MultiReader(strings.NewReader(strings.Repeat("some text ", 300)), strings.NewReader("and its end"))
		req, err := http.NewRequestWithContext(ctx, "POST", over.door+"://"+address+path, body)
		if err != nil {
			return err
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err == nil && (resp.StatusCode != 200 || !strings.Contains(strings.ToLower(string(text)), "and its end")) {
			err = fmt.Errorf("answered %d %q", resp.StatusCode, text)
		}
		return err
	}
}

func chats(ctx context.Context, address string) error {
	conn, _, err := websocket.Dial(ctx, "ws://"+address+"/socket", nil)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	for range 3 {
		if err := conn.Write(ctx, websocket.MessageText, []byte(strings.Repeat("hello ", 40))); err != nil {
			return err
		}
		if _, _, err := conn.Read(ctx); err != nil {
			return err
		}
	}
	return conn.Close(websocket.StatusNormalClosure, "")
}

// TestCutAtAHundredPoints cuts exchanges of every kind at points that are spread over all that crosses the wire. After that,
// nothing may be left: no goroutine, no open file or connection, no instance that is still leased.
func TestCutAtAHundredPoints(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(cutUpstream))
	defer upstream.Close()
	g := startEveryDoor(t, cutFiles(t, upstream.URL))
	kinds := map[string]cutKind{"WebSocket": {"http", chats}, "gRPC": {"http", callsBothWays}}
	over := ways()
	for _, path := range cutPaths {
		for _, w := range over[:4] {
			if w.door == "http" || path == "/proxy" || path == "/filtered" {
				kinds[w.name+" "+path] = cutKind{w.door, posts(path, w)}
			}
		}
	}
	twice := func(when string) {
		for name, kind := range kinds {
			var group sync.WaitGroup
			for range 2 {
				group.Go(func() {
					if err := kind.exchange(t.Context(), kind.address(g)); err != nil {
						t.Errorf("%s, %s: %v", name, when, err)
					}
				})
			}
			group.Wait()
		}
	}
	twice("before") // which also makes what stays, as pooled instances
	upstream.CloseClientConnections()
	settle(t)
	goroutines, files := runtime.NumGoroutine(), openFiles(t)

	points := 0
	for name, kind := range kinds {
		points += cutEverywhere(t, name, kind.exchange, kind.address(g))
	}
	if points < 100 {
		t.Errorf("only %d points were cut", points)
	}
	twice("after the cuts") // both instances of each plugin are free
	upstream.CloseClientConnections()
	nothingIsLeft(t, goroutines, files)
}

// settle waits until the number of goroutines stands still.
func settle(t *testing.T) {
	last := -1
	servertest.Eventually(t, "the goroutines settle", func() bool {
		now := runtime.NumGoroutine()
		time.Sleep(50 * time.Millisecond)
		same := now == last
		last = now
		return same
	})
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not list a process's open files")
	}
	return len(entries)
}

// cutEverywhere cuts the exchange at five points of each direction.
func cutEverywhere(t *testing.T, name string, exchange exchanger, address string) (points int) {
	t.Helper()
	const each = 5
	whole := newCutter(t, address, -1, -1)
	if err := exchange(t.Context(), whole.ln.Addr().String()); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	whole.close()
	cut := func(up, down int64) {
		c := newCutter(t, address, up, down)
		ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
		defer cancel()
		_ = exchange(ctx, c.ln.Addr().String()) // how it fails is the client's matter
		if ctx.Err() != nil {
			t.Errorf("%s, cut at %d up or %d down: the client still waits", name, up, down)
		}
		c.close()
		points++
	}
	for i := range int64(each) {
		cut(whole.sent.Load()*i/each, -1)
		cut(-1, whole.received.Load()*i/each)
	}
	return points
}
