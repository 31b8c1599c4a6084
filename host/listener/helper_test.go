package listener_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

// patience bounds every wait of a test; none is meant to take it, on a loaded machine either.
const patience = 30 * time.Second

// TestMain lets the tests of every engine run at once on few cores too: they wait, and do no more.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set(strconv.Itoa(max(len(engines), runtime.GOMAXPROCS(0))))
	}
	os.Exit(m.Run())
}

type running struct {
	*listener.Listener
	addr  string
	roots *x509.CertPool // of TLS, for further connections

	mu       sync.Mutex
	refusals []listener.Refusal
}

// start serves until the test ends, and then checks that no goroutine is left.
func start(t *testing.T, cfg listener.Config) *running {
	t.Helper()
	t.Cleanup(func() { noGoroutines(t) })
	return serve(t, cfg)
}

// serve is start for tests that run beside others: whose a goroutine is cannot be told.
func serve(t *testing.T, cfg listener.Config) *running {
	t.Helper()
	r := &running{}
	cfg.Name = "test"
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	cfg.OnRefused = func(f listener.Refusal) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.refusals) < 1000 { // some attacks make very many
			r.refusals = append(r.refusals, f)
		}
	}
	l, err := listener.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Listener, r.addr = l, l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- l.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		l.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return r
}

// refusal waits for the first refusal.
func (r *running) refusal(t *testing.T) listener.Refusal {
	t.Helper()
	var f listener.Refusal
	eventually(t, "a refusal", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.refusals) == 0 {
			return false
		}
		f = r.refusals[0]
		return true
	})
	return f
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func noGoroutines(t *testing.T) {
	t.Helper()
	var left string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		left = ""
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "host/listener.(") || strings.Contains(g, "net/http.(*conn)") || strings.Contains(g, "http2serverConn") {
				left = g
			}
		}
		if left == "" {
			return
		}
	}
	t.Errorf("a goroutine is left:\n%s", left)
}

func text(s string) *host.Response {
	return &host.Response{Status: 200, Length: int64(len(s)), Body: io.NopCloser(strings.NewReader(s)),
		Header: host.Header{{Name: "Content-Type", Value: "text/plain"}}}
}

// hello answers with the request's target.
func hello(_ context.Context, r *host.Request) *host.Response { return text("hello " + r.Target) }

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// converse sends raw bytes and returns all that comes back until the server hangs up.
func converse(t *testing.T, c net.Conn, request string) string {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil && len(answer) == 0 {
		t.Fatal(err)
	}
	return string(answer)
}

// readResponse reads one response off a raw connection.
func readResponse(t *testing.T, br *bufio.Reader, method string) (*http.Response, string) {
	t.Helper()
	res, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func testTLS(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	cert, err := listener.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	return &tls.Config{Certificates: []tls.Certificate{cert}}, roots
}

// client speaks the one protocol that is named: h1, h2c, h2, h3.
func client(t *testing.T, protocol string, roots *x509.CertPool) *http.Client {
	t.Helper()
	if protocol == "h3" {
		tr := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
		t.Cleanup(func() { _ = tr.Close() })
		return &http.Client{Transport: tr, Timeout: patience}
	}
	p := new(http.Protocols)
	p.SetHTTP1(protocol == "h1" || protocol == "https")
	p.SetHTTP2(protocol == "h2")
	p.SetUnencryptedHTTP2(protocol == "h2c")
	tr := &http.Transport{Protocols: p, TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// engine is one way to reach a listener.
type engine struct {
	name   string
	server *running
	url    string
	client *http.Client
}

// everyEngine runs f against each protocol a listener speaks.
func everyEngine(t *testing.T, cfg listener.Config, f func(t *testing.T, e engine)) {
	t.Helper()
	for _, name := range engines {
		t.Run(name, func(t *testing.T) { f(t, startEngine(t, name, cfg, start)) })
	}
}

// everyEngineAtOnce is everyEngine for what takes its time by waiting. Each engine has a test of its own.
func everyEngineAtOnce(t *testing.T, test func() (listener.Config, func(t *testing.T, e engine))) {
	t.Helper()
	t.Run("engines", func(t *testing.T) {
		for _, name := range engines {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				cfg, f := test()
				f(t, startEngine(t, name, cfg, serve))
			})
		}
	})
	noGoroutines(t)
}

var engines = []string{"h1", "h2c", "https", "h2", "h3"}

func startEngine(t *testing.T, name string, cfg listener.Config, start func(*testing.T, listener.Config) *running) engine {
	t.Helper()
	e, url := engine{name: name}, "http://"
	var roots *x509.CertPool
	if name == "https" || name == "h2" || name == "h3" {
		cfg.HTTP3 = name == "h3"
		cfg.TLS, roots = testTLS(t)
		url = "https://"
	}
	e.server = start(t, cfg)
	e.client, e.url = client(t, name, roots), url+e.server.addr
	return e
}

func fields(namesAndValues ...string) host.Header {
	var h host.Header
	for i := 0; i < len(namesAndValues); i += 2 {
		h.Add(namesAndValues[i], namesAndValues[i+1])
	}
	return h
}
