package upstream_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
	"github.com/postern/postern/host/upstream"
)

// proxy starts a gateway that does nothing but forward everything to target, and returns its address.
func proxy(tb testing.TB, target string) string {
	tb.Helper()
	pool, err := upstream.Open(&host.Upstream{Name: "test", Targets: targets(target)}, upstream.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	l, err := listener.Listen(listener.Config{
		Name: "test",
		Addr: "127.0.0.1:0",
		Handler: func(ctx context.Context, in *host.Request) *host.Response {
			out := *in
			if err := upstream.Forward(in, &out); err != nil {
				return plain(502, err.Error())
			}
			resp, _, err := pool.Do(ctx, &out, "")
			if err != nil {
				return plain(502, string(upstream.CauseOf(err)))
			}
			return resp
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- l.Serve() }()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		l.Shutdown(ctx)
		if err := <-served; err != nil {
			tb.Error(err)
		}
		pool.Close()
	})
	return l.Addr().String()
}

func plain(status int, text string) *host.Response {
	return &host.Response{Status: status, Length: int64(len(text)), Body: io.NopCloser(strings.NewReader(text))}
}

// BenchmarkProxy answers 1 KB over kept-alive connections, once through httputil.ReverseProxy and once through listener
// and upstream. The ratio is of what each adds to a direct request.
func BenchmarkProxy(b *testing.B) {
	payload := strings.Repeat("x", 1024)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, payload)
	}))
	defer origin.Close()
	originURL, err := url.Parse(origin.URL)
	if err != nil {
		b.Fatal(err)
	}
	var perOp [2]float64
	var direct float64
	b.Run("Direct", func(b *testing.B) { direct = hammer(b, originURL.Host, len(payload)) })
	b.Run("ReverseProxy", func(b *testing.B) {
		reverse := httputil.NewSingleHostReverseProxy(originURL)
		reverse.Transport = &http.Transport{MaxIdleConnsPerHost: 256}
		front := httptest.NewServer(reverse)
		defer front.Close()
		perOp[0] = hammer(b, front.Listener.Addr().String(), len(payload))
	})
	b.Run("ReverseProxyPooled", func(b *testing.B) {
		reverse := httputil.NewSingleHostReverseProxy(originURL)
		reverse.Transport = &http.Transport{MaxIdleConnsPerHost: 256}
		reverse.BufferPool = &copyBuffers{}
		front := httptest.NewServer(reverse)
		defer front.Close()
		hammer(b, front.Listener.Addr().String(), len(payload))
	})
	b.Run("Postern", func(b *testing.B) {
		perOp[1] = hammer(b, proxy(b, origin.URL), len(payload))
		if perOp[0] > direct {
			b.ReportMetric((perOp[1]-direct)/(perOp[0]-direct), "ratio")
		}
	})
}

// hammer sends requests over raw connections, so that the client's share stays small. It returns nanoseconds an operation.
func hammer(b *testing.B, addr string, size int) float64 {
	const request = "GET /some/path?q=1 HTTP/1.1\r\nHost: example.com\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n"
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		buf := make([]byte, 4096)
		for pb.Next() {
			if _, err := io.WriteString(c, request); err != nil {
				b.Error(err)
				return
			}
			got, body := 0, -1
			for body < size {
				n, err := c.Read(buf[got:])
				if err != nil {
					b.Error(err)
					return
				}
				got += n
				if i := strings.Index(string(buf[:got]), "\r\n\r\n"); i >= 0 {
					body = got - i - 4
				}
			}
		}
	})
	b.StopTimer()
	return float64(b.Elapsed()) / float64(b.N)
}

// copyBuffers spares the reverse proxy its 32 KiB a request.
type copyBuffers struct{ pool sync.Pool }

func (p *copyBuffers) Get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 32<<10)
}

func (p *copyBuffers) Put(b []byte) { p.pool.Put(&b) }
