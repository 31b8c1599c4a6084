package server_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/postern/postern/host/listener"
	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
)

const rpcProject = `
apis:
  main:
    cors: {allowOrigins: ["*"], allowHeaders: ["*"], allowMethods: ["POST"], exposeHeaders: [grpc-status, grpc-message]}
    authorizers:
      nobody: {plugin: ./nobody.js}
      strangers: {plugin: ./nobody.js, identitySources: [$request.header.authorization]}
      broken: {plugin: ./broken.js}
    routes:
      POST /{service}/{method}: {streaming: true, integration: {upstream: CHOSEN}}
      POST /filtered/{service}/{method}: {streaming: true, filters: [./mark.js], integration: {upstream: CHOSEN, path: "/{service}/{method}"}}
      POST /grpc.testing.TestService/UnaryCall: {integration: {upstream: CHOSEN}}
      POST /forbidden/Call: {authorizer: nobody, integration: {upstream: CHOSEN, path: /grpc.testing.TestService/UnaryCall}}
      POST /unknown/Call: {authorizer: strangers, integration: {upstream: CHOSEN, path: /grpc.testing.TestService/UnaryCall}}
      POST /broken/Call: {authorizer: broken, integration: {upstream: CHOSEN, path: /grpc.testing.TestService/UnaryCall}}
      POST /small/Call: {request: {maxBody: 10B}, integration: {upstream: CHOSEN, path: /grpc.testing.TestService/HalfDuplexCall}}
      POST /down/Call: {integration: {http: "http://127.0.0.1:1/"}}
      POST /late/Call: {timeout: 300ms, integration: {upstream: CHOSEN, path: /grpc.testing.TestService/HalfDuplexCall}}
      POST /html/Call: {integration: {mock: {status: 502, headers: {content-type: text/html}, body: "<h1>Bad Gateway"}}}
upstreams:
  clear: {targets: ["h2c://CLEAR"]}
  secure: {targets: ["https://SECURE"], tls: {ca: ./ca.pem}}
`

// rpcServers starts one gRPC server on a clear and on a TLS listener, and returns the project that leads there.
func rpcServers(t *testing.T, service testgrpc.TestServiceServer, chosen string) map[string]string {
	t.Helper()
	cert, err := listener.SelfSigned("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	serve := func(options ...grpc.ServerOption) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer(options...)
		testgrpc.RegisterTestServiceServer(s, service)
		go func() { _ = s.Serve(ln) }()
		t.Cleanup(s.Stop)
		return ln.Addr().String()
	}
	text := strings.NewReplacer("CHOSEN", chosen, "CLEAR", serve(), "SECURE", serve(grpc.Creds(credentials.NewServerTLSFromCert(&cert)))).Replace(rpcProject)
	return map[string]string{
		"postern.yaml": text,
		"ca.pem":       string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[len(cert.Certificate)-1]})),
		"mark.js": `
export const filter_request = (request) => {
	if (request.headers.get("x-fail")) throw new Error("secret");
	request.headers.set("x-grpc-test-echo-initial", "from a filter");
};
export const filter_response = (response) => { response.headers.set("x-marked", "yes"); };
`,
		"nobody.js": `export const authorize = () => ({ isAuthorized: false })`,
		"broken.js": `export const authorize = () => { throw new Error("secret") }`,
	}
}

func startRPC(t *testing.T, service testgrpc.TestServiceServer, chosen string) *servertest.Gateway {
	t.Helper()
	g := servertest.New(t, servertest.Options{Config: func(cfg *server.Config) {
		cfg.HTTPS, cfg.Certificate.SelfSigned = "127.0.0.1:0", true
	}})
	g.Write(t, rpcServers(t, service, chosen))
	apply(t, g, true)
	return g
}

// rpcClient connects to a door of the gateway.
func rpcClient(t *testing.T, g *servertest.Gateway, door string) *grpc.ClientConn {
	t.Helper()
	creds := insecure.NewCredentials()
	if door == "https" {
		creds = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})
	}
	_, address, _ := strings.Cut(g.Address(door), "://")
	cc, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

// The cases are those of gRPC's interop suite; a case that fails ends the test's process, and says which.
func TestGRPCInterop(t *testing.T) {
	for _, way := range []struct{ door, upstream string }{{"http", "clear"}, {"https", "secure"}, {"https", "clear"}, {"http", "secure"}} {
		t.Run(way.door+" to "+way.upstream, func(t *testing.T) {
			g := startRPC(t, interop.NewTestServer(), way.upstream)
			cc := rpcClient(t, g, way.door)
			client := testgrpc.NewTestServiceClient(cc)
			for name, run := range map[string]func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption){
				"empty_unary":                 interop.DoEmptyUnaryCall,
				"large_unary":                 interop.DoLargeUnaryCall,
				"client_streaming":            interop.DoClientStreaming,
				"server_streaming":            interop.DoServerStreaming,
				"ping_pong":                   interop.DoPingPong,
				"empty_stream":                interop.DoEmptyStream,
				"timeout_on_sleeping_server":  interop.DoTimeoutOnSleepingServer,
				"cancel_after_begin":          interop.DoCancelAfterBegin,
				"cancel_after_first_response": interop.DoCancelAfterFirstResponse,
				"status_code_and_message":     interop.DoStatusCodeAndMessage,
				"special_status_message":      interop.DoSpecialStatusMessage,
				"custom_metadata":             interop.DoCustomMetadata,
			} {
				t.Run(name, func(t *testing.T) { run(t.Context(), client) })
			}
			t.Run("unimplemented_method", func(t *testing.T) { interop.DoUnimplementedMethod(t.Context(), cc) })
			t.Run("unimplemented_service", func(t *testing.T) {
				interop.DoUnimplementedService(t.Context(), testgrpc.NewUnimplementedServiceClient(cc))
			})
		})
	}
}

// A filter that leaves bodies alone leaves streams as they are.
func TestGRPCThroughAFilter(t *testing.T) {
	g := startRPC(t, interop.NewTestServer(), "clear")
	cc := rpcClient(t, g, "http")
	stream, err := cc.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/filtered/grpc.testing.TestService/FullDuplexCall")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int32{1, 50_000, 0} { // each waits for the answer to the one before
		in := &testgrpc.StreamingOutputCallRequest{ResponseParameters: []*testgrpc.ResponseParameters{{Size: size}}}
		var out testgrpc.StreamingOutputCallResponse
		if err := stream.SendMsg(in); err != nil {
			t.Fatal(err)
		}
		if err := stream.RecvMsg(&out); err != nil || len(out.GetPayload().GetBody()) != int(size) {
			t.Fatalf("%d bytes of %d, %v", len(out.GetPayload().GetBody()), size, err)
		}
	}
	_ = stream.CloseSend()
	if err := stream.RecvMsg(&testgrpc.Empty{}); err != io.EOF {
		t.Error(err)
	}
	if header, _ := stream.Header(); header.Get("x-marked") == nil || header.Get("x-grpc-test-echo-initial")[0] != "from a filter" {
		t.Errorf("header %v", header)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-fail", "1")
	if got := call(ctx, cc, "/filtered/grpc.testing.TestService/UnaryCall", 1); got.Code() != codes.Internal || got.Message() != "Internal Server Error" {
		t.Errorf("a filter that fails gives %v", got)
	}
}

// call makes a unary call and returns its status.
func call(ctx context.Context, cc *grpc.ClientConn, method string, size int) *status.Status {
	in := &testgrpc.SimpleRequest{Payload: &testgrpc.Payload{Body: make([]byte, size)}}
	return status.Convert(cc.Invoke(ctx, method, in, &testgrpc.SimpleResponse{}))
}

func TestGatewayErrorsAsGRPCStatus(t *testing.T) {
	g := startRPC(t, &scripted{}, "secure")
	cc := rpcClient(t, g, "https")
	for method, want := range map[string]struct {
		code    codes.Code
		message string
		level   string
	}{
		"/forbidden/Call": {codes.PermissionDenied, "Forbidden", "INFO"},
		"/unknown/Call":   {codes.Unauthenticated, "Unauthorized", "INFO"},
		"/broken/Call":    {codes.Internal, "Internal Server Error", "ERROR"},
		"/no/such/Call":   {codes.Unimplemented, "Not Found", "INFO"},
		"/small/Call":     {codes.ResourceExhausted, "Request Entity Too Large", "INFO"},
		"/down/Call":      {codes.Unavailable, "Bad Gateway", "ERROR"},
		"/late/Call":      {codes.DeadlineExceeded, "Gateway Timeout", "ERROR"},
	} {
		t.Run(method, func(t *testing.T) {
			got := call(t.Context(), cc, method, 100)
			if got.Code() != want.code || got.Message() != want.message {
				t.Errorf("%v %q, want %v %q", got.Code(), got.Message(), want.code, want.message)
			}
			line := g.Log.Wait(t, "the call", func(l servertest.Line) bool { return l["msg"] == "request" && l["path"] == method })
			if line["status"] != float64(200) || line["level"] != want.level || line.Text("error") == "" || line.Text("grpc_status") == "" {
				t.Errorf("logged as %v", line)
			}
		})
	}
	// An answer that is not gRPC passes as it is: what it means is the client's own mapping of HTTP.
	if got := call(t.Context(), cc, "/html/Call", 1); got.Code() != codes.Unavailable || !strings.Contains(got.Message(), "502") {
		t.Errorf("an HTTP error gives %v", got)
	}
}

// A status without messages is one block of header fields, which ends the stream.
func TestGatewayErrorsAreTrailersOnly(t *testing.T) {
	g := startRPC(t, &scripted{}, "clear")
	req, err := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/forbidden/Call", strings.NewReader("\x00\x00\x00\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc+proto")
	resp, err := overHTTP2(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	rest, err := io.ReadAll(resp.Body)
	h := resp.Header
	if err != nil || len(rest) > 0 || resp.StatusCode != 200 || h.Get("Grpc-Status") != "7" || h.Get("Grpc-Message") != "Forbidden" ||
		h.Get("Content-Type") != "application/grpc+proto" || h.Get("Content-Length") != "" || len(resp.Trailer) > 0 {
		t.Errorf("%d %v %v %q %v", resp.StatusCode, h, resp.Trailer, rest, err)
	}
}

// overHTTP2 is a client that knows that the other side speaks HTTP/2.
func overHTTP2(t *testing.T) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// A scripted service tells how its calls end, and does what its requests say.
type scripted struct {
	testgrpc.UnimplementedTestServiceServer
	came  chan time.Duration // what is left of the deadline; 0 without one
	ended chan error         // why the call's context ended
}

func newScripted() *scripted {
	return &scripted{came: make(chan time.Duration, 1), ended: make(chan error, 1)}
}

// HalfDuplexCall says nothing until the call is ended from outside.
func (s *scripted) HalfDuplexCall(stream testgrpc.TestService_HalfDuplexCallServer) error {
	return s.wait(stream.Context())
}

// FullDuplexCall answers one message, and waits.
func (s *scripted) FullDuplexCall(stream testgrpc.TestService_FullDuplexCallServer) error {
	if _, err := stream.Recv(); err == nil {
		_ = stream.Send(&testgrpc.StreamingOutputCallResponse{})
	}
	return s.wait(stream.Context())
}

func (s *scripted) wait(ctx context.Context) error {
	if s.came != nil {
		var left time.Duration
		if at, ok := ctx.Deadline(); ok {
			left = time.Until(at)
		}
		s.came <- left
	}
	<-ctx.Done()
	if s.ended != nil {
		s.ended <- ctx.Err()
	}
	return status.FromContextError(ctx.Err()).Err()
}

func waitFor[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(servertest.Patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

func TestGRPCCancellationReachesTheUpstream(t *testing.T) {
	for _, begun := range []bool{false, true} {
		service := newScripted()
		g := startRPC(t, service, "clear")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		client := testgrpc.NewTestServiceClient(rpcClient(t, g, "http"))
		if !begun {
			if _, err := client.HalfDuplexCall(ctx); err != nil {
				t.Fatal(err)
			}
		} else {
			stream, err := client.FullDuplexCall(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Send(&testgrpc.StreamingOutputCallRequest{}); err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		waitFor(t, "the call", service.came)
		cancel()
		if err := waitFor(t, "the call's end", service.ended); !errors.Is(err, context.Canceled) {
			t.Errorf("the upstream's call ended by %v", err)
		}
		g.Log.Wait(t, "a client that left", func(l servertest.Line) bool {
			return l["msg"] == "request" && l["status"] == float64(499) && l["level"] == "INFO"
		})
	}
}

// The deadline of a client holds at the gateway too, for a client that forgets it.
func TestGRPCTimeoutIsTheGatewaysToo(t *testing.T) {
	service := newScripted()
	g := startRPC(t, service, "clear")
	for _, path := range []string{"/grpc.testing.TestService/FullDuplexCall", "/late/Call"} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", g.URL+path, strings.NewReader("\x00\x00\x00\x00\x00"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("Te", "trailers")
		req.Header.Set("Grpc-Timeout", "250m")
		resp, err := overHTTP2(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		code := resp.Trailer.Get("Grpc-Status") + resp.Header.Get("Grpc-Status")
		if err != nil || code != "4" {
			t.Errorf("%s: status %q in %v and %v, %v", path, code, resp.Header, resp.Trailer, err)
		}
		if left := waitFor(t, "the call", service.came); left <= 0 || left > 250*time.Millisecond {
			t.Errorf("the upstream was given %v", left)
		}
		waitFor(t, "the call's end", service.ended)
	}
}
