package listener_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

// A message is a request as HTTP/2 and 3 send it: nothing of it is text with line ends, and all of it may become that further on.
type message struct {
	name   string
	fields []string // replace or follow those of a plain request
	body   string
	ok     bool // it is good, and is told from the bad by that alone
}

var messages = []message{
	{name: "a plain request", ok: true},
	{name: "a body and its length", fields: []string{"content-length", "5"}, body: "hello", ok: true},
	{name: "a body without length", body: "hello", ok: true},
	{name: "te: trailers", fields: []string{"te", "trailers"}, ok: true},
	{name: "Host that agrees", fields: []string{"host", "localhost"}, ok: true},
	{name: "a tab in a value", fields: []string{"x", "a\tb"}, ok: true},

	{name: "CRLF in a value", fields: []string{"x", "a\r\nb: c"}},
	{name: "a request in a value", fields: []string{"x", "a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"}},
	{name: "CR in a value", fields: []string{"x", "a\rb"}},
	{name: "LF in a value", fields: []string{"x", "a\nb"}},
	{name: "NUL in a value", fields: []string{"x", "a\x00b"}},
	{name: "CRLF in a name", fields: []string{"x\r\ny", "z"}},
	{name: "a colon in a name", fields: []string{"transfer-encoding: chunked\r\nx", "z"}},
	{name: "a colon at the end of a name", fields: []string{"x:", "z"}},
	{name: "a space in a name", fields: []string{"x y", "z"}},
	{name: "a name in upper case", fields: []string{"X-Y", "z"}},
	{name: "an empty name", fields: []string{"", "z"}},
	{name: "octets outside ASCII in a name", fields: []string{"x\xe9", "z"}},

	{name: "CRLF in the method", fields: []string{":method", "GET / HTTP/1.1\r\nx: y\r\n\r\nGET"}},
	{name: "a space in the method", fields: []string{":method", "GET /admin HTTP/1.1"}},
	{name: "an empty method", fields: []string{":method", ""}},
	{name: "CRLF in the path", fields: []string{":path", "/ HTTP/1.1\r\nx: y\r\n\r\n"}},
	{name: "a space in the path", fields: []string{":path", "/a b"}},
	{name: "a version in the path", fields: []string{":path", "/admin HTTP/1.1"}},
	{name: "NUL in the path", fields: []string{":path", "/a\x00"}},
	{name: "a fragment in the path", fields: []string{":path", "/a#b"}},
	{name: "a backslash in the path", fields: []string{":path", "/a\\..\\b"}},
	{name: "octets outside ASCII in the path", fields: []string{":path", "/\xc3\xa9"}},
	{name: "an empty path", fields: []string{":path", ""}},
	{name: "a path without a slash", fields: []string{":path", "admin"}},
	{name: "a path that is an authority", fields: []string{":path", "@evil.example/"}},
	{name: "an asterisk for GET", fields: []string{":path", "*"}},
	{name: "CRLF in the authority", fields: []string{":authority", "a\r\nx: y"}},
	{name: "a path in the authority", fields: []string{":authority", "a.example/admin"}},
	{name: "user information in the authority", fields: []string{":authority", "a@b.example"}},
	{name: "a port that is none", fields: []string{":authority", "a.example:b"}},
	{name: "a list for an authority", fields: []string{":authority", "a.example, b.example"}},
	{name: "Host that differs", fields: []string{"host", "evil.example"}},
	{name: "CRLF in the scheme", fields: []string{":scheme", "https\r\nx: y"}},
	{name: "another scheme", fields: []string{":scheme", "ftp"}},
	{name: "an empty scheme", fields: []string{":scheme", ""}},

	{name: "Transfer-Encoding", fields: []string{"transfer-encoding", "chunked"}, body: "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"}, // H2.TE
	{name: "Connection", fields: []string{"connection", "close"}},
	{name: "Keep-Alive", fields: []string{"keep-alive", "timeout=5"}},
	{name: "Proxy-Connection", fields: []string{"proxy-connection", "close"}},
	{name: "Upgrade", fields: []string{"upgrade", "h2c"}},
	{name: "TE with more than trailers", fields: []string{"te", "trailers, gzip"}},
	{name: "a length of zero and a body", fields: []string{"content-length", "0"}, body: "GET /smuggled HTTP/1.1\r\n\r\n"}, // H2.CL
	{name: "a length that is too short", fields: []string{"content-length", "3"}, body: "hello"},
	{name: "a length that is too long", fields: []string{"content-length", "7"}, body: "hello"},
	{name: "a length with a sign", fields: []string{"content-length", "+5"}, body: "hello"},
	{name: "a length that is a list", fields: []string{"content-length", "5, 5"}, body: "hello"},
	{name: "a length in hexadecimal", fields: []string{"content-length", "0x5"}, body: "hello"},
	{name: "a length that is empty", fields: []string{"content-length", ""}, body: "hello"},
	{name: "two lengths", fields: []string{"content-length", "5", "content-length", "6"}, body: "hello"},
	{name: "two equal lengths", fields: []string{"content-length", "5", "content-length", "5"}, body: "hello"},
	{name: "an unknown pseudo-field", fields: []string{":x", "y"}},
	{name: "a pseudo-field of responses", fields: []string{":status", "200"}},
	{name: "a protocol without CONNECT", fields: []string{":protocol", "websocket"}},
	{name: "a pseudo-field behind the others", fields: []string{"x", "y", ":path", "/admin"}},
	{name: "Connection fields by Expect", fields: []string{"expect", "miracles"}},
	{name: "TRACE with a body", fields: []string{":method", "TRACE"}, body: "hello"},
}

// list is what is sent: a pseudo-field of the message takes the place of the plain one, if it is first.
func (m message) list() []string {
	plain, rest := slices.Clone(getFields), m.fields
	plain[1] = "POST"
	for len(rest) > 1 {
		i := slices.Index(plain, rest[0])
		if i < 0 {
			break
		}
		plain[i+1], rest = rest[1], rest[2:]
	}
	return append(plain, rest...)
}

// What cannot be a message of HTTP/1.1 is none of HTTP/2 and 3 either, and never reaches the Handler whole.
func TestMessages(t *testing.T) {
	for _, protocol := range []string{"h2c", "h2", "h3"} {
		t.Run(protocol, func(t *testing.T) {
			var mu sync.Mutex
			accepted := map[string]bool{}
			cfg := listener.Config{Limits: listener.Limits{BodyIdle: 300 * time.Millisecond}, Handler: func(_ context.Context, r *host.Request) *host.Response {
				if _, err := io.ReadAll(r.Body); err == nil {
					mu.Lock()
					defer mu.Unlock()
					accepted[r.Header.Get("message")] = true
				}
				return text("hello")
			}}
			send := sendHTTP2(t, cfg, protocol)
			for i, m := range messages {
				m.fields = append(m.fields[:len(m.fields):len(m.fields)], "message", fmt.Sprint(i))
				send(t, m)
			}
			mu.Lock()
			defer mu.Unlock()
			for i, m := range messages {
				if accepted[fmt.Sprint(i)] != m.ok {
					t.Errorf("%s: accepted is %v", m.name, !m.ok)
				}
			}
		})
	}
}

// sendHTTP2 returns a function that sends a message on a connection of its own, and waits for what comes of it.
func sendHTTP2(t *testing.T, cfg listener.Config, protocol string) func(*testing.T, message) {
	if protocol == "h3" {
		return sendHTTP3(t, cfg)
	}
	s, first := startRawH2(t, cfg, protocol == "h2")
	_ = first.Close()
	return func(t *testing.T, m message) {
		r := newRaw(t, s.another(t, protocol == "h2"), false)
		defer r.c.Close()
		list := m.list()
		for i := 0; i < len(list); i += 2 {
			_ = r.enc.WriteField(hpack.HeaderField{Name: list[i], Value: list[i+1]})
		}
		_ = r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.block.Bytes(), EndHeaders: true, EndStream: m.body == ""})
		if m.body != "" {
			_ = r.fr.WriteData(1, true, []byte(m.body))
		}
		for {
			f, err := r.fr.ReadFrame()
			if err != nil {
				return
			}
			switch f := f.(type) {
			case *http2.RSTStreamFrame, *http2.GoAwayFrame:
				return
			case *http2.DataFrame:
				if f.StreamEnded() {
					return
				}
			case *http2.HeadersFrame:
				if f.StreamEnded() {
					return
				}
			}
		}
	}
}

func sendHTTP3(t *testing.T, cfg listener.Config) func(*testing.T, message) {
	s, roots := startHTTP3(t, cfg)
	return func(t *testing.T, m message) {
		c := dialQUIC(t, s, roots)
		str, err := c.OpenStreamSync(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		send := frame(1, section(m.list()...))
		if m.body != "" {
			send = append(send, frame(0, []byte(m.body))...)
		}
		_, _ = str.Write(send)
		_ = str.Close()
		_ = str.SetReadDeadline(time.Now().Add(patience))
		_, _ = io.ReadAll(str)
		_ = c.CloseWithError(0x100, "")
	}
}

// Streams that a client resets at once end its connection, over HTTP/3 too.
func TestRapidResetHTTP3(t *testing.T) {
	before := heap()
	s, roots := startHTTP3(t, listener.Config{Handler: func(ctx context.Context, r *host.Request) *host.Response {
		if r.Target == "/held" {
			<-ctx.Done()
		}
		return text("hello")
	}})
	c, other := dialQUIC(t, s, roots), dialQUIC(t, s, roots)
	held := slices.Clone(getFields)
	held[7] = "/held"
	send := frame(1, section(held...))
	for range 20_000 {
		str, err := c.OpenStreamSync(patient(t))
		if err != nil {
			break
		}
		_, _ = str.Write(send)
		time.Sleep(100 * time.Microsecond) // for the request to leave first: the reset would take it along
		str.CancelWrite(0x10c)
		str.CancelRead(0x10c)
	}
	select {
	case <-c.Context().Done():
	case <-time.After(patience):
		t.Error("the connection was not ended")
	}
	if f := s.refusal(t); f.Reason != listener.ReasonHTTP3 || !f.Remote.IsValid() {
		t.Errorf("%+v", f)
	}
	if now := heap(); now > before+heapBound {
		t.Errorf("the heap grew from %d to %d KiB", before>>10, now>>10)
	}
	str, err := other.OpenStreamSync(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = str.Write(frame(1, section(getFields...)))
	_ = str.Close()
	if answer, err := io.ReadAll(str); err != nil || len(answer) == 0 {
		t.Errorf("another connection: %q, %v", answer, err)
	}
}
