package server_test

import (
	"encoding/binary"
	"io"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
)

// readFrame reads the next message of a gRPC stream.
func readFrame(t *testing.T, from io.Reader, m proto.Message) {
	t.Helper()
	head := make([]byte, 5)
	if _, err := io.ReadFull(from, head); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, binary.BigEndian.Uint32(head[1:]))
	if _, err := io.ReadFull(from, data); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(data, m); err != nil {
		t.Fatal(err)
	}
}

// grpc-go has no client for HTTP/3: this one writes the frames of the protocol itself.
func TestGRPCOverHTTP3(t *testing.T) {
	g := startEveryDoor(t, rpcServers(t, interop.NewTestServer(), "secure"))
	transport := overQUIC(5 * time.Second)
	t.Cleanup(func() { _ = transport.Close() })
	send := func(t *testing.T, method string, body io.Reader) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", g.Address("https")+method, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("Te", "trailers")
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	ended := func(t *testing.T, resp *http.Response, status string) {
		t.Helper()
		if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
			t.Errorf("after the last message: %q, %v", rest, err)
		}
		if got := resp.Header.Get("Grpc-Status") + resp.Trailer.Get("Grpc-Status"); got != status {
			t.Errorf("ended with status %q, not %s (%v, %v)", got, status, resp.Header, resp.Trailer)
		}
	}

	// Each answer is read before the next message is written, so that nothing may wait for the end of either side.
	read, write := io.Pipe()
	ask := func(size int32) {
		m := &testgrpc.StreamingOutputCallRequest{ResponseParameters: []*testgrpc.ResponseParameters{{Size: size}}}
		if _, err := write.Write(frame(t, m)); err != nil {
			t.Error(err)
		}
	}
	go ask(1)
	resp := send(t, testgrpc.TestService_FullDuplexCall_FullMethodName, read)
	for _, size := range []int32{1, 70_000, 3} {
		if size != 1 {
			ask(size)
		}
		var answer testgrpc.StreamingOutputCallResponse
		if readFrame(t, resp.Body, &answer); len(answer.GetPayload().GetBody()) != int(size) {
			t.Errorf("%d bytes, not %d", len(answer.GetPayload().GetBody()), size)
		}
	}
	_ = write.Close()
	ended(t, resp, "0")

	// An error of the gateway has no messages.
	ended(t, send(t, "/forbidden/Call", http.NoBody), "7")
}
