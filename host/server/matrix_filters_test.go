package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/postern/postern/host/server/servertest"
)

const filterMatrix = `
apis:
  matrix:
    routes:
      ANY /js-edits/{path+}: {streaming: true, timeout: 60s, filters: [{plugin: ./edits.js, timeout: 60s}], integration: {http: "UPSTREAM/{path}"}}
      ANY /js-streams/{path+}: {streaming: true, timeout: 60s, filters: [{plugin: ./streams.js, timeout: 60s}], integration: {http: "UPSTREAM/{path}"}}
      ANY /js-reads/{path+}: {streaming: true, timeout: 60s, filters: [{plugin: ./reads.js, timeout: 60s}], integration: {http: "UPSTREAM/{path}"}}
      ANY /wasm-edits/{path+}: {streaming: true, timeout: 60s, filters: [{plugin: ./filter.wasm, timeout: 60s, EDITS}], integration: {http: "UPSTREAM/{path}"}}
      ANY /wasm-streams/{path+}: {streaming: true, timeout: 60s, filters: [{plugin: ./filter.wasm, timeout: 60s, STREAMS}], integration: {http: "UPSTREAM/{path}"}}
      ANY /wasm-back/{path+}: {streaming: true, timeout: 60s, filters: [{plugin: ./filter.wasm, timeout: 60s, BACK}], integration: {http: "UPSTREAM/{path}"}}
      ANY /both/{path+}: {streaming: true, timeout: 60s, filters: [./edits.js, {plugin: ./filter.wasm, timeout: 60s, BACK}, {plugin: ./streams.js, timeout: 60s}], integration: {http: "UPSTREAM/{path}"}}
      ANY /js-once/{path+}: {streaming: true, timeout: 60s, filters: [{plugin: ./streams.js, timeout: 60s, concurrency: 1}], integration: {http: "UPSTREAM/{path}"}}
      ANY /wasm-once/{path+}: {streaming: true, timeout: 60s, filters: [{plugin: ./filter.wasm, timeout: 60s, concurrency: 1, STREAMS}], integration: {http: "UPSTREAM/{path}"}}
      ANY /js-answers/{path+}: {streaming: true, filters: [{plugin: ./answers.js, concurrency: 2}], integration: {http: "UPSTREAM/{path}"}}
      ANY /wasm-answers/{path+}: {streaming: true, filters: [{plugin: ./filter.wasm, concurrency: 2, ANSWERS}], integration: {http: "UPSTREAM/{path}"}}
`

// What filters do: edits set a field on both ways, streams also make both bodies anew, in capitals.
var filterMatrixPlugins = map[string]string{
	"edits.js": `
export const filter_request = (request) => { request.headers.set("x-way", "edited") };
export const filter_response = (response) => { response.headers.set("x-back", "edited") };
`,
	"streams.js": `
const upper = () => new TransformStream({ transform(chunk, out) {
	const copy = new Uint8Array(chunk);
	for (let i = 0; i < copy.length; i++) if (copy[i] >= 97 && copy[i] <= 122) copy[i] -= 32;
	out.enqueue(copy);
} });
export const filter_request = (request) => {
	request.headers.set("x-way", "edited");
	if (request.body) return new Request(request, { body: request.body.pipeThrough(upper()), duplex: "half" });
};
export const filter_response = (response) => {
	response.headers.set("x-back", "edited");
	if (response.body) return new Response(response.body.pipeThrough(upper()), response);
};
`,
	// By hand, without the pipes of streams.
	"reads.js": `
const upper = (body) => {
	const reader = body.getReader();
	return new ReadableStream({
		async pull(out) {
			const { done, value } = await reader.read();
			done ? out.close() : out.enqueue(value.map((c) => c >= 97 && c <= 122 ? c - 32 : c));
		},
		cancel: (why) => reader.cancel(why),
	});
};
export function filter_request(request) {
	request.headers.set("x-way", "edited");
	return request.body ? new Request(request, { body: upper(request.body), duplex: "half" }) : undefined;
}
export async function filter_response(response) {
	response.headers.set("x-back", "edited");
	return response.body ? new Response(upper(response.body), response) : undefined;
}
`,
	"answers.js": `export const filter_request = (request) => new Response("not " + request.method, { status: 403, headers: { "x-back": "edited" } });`,
}

func startFilterMatrix(t *testing.T, upstream string) *servertest.Gateway {
	t.Helper()
	env := func(pairs ...string) string {
		var text []string
		for i := 0; i < len(pairs); i += 2 {
			text = append(text, fmt.Sprintf("%s: '%s'", pairs[i], pairs[i+1]))
		}
		return "env: {" + strings.Join(text, ", ") + "}"
	}
	files := map[string]string{"filter.wasm": servertest.Guest(t, "filter_by_env.wasm"), "postern.yaml": strings.NewReplacer("UPSTREAM", upstream,
		"EDITS", env("REQUEST", `{"setHeaders":[["x-way","edited"]]}`, "RESPONSE", `{"setHeaders":[["x-back","edited"]]}`),
		"STREAMS", env("REQUEST", `{"setHeaders":[["x-way","edited"]],"body":true}`, "RESPONSE", `{"setHeaders":[["x-back","edited"]],"body":true}`, "DO_REQUEST", "u", "DO_RESPONSE", "u"),
		"BACK", env("REQUEST", `{"setHeaders":[["x-way","edited"]]}`, "RESPONSE", `{"setHeaders":[["x-back","edited"]],"body":true}`, "DO_RESPONSE", "u"),
		"ANSWERS", env("REQUEST", `{"response":{"statusCode":403,"headers":[["x-back","edited"]]}}`),
	).Replace(filterMatrix)}
	for name, code := range filterMatrixPlugins {
		files[name] = code
	}
	return startEveryDoor(t, files)
}

// TestGRPCThroughEveryFilter has each message of a call wait for the answer to the one before.
func TestGRPCThroughEveryFilter(t *testing.T) {
	_, address, _ := strings.Cut(rpcServer(t, interop.NewTestServer()), "://")
	g := startFilterMatrix(t, "h2c://"+address)
	for _, door := range []string{"http", "https"} {
		cc := rpcClient(t, g, door)
		for _, prefix := range []string{"/js-edits", "/js-streams", "/js-reads", "/wasm-edits", "/wasm-back", "/both"} {
			t.Run(door+prefix, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
				defer cancel()
				if err := pingPong(ctx, cc, prefix, 1, 50_000, 0, 300_000, 2); err != nil {
					t.Error(err)
				}
				if err := cc.Invoke(ctx, prefix+"/grpc.testing.TestService/EmptyCall", &testgrpc.Empty{}, &testgrpc.Empty{}); err != nil {
					t.Error(err)
				}
			})
		}
		// One instance runs one half after the other, so that only calls that do not talk both ways at once pass it.
		if got := call(t.Context(), cc, "/wasm-streams/grpc.testing.TestService/UnaryCall", 100_000); got.Code() != 0 {
			t.Errorf("%s, two new bodies by Wasm: %v", door, got)
		}
		if got := call(t.Context(), cc, "/js-streams/grpc.testing.TestService/Missing", 1); got.Code() != codes.Unimplemented {
			t.Errorf("%s, a status that is all of the answer: %v", door, got)
		}
	}
}

// rpcServer serves in the clear.
func rpcServer(t *testing.T, service testgrpc.TestServiceServer) (url string) {
	t.Helper()
	s := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(s, service)
	h := httptest.NewUnstartedServer(s)
	h.Config.Protocols = new(http.Protocols)
	h.Config.Protocols.SetUnencryptedHTTP2(true)
	h.Start()
	t.Cleanup(h.Close)
	t.Cleanup(s.Stop)
	return h.URL
}

// pingPong asks for answers of these sizes, each when the one before is there.
func pingPong(ctx context.Context, cc *grpc.ClientConn, prefix string, sizes ...int32) error {
	stream, err := cc.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, prefix+"/grpc.testing.TestService/FullDuplexCall")
	if err != nil {
		return err
	}
	for _, size := range sizes {
		in := &testgrpc.StreamingOutputCallRequest{ResponseParameters: []*testgrpc.ResponseParameters{{Size: size}}}
		if err := stream.SendMsg(in); err != nil {
			return err
		}
		var out testgrpc.StreamingOutputCallResponse
		if err := stream.RecvMsg(&out); err != nil || len(out.GetPayload().GetBody()) != int(size) {
			return fmt.Errorf("%d bytes of %d: %w", len(out.GetPayload().GetBody()), size, err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if err := stream.RecvMsg(&testgrpc.Empty{}); err != io.EOF {
		return fmt.Errorf("ended with %w", err)
	}
	header, err := stream.Header()
	if err == nil && prefix != "" && len(header.Get("x-back")) != 1 {
		err = fmt.Errorf("header %v", header)
	}
	return err
}

// TestEventsThroughEveryFilter has each event wait until the one before has been read.
func TestEventsThroughEveryFilter(t *testing.T) {
	u := &streamUpstream{opened: make(chan struct{})}
	s := httptest.NewServer(u)
	t.Cleanup(s.Close)
	g := startFilterMatrix(t, s.URL)
	for _, w := range ways() {
		base, client := w.client(t, g)
		for _, prefix := range []string{"/js-edits", "/js-streams", "/js-reads", "/wasm-edits", "/wasm-streams", "/both"} {
			t.Run(w.name+prefix, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
				defer cancel()
				resp := ask(ctx, t, client, "GET", base+prefix+"/events", nil)
				if resp.StatusCode != 200 || resp.Header.Get("X-Back") != "edited" || resp.Header.Get("Content-Type") != "text/event-stream" {
					t.Fatalf("%d %v", resp.StatusCode, resp.Header)
				}
				name := map[bool]string{true: "data", false: "DATA"}[strings.HasSuffix(prefix, "-edits")]
				lines := bufio.NewScanner(resp.Body)
				for i := range 3 {
					if want := fmt.Sprintf("%s: %d", name, i); !lines.Scan() || lines.Text() != want || !lines.Scan() {
						t.Fatalf("%q, %v; want %q", lines.Text(), lines.Err(), want)
					}
					u.opened <- struct{}{}
				}
				if lines.Scan() || lines.Err() != nil {
					t.Errorf("behind the last event: %q, %v", lines.Text(), lines.Err())
				}
			})
		}
	}
}

// ask sends a request whose response is closed when the test ends.
func ask(ctx context.Context, t *testing.T, client *http.Client, method, url string, body io.Reader) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// TestWebSocketsThroughEveryFilter has filters edit both heads of the handshake. The bytes behind it are none of theirs.
func TestWebSocketsThroughEveryFilter(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil || conn.Write(r.Context(), kind, append([]byte(r.Header.Get("X-Way")+" "), message...)) != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	g := &chatGateway{Gateway: startFilterMatrix(t, s.URL)}
	for name, door := range g.doors(t) {
		base, client := door()
		for prefix, want := range map[string]int{"/js-edits": 101, "/wasm-edits": 101, "/js-streams": 101, "/wasm-streams": 500, "/js-answers": 403, "/wasm-answers": 403} {
			t.Run(name+prefix, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
				defer cancel()
				c, resp, err := websocket.Dial(ctx, base+prefix+"/x", &websocket.DialOptions{HTTPClient: client})
				if resp == nil || resp.StatusCode != want || (want != 500) != (resp.Header.Get("X-Back") == "edited") {
					t.Fatalf("%v %v", resp, err)
				}
				if want != 101 {
					return
				}
				defer func() { _ = c.CloseNow() }()
				if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
					t.Fatal(err)
				}
				if _, message, err := c.Read(ctx); string(message) != "edited hello" {
					t.Errorf("%q, %v", message, err)
				}
			})
		}
	}
}

// TestEarlyAnswers has filters answer while a body of 3 MiB is on its way, and while one is that does not come.
func TestEarlyAnswers(t *testing.T) {
	g := startFilterMatrix(t, "http://127.0.0.1:1")
	for _, w := range ways() {
		base, client := w.client(t, g)
		for prefix, want := range map[string]string{"/js-answers": "not POST", "/wasm-answers": ""} {
			t.Run(w.name+prefix, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
				defer cancel()
				never, writer := io.Pipe()
				defer writer.Close()
				for i := range 3 { // more than there are instances
					bodies := map[string]io.Reader{"a long body": io.LimitReader(zeros{}, 3<<20), "no body": nil}
					if i == 0 {
						bodies["a body that does not come"] = never
					}
					for what, body := range bodies {
						resp := ask(ctx, t, client, "POST", base+prefix+"/x", body)
						text, err := io.ReadAll(resp.Body)
						if resp.StatusCode != 403 || resp.Header.Get("X-Back") != "edited" || string(text) != want || err != nil {
							t.Errorf("%s: %d %v %q, %v", what, resp.StatusCode, resp.Header, text, err)
						}
						_ = resp.Body.Close()
					}
				}
			})
		}
	}
	for _, line := range g.Log.Lines() {
		if line["level"] == "ERROR" || line["level"] == "WARN" {
			t.Errorf("logged: %v", line)
		}
	}
}
