package listener_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

func TestDrain(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	everyEngine(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		arrived <- struct{}{}
		<-release
		return text("whole")
	}}, func(t *testing.T, e engine) {
		silent := dial(t, e.server.addr) // must not hold anything up
		answer := make(chan string)
		go func() {
			res, err := e.client.Get(e.url)
			if err != nil {
				answer <- err.Error()
				return
			}
			b, _ := io.ReadAll(res.Body)
			answer <- string(b)
		}()
		<-arrived
		cut := make(chan int)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			cut <- e.server.Shutdown(ctx)
		}()
		eventually(t, "the port to close", func() bool {
			c, err := net.Dial("tcp", e.server.addr)
			if err == nil {
				_ = c.Close()
			}
			return err != nil
		})
		release <- struct{}{}
		if got := <-answer; got != "whole" {
			t.Error(got)
		}
		if n := <-cut; n != 0 {
			t.Errorf("%d were cut", n)
		}
		if _, err := silent.Read(make([]byte, 1)); err == nil {
			t.Error("the silent connection is open")
		}
	})
}

func TestDrainDeadline(t *testing.T) {
	arrived := make(chan struct{})
	everyEngine(t, listener.Config{Handler: func(ctx context.Context, _ *host.Request) *host.Response {
		arrived <- struct{}{}
		<-ctx.Done()
		return text("late")
	}}, func(t *testing.T, e engine) {
		failed := make(chan error)
		go func() {
			res, err := e.client.Get(e.url)
			if err == nil {
				_ = res.Body.Close()
			}
			failed <- err
		}()
		<-arrived
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if n := e.server.Shutdown(ctx); n != 1 {
			t.Errorf("%d were cut", n)
		}
		if err := <-failed; err == nil {
			t.Error("the client was answered")
		}
	})
}

func TestDrainUpgraded(t *testing.T) {
	taken := make(chan struct{})
	s := start(t, listener.Config{Handler: func(context.Context, *host.Request) *host.Response {
		return &host.Response{Status: 101, Header: fields("Upgrade", "websocket"), Upgrade: func(_ context.Context, c net.Conn) {
			close(taken)
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}}
	}})
	c := dial(t, s.addr)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	<-taken
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if n := s.Shutdown(ctx); n != 1 {
		t.Errorf("%d were cut", n)
	}
}

func TestTrustedProxies(t *testing.T) {
	peers := make(chan *host.Request, 1)
	handler := func(_ context.Context, r *host.Request) *host.Response {
		peers <- r
		return text("")
	}
	for name, tc := range map[string]struct {
		trusted      string
		header       []string
		addr, scheme string
	}{
		"nobody is trusted":    {"", []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-Proto", "https"}, "127.0.0.1", "http"},
		"another is trusted":   {"10.0.0.0/8", []string{"X-Forwarded-For", "1.1.1.1"}, "127.0.0.1", "http"},
		"one hop":              {"127.0.0.0/8", []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-Proto", "https"}, "1.1.1.1", "https"},
		"the left is forged":   {"127.0.0.0/8", []string{"X-Forwarded-For", "9.9.9.9, 1.1.1.1"}, "1.1.1.1", "http"},
		"two trusted hops":     {"127.0.0.0/8 10.0.0.0/8", []string{"X-Forwarded-For", "9.9.9.9, 1.1.1.1, 10.1.2.3"}, "1.1.1.1", "http"},
		"over several fields":  {"127.0.0.0/8 10.0.0.0/8", []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-For", "10.1.2.3"}, "1.1.1.1", "http"},
		"all are trusted":      {"127.0.0.0/8 10.0.0.0/8", []string{"X-Forwarded-For", "10.1.1.1, 10.1.2.3"}, "10.1.1.1", "http"},
		"with port":            {"127.0.0.0/8", []string{"X-Forwarded-For", "1.1.1.1:55"}, "1.1.1.1", "http"},
		"IPv6":                 {"127.0.0.0/8", []string{"X-Forwarded-For", "[2001:4860::8]:55"}, "2001:4860::8", "http"},
		"nonsense stops":       {"127.0.0.0/8", []string{"X-Forwarded-For", "1.1.1.1, nonsense"}, "127.0.0.1", "http"},
		"Forwarded":            {"127.0.0.0/8", []string{"Forwarded", `for=9.9.9.9, for="[2001:4860::8]:1";proto=https;host=h`}, "2001:4860::8", "https"},
		"obfuscated Forwarded": {"127.0.0.0/8", []string{"Forwarded", "for=_hidden"}, "127.0.0.1", "http"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, listener.Config{Handler: handler, TrustedProxies: prefixes(tc.trusted)})
			req, _ := http.NewRequest("GET", "http://"+s.addr, nil)
			for _, f := range fields(tc.header...) {
				req.Header.Add(f.Name, f.Value)
			}
			res, err := client(t, "h1", nil).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			got := <-peers
			if got.Peer.Addr.String() != tc.addr || got.Scheme != tc.scheme || got.Peer.Trusted != strings.HasPrefix(tc.trusted, "127") {
				t.Errorf("%s %s %v", got.Peer.Addr, got.Scheme, got.Peer.Trusted)
			}
		})
	}
}
