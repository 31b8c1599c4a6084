package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern/postern/host/server/servertest"
)

const streamProject = `
apis:
  streams:
    authorizers: {nobody: {plugin: ./nobody.js}}
    routes:
      ANY /plain/{path+}: {streaming: true, integration: {http: "UPSTREAM/{path}"}}
      ANY /filtered/{path+}: {streaming: true, filters: [./pass.js], integration: {http: "UPSTREAM/{path}"}}
      ANY /refused: {authorizer: nobody, integration: {http: "UPSTREAM/count"}}
      POST /script: {streaming: true, integration: {function: script}}
      POST /wasm: {streaming: true, integration: {function: wasm}}
      GET /events: {streaming: true, integration: {function: events}}
functions:
  script: {plugin: ./script.js, timeout: 60s}
  wasm: {plugin: ./echo.wasm, timeout: 60s}
  events: {plugin: ./events.js, timeout: 60s, egress: ["UPSTREAM"], env: {GATE: "UPSTREAM/gate"}}
`

var streamPlugins = map[string]string{
	"nobody.js": `export const authorize = () => ({ isAuthorized: false })`,
	"script.js": `export default { fetch: (request) => new Response(request.body) }`,
	"pass.js": `
const same = (body) => body && body.pipeThrough(new TransformStream());
export const filter_request = (request) => request.body ? new Request(request, { body: same(request.body), duplex: "half" }) : undefined;
export const filter_response = (response) => new Response(same(response.body), response);
`,
	// Each event waits until the reader of the one before has opened the gate.
	"events.js": `
let n = 0;
export default { fetch: () => new Response(new ReadableStream({
	async pull(out) {
		if (n > 0) await (await fetch(process.env.GATE)).text();
		if (n === 3) return out.close();
		out.enqueue(new TextEncoder().encode("data: " + n++ + "\n\n"));
	},
}, { highWaterMark: 0 }), { headers: { "content-type": "text/event-stream" } }) };
`,
}

// A streamUpstream has an endpoint for each thing that a body can do. Events and gate wait for a token in opened.
type streamUpstream struct {
	opened  chan struct{}
	written atomic.Int64 // by endless
	left    chan struct{}
}

func (u *streamUpstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	switch r.URL.Path {
	case "/count":
		n, err := io.Copy(io.Discard, r.Body)
		if err == nil {
			fmt.Fprint(w, n)
		}
	case "/zeros":
		_, _ = io.CopyN(w, zeros{}, 128<<20)
	case "/echo":
		_ = control.EnableFullDuplex()
		_ = control.Flush()
		buf := make([]byte, 32<<10)
		for {
			n, err := r.Body.Read(buf)
			if _, werr := w.Write(buf[:n]); err != nil || werr != nil {
				return
			}
			_ = control.Flush()
		}
	case "/gate":
		select {
		case <-u.opened:
		case <-r.Context().Done():
		}
	case "/events":
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = control.Flush()
			select {
			case <-u.opened:
			case <-r.Context().Done():
				return
			}
		}
	case "/endless":
		piece := make([]byte, 16<<10)
		for {
			n, err := w.Write(piece)
			u.written.Add(int64(n))
			if err != nil {
				close(u.left)
				return
			}
		}
	case "/file":
		w.Header().Set("Etag", `"v1"`)
		http.ServeContent(w, r, "file.txt", time.Unix(1e9, 0), strings.NewReader("0123456789"))
	default:
		fmt.Fprint(w, r.Method)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func startStreams(t *testing.T) (*servertest.Gateway, *streamUpstream) {
	t.Helper()
	u := &streamUpstream{opened: make(chan struct{}), left: make(chan struct{})}
	s := httptest.NewServer(u)
	t.Cleanup(s.Close)
	files := map[string]string{"postern.yaml": strings.ReplaceAll(streamProject, "UPSTREAM", s.URL), "echo.wasm": servertest.Guest(t, "echo.wasm")}
	for name, code := range streamPlugins {
		files[name] = code
	}
	return servertest.Start(t, files), u
}

// h2c is a client that speaks HTTP/2 only, and so reads while it writes.
func h2c(t *testing.T) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestLargeBodiesInConstantMemory sends much more than the bound each way. The heap is that of client, gateway and upstream together.
func TestLargeBodiesInConstantMemory(t *testing.T) {
	const size, bound = 128 << 20, 48 << 20
	g, _ := startStreams(t)
	for name, path := range map[string]string{"an upstream": "/plain", "a filter in JavaScript and an upstream": "/filtered"} {
		grew := heapGrowth(t, func() {
			resp, err := g.Client.Post(g.URL+path+"/count", "application/octet-stream", io.LimitReader(zeros{}, size))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if string(text) != fmt.Sprint(size) || err != nil {
				t.Errorf("to %s: it got %q, %v", name, text, err)
			}
		})
		if grew > bound {
			t.Errorf("to %s: the heap grew by %d MiB", name, grew>>20)
		}
		grew = heapGrowth(t, func() {
			resp, err := g.Client.Get(g.URL + path + "/zeros")
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if n != size || err != nil {
				t.Errorf("from %s: %d bytes, %v", name, n, err)
			}
		})
		if grew > bound {
			t.Errorf("from %s: the heap grew by %d MiB", name, grew>>20)
		}
	}
}

// heapGrowth is by how much the heap in use was larger at its largest, while run ran, than before.
func heapGrowth(t *testing.T, run func()) int64 {
	t.Helper()
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	done, largest := make(chan struct{}), make(chan int64)
	go func() {
		var now runtime.MemStats
		top := int64(0)
		for {
			runtime.ReadMemStats(&now)
			top = max(top, int64(now.HeapAlloc)-int64(before.HeapAlloc))
			select {
			case <-done:
				largest <- top
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	run()
	close(done)
	return <-largest
}

// TestEventsArriveOneByOne has each event wait until the one before has been read.
func TestEventsArriveOneByOne(t *testing.T) {
	g, u := startStreams(t)
	for _, path := range []string{"/plain/events", "/filtered/events", "/events"} {
		for name, client := range map[string]*http.Client{"HTTP/1.1": g.Client, "HTTP/2": h2c(t)} {
			ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
			req, err := http.NewRequestWithContext(ctx, "GET", g.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatalf("%s %s: %v", name, path, err)
			}
			lines := bufio.NewScanner(resp.Body)
			for i := range 3 {
				if !lines.Scan() || lines.Text() != fmt.Sprintf("data: %d", i) || !lines.Scan() {
					t.Fatalf("%s %s, event %d: %q, %v", name, path, i, lines.Text(), lines.Err())
				}
				u.opened <- struct{}{}
			}
			if lines.Scan() || lines.Err() != nil {
				t.Errorf("%s %s: after the last event %q, %v", name, path, lines.Text(), lines.Err())
			}
			_ = resp.Body.Close()
			cancel()
		}
	}
}

// TestBothWaysAtOnce sends a piece only after the one before has come back.
func TestBothWaysAtOnce(t *testing.T) {
	g, _ := startStreams(t)
	for _, path := range []string{"/plain/echo", "/filtered/echo", "/script", "/wasm"} {
		ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
		reader, writer := io.Pipe()
		req, err := http.NewRequestWithContext(ctx, "POST", g.URL+path, reader)
		if err != nil {
			t.Fatal(err)
		}
		piece := strings.Repeat("p", 64<<10) // a guest's answer begins at 32 KiB, or when it says so
		go func() { _, _ = io.WriteString(writer, piece) }()
		resp, err := h2c(t).Do(req)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for i := range 3 {
			if i > 0 {
				go func() { _, _ = io.WriteString(writer, piece) }()
			}
			if _, err := io.ReadFull(resp.Body, make([]byte, len(piece))); err != nil {
				t.Fatalf("%s, piece %d: %v", path, i, err)
			}
		}
		_ = writer.Close()
		if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
			t.Errorf("%s: at the end %q, %v", path, rest, err)
		}
		_ = resp.Body.Close()
		cancel()
	}
}

// TestSlowReadersHoldTheUpstreamBack reads nothing of an endless body: what the upstream could write is what the sockets and the
// gateway hold.
func TestSlowReadersHoldTheUpstreamBack(t *testing.T) {
	for _, path := range []string{"/plain/endless", "/filtered/endless"} {
		for name, client := range map[string]func(*servertest.Gateway) *http.Client{
			"HTTP/1.1": func(g *servertest.Gateway) *http.Client { return g.Client },
			"HTTP/2":   func(*servertest.Gateway) *http.Client { return h2c(t) },
		} {
			g, u := startStreams(t)
			resp, err := client(g).Get(g.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			last := int64(-1)
			servertest.Eventually(t, "the upstream is held back", func() bool {
				now := u.written.Load()
				time.Sleep(200 * time.Millisecond)
				same := now == last && now > 0
				last = now
				return same
			})
			if last > 24<<20 {
				t.Errorf("%s %s: %d MiB were taken from the upstream that nobody read", name, path, last>>20)
			}
			_ = resp.Body.Close()
			select {
			case <-u.left:
			case <-time.After(servertest.Patience):
				t.Errorf("%s %s: the client has left, and the upstream was not told", name, path)
			}
		}
	}
}

// TestContinue has a client that sends its body only when it is told to go on (RFC 9110, section 10.1.1).
func TestContinue(t *testing.T) {
	g, _ := startStreams(t)
	for path, want := range map[string][]string{
		"/plain/count": {"HTTP/1.1 100 Continue", "HTTP/1.1 200 OK"},
		"/refused":     {"HTTP/1.1 403 Forbidden"},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(servertest.Patience))
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n", path)
		lines := bufio.NewScanner(conn)
		for _, line := range want {
			if !lines.Scan() || lines.Text() != line {
				t.Fatalf("%s: got %q, %v; want %q", path, lines.Text(), lines.Err(), line)
			}
			if strings.Contains(line, "100") {
				lines.Scan()
				_, _ = io.WriteString(conn, "body")
			}
		}
	}
}

func TestRangesConditionsAndMethods(t *testing.T) {
	g, _ := startStreams(t)
	for _, prefix := range []string{"/plain", "/filtered"} {
		reply := g.Get(t, prefix+"/file", "Range: bytes=2-4")
		if reply.Status != 206 || reply.Body != "234" || reply.Header.Get("Content-Range") != "bytes 2-4/10" {
			t.Errorf("%s, a range: %+v", prefix, reply)
		}
		reply = g.Get(t, prefix+"/file", "Range: bytes=50-")
		if reply.Status != 416 || reply.Header.Get("Content-Range") != "bytes */10" {
			t.Errorf("%s, a range beyond the end: %+v", prefix, reply)
		}
		reply = g.Get(t, prefix+"/file", `If-None-Match: "v1"`)
		if reply.Status != 304 || reply.Body != "" || reply.Header.Get("Etag") != `"v1"` {
			t.Errorf("%s, If-None-Match: %+v", prefix, reply)
		}
		reply = g.Do(t, "PUT", prefix+"/file", "x", `If-Match: "v2"`)
		if reply.Status != 412 {
			t.Errorf("%s, If-Match: %+v", prefix, reply)
		}
		reply = g.Do(t, "HEAD", prefix+"/file", "")
		if reply.Status != 200 || reply.Body != "" || prefix == "/plain" && reply.Header.Get("Content-Length") != "10" {
			t.Errorf("%s, HEAD: %+v", prefix, reply)
		}
		for _, method := range []string{"OPTIONS", "DELETE", "PROPFIND", "M-SEARCH", "PURGE", "x!#$%&'*+-.^_`|~9"} {
			if reply := g.Do(t, method, prefix+"/method", ""); reply.Status != 200 || reply.Body != method {
				t.Errorf("%s, %s: %+v", prefix, method, reply)
			}
		}
	}
}

// TestTrailers sends and gets fields behind the body.
func TestTrailers(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, err := io.Copy(w, r.Body)
		w.Header().Set("X-Sum", r.Trailer.Get("X-Client")+" and mine")
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}))
	defer upstream.Close()
	g := servertest.Start(t, map[string]string{"postern.yaml": strings.ReplaceAll(streamProject, "UPSTREAM", upstream.URL),
		"nobody.js": streamPlugins["nobody.js"], "script.js": streamPlugins["script.js"], "events.js": streamPlugins["events.js"],
		"pass.js": `export const filter_request = (request) => { request.headers.set("x-seen", "1") }`, "echo.wasm": servertest.Guest(t, "echo.wasm")})
	for name, client := range map[string]*http.Client{"HTTP/1.1": g.Client, "HTTP/2": h2c(t)} {
		for _, path := range []string{"/plain/x", "/filtered/x"} {
			req, err := http.NewRequest("POST", g.URL+path, io.MultiReader(strings.NewReader("body")))
			if err != nil {
				t.Fatal(err)
			}
			req.Trailer = http.Header{"X-Client": {"yours"}}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if string(text) != "body" || resp.Trailer.Get("X-Sum") != "yours and mine" {
				t.Errorf("%s %s: %q, %v, trailer %v", name, path, text, errors.Join(err), resp.Trailer)
			}
		}
	}
}
