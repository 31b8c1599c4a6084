package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
)

const openProject = `
apis:
  open:
    routes:
      GET /events/{way}: {filters: [FILTER], integration: {http: "UPSTREAM/events"}, timeout: 60s}
      GET /hold/{way}: {filters: [FILTER], integration: {http: "UPSTREAM/hold"}, timeout: 60s}
      GET /chat/{way}: {filters: [FILTER], integration: {http: "UPSTREAM/chat"}, timeout: 60s}
      POST /rpc/grpc.testing.TestService/{method}: {streaming: true, filters: [FILTER], integration: {http: "RPC/grpc.testing.TestService/{method}"}}
      GET /version: {integration: {mock: {body: "NUMBER"}}}
`

// A tag filter says which version it is, in the head and beside each piece of the body.
const tagFilter = `
export const filter_request = (request) => {};
export const filter_response = (response) => {
	response.headers.set("x-version", "NUMBER");
	if (response.status === 101 || response.headers.get("content-type") !== "text/event-stream") return;
	return new Response(response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream({
		transform: (chunk, out) => out.enqueue(chunk.replaceAll("data: ", "data: NUMBER ")) })).pipeThrough(new TextEncoderStream()), response);
};
`

// An openUpstream holds exchanges open.
type openUpstream struct {
	tick  chan struct{} // sends an event to one stream
	held  atomic.Int64
	chats chatServer
}

func (u *openUpstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/events":
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; ; i++ {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-u.tick:
			case <-r.Context().Done():
				return
			}
		}
	case "/hold":
		u.held.Add(1)
		<-r.Context().Done()
	default:
		u.chats.chat(w, r)
	}
}

func openFiles0(t *testing.T, upstream string, number int) map[string]string {
	t.Helper()
	r := strings.NewReplacer("FILTER", "./tag.js", "UPSTREAM", upstream, "NUMBER", fmt.Sprint(number))
	return map[string]string{"postern.yaml": r.Replace(openProject), "tag.js": r.Replace(tagFilter)}
}

func startOpen(t *testing.T, change ...func(*server.Config)) (*chatGateway, *openUpstream, func(number int) map[string]string) {
	t.Helper()
	u := &openUpstream{tick: make(chan struct{}), chats: chatServer{ended: make(chan error, 100)}}
	s := httptest.NewServer(u)
	t.Cleanup(s.Close)
	_, rpc, _ := strings.Cut(rpcServer(t, interop.NewTestServer()), "://")
	files := func(number int) map[string]string {
		f := openFiles0(t, s.URL, number)
		f["postern.yaml"] = strings.ReplaceAll(f["postern.yaml"], "RPC", "h2c://"+rpc)
		return f
	}
	return &chatGateway{startEveryDoor(t, files(0), change...), &u.chats}, u, files
}

// An open stream of events.
type eventReader struct {
	name  string
	resp  *http.Response
	lines *bufio.Scanner
}

func (e *eventReader) next() (string, error) {
	if !e.lines.Scan() {
		return "", fmt.Errorf("%s: ended, %w", e.name, e.lines.Err())
	}
	text := e.lines.Text()
	e.lines.Scan()
	return text, nil
}

// listen opens a stream of events over each version and reads the first one.
func listen(t *testing.T, g *chatGateway) (all []*eventReader) {
	t.Helper()
	for _, w := range ways() {
		base, client := w.client(t, g.Gateway)
		resp := ask(t.Context(), t, client, "GET", base+"/events/"+strings.ReplaceAll(w.name, "/", ""), nil)
		e := &eventReader{w.name, resp, bufio.NewScanner(resp.Body)}
		if text, err := e.next(); err != nil || text != "data: 0 0" {
			t.Fatalf("%s: %q, %v", w.name, text, err)
		}
		all = append(all, e)
	}
	return all
}

// converse opens a WebSocket over each version.
func converse(t *testing.T, g *chatGateway) (all []*websocket.Conn) {
	t.Helper()
	for name, door := range g.doors(t) {
		base, client := door()
		c := g.open(t, base, client, "/chat/"+strings.ReplaceAll(name, "/", ""))
		echoes(t, c, websocket.MessageText, "hello")
		all = append(all, c)
	}
	return all
}

// talk opens a gRPC call and gets one answer.
func talk(t *testing.T, g *chatGateway, door string) grpc.ClientStream {
	t.Helper()
	stream, err := rpcClient(t, g.Gateway, door).NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/rpc/grpc.testing.TestService/FullDuplexCall")
	if err != nil {
		t.Fatal(err)
	}
	if err := say(stream); err != nil {
		t.Fatal(err)
	}
	return stream
}

func say(stream grpc.ClientStream) error {
	if err := stream.SendMsg(&testgrpc.StreamingOutputCallRequest{ResponseParameters: []*testgrpc.ResponseParameters{{Size: 5}}}); err != nil {
		return err
	}
	return stream.RecvMsg(&testgrpc.StreamingOutputCallResponse{})
}

// TestDrainWithEverythingOpen drains a gateway with streams, calls, WebSockets and requests open over every version.
func TestDrainWithEverythingOpen(t *testing.T) {
	g, u, _ := startOpen(t, func(cfg *server.Config) { cfg.DrainTimeout = time.Second })
	events := listen(t, g)
	calls := []grpc.ClientStream{talk(t, g, "http"), talk(t, g, "https")}
	held := make(chan error, 10)
	for _, w := range ways() {
		base, client := w.client(t, g.Gateway)
		go func() {
			resp, err := client.Get(base + "/hold/" + strings.ReplaceAll(w.name, "/", ""))
			if err == nil {
				err = fmt.Errorf("status %d", resp.StatusCode)
				_ = resp.Body.Close()
			}
			held <- err
		}()
	}
	servertest.Eventually(t, "all requests are held", func() bool { return u.held.Load() == 5 })
	chats := converse(t, g)

	drained := make(chan error, 1)
	go func() { drained <- g.Drain() }()
	for _, c := range chats {
		if code, _ := closedWith(t, c); code != websocket.StatusGoingAway {
			t.Errorf("a WebSocket was closed with %v", code)
		}
		if code := websocket.CloseStatus(waitFor(t, "the upstream's end", g.upstream.ended)); code != websocket.StatusGoingAway {
			t.Errorf("its upstream saw %v", code)
		}
	}
	for _, e := range events {
		if _, err := io.ReadAll(e.resp.Body); err == nil {
			t.Errorf("%s: the events ended as if they were whole", e.name)
		}
	}
	for range 5 {
		if err := waitFor(t, "a held request", held); err == nil || strings.HasPrefix(err.Error(), "status 2") {
			t.Errorf("a held request got %v", err)
		}
	}
	for _, stream := range calls {
		if code := status.Code(stream.RecvMsg(&testgrpc.StreamingOutputCallResponse{})); code == codes.OK {
			t.Errorf("a call ended with %v", code)
		}
	}
	if err := waitFor(t, "the end of Serve", drained); err != nil {
		t.Error(err)
	}
	chatted, cut := 0, 0
	servertest.Eventually(t, "every exchange is in the log", func() bool {
		chatted, cut = 0, 0
		for _, line := range g.Log.Lines() {
			switch {
			case line["msg"] != "request":
			case strings.HasPrefix(line.Text("path"), "/chat/") && line["status"] == float64(101) && line["level"] == "INFO" && strings.Contains(line.Text("error"), "draining"):
				chatted++
			case line["status"] == float64(503) && line["level"] == "ERROR" && strings.Contains(line.Text("error"), "deadline, and was cut"):
				cut++
			default:
				t.Errorf("logged as %v", line)
			}
		}
		return t.Failed() || chatted == len(chats) && cut == len(events)+len(calls)+5
	})
}

// TestReloadsBesideStreams swaps the definition many times. What is open keeps the version that it began with.
func TestReloadsBesideStreams(t *testing.T) {
	g, u, files := startOpen(t)
	before := g.Stats()
	settle(t)
	goroutines, open := runtime.NumGoroutine(), openFiles(t)
	t.Run("open", func(t *testing.T) { reloadBesideStreams(t, g, u, files) })
	servertest.Eventually(t, "what the old versions held is closed", func() bool { return g.Stats() == before })
	g.Client.CloseIdleConnections()
	nothingIsLeft(t, goroutines+2, open+2) // the gateway keeps a connection to the upstream of its calls, which has two ends here
}

func reloadBesideStreams(t *testing.T, g *chatGateway, u *openUpstream, files func(int) map[string]string) {
	reloads := changes()
	events, chats, stream := listen(t, g), converse(t, g), talk(t, g, "https")
	came, ticks := make(chan string, 1000), 0
	for _, e := range events {
		go func() {
			for text, err := e.next(); err == nil; text, err = e.next() {
				came <- text
			}
		}()
	}
	for n := 1; n <= reloads; n++ {
		g.Write(t, files(n))
		apply(t, g.Gateway, true)
		body(t, g.Gateway, "/version", fmt.Sprint(n))
		if n%20 != 0 {
			continue
		}
		for range events {
			u.tick <- struct{}{} // to any of them
			ticks++
		}
		for i, c := range chats {
			echoes(t, c, websocket.MessageText, fmt.Sprint(n, i))
		}
		if err := say(stream); err != nil {
			t.Fatalf("reload %d: %v", n, err)
		}
	}
	for range ticks {
		if text := waitFor(t, "an event", came); !strings.HasPrefix(text, "data: 0 ") {
			t.Errorf("an event by another version: %q", text)
		}
	}
	for _, e := range events {
		_ = e.resp.Body.Close()
	}
	for _, c := range chats {
		_ = c.Close(websocket.StatusNormalClosure, "")
	}
	_ = stream.CloseSend()
	if err := stream.RecvMsg(&testgrpc.Empty{}); err != io.EOF {
		t.Errorf("the call ended with %v", err)
	}
	if header, _ := stream.Header(); len(header.Get("x-version")) != 1 || header.Get("x-version")[0] != "0" {
		t.Errorf("the call's header: %v", header)
	}
	g.Write(t, files(0))
	apply(t, g.Gateway, true)
}
