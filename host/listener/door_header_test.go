package listener_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

// A field block of HTTP/2 must be whole in ReadHeader, however its bytes come, and whatever else the connection has done and does.
func TestSlowBlockHTTP2(t *testing.T) {
	t.Run("each", func(t *testing.T) {
		for _, secure := range []bool{false, true} {
			for name, send := range map[string]func(r *raw) error{
				"a frame's header": func(r *raw) error { return drip(r, []byte{0, 0, 0x20}) },
				"a frame": func(r *raw) error {
					return drip(r, append([]byte{0, 0, 200, 1, 5, 0, 0, 0, 3}, make([]byte, 200)...))
				},
				"no end": func(r *raw) error {
					return r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: r.encode("/"), EndStream: true})
				},
				"CONTINUATION, each in time": func(r *raw) error {
					err := r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: r.encode("/"), EndStream: true})
					for err == nil {
						time.Sleep(100 * time.Millisecond)
						err = r.fr.WriteContinuation(3, false, nil)
					}
					return nil
				},
			} {
				t.Run(fmt.Sprintf("%s/%v", name, secure), func(t *testing.T) {
					t.Parallel()
					testSlowBlock(t, secure, send)
				})
			}
		}
	})
	noGoroutines(t)
}

// drip sends p a byte at a time, until all is sent or the server has hung up.
func drip(r *raw, p []byte) error {
	for i := range p {
		if _, err := r.c.Write(p[i : i+1]); err != nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

func testSlowBlock(t *testing.T, secure bool, send func(*raw) error) {
	read := make(chan string, 1)
	cfg := listener.Config{Limits: listener.Limits{ReadHeader: 1500 * time.Millisecond}, Handler: func(_ context.Context, r *host.Request) *host.Response {
		if r.Target == "/slow" {
			b, err := io.ReadAll(r.Body)
			read <- fmt.Sprint(len(b), " ", err)
		}
		return text("hello")
	}}
	var s *running
	var c net.Conn
	if secure {
		conf, roots := testTLS(t)
		cfg.TLS = conf
		s = serve(t, cfg)
		c = tlsDial(t, s.addr, roots, "h2")
	} else {
		s = serve(t, cfg)
		c = dial(t, s.addr)
	}
	r := newRaw(t, c, true)
	if err := r.open(1, "/slow", false); err != nil {
		t.Fatal(err)
	}
	_ = drip(r, append([]byte{0, 0, 12, 0, 1, 0, 0, 0, 1}, make([]byte, 12)...)) // DATA is not held to it
	if got := <-read; got != "12 <nil>" {
		t.Fatal(got)
	}
	if err := send(r); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.ended:
	case <-time.After(patience):
		t.Error("the connection was not ended")
	}
	if f := s.refusal(t); f.Reason != listener.ReasonHeaderTimeout || !f.Remote.IsValid() {
		t.Errorf("%+v", f)
	}
}
