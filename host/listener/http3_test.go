package listener_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

func TestAltSvc(t *testing.T) {
	for name, tc := range map[string]struct {
		engine  string
		http3   bool
		trusted string
		want    bool
	}{
		"h1":                     {"https", true, "", true},
		"h2":                     {"h2", true, "", true},
		"h3":                     {"h3", true, "", false},
		"HTTP/3 is off":          {"h2", false, "", false},
		"through a proxy":        {"h2", true, "127.0.0.0/8", false},
		"through no known proxy": {"h2", true, "10.0.0.0/8", true},
	} {
		t.Run(name, func(t *testing.T) {
			conf, roots := testTLS(t)
			s := start(t, listener.Config{TLS: conf, HTTP3: tc.http3, Handler: hello, TrustedProxies: prefixes(tc.trusted)})
			res, err := client(t, tc.engine, roots).Get("https://" + s.addr)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			want := ""
			if _, port, _ := net.SplitHostPort(s.addr); tc.want {
				want = `h3=":` + port + `"; ma=86400`
			}
			if got := res.Header.Get("Alt-Svc"); got != want {
				t.Errorf("%q", got)
			}
		})
	}
	s := start(t, listener.Config{HTTP3: true, Handler: hello}) // clear: there is no HTTP/3
	res, err := client(t, "h1", nil).Get("http://" + s.addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if got := res.Header.Get("Alt-Svc"); got != "" {
		t.Errorf("clear: %q", got)
	}
}

func TestHTTP3PortInUse(t *testing.T) {
	conf, _ := testTLS(t)
	eventually(t, "a port that only UDP has taken", func() bool {
		taken, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		free, err := net.Listen("tcp", taken.LocalAddr().String())
		if err != nil {
			return false
		}
		_ = free.Close()
		_, err = listener.Listen(listener.Config{Name: "https", Addr: taken.LocalAddr().String(), TLS: conf, HTTP3: true, Handler: hello})
		if !errors.Is(err, host.Conflict) || !strings.Contains(err.Error(), "UDP") {
			t.Error(err)
		}
		free, err = net.Listen("tcp", taken.LocalAddr().String())
		if err != nil {
			t.Fatal("the port of TCP was kept: ", err)
		}
		_ = free.Close()
		return true
	})
}

// TestHTTP3Unserved is about what Listen alone leaves behind.
func TestHTTP3Unserved(t *testing.T) {
	conf, _ := testTLS(t)
	l, err := listener.Listen(listener.Config{Name: "https", Addr: "127.0.0.1:0", TLS: conf, HTTP3: true, Handler: hello})
	if err != nil {
		t.Fatal(err)
	}
	l.Shutdown(t.Context())
	again, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
	noGoroutines(t)
}

// TestHTTP3Length is about requests whose header does not tell that they have no body.
func TestHTTP3Length(t *testing.T) {
	lengths := make(chan int64, 1)
	s, roots := startHTTP3(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		lengths <- r.Length
		_, _ = io.Copy(io.Discard, r.Body)
		return text("")
	}})
	c := client(t, "h3", roots)
	for _, tc := range []struct {
		method string
		body   io.Reader
		want   int64
	}{
		{"GET", nil, 0},
		{"DELETE", nil, 0},
		{"PUT", nil, 0},
		{"POST", nil, 0},
		{"QUERY", nil, 0},
		{"POST", strings.NewReader("four"), 4},
		{"GET", io.MultiReader(strings.NewReader("some")), -1},
		{"POST", io.MultiReader(strings.NewReader("some")), -1},
	} {
		req, _ := http.NewRequest(tc.method, "https://"+s.addr, tc.body)
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if got := <-lengths; got != tc.want {
			t.Errorf("%s: %d, want %d", tc.method, got, tc.want)
		}
	}
}

// TestHTTP3LengthNotAwaited is about clients that may wait in their turn, before they send a body or end without one.
func TestHTTP3LengthNotAwaited(t *testing.T) {
	lengths := make(chan int64, 1)
	s, roots := startHTTP3(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		lengths <- r.Length
		return text("")
	}})
	for _, more := range [][]string{{"content-type", "application/grpc+proto"}, {"expect", "100-continue"}} {
		str, err := dialQUIC(t, s, roots).OpenStreamSync(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		list := append([]string{":method", "POST"}, getFields[2:]...)
		_, _ = str.Write(frame(1, section(append(list, more...)...)))
		if got := <-lengths; got != -1 {
			t.Errorf("%s: %d", more, got)
		}
		_ = str.Close()
	}
}

func TestHTTP3Continue(t *testing.T) {
	for _, read := range []bool{true, false} {
		t.Run(fmt.Sprint(read), func(t *testing.T) { testHTTP3Continue(t, read) })
	}
}

func testHTTP3Continue(t *testing.T, read bool) {
	s, roots := startHTTP3(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		if r.Header.Has("Expect") {
			t.Error("Expect is still there")
		}
		if !read {
			resp := text("no")
			resp.Status = 417
			return resp
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		return text(string(b))
	}})
	var asked atomic.Bool
	body, send := io.Pipe()
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
		asked.Store(code == 100)
		go func() {
			_, _ = io.WriteString(send, "body")
			_ = send.Close()
		}()
		return nil
	}}
	req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(patient(t), trace), "POST", "https://"+s.addr, body)
	req.Header.Set("Expect", "100-continue")
	res, err := client(t, "h3", roots).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(res.Body)
	_ = send.Close()
	if asked.Load() != read || (string(b) == "body") != read {
		t.Errorf("read %v: asked %v, %d %q", read, asked.Load(), res.StatusCode, b)
	}
}

func TestHTTP3Refused(t *testing.T) {
	with := func(fields ...string) []byte { return frame(1, section(append(getFields[:8:8], fields...)...)) }
	many := make([]string, 0, 600)
	for range 300 {
		many = append(many, "x", "y")
	}
	for name, tc := range map[string]struct {
		send   []byte
		open   bool // the stream is not ended
		reason listener.Reason
		status int
	}{
		"a header over the limit":     {with("x", strings.Repeat("y", 70<<10)), false, listener.ReasonHeaderTooLarge, 431},
		"too many fields":             {with(many...), false, listener.ReasonHeaderTooLarge, 431},
		"a forbidden field":           {with("connection", "close"), false, listener.ReasonMalformed, 0},
		"Upgrade":                     {with("upgrade", "websocket"), false, listener.ReasonMalformed, 0},
		"upper case":                  {with("X-A", "b"), false, listener.ReasonMalformed, 0},
		"a line break":                {with("x", "a\r\nb: c"), false, listener.ReasonMalformed, 0},
		"no path":                     {frame(1, section(getFields[:6]...)), false, listener.ReasonMalformed, 0},
		"a dynamic table":             {frame(1, []byte{5, 0, 0x80}), false, listener.ReasonMalformed, 0},
		"plain CONNECT":               {frame(1, section(":method", "CONNECT", ":authority", "a.example:25")), true, listener.ReasonUnsupported, 501},
		"extended CONNECT, not known": {frame(1, section(":method", "CONNECT", ":protocol", "connect-udp", ":scheme", "https", ":authority", "a.example", ":path", "/")), true, listener.ReasonUnsupported, 501},
		"DATA first":                  {frame(0, []byte("data")), false, listener.ReasonHTTP3, 0},
		"a slow header":               {with("x", "y")[:20], true, listener.ReasonHeaderTimeout, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, roots := startHTTP3(t, listener.Config{Handler: hello, Limits: listener.Limits{ReadHeader: 400 * time.Millisecond}})
			str, err := dialQUIC(t, s, roots).OpenStreamSync(patient(t))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = str.Write(tc.send) // what is refused early is not taken whole
			if !tc.open {
				_ = str.Close()
			}
			if f := s.refusal(t); f.Reason != tc.reason || f.Status != tc.status || !f.Remote.IsValid() {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestHTTP3StreamLimit(t *testing.T) {
	release := make(chan struct{})
	s, roots := startHTTP3(t, listener.Config{Limits: listener.Limits{ConcurrentStreams: 2},
		Handler: func(context.Context, *host.Request) *host.Response {
			<-release
			return text("")
		}})
	defer close(release)
	c := dialQUIC(t, s, roots)
	for range 2 {
		str, err := c.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = str.Write(frame(1, section(getFields...)))
	}
	if _, err := c.OpenStream(); !errors.As(err, new(*quic.StreamLimitReachedError)) {
		t.Error(err)
	}
}

func TestHTTP3ConnectionLimit(t *testing.T) {
	s, roots := startHTTP3(t, listener.Config{Handler: hello, Limits: listener.Limits{Connections: 1}})
	first := dialQUIC(t, s, roots)
	_, err := quicSocket(t, "127.0.0.1", nil).Dial(patient(t), udpAddr(t, s.addr), quicTLS(roots), nil)
	var refused *quic.TransportError
	if !errors.As(err, &refused) || refused.ErrorCode != quic.ConnectionRefused {
		t.Error(err)
	}
	if f := s.refusal(t); f.Reason != listener.ReasonConnections {
		t.Errorf("%+v", f)
	}
	_ = first.CloseWithError(0x100, "")
	eventually(t, "the place of the first", func() bool {
		c, err := quicSocket(t, "127.0.0.1", nil).Dial(patient(t), udpAddr(t, s.addr), quicTLS(roots), nil)
		if err == nil {
			_ = c.CloseWithError(0x100, "")
		}
		return err == nil
	})
}

func TestHTTP3Idle(t *testing.T) {
	s, roots := startHTTP3(t, listener.Config{Handler: hello, Limits: listener.Limits{Idle: 100 * time.Millisecond}})
	c := dialQUIC(t, s, roots)
	select {
	case <-c.Context().Done():
	case <-time.After(patience):
		t.Fatal("the idle connection is open")
	}
	var closed *quic.ApplicationError
	if !errors.As(context.Cause(c.Context()), &closed) || closed.ErrorCode != quic.ApplicationErrorCode(http3.ErrCodeNoError) {
		t.Error(context.Cause(c.Context()))
	}
}

// TestHTTP3Drain is about what clients see besides their answers: TestDrain has those.
func TestHTTP3Drain(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s, roots := startHTTP3(t, listener.Config{Handler: func(context.Context, *host.Request) *host.Response {
		arrived <- struct{}{}
		<-release
		return text("whole")
	}})
	idle, busy := dialQUIC(t, s, roots), dialQUIC(t, s, roots)
	conn := (&http3.Transport{}).NewClientConn(busy)
	answer := make(chan string, 1)
	go func() {
		_, body := askHTTP3(t, conn, "GET", "https://"+s.addr)
		answer <- body
	}()
	<-arrived
	cut := make(chan int, 1)
	go func() { cut <- s.Shutdown(patient(t)) }()
	<-idle.Context().Done() // long before the end
	req, _ := http.NewRequestWithContext(patient(t), "GET", "https://"+s.addr, nil)
	_, err := conn.RoundTrip(req)
	var rejected *http3.Error
	if !errors.As(err, &rejected) || rejected.ErrorCode != http3.ErrCodeRequestRejected {
		t.Error(err)
	}
	close(release)
	if got := <-answer; got != "whole" {
		t.Error(got)
	}
	if n := <-cut; n != 0 {
		t.Errorf("%d were cut", n)
	}
}

func TestHTTP3Cut(t *testing.T) {
	arrived, ended := make(chan struct{}), make(chan error, 1)
	s, roots := startHTTP3(t, listener.Config{Handler: func(ctx context.Context, _ *host.Request) *host.Response {
		close(arrived)
		<-ctx.Done()
		resp := text("late")
		resp.End = func(err error) { ended <- errors.Join(err, context.Cause(ctx)) }
		return resp
	}})
	failed := make(chan error, 1)
	go func() {
		res, err := client(t, "h3", roots).Get("https://" + s.addr)
		if err == nil {
			_ = res.Body.Close()
		}
		failed <- err
	}()
	<-arrived
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if n := s.Shutdown(ctx); n != 1 {
		t.Errorf("%d were cut", n)
	}
	if err := <-ended; !errors.Is(err, listener.ErrDrained) {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("the client was answered")
	}
}
