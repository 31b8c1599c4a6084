package listener_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

// trickle is a body of n pieces, one each pause.
func trickle(piece string, n int, pause time.Duration) io.Reader {
	r, w := io.Pipe()
	go func() {
		for range n {
			if _, err := io.WriteString(w, piece); err != nil {
				return
			}
			time.Sleep(pause)
		}
		_ = w.Close()
	}()
	return r
}

// A body must keep up with the minimum rate while somebody waits for it.
func TestBodyRate(t *testing.T) {
	everyEngineAtOnce(t, func() (listener.Config, func(*testing.T, engine)) {
		cases := []struct {
			path, piece string
			pieces      int
			slow        bool
			seen        chan error
		}{
			{"/fast", strings.Repeat("x", 500), 12, false, make(chan error, 1)}, // longer than BodyIdle, at 5,000 bytes a second
			{"/slow", "x", 100, true, make(chan error, 1)},                      // 10 bytes a second: cut before it has gone on for 10 s
			{"/unhurried", "x", 13, false, make(chan error, 1)},
			{"/late", "x", 5, false, make(chan error, 1)}, // nobody waited for it
		}
		cfg := listener.Config{Limits: listener.Limits{BodyIdle: time.Second, BodyRate: 1000}, Handler: func(_ context.Context, r *host.Request) *host.Response {
			switch r.Target {
			case "/unhurried":
				r.Body.(host.Unhurried).Unhurried()
			case "/late":
				time.Sleep(1200 * time.Millisecond)
			}
			_, err := io.ReadAll(r.Body)
			for _, c := range cases {
				if c.path == r.Target {
					c.seen <- err
				}
			}
			return text("seen")
		}}
		return cfg, func(t *testing.T, e engine) {
			var group sync.WaitGroup
			for _, c := range cases {
				group.Go(func() {
					res, err := e.client.Post(e.url+c.path, "", trickle(c.piece, c.pieces, 100*time.Millisecond))
					if err == nil {
						_ = res.Body.Close()
					}
					if err := <-c.seen; errors.Is(err, host.Invalid) != c.slow {
						t.Errorf("%s: %v", c.path, err)
					}
				})
			}
			group.Wait()
		}
	})
}

// What a Handler does when the body is there has nothing to do with how long the body may take.
func TestHandlerSlowerThanBodyIdle(t *testing.T) {
	cfg := listener.Config{Limits: listener.Limits{BodyIdle: 100 * time.Millisecond}, Handler: func(ctx context.Context, r *host.Request) *host.Response {
		_, err := io.ReadAll(r.Body)
		select {
		case <-ctx.Done():
			return text("taken for gone: " + ctx.Err().Error())
		case <-time.After(500 * time.Millisecond):
		}
		return text(fmt.Sprint("done ", err))
	}}
	everyEngineAtOnce(t, func() (listener.Config, func(*testing.T, engine)) {
		return cfg, func(t *testing.T, e engine) {
			res, err := e.client.Post(e.url, "", strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if b, err := io.ReadAll(res.Body); string(b) != "done <nil>" || err != nil {
				t.Errorf("%q, %v", b, err)
			}
		}
	})
}

// A client that ends its half of the connection in the middle of a body has not left: it gets an answer.
func TestHalfClosedBody(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint(secure), func(t *testing.T) {
			_, c := startRaw(t, listener.Config{Handler: func(ctx context.Context, r *host.Request) *host.Response {
				_, err := io.ReadAll(r.Body)
				return text(fmt.Sprint(errors.Is(err, host.Invalid), " ", ctx.Err()))
			}}, secure)
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhello")
			if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			res, got := readResponse(t, bufio.NewReader(c), "POST")
			if got != "true <nil>" || !res.Close {
				t.Errorf("%q, %+v", got, res)
			}
		})
	}
}

// Half a frame of HTTP/2 holds a connection no longer than an idle one is held.
func TestSlowHeaderHTTP2(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint(secure), func(t *testing.T) {
			_, c := startRawH2(t, listener.Config{Handler: hello, Limits: listener.Limits{Idle: 300 * time.Millisecond}}, secure)
			r := newRaw(t, c, true)
			_ = r.fr.WriteRawFrame(http2.FrameHeaders, 0, 1, []byte{0x82})
			select {
			case <-r.ended:
			case <-time.After(patience):
				t.Error("the connection was not ended")
			}
		})
	}
}

// TestManyConnections opens many connections in every state of one and leaves them.
func TestManyConnections(t *testing.T) {
	n := manyConnections
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		n = min(n, int(limit.Cur-200)/2) // both ends are here
	}
	s := start(t, listener.Config{Handler: hello})
	goroutines, files, before := runtime.NumGoroutine(), openFiles(t), heap()
	conns := make([]net.Conn, n)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := worker; i < n; i += 8 {
				conns[i] = reach(t, s.addr, i)
			}
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	eventually(t, "every connection to be accepted", func() bool { return openFiles(t) >= files+2*n })
	t.Logf("%d connections, %d bytes of heap and %.1f goroutines each, both ends", n, (heap()-before)/uint64(n), float64(runtime.NumGoroutine()-goroutines)/float64(n))
	if _, got := readResponse(t, ask(t, dial(t, s.addr)), "GET"); got != "hello /" {
		t.Error(got)
	}
	for i, c := range conns {
		if tc := c.(*net.TCPConn); i%2 == 0 {
			_ = tc.SetLinger(0) // a reset
		}
		_ = c.Close()
	}
	eventually(t, "the end of every goroutine and file", func() bool {
		return runtime.NumGoroutine() <= goroutines+5 && openFiles(t) <= files+5
	})
	if now := heap(); now > before+uint64(n)<<10+8<<20 {
		t.Errorf("the heap grew from %d to %d KiB", before>>10, now>>10)
	}
}

func ask(t *testing.T, c net.Conn) *bufio.Reader {
	_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if err != nil {
		t.Error(err)
	}
	return bufio.NewReader(c)
}

// reach opens a connection and leaves it in one of the states that it can be in.
func reach(t *testing.T, addr string, i int) net.Conn {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Error(err)
		return nil
	}
	_ = c.SetDeadline(time.Now().Add(6 * patience))
	switch i % 4 {
	case 0: // nothing is sent
	case 1:
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHo")
	case 2: // kept alive
		if res, err := http.ReadResponse(ask(t, c), nil); err != nil || res.StatusCode != 200 {
			t.Error(err)
		}
	case 3:
		_, _ = io.WriteString(c, http2.ClientPreface)
		_ = http2.NewFramer(c, nil).WriteSettings()
	}
	return c
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	return len(files)
}

// A client that gives no window for an answer does not keep its stream for ever, however short the answer is and whoever made it.
func TestAnswersWithoutWindow(t *testing.T) {
	for _, path := range []string{"/hello", "/a b"} {
		t.Run(path, func(t *testing.T) {
			_, c := startRawH2(t, listener.Config{Handler: hello, Limits: listener.Limits{WriteIdle: 200 * time.Millisecond}}, false)
			r := newRaw(t, c, true, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			const streams = 20
			for id := uint32(1); id < 2*streams; id += 2 {
				if err := r.open(id, path, true); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "the end of every stream", func() bool { return r.resets.Load() == streams })
		})
	}
}

// A client that leaves with many requests under way has reset none of them.
func TestLeavingIsNoFlood(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint(secure), func(t *testing.T) {
			var begun, ended atomic.Int64
			s, c := startRawH2(t, listener.Config{Limits: listener.Limits{ConcurrentStreams: 1000}, Handler: func(ctx context.Context, _ *host.Request) *host.Response {
				begun.Add(1)
				<-ctx.Done()
				resp := text("")
				resp.End = func(error) { ended.Add(1) }
				return resp
			}}, secure)
			r := newRaw(t, c, true)
			const streams = 800
			for id := uint32(1); id < 2*streams; id += 2 {
				if err := r.open(id, "/", true); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "every request", func() bool { return begun.Load() == streams })
			_ = c.Close()
			eventually(t, "every end", func() bool { return ended.Load() == streams })
			s.Shutdown(patient(t))
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.refusals) > 0 {
				t.Errorf("%+v", s.refusals[0])
			}
		})
	}
}
