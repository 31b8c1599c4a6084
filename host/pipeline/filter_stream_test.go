package pipeline_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host/server/servertest"
	"github.com/postern/postern/host/telemetry/otlptest"
)

// single gives a filter one instance at most.
func single(filter string) string { return strings.Replace(filter, "{", `{"concurrency":1,`, 1) }

func upperRequest() string  { return wasmFilter("REQUEST", `{"body":true}`, "DO_REQUEST", "u") }
func upperResponse() string { return wasmFilter("RESPONSE", `{"body":true}`, "DO_RESPONSE", "u") }
func untouched() string     { return wasmFilter("RESPONSE", `{"addHeaders":[["X-Seen","1"]]}`) }

// streaming is an upstream: /up hands over the lines of its body, /events sends the pieces that it is given.
type streaming struct{ lines, pieces chan string }

func (s *streaming) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/up" {
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			s.lines <- lines.Text()
		}
		return
	}
	w.WriteHeader(200)
	for {
		_ = http.NewResponseController(w).Flush()
		select {
		case piece, more := <-s.pieces:
			if !more {
				return
			}
			_, _ = io.WriteString(w, piece)
		case <-r.Context().Done():
			return
		}
	}
}

// A piece reaches the other end before the next one is sent, each way.
func TestFilterPassesPieces(t *testing.T) {
	up := &streaming{lines: make(chan string), pieces: make(chan string)}
	g := filtered(t, upperResponse(), upperRequest(), up.ServeHTTP)
	body, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := g.Send(t.Context(), "POST", "/up", body)
		done <- err
	}()
	for i := range 3 {
		if _, err := fmt.Fprintf(writer, "piece %d\n", i); err != nil {
			t.Fatal(err)
		}
		if got, want := <-up.lines, fmt.Sprintf("PIECE %d", i); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	_ = writer.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}

	resp, err := g.Client.Get(g.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for i := range 3 {
		up.pieces <- fmt.Sprintf("piece %d\n", i)
		if want := fmt.Sprintf("PIECE %d", i); !lines.Scan() || lines.Text() != want {
			t.Errorf("got %q %v, want %q", lines.Text(), lines.Err(), want)
		}
	}
	close(up.pieces)
	if lines.Scan() || lines.Err() != nil {
		t.Errorf("behind the end: %q %v", lines.Text(), lines.Err())
	}
}

// A filter that has said all it will is free for others, although the body beside it goes on.
func TestFilterIsFreeWhileABodyPasses(t *testing.T) {
	up := &streaming{pieces: make(chan string)}
	g := filtered(t, "", single(untouched()), up.ServeHTTP)
	resp, err := g.Client.Get(g.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for range 3 {
		if reply := g.Get(t, "/mock"); reply.Status != 201 || reply.Header.Get("X-Seen") != "1" {
			t.Errorf("got %+v", reply)
		}
	}
	go func() { up.pieces <- "piece"; close(up.pieces) }()
	if got, err := io.ReadAll(resp.Body); string(got) != "piece" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestFilterKeepsTrailersOfABodyThatItLeaves(t *testing.T) {
	upstream := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-End")
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("X-End", "up "+r.Trailer.Get("X-Client-End"))
	}
	for name, c := range map[string]struct{ filter, body, trailer string }{
		"left":              {untouched(), "hello", "up mine"},
		"a new request":     {upperRequest(), "HELLO", "up"},
		"a new response":    {upperResponse(), "HELLO", ""},
		"an untouched half": {wasmFilter("REQUEST", `{"setHeaders":[["a","b"]]}`, "RESPONSE", ""), "hello", "up mine"},
	} {
		t.Run(name, func(t *testing.T) {
			g := filtered(t, "", c.filter, upstream)
			req, err := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/x", io.MultiReader(strings.NewReader("hello")))
			if err != nil {
				t.Fatal(err)
			}
			req.Trailer = http.Header{"X-Client-End": {"mine"}}
			resp, err := g.Client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if err != nil || string(got) != c.body || resp.Trailer.Get("X-End") != c.trailer {
				t.Errorf("got %q, trailer %q, %v; want %q, %q", got, resp.Trailer, err, c.body, c.trailer)
			}
		})
	}
}

// A body that a filter makes is held to the route's limit, as those that wait for it whole rely on that.
func TestFilterMakesABodyThatIsTooLarge(t *testing.T) {
	g := filtered(t, "", wasmFilter("REQUEST", `{"body":true}`, "DO_REQUEST", "m"), seen)
	expect(t, g, g.Do(t, "POST", "/small", "x"), 413, tooLarge, "maxBody")
	if reply := g.Do(t, "POST", "/x", "x"); reply.Status != 200 || !strings.Contains(reply.Body, `"phase":"request"`) {
		t.Errorf("got %d %q", reply.Status, reply.Body)
	}
}

// An upstream that breaks off is not made whole by a filter which reads it, and neither is a client.
func TestFilterOfABodyThatBreaksOff(t *testing.T) {
	began, ended := make(chan struct{}), make(chan error, 1)
	g := filtered(t, upperRequest(), upperResponse(), func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			_, _ = io.ReadFull(r.Body, make([]byte, 1000))
			close(began)
			_, err := io.Copy(io.Discard, r.Body)
			ended <- err
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	if reply := g.Get(t, "/x"); reply.Err == nil {
		t.Errorf("a response that broke off came whole: %d bytes", len(reply.Body))
	}
	ctx, cancel := context.WithCancel(t.Context())
	body, writer := io.Pipe()
	go func() {
		_, _ = io.WriteString(writer, strings.Repeat("x", 10_000))
		<-began
		cancel()
		_ = writer.CloseWithError(context.Canceled) // the client waits for the read of its body
	}()
	_, _ = g.Send(ctx, "POST", "/x", body)
	if err := <-ended; err == nil {
		t.Error("a request that broke off came whole")
	}
}

// Whoever leaves, at whichever moment, leaves nothing behind: not even the one instance that a filter has.
func TestFilterClientsThatLeave(t *testing.T) {
	up := &streaming{lines: make(chan string, 1000), pieces: make(chan string)}
	g := filtered(t, single(upperResponse()), single(upperRequest()), up.ServeHTTP)
	leave := func(method, path string, read bool) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		body, writer := io.Pipe()
		defer writer.Close()
		req, err := http.NewRequestWithContext(ctx, method, g.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		if method == "GET" {
			req.Body = nil
		} else {
			go func() { _, _ = io.WriteString(writer, "hello\n") }()
		}
		if !read { // in the first half: the upstream has got some, and waits for more
			done := make(chan struct{})
			go func() {
				defer close(done)
				if resp, err := g.Client.Do(req); err == nil {
					_ = resp.Body.Close()
				}
			}()
			<-up.lines
			cancel()
			_ = writer.CloseWithError(context.Canceled) // the client waits for the read of its body
			<-done
			return
		}
		resp, err := g.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		up.pieces <- "hello"
		if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
			t.Error(err)
		}
	}
	all := func() {
		leave("POST", "/up", false)
		leave("GET", "/events", true)
		if reply := g.Get(t, "/mock"); reply.Status != 201 || reply.Body != "MOCKED" {
			t.Errorf("the next client gets %d %q", reply.Status, reply.Body)
		}
	}
	all()
	g.Client.CloseIdleConnections()
	goroutines := runtime.NumGoroutine()
	for range 5 {
		all()
	}
	servertest.NoGoroutineLeft(t, goroutines, g.Client.CloseIdleConnections)
}

func TestFilterSpans(t *testing.T) {
	receiver := otlptest.New(t)
	g := servertest.New(t, servertest.Options{Environ: map[string]string{"OTEL_BSP_SCHEDULE_DELAY": "10",
		"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.HTTP(), "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}})
	g.Write(t, project(`apis: {main: {filters: [API], routes: {GET /x: {integration: {mock: {body: x}}}}}}`,
		map[string]string{"filter.wasm": servertest.Guest(t, "filter_by_env.wasm")}, "API", upperResponse()))
	if _, err := g.Apply(t); err != nil {
		t.Fatal(err)
	}
	reply := g.Get(t, "/x")
	trace := traceOf(t, g, receiver, reply, 6)
	if diff := cmp.Diff(strings.TrimPrefix(`
GET /x server
  filter
    plugin ./filter.wasm
  integrate
  filter
    plugin ./filter.wasm
`, "\n"), trace.String()); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(metrics(t, g), `postern_plugin_call_duration_seconds_count{postern_plugin_name="./filter.wasm",postern_plugin_outcome="ok",postern_plugin_runtime="wasm"} 2`) {
		t.Error("the metrics do not count the filter's calls")
	}
}

// Who is refused takes no instance's time: the second half waits for no first half whose body nobody will read. It would wait for
// stream.Grace, a second.
func TestRefusalsEndTheFirstHalf(t *testing.T) {
	for name, filter := range map[string]string{
		"Wasm": wasmFilter("REQUEST", `{"body":true}`, "DO_REQUEST", "u", "RESPONSE", `{"setHeaders":[["X-Second","yes"]]}`),
		"JS":   "./both.js",
	} {
		g := servertest.Start(t, project(`
apis:
	main:
		authorizers: {nobody: {plugin: ./nobody.js}}
		routes:
			POST /refused: {timeout: 950ms, filters: [FILTER], authorizer: nobody, integration: {mock: {}}}
`, map[string]string{
			"filter.wasm": servertest.Guest(t, "filter_by_env.wasm"),
			"nobody.js":   `export const authorize = () => ({isAuthorized: false})`,
			"both.js": `
export const filter_request = (request) => new Request(request, {body: request.body.pipeThrough(new TransformStream()), duplex: "half"});
export const filter_response = (response) => response.headers.set("X-Second", "yes");`,
		}, "FILTER", filter))
		for range 2 {
			if reply := g.Do(t, "POST", "/refused", strings.Repeat("x", 1<<20)); reply.Status != 403 || reply.Header.Get("X-Second") != "yes" {
				t.Errorf("%s: %+v", name, reply)
			}
		}
	}
}
