package listener_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

func TestRequestAsReceived(t *testing.T) {
	seen := make(chan *host.Request, 1)
	everyEngine(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		seen <- r
		return text(string(b))
	}}, func(t *testing.T, e engine) {
		req, err := http.NewRequest("POST", e.url+"/a%2Fb//c?x=%20&y=1&y=2", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "api.example.com"
		req.Header["X-Two"] = []string{"1", "2"}
		res, err := e.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if b, _ := io.ReadAll(res.Body); string(b) != "body" {
			t.Errorf("echoed %q", b)
		}
		got := <-seen
		scheme, protocol := "http", "HTTP/1.1"
		if e.name == "https" || e.name == "h2" || e.name == "h3" {
			scheme = "https"
		}
		if e.name == "h3" {
			protocol = "HTTP/3.0"
		}
		if e.name == "h2c" || e.name == "h2" {
			protocol = "HTTP/2.0"
		}
		want := []any{"POST", scheme, "api.example.com", "/a%2Fb//c?x=%20&y=1&y=2", int64(4), protocol, "127.0.0.1", scheme == "https"}
		have := []any{got.Method, got.Scheme, got.Host, got.Target, got.Length, got.Peer.Protocol, got.Peer.Addr.String(), got.Peer.TLS != nil}
		if d := cmp.Diff(want, have); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"1", "2"}, got.Header.Values("x-two")); d != "" {
			t.Error(d)
		}
		if got.Header.Has("Host") || !got.Peer.Remote.IsValid() || !got.Peer.Local.IsValid() {
			t.Errorf("header %v, peer %v", got.Header, got.Peer)
		}
	})
}

func TestAbsoluteForm(t *testing.T) {
	s := start(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		return text(r.Host + " " + r.Target)
	}})
	for target, want := range map[string]string{
		"http://h/p?q":           "h /p?q",
		"http://h":               "h /",
		"http://h?q":             "h /?q",
		"//double":               "h //double",
		"http://other.example/p": "400 Bad Request",
	} {
		answer := converse(t, dial(t, s.addr), "GET "+target+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		if !strings.HasSuffix(answer, "\r\n\r\n"+want) {
			t.Errorf("%s: %q", target, answer)
		}
	}
}

func TestResponseHeader(t *testing.T) {
	var ended atomic.Int32
	everyEngine(t, listener.Config{Handler: func(context.Context, *host.Request) *host.Response {
		r := text("ok")
		r.Header = fields(
			"x-a", "1",
			"X-A", "2",
			"Connection", "close, x-private",
			"X-Private", "p",
			"Transfer-Encoding", "gzip",
			"Content-Length", "999",
			"X-Split", "a\r\nX-Injected: 1",
			"X-Nul", "a\x00",
			"Bad Name", "1",
			"Keep-Alive", "1",
		)
		r.End = func(err error) {
			if err != nil {
				t.Error(err)
			}
			ended.Add(1)
		}
		return r
	}}, func(t *testing.T, e engine) {
		before := ended.Load()
		res, err := e.client.Get(e.url)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		if err != nil || string(b) != "ok" || res.ContentLength != 2 {
			t.Errorf("%q %v %d", b, err, res.ContentLength)
		}
		res.Header.Del("Date")
		if d := cmp.Diff(http.Header{"X-A": {"1", "2"}, "Content-Length": {"2"}}, res.Header); d != "" {
			t.Error(d)
		}
		eventually(t, "End", func() bool { return ended.Load() == before+1 })
	})
}

func TestNoBody(t *testing.T) {
	s := start(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		resp := text("0123456789")
		switch r.Path() {
		case "/204":
			resp.Status = 204
		case "/304":
			resp.Status = 304
		case "/none":
			return &host.Response{Status: 200}
		}
		return resp
	}})
	c := dial(t, s.addr)
	br := bufio.NewReader(c)
	for _, tc := range []struct{ method, path, length string }{
		{"HEAD", "/", "10"}, {"GET", "/204", ""}, {"GET", "/304", ""}, {"GET", "/none", "0"}, {"GET", "/", "10"},
	} {
		_, _ = io.WriteString(c, tc.method+" "+tc.path+" HTTP/1.1\r\nHost: h\r\n\r\n")
		res, _ := readResponse(t, br, tc.method)
		if got := res.Header.Get("Content-Length"); got != tc.length {
			t.Errorf("%s %s: Content-Length %q", tc.method, tc.path, got)
		}
	}
}

func TestStreamingFlush(t *testing.T) {
	more := make(chan struct{})
	everyEngine(t, listener.Config{Handler: func(context.Context, *host.Request) *host.Response {
		r, w := io.Pipe()
		go func() {
			<-more // the client has the header
			_, _ = io.WriteString(w, "one")
			<-more // the client has the first piece
			_, _ = io.WriteString(w, "two")
			_ = w.Close()
		}()
		return &host.Response{Status: 200, Length: -1, Body: r}
	}}, func(t *testing.T, e engine) {
		res, err := e.client.Get(e.url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		more <- struct{}{}
		buf := make([]byte, 3)
		if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != "one" {
			t.Fatal(string(buf), err)
		}
		more <- struct{}{}
		if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "two" {
			t.Fatal(string(rest), err)
		}
	})
}

func TestFullDuplex(t *testing.T) {
	everyEngine(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		return &host.Response{Status: 200, Length: -1, Body: r.Body} // echo as it comes
	}}, func(t *testing.T, e engine) {
		r, w := io.Pipe()
		req, _ := http.NewRequest("POST", e.url, r)
		res, err := e.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		buf := make([]byte, 4)
		for range 3 {
			_, _ = io.WriteString(w, "ping")
			if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != "ping" {
				t.Fatal(string(buf), err)
			}
		}
		_ = w.Close()
		if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
			t.Fatal(string(rest), err)
		}
	})
}

// broken ends in the middle.
type broken struct{ io.Reader }

var errBroken = errors.New("the well ran dry")

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = errBroken
	}
	return n, err
}
func (broken) Close() error { return nil }

func TestBodyCutOff(t *testing.T) {
	part := func() io.ReadCloser { return io.NopCloser(strings.NewReader("part")) }
	cases := map[string]func() host.Response{
		"known": func() host.Response {
			return host.Response{Length: 100_000, Body: broken{strings.NewReader(strings.Repeat("x", 50_000))}}
		},
		"unknown": func() host.Response { return host.Response{Length: -1, Body: broken{strings.NewReader("part")}} },
		"short":   func() host.Response { return host.Response{Length: 10, Body: part()} },
		"long":    func() host.Response { return host.Response{Length: 2, Body: part()} },
		"none":    func() host.Response { return host.Response{Length: 2} },
		"panic":   func() host.Response { return host.Response{Length: -1, Body: panicking{}} },
		"closing": func() host.Response { return host.Response{Length: 10, Body: panicsAtClose{part()}} },
	}
	everyEngineAtOnce(t, func() (listener.Config, func(*testing.T, engine)) {
		ended := make(chan error, 2)
		cfg := listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
			respond, ok := cases[r.Path()[1:]]
			if !ok {
				return text("fine")
			}
			resp := respond()
			resp.Status = 200
			resp.End = func(err error) { ended <- err }
			return &resp
		}}
		return cfg, func(t *testing.T, e engine) {
			for name := range cases {
				res, err := e.client.Get(e.url + "/" + name)
				if err == nil {
					_, err = io.ReadAll(res.Body)
					_ = res.Body.Close()
				}
				if err == nil {
					t.Error(name, "the client took a part for the whole")
				}
				if err := <-ended; err == nil {
					t.Error(name, "End(nil)")
				}
				if len(ended) > 0 {
					t.Error(name, "End was called twice")
				}
				if res, err := e.client.Get(e.url + "/fine"); err != nil || res.StatusCode != 200 {
					t.Error(name, "the next request:", err)
				}
			}
		}
	})
}

type panicsAtClose struct{ io.ReadCloser }

func (panicsAtClose) Close() error { panic("at the end of the body") }

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("in the body") }
func (panicking) Close() error             { return nil }

func TestTrailers(t *testing.T) {
	everyEngine(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		if !strings.Contains(r.Header.Get("Trailer"), "X-Sum") {
			t.Errorf("Trailer is not announced: %v", r.Header)
		}
		return &host.Response{Status: 200, Length: -1, Body: r.Body, Header: host.Header{{Name: "Trailer", Value: "X-Echo"}},
			Trailer: func() host.Header {
				return host.Header{{Name: "X-Echo", Value: r.Trailer().Get("X-Sum")}, {Name: "X-Late", Value: "1"}, {Name: "Bad", Value: "a\nb"}}
			}}
	}}, func(t *testing.T, e engine) {
		req, _ := http.NewRequest("POST", e.url, io.MultiReader(strings.NewReader("body")))
		req.Trailer = http.Header{"X-Sum": {"42"}}
		res, err := e.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(res.Body); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(http.Header{"X-Echo": {"42"}, "X-Late": {"1"}}, res.Trailer); d != "" {
			t.Error(d)
		}
	})
}

func TestPanic(t *testing.T) {
	everyEngine(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		switch r.Path() {
		case "/nil":
			return nil
		case "/status":
			return &host.Response{Status: 103}
		}
		panic("secret detail")
	}}, func(t *testing.T, e engine) {
		for _, path := range []string{"/", "/nil", "/status"} {
			res, err := e.client.Get(e.url + path)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			if res.StatusCode != 500 || strings.Contains(string(b), "secret") {
				t.Errorf("%d %q", res.StatusCode, b)
			}
		}
		if f := e.server.refusal(t); f.Reason != listener.ReasonPanic || f.Status != 500 {
			t.Error(f)
		}
	})
}

func TestClientLeaves(t *testing.T) {
	arrived, left := make(chan struct{}), make(chan struct{})
	everyEngine(t, listener.Config{Handler: func(ctx context.Context, r *host.Request) *host.Response {
		arrived <- struct{}{}
		<-ctx.Done()
		left <- struct{}{}
		return text("too late")
	}}, func(t *testing.T, e engine) {
		ctx, leave := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "GET", e.url, nil)
		done := make(chan error)
		go func() {
			_, err := e.client.Do(req)
			done <- err
		}()
		<-arrived
		leave()
		// Only then may the handler answer: a client of HTTP/1 over TLS says that it leaves before it stops reading.
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		<-left
	})
}

func TestPipeliningAndContinue(t *testing.T) {
	s := start(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		b, _ := io.ReadAll(r.Body)
		return text(r.Target + " " + string(b))
	}})
	c := dial(t, s.addr)
	br := bufio.NewReader(c)
	_, _ = io.WriteString(c, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: h\r\n\r\n")
	for _, want := range []string{"/1 ", "/2 abc", "/3 "} {
		if _, got := readResponse(t, br, "GET"); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	_, _ = io.WriteString(c, "POST /4 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	if line, _ := br.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatal(line)
	}
	_, _ = br.ReadString('\n')
	_, _ = io.WriteString(c, "xyz")
	if _, got := readResponse(t, br, "POST"); got != "/4 xyz" {
		t.Errorf("%q", got)
	}
}
