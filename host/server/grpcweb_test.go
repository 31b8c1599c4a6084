package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"

	"github.com/postern/postern/host/server/servertest"
)

// A webReply is what a gRPC-Web client makes of a response.
type webReply struct {
	header   http.Header
	messages [][]byte
	trailer  map[string]string // of the last frame, or the header fields of a response without a body
	err      error
}

// frame is a message as gRPC sends it.
func frame(t *testing.T, m proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(data))), data...)
}

// pieces codes each piece by itself, as a text client does that sends as it goes.
func pieces(body []byte, size int) string {
	var text strings.Builder
	for len(body) > 0 {
		n := min(size, len(body))
		text.WriteString(base64.StdEncoding.EncodeToString(body[:n]))
		body = body[n:]
	}
	return text.String()
}

// web makes a call in gRPC-Web over HTTP/1.1 or 2.
func web(t *testing.T, client *http.Client, url, contentType, body string, fields ...string) webReply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Grpc-Web", "1")
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 || len(resp.Trailer) > 0 {
		t.Errorf("status %d, trailers %v", resp.StatusCode, resp.Trailer)
	}
	data, err := io.ReadAll(resp.Body)
	reply := webReply{header: resp.Header, err: err}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/grpc-web-text") {
		data = fromText(t, string(data))
	}
	reply.parse(t, data)
	return reply
}

// fromText decodes base64 that is padded at any place, one group at a time.
func fromText(t *testing.T, text string) (data []byte) {
	t.Helper()
	for len(text) > 0 {
		group, err := base64.StdEncoding.DecodeString(text[:min(4, len(text))])
		if err != nil {
			t.Fatalf("the text ends with %q", text)
		}
		data, text = append(data, group...), text[4:]
	}
	return data
}

func (r *webReply) parse(t *testing.T, data []byte) {
	t.Helper()
	r.trailer = map[string]string{}
	for len(data) >= 5 {
		size := int(binary.BigEndian.Uint32(data[1:]))
		if len(data) < 5+size {
			break
		}
		payload := data[5 : 5+size]
		if data[0] == 0x80 {
			for line := range strings.SplitSeq(strings.TrimSuffix(string(payload), "\r\n"), "\r\n") {
				name, value, _ := strings.Cut(line, ": ")
				if name != strings.ToLower(name) {
					t.Errorf("a trailer is called %q", name)
				}
				r.trailer[name] = value
			}
		} else {
			r.messages = append(r.messages, payload)
		}
		data = data[5+size:]
		if len(r.trailer) > 0 && len(data) > 0 {
			t.Errorf("%d bytes behind the trailers", len(data))
		}
	}
	if len(data) > 0 && r.err == nil {
		t.Errorf("%d bytes are no frame", len(data))
	}
	if status := r.header.Get("Grpc-Status"); status != "" {
		r.trailer["grpc-status"], r.trailer["grpc-message"] = status, r.header.Get("Grpc-Message")
	}
}

// expectCode compares the status.
func (r *webReply) expectCode(t *testing.T, code codes.Code, message string) {
	t.Helper()
	if r.trailer["grpc-status"] != fmt.Sprint(uint32(code)) || r.trailer["grpc-message"] != message || r.err != nil {
		t.Errorf("status %q %q, %v; want %d %q", r.trailer["grpc-status"], r.trailer["grpc-message"], r.err, code, message)
	}
}

func TestGRPCWeb(t *testing.T) {
	for _, upstream := range []string{"clear", "secure"} {
		g := startRPC(t, interop.NewTestServer(), upstream)
		for version, client := range map[string]*http.Client{"HTTP/1.1": g.Client, "HTTP/2": overHTTP2(t)} {
			for _, kind := range []string{"application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text", "application/grpc-web-text+proto"} {
				t.Run(upstream+" "+version+" "+kind, func(t *testing.T) { webCalls(t, client, g.URL+"/grpc.testing.TestService/", kind) })
			}
		}
	}
}

func webCalls(t *testing.T, client *http.Client, service, kind string) {
	coded := func(body []byte) string { return string(body) }
	if strings.Contains(kind, "text") {
		coded = func(body []byte) string { return pieces(body, 1000) }
	}
	call := func(method string, in proto.Message, fields ...string) webReply {
		reply := web(t, client, service+method, kind, coded(frame(t, in)), fields...)
		if got := reply.header.Get("Content-Type"); strings.TrimSuffix(got, "+proto") != strings.TrimSuffix(kind, "+proto") || strings.Contains(kind, "+") != strings.Contains(got, "+") {
			t.Errorf("answered with %s", got)
		}
		return reply
	}
	reply := call("EmptyCall", &testgrpc.Empty{})
	reply.expectCode(t, codes.OK, "")
	if len(reply.messages) != 1 || len(reply.messages[0]) != 0 {
		t.Errorf("an empty call gave %q", reply.messages)
	}

	large := &testgrpc.SimpleRequest{ResponseSize: 314159, Payload: &testgrpc.Payload{Body: make([]byte, 271828)}}
	reply = call("UnaryCall", large, "X-Grpc-Test-Echo-Initial: hello", "X-Grpc-Test-Echo-Trailing-Bin: CgsKCwoL")
	reply.expectCode(t, codes.OK, "")
	var answer testgrpc.SimpleResponse
	if len(reply.messages) != 1 || proto.Unmarshal(reply.messages[0], &answer) != nil || len(answer.GetPayload().GetBody()) != 314159 {
		t.Errorf("%d messages, a payload of %d bytes", len(reply.messages), len(answer.GetPayload().GetBody()))
	}
	if reply.header.Get("X-Grpc-Test-Echo-Initial") != "hello" || reply.trailer["x-grpc-test-echo-trailing-bin"] != "CgsKCwoL" {
		t.Errorf("metadata: %v, %v", reply.header, reply.trailer)
	}

	sizes := []*testgrpc.ResponseParameters{{Size: 31415}, {Size: 9}, {Size: 2653}, {Size: 58979}}
	reply = call("StreamingOutputCall", &testgrpc.StreamingOutputCallRequest{ResponseParameters: sizes})
	reply.expectCode(t, codes.OK, "")
	if len(reply.messages) != len(sizes) {
		t.Errorf("%d messages of %d", len(reply.messages), len(sizes))
	}

	failing := &testgrpc.SimpleRequest{ResponseStatus: &testgrpc.EchoStatus{Code: 2, Message: "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"}}
	reply = call("UnaryCall", failing)
	reply.expectCode(t, codes.Unknown, "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A")
	reply = call("Missing", &testgrpc.Empty{})
	if reply.trailer["grpc-status"] != "12" {
		t.Errorf("no such method: %v %v", reply.header, reply.trailer)
	}
}

func TestGRPCWebErrors(t *testing.T) {
	g := startRPC(t, &scripted{}, "clear")
	reply := web(t, g.Client, g.URL+"/forbidden/Call", "application/grpc-web-text+proto", "AAAAAAA=", "Origin: https://app.example")
	reply.expectCode(t, codes.PermissionDenied, "Forbidden")
	if h := reply.header; h.Get("Content-Type") != "application/grpc-web-text+proto" || h.Get("Access-Control-Allow-Origin") != "*" ||
		!strings.Contains(h.Get("Access-Control-Expose-Headers"), "grpc-status") {
		t.Errorf("header %v", h)
	}
	reply = web(t, g.Client, g.URL+"/down/Call", "application/grpc-web", "\x00\x00\x00\x00\x00")
	reply.expectCode(t, codes.Unavailable, "Bad Gateway")
	for _, text := range []string{"AAAAA", "?AAA", "AAAAAAA=A==="} {
		reply = web(t, g.Client, g.URL+"/grpc.testing.TestService/HalfDuplexCall", "application/grpc-web-text", text)
		reply.expectCode(t, codes.Internal, "Bad Request")
	}
	preflight, err := g.Send(t.Context(), "OPTIONS", "/grpc.testing.TestService/EmptyCall", nil, "Origin: https://app.example", "Access-Control-Request-Method: POST")
	if err != nil || preflight.Status != 204 || preflight.Header.Get("Access-Control-Allow-Methods") != "POST" {
		t.Errorf("preflight: %+v, %v", preflight, err)
	}
	// Accept chooses the coding of the response.
	reply = web(t, g.Client, g.URL+"/forbidden/Call", "application/grpc-web+proto", "\x00\x00\x00\x00\x00", "Accept: application/grpc-web-text")
	reply.expectCode(t, codes.PermissionDenied, "Forbidden")
	if got := reply.header.Get("Content-Type"); got != "application/grpc-web-text+proto" {
		t.Errorf("answered with %s", got)
	}
}

// The trailers of a stream that breaks off are never taken for a part of a message.
func TestGRPCWebStreamsThatBreak(t *testing.T) {
	for written, want := range map[string]struct {
		messages int
		status   string // "" for a response that is cut off
	}{
		"\x00\x00\x00\x00\x00":         {1, "14"},
		"\x00\x00\x00\x00\x00\x00\x00": {1, ""},
		"\x00\x00\x00\x00\x40\x0a":     {0, ""},
	} {
		g := servertest.Start(t, map[string]string{"postern.yaml": `
apis: {main: {routes: {$default: {streaming: true, integration: {upstream: up}}}}}
upstreams: {up: {targets: ["h2c://` + breakingUpstream(t, written) + `"]}}`})
		for _, kind := range []string{"application/grpc-web", "application/grpc-web-text"} {
			reply := web(t, g.Client, g.URL+"/a.B/C", kind, "")
			if len(reply.messages) != want.messages || reply.trailer["grpc-status"] != want.status || (reply.err == nil) != (want.status != "") {
				t.Errorf("%s, %q: %d messages, %v, %v", kind, written, len(reply.messages), reply.trailer, reply.err)
			}
			line := g.Log.Wait(t, "the call", func(l servertest.Line) bool {
				return l["msg"] == "request" && l["request_id"] == reply.header.Get("Apigw-Requestid")
			})
			if got := line.Text("grpc_status"); got != want.status {
				t.Errorf("%s, %q: the status %q is logged, want %q", kind, written, got, want.status)
			}
		}
	}
}

// Messages reach a client of gRPC-Web as the upstream sends them, not at the end.
func TestGRPCWebFlushes(t *testing.T) {
	service := newScripted()
	g := startRPC(t, service, "clear")
	req, err := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/grpc.testing.TestService/FullDuplexCall", bytes.NewReader(frame(t, &testgrpc.Empty{})))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc-web")
	resp, err := g.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 5)
	if _, err := io.ReadFull(resp.Body, first); err != nil || first[0] != 0 {
		t.Errorf("first came %q, %v", first, err)
	}
	waitFor(t, "the call", service.came)
	_ = resp.Body.Close()
	waitFor(t, "the call's end, as the client left", service.ended)
}
