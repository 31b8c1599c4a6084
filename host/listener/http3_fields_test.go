package listener_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

// A request that says that it has no content must have none, whether the Handler reads or not.
func TestHTTP3ZeroLength(t *testing.T) {
	zero := frame(1, section(append(getFields[:8:8], "content-length", "0")...))
	for name, tc := range map[string]struct {
		behind []byte
		ok     bool
	}{
		"nothing":                   {nil, true},
		"an empty frame":            {frame(0, nil), true},
		"a frame of unknown type":   {frame(0x21, []byte("GREASE")), true},
		"a trailer":                 {frame(1, section("x", "y")), true},
		"content":                   {frame(0, []byte("abc")), false},
		"content behind empty ones": {append(frame(0, nil), frame(0, []byte("abc"))...), false},
	} {
		t.Run(name, func(t *testing.T) {
			s, roots := startHTTP3(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
				if !tc.ok {
					t.Error("the handler was called")
				}
				if b, err := io.ReadAll(r.Body); r.Length != 0 || len(b) != 0 || err != nil {
					t.Errorf("%d, %q, %v", r.Length, b, err)
				}
				return text("")
			}})
			str, err := dialQUIC(t, s, roots).OpenStreamSync(patient(t))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = str.Write(append(zero[:len(zero):len(zero)], tc.behind...))
			_ = str.Close()
			_, err = io.ReadAll(str)
			if tc.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var reset *quic.StreamError
			if !errors.As(err, &reset) || reset.ErrorCode != quic.StreamErrorCode(http3.ErrCodeMessageError) {
				t.Error(err)
			}
			if f := s.refusal(t); f.Reason != listener.ReasonMalformed || !f.Remote.IsValid() {
				t.Errorf("%+v", f)
			}
		})
	}
}

// What the engine does not look at is answered, and counted.
func TestHTTP3BadFields(t *testing.T) {
	for name, list := range map[string][]string{
		"two equal lengths": append(getFields[:8:8], "content-length", "5", "content-length", "5"),
		"an empty length":   append(getFields[:8:8], "content-length", ""),
		"another scheme":    {":method", "GET", ":scheme", "ftp", ":authority", "localhost", ":path", "/"},
		"no scheme":         {":method", "GET", ":authority", "localhost", ":path", "/"},
	} {
		t.Run(name, func(t *testing.T) {
			s, roots := startHTTP3(t, listener.Config{Handler: hello})
			c := dialQUIC(t, s, roots)
			conn := (&http3.Transport{}).NewClientConn(c)
			str, err := c.OpenStreamSync(patient(t))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = str.Write(frame(1, section(list...)))
			_ = str.Close()
			if answer, err := io.ReadAll(str); err != nil || len(answer) == 0 {
				t.Errorf("%q, %v", answer, err)
			}
			if f := s.refusal(t); f.Reason != listener.ReasonMalformed || f.Status != 400 || !f.Remote.IsValid() {
				t.Errorf("%+v", f)
			}
			if res, _ := askHTTP3(t, conn, "GET", "https://"+s.addr); res.StatusCode != 200 {
				t.Error("another stream: ", res.Status)
			}
		})
	}
}
