// Package otlptest is a real OTLP receiver for tests: it listens on loopback for gRPC and for HTTP with protobuf,
// decodes every span, and lets a test wait for them and look at a trace as a tree.
package otlptest

import (
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // exporters may compress
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// patience is how long a test waits for spans before it fails.
const patience = 20 * time.Second

// A Receiver takes spans over both protocols. It is safe for concurrent use.
type Receiver struct {
	grpcURL, httpURL string

	mu      sync.Mutex
	spans   []Span
	header  map[string][]string // of the last export
	changed chan struct{}       // closed and replaced when spans come
}

// New starts a receiver, which stops when the test ends.
func New(tb testing.TB) *Receiver {
	tb.Helper()
	r := &Receiver{changed: make(chan struct{})}
	grpcListener, httpListener := listen(tb), listen(tb)
	r.grpcURL, r.httpURL = "http://"+grpcListener.Addr().String(), "http://"+httpListener.Addr().String()

	gs := grpc.NewServer()
	collector.RegisterTraceServiceServer(gs, service{receiver: r})
	hs := &http.Server{Handler: http.HandlerFunc(r.serveHTTP), ReadHeaderTimeout: patience}
	var done sync.WaitGroup
	done.Go(func() { _ = gs.Serve(grpcListener) })
	done.Go(func() { _ = hs.Serve(httpListener) })
	tb.Cleanup(func() {
		gs.Stop()
		_ = hs.Close()
		done.Wait()
	})
	return r
}

func listen(tb testing.TB) net.Listener {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// GRPC returns the endpoint for OTEL_EXPORTER_OTLP_ENDPOINT with the protocol grpc.
func (r *Receiver) GRPC() string { return r.grpcURL }

// HTTP returns the endpoint for OTEL_EXPORTER_OTLP_ENDPOINT with the protocol http/protobuf.
func (r *Receiver) HTTP() string { return r.httpURL }

// Header returns a value of the last export's header or gRPC metadata.
func (r *Receiver) Header(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if vs := r.header[strings.ToLower(name)]; len(vs) > 0 {
		return vs[0]
	}
	return ""
}

// Spans returns every span so far, in the order in which they came.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Span(nil), r.spans...)
}

// Reset forgets every span.
func (r *Receiver) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = nil
}

// WaitFor waits until enough says that the spans suffice, and returns them. It fails the test when they never do.
func (r *Receiver) WaitFor(tb testing.TB, enough func([]Span) bool) []Span {
	tb.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		spans := r.Spans()
		if enough(spans) {
			return spans
		}
		select {
		case <-changed:
		case <-deadline:
			tb.Fatalf("the spans that the test waits for did not come; there are %d:\n%s", len(spans), describe(spans))
		}
	}
}

// WaitForCount waits until there are at least n spans.
func (r *Receiver) WaitForCount(tb testing.TB, n int) []Span {
	tb.Helper()
	return r.WaitFor(tb, func(spans []Span) bool { return len(spans) >= n })
}

// WaitForSpan waits for a span of that name and returns the first.
func (r *Receiver) WaitForSpan(tb testing.TB, name string) Span {
	tb.Helper()
	var found Span
	r.WaitFor(tb, func(spans []Span) bool {
		for _, s := range spans {
			if s.Name == name {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

// WaitForTrace waits until a trace has at least n spans and returns it as a tree.
func (r *Receiver) WaitForTrace(tb testing.TB, id string, n int) Trace {
	tb.Helper()
	return NewTrace(id, r.WaitFor(tb, func(spans []Span) bool {
		count := 0
		for _, s := range spans {
			if s.TraceID == id {
				count++
			}
		}
		return count >= n
	}))
}

// Trace returns what came of a trace so far as a tree.
func (r *Receiver) Trace(id string) Trace { return NewTrace(id, r.Spans()) }

func describe(spans []Span) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, s := range spans {
		if !seen[s.TraceID] {
			seen[s.TraceID] = true
			b.WriteString(s.TraceID + "\n" + NewTrace(s.TraceID, spans).String())
		}
	}
	return b.String()
}

func (r *Receiver) receive(header map[string][]string, req *collector.ExportTraceServiceRequest) {
	spans := decode(req)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.header = header
	r.spans = append(r.spans, spans...)
	close(r.changed)
	r.changed = make(chan struct{})
}

// serveHTTP takes OTLP/HTTP with protobuf (OpenTelemetry protocol specification, "OTLP/HTTP").
func (r *Receiver) serveHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost || req.URL.Path != "/v1/traces" || req.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "want POST /v1/traces with application/x-protobuf", http.StatusNotFound)
		return
	}
	body := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	b, err := io.ReadAll(body)
	var export collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(b, &export)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	header := make(map[string][]string, len(req.Header))
	for name, values := range req.Header {
		header[strings.ToLower(name)] = values
	}
	r.receive(header, &export)
	w.Header().Set("Content-Type", "application/x-protobuf")
	answer, _ := proto.Marshal(&collector.ExportTraceServiceResponse{})
	_, _ = w.Write(answer)
}

type service struct {
	collector.UnimplementedTraceServiceServer
	receiver *Receiver
}

// Export takes OTLP/gRPC.
func (s service) Export(ctx context.Context, req *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.receiver.receive(md, req)
	return &collector.ExportTraceServiceResponse{}, nil
}
