package pipeline_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host/server/servertest"
)

const streamLimits = `
apis:
	main:
		routes:
			GET /events/{path+}: {timeout: 300ms, integration: {http: "UPSTREAM/{path}"}}
			GET /whole/{path+}: {timeout: 300ms, integration: {http: "UPSTREAM/{path}"}}
			ANY /stream/{path+}: {streaming: true, timeout: 300ms, integration: {http: "UPSTREAM/{path}", timeout: 200ms}}
			ANY /idle/{path+}: {streaming: true, idleTimeout: 400ms, integration: {http: "UPSTREAM/{path}"}}
			ANY /long/{path+}: {streaming: true, maxDuration: 600ms, integration: {http: "UPSTREAM/{path}"}}
			ANY /rpc/whole/{path+}: {streaming: true, timeout: 300ms, maxDuration: 600ms, integration: {http: "UPSTREAM/{path}"}}
			ANY /rpc/own/{path+}: {streaming: true, timeout: 300ms, integration: {http: "UPSTREAM/{path}", timeout: 500ms}}
			GET /script/idle: {idleTimeout: 400ms, integration: {function: script}}
			GET /script/own: {integration: {function: script}}
			POST /wasm: {streaming: true, idleTimeout: 400ms, integration: {function: echo}}
			POST /wasm/own: {streaming: true, timeout: 1s, integration: {function: brief}}
			POST /limited: {integration: {http: "UPSTREAM/count"}}
			POST /unlimited: {streaming: true, integration: {http: "UPSTREAM/count"}}
functions:
	script: {plugin: ./script.js, timeout: 2s, url: true}
	echo: {plugin: ./echo.wasm, timeout: 25s, maxResult: 64KiB}
	brief: {plugin: ./echo.wasm, timeout: 2s, maxResult: 64KiB}
`

// streamingUpstream has a path for each way to stream. Those that go on do so until the request ends.
func streamingUpstream(w http.ResponseWriter, r *http.Request) {
	flush := func() { _ = http.NewResponseController(w).Flush() }
	switch r.URL.Path {
	case "/late":
		<-r.Context().Done()
		return
	case "/count":
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, map[bool]string{true: "whole", false: "part"}[n == 11<<20])
		return
	case "/sse", "/sse/pause", "/sse/long":
		w.Header().Set("Content-Type", "Text/Event-Stream ; charset=utf-8")
	case "/upload": // it answers at once, and reads on
		_ = http.NewResponseController(w).EnableFullDuplex()
		flush()
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "done")
		return
	}
	for i := range 8 {
		if i > 0 && !strings.HasSuffix(r.URL.Path, "/now") {
			select {
			case <-time.After(100 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
		_, _ = io.WriteString(w, "data: x\n\n")
		flush()
		if i == 2 && strings.HasSuffix(r.URL.Path, "/pause") {
			<-r.Context().Done()
			return
		}
	}
	if strings.HasSuffix(r.URL.Path, "/long") {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "data: x\n\n")
			flush()
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func startStreaming(t *testing.T) *servertest.Gateway {
	t.Helper()
	return servertest.Start(t, project(streamLimits, map[string]string{
		"script.js": `export default { fetch: () => new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("data: x\n\n")); },
			pull: () => new Promise(() => setTimeout(() => {}, 60000)) }), { headers: { "content-type": "text/event-stream" } }) }`,
		"echo.wasm": servertest.Guest(t, "echo.wasm"),
	}, "UPSTREAM", backend(t, streamingUpstream)))
}

// A response that streams leaves the timeouts of its route and of its integration behind with its head.
func TestTimeoutsEndWithTheHeadOfAStream(t *testing.T) {
	t.Parallel() // it mostly waits
	g := startStreaming(t)
	whole := strings.Repeat("data: x\n\n", 8)
	for _, path := range []string{"/events/sse", "/stream/plain", "/stream/sse"} {
		if reply := g.Get(t, path); reply.Body != whole || reply.Err != nil {
			t.Errorf("%s: %+v", path, reply)
		} else if line := g.Log.Request(t, reply); line["level"] != "INFO" || line.Text("error") != "" {
			t.Errorf("logged as %v", line)
		}
	}
	expectCut(t, g, g.Get(t, "/whole/plain"), "not done within the route's timeout of 300ms (postern.yaml:")
	expect(t, g, g.Get(t, "/events/late"), 504, timedOut, "not done within the route's timeout of 300ms")
	expect(t, g, g.Get(t, "/stream/late"), 504, timedOut, "not done within the integration's timeout of 200ms (postern.yaml:")
}

// A gRPC client's word stands in for the timeout of a route that streams, and for no other limit.
func TestGRPCTimeoutsLiftNoOtherLimit(t *testing.T) {
	t.Parallel() // it mostly waits
	g := startStreaming(t)
	for path, reason := range map[string]string{
		"/rpc/whole/late": "not done within the route's maxDuration of 600ms (postern.yaml:",
		"/rpc/own/late":   "not done within the integration's timeout of 500ms (postern.yaml:",
	} {
		reply := g.Get(t, path, "Content-Type: application/grpc", "Grpc-Timeout: 99999999H")
		if line := g.Log.Request(t, reply); reply.Header.Get("Grpc-Status") != "4" || !strings.Contains(line.Text("error"), reason) {
			t.Errorf("%s: %+v, logged as %v", path, reply, line)
		}
	}
}

// expectCut wants a part of a body that was not ended as if it were whole, and the reason in the log.
func expectCut(t *testing.T, g *servertest.Gateway, reply servertest.Reply, reason string) {
	t.Helper()
	if reply.Status != 200 || reply.Body == "" || reply.Err == nil {
		t.Errorf("it was not cut off: %d, %d bytes, %v", reply.Status, len(reply.Body), reply.Err)
	}
	if line := g.Log.Request(t, reply); line["level"] != "ERROR" || !strings.Contains(line.Text("error"), reason) {
		t.Errorf("logged as %v; want %q", line, reason)
	}
}

func TestLimitsOfStreams(t *testing.T) {
	t.Parallel() // it mostly waits
	g := startStreaming(t)
	const idle, long = "no byte either way within the route's idleTimeout of 400ms (postern.yaml:", "not done within the route's maxDuration of 600ms (postern.yaml:"
	expectCut(t, g, g.Get(t, "/idle/pause"), idle)
	expectCut(t, g, g.Get(t, "/long/long"), long)
	expectCut(t, g, g.Get(t, "/script/idle"), idle)
	if reply := g.Get(t, "/idle/plain"); reply.Body != strings.Repeat("data: x\n\n", 8) || reply.Err != nil {
		t.Errorf("a stream that never idles: %+v", reply)
	}
	if reply := g.Get(t, "/long/now"); reply.Err != nil {
		t.Errorf("a stream that is done in time: %+v", reply)
	}
	// A function's own timeout bounds its streamed body, at its own URL too.
	expectCut(t, g, g.Get(t, "/script/own"), "not done after 2s, its timeout (postern.yaml:")
	expectCut(t, g, g.Get(t, "/", "Host: script.function.localhost"), "not done after 2s, its timeout (postern.yaml:")
}

// The route's timeout ends with the head, and the function's holds on, also where the route's is the shorter one.
func TestFunctionsTimeoutOutlastsTheRoutes(t *testing.T) {
	t.Parallel() // it mostly waits
	g := startStreaming(t)
	in, out := io.Pipe()
	defer out.Close()
	go func() { _, _ = out.Write(make([]byte, 1<<20)) }() // more than what is buffered of a result, and then nothing
	reply, err := g.Send(t.Context(), "POST", "/wasm/own", in)
	if err != nil {
		t.Fatal(err)
	}
	expectCut(t, g, reply, "timeout of 2s (postern.yaml:")
	if line := g.Log.Request(t, reply); strings.Contains(line.Text("error"), "could not be stopped") {
		t.Errorf("the guest outlived its timeout: %v", line)
	}
}

// The bytes of the request count as well, and their end is waited for no longer than those of the response.
func TestUploadsKeepAStreamAlive(t *testing.T) {
	t.Parallel() // it mostly waits
	g := startStreaming(t)
	for _, path := range []string{"/idle/upload", "/wasm"} {
		in, out := io.Pipe()
		go func() {
			for range 9 {
				_, _ = io.WriteString(out, strings.Repeat("x", 20_000))
				time.Sleep(100 * time.Millisecond)
			}
			_ = out.Close()
		}()
		if reply, err := g.Send(t.Context(), "POST", path, in); err != nil || reply.Err != nil || reply.Status != 200 || reply.Body == "" {
			t.Errorf("%s: %d, %d bytes, %v, %v", path, reply.Status, len(reply.Body), reply.Err, err)
		}
	}
	in, out := io.Pipe()
	defer out.Close()
	go func() { _, _ = io.WriteString(out, "a first part") }()
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	reply, err := g.Send(ctx, "POST", "/idle/upload", in)
	if err != nil {
		t.Fatal(err)
	}
	if line := g.Log.Request(t, reply); reply.Err == nil || !strings.Contains(line.Text("error"), "no byte either way") {
		t.Errorf("%v, logged as %v", reply.Err, line)
	}
}

// A route that streams takes a body of any size, unless it says otherwise.
func TestStreamsHaveNoMaxBody(t *testing.T) {
	g := startStreaming(t)
	for _, known := range []bool{true, false} {
		body := func() io.Reader {
			if r := strings.NewReader(strings.Repeat("x", 11<<20)); known {
				return r
			} else {
				return io.MultiReader(r)
			}
		}
		if reply, err := g.Send(t.Context(), "POST", "/unlimited", body()); err != nil || reply.Body != "whole" {
			t.Errorf("%+v, %v", reply, err)
		}
		if reply, err := g.Send(t.Context(), "POST", "/limited", body()); err != nil || reply.Status != 413 {
			t.Errorf("%+v, %v", reply, err)
		}
	}
}
