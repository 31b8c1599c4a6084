package server_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/postern/postern/host/server/servertest"
)

// breakingUpstream answers with what is written and then resets the stream.
func breakingUpstream(t *testing.T, written string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{Protocols: protocols, ReadHeaderTimeout: servertest.Patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/html" {
			http.Error(w, "no gRPC here", http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		_, _ = io.WriteString(w, written)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})}
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Close() })
	return ln.Addr().String()
}

// Behind a whole message, a stream that the upstream resets ends with a status; within one, it is cut off.
func TestUpstreamsThatResetGRPC(t *testing.T) {
	for written, want := range map[string]struct {
		messages int
		code     codes.Code
	}{
		"":                               {0, codes.Unavailable},
		"\x00\x00\x00\x00\x00":           {1, codes.Unavailable},
		"\x00\x00\x00\x00\x00\x00\x00":   {1, codes.Internal},
		"\x00\x00\x00\x00\x02\x0a":       {0, codes.Internal},
		strings.Repeat("\x00", 5*100000): {100000, codes.Unavailable},
	} {
		g := servertest.Start(t, map[string]string{"postern.yaml": `
apis: {main: {routes: {$default: {streaming: true, integration: {upstream: up}}}}}
upstreams: {up: {targets: ["h2c://` + breakingUpstream(t, written) + `"]}}`})
		stream, err := testgrpc.NewTestServiceClient(rpcClient(t, g, "http")).StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{})
		messages := 0
		for err == nil {
			if _, err = stream.Recv(); err == nil {
				messages++
			}
		}
		if got := status.Convert(err); got.Code() != want.code || messages != want.messages {
			t.Errorf("%d bytes: %d messages and %v; want %d and %v", len(written), messages, got, want.messages, want.code)
		}
		g.Log.Wait(t, "the failure", func(l servertest.Line) bool {
			return l["msg"] == "request" && l["level"] == "ERROR" && strings.Contains(l.Text("error"), "cut off")
		})
		if err := call(t.Context(), rpcClient(t, g, "http"), "/html", 1); err.Code() != codes.Unavailable {
			t.Errorf("an HTTP error of the upstream gives %v", err)
		}
	}
}
