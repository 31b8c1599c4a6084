package upstream_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pires/go-proxyproto"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/upstream"
)

// newCertificate makes a certificate that is its own authority, and its PEM.
func newCertificate(t *testing.T, name string) (tls.Certificate, []byte, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pair, certPEM, keyPEM
}

func TestClientCertificateAndServerName(t *testing.T) {
	server, serverPEM, _ := newCertificate(t, "shop.example.test")
	_, clientPEM, clientKey := newCertificate(t, "gateway")
	_, otherPEM, otherKey := newCertificate(t, "somebody")
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(clientPEM)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.ServerName+" "+r.TLS.PeerCertificates[0].Subject.CommonName+" "+r.Proto)
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted}
	s.Config.ErrorLog = quiet()
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	good := host.UpstreamTLS{CA: serverPEM, Cert: clientPEM, Key: host.SecretValue(clientKey), ServerName: "shop.example.test"}
	if got, err := ask(t, testPool(t, &host.Upstream{Targets: targets(s.URL), TLS: good}, upstream.Options{}), ""); got != "shop.example.test gateway HTTP/2.0" {
		t.Error(got, err)
	}
	for name, change := range map[string]func(*host.UpstreamTLS){
		"no certificate":            func(c *host.UpstreamTLS) { c.Cert, c.Key = nil, "" },
		"another certificate":       func(c *host.UpstreamTLS) { c.Cert, c.Key = otherPEM, host.SecretValue(otherKey) },
		"another name":              func(c *host.UpstreamTLS) { c.ServerName = "other.example.test" },
		"the target's address":      func(c *host.UpstreamTLS) { c.ServerName = "" },
		"an authority we know not":  func(c *host.UpstreamTLS) { c.CA = otherPEM },
		"the system's authorities ": func(c *host.UpstreamTLS) { c.CA = nil },
	} {
		bad := good
		change(&bad)
		_, err := ask(t, testPool(t, &host.Upstream{Targets: targets(s.URL), TLS: bad}, upstream.Options{}), "")
		// In TLS 1.3 a server refuses a certificate when the client has begun to write: the alert may be lost to that.
		cause := upstream.CauseOf(err)
		if cause != upstream.CauseTLS && (cause != upstream.CauseClosed || bytes.Equal(bad.Cert, clientPEM)) || !errors.Is(err, host.BadGateway) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// startHTTP2 starts a server for HTTP/2 over TLS, and for HTTP/2 alone over clear TCP, and returns how to reach it.
func startHTTP2(t *testing.T, clear bool, h http.HandlerFunc) *host.Upstream {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = quiet()
	t.Cleanup(s.Close)
	if !clear {
		s.EnableHTTP2 = true
		s.StartTLS()
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
		return &host.Upstream{Targets: targets(s.URL), TLS: host.UpstreamTLS{CA: ca, ServerName: "example.com"}}
	}
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	return &host.Upstream{Targets: targets("h2c://" + s.Listener.Addr().String())}
}

func bothHTTP2(t *testing.T, test func(t *testing.T, clear bool)) {
	t.Run("tls", func(t *testing.T) { test(t, false) })
	t.Run("h2c", func(t *testing.T) { test(t, true) })
}

// A stream's response begins before its request ends, and each side's trailers come last.
func TestFullDuplex(t *testing.T) {
	bothHTTP2(t, func(t *testing.T, clear bool) {
		u := startHTTP2(t, clear, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			buf := make([]byte, 4)
			for {
				n, err := r.Body.Read(buf)
				_, _ = w.Write(bytes.ToUpper(buf[:n]))
				w.(http.Flusher).Flush()
				if err != nil {
					break
				}
			}
			w.Header().Set("X-Sum", r.Trailer.Get("X-Count")+" "+r.Proto)
		})
		body, feed := io.Pipe()
		req := request("POST", "x")
		req.Body, req.Length = body, -1
		req.Header.Add("Trailer", "X-Count")
		req.Trailer = func() host.Header { return host.Header{{Name: "X-Count", Value: "2"}} }
		res, _, err := testPool(t, u, upstream.Options{}).Do(t.Context(), req, "")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		for _, word := range []string{"ping", "pong"} {
			if _, err := io.WriteString(feed, word); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 4)
			if _, err := io.ReadFull(res.Body, got); string(got) != string(bytes.ToUpper([]byte(word))) {
				t.Fatal(string(got), err)
			}
		}
		_ = feed.Close()
		if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil {
			t.Error(rest, err)
		}
		if d := cmp.Diff(host.Header{{Name: "X-Sum", Value: "2 HTTP/2.0"}}, res.Trailer()); d != "" {
			t.Error(d)
		}
	})
}

// What ends an exchange ends the request's body, which may be waiting for a client that says nothing.
func TestRequestEndsWithItsExchange(t *testing.T) {
	bothHTTP2(t, func(t *testing.T, clear bool) {
		left := make(chan struct{}, 1)
		u := startHTTP2(t, clear, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			left <- struct{}{}
		})
		p := testPool(t, u, upstream.Options{})
		for name, end := range map[string]func(cancel func(), res *host.Response){
			"the context ends":         func(cancel func(), _ *host.Response) { cancel() },
			"the response is closed":   func(_ func(), res *host.Response) { _ = res.Body.Close() },
			"both, one and then other": func(cancel func(), res *host.Response) { cancel(); _ = res.Body.Close() },
		} {
			ctx, cancel := context.WithCancel(context.Background())
			body, feed := io.Pipe()
			closed := make(chan struct{})
			req := request("POST", "x")
			req.Body, req.Length = closer{body, sync.OnceFunc(func() { close(closed) })}, -1
			res, _, err := p.Do(ctx, req, "")
			if err != nil {
				t.Fatal(name, err)
			}
			if _, err := feed.Write([]byte("x")); err != nil { // it is read
				t.Fatal(name, err)
			}
			end(cancel, res)
			select {
			case <-closed:
			case <-time.After(patience):
				t.Fatal(name, "leaves the request's body open")
			}
			<-left
			if _, err := feed.Write([]byte("x")); err == nil {
				t.Error(name, "still reads the request's body")
			}
			_ = res.Body.Close()
			cancel()
		}
		if n := p.Status()[0].InFlight; n != 0 {
			t.Errorf("%d requests are left", n)
		}
	})
}

func TestDirectH2C(t *testing.T) {
	u := startHTTP2(t, true, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto+" "+r.Host) })
	req := get(u.Targets[0].URL[len("h2c://"):])
	req.Scheme = "h2c"
	res, err := direct(t).RoundTrip(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); string(b) != "HTTP/2.0 "+req.Host {
		t.Error(string(b))
	}
}

// A pool that serves many clients keeps a connection for each, and tells the upstream whose it is.
func TestProxyProtocolOut(t *testing.T) {
	for _, version := range []int{1, 2} {
		for _, secure := range []bool{false, true} {
			testProxyProtocol(t, version, secure)
		}
	}
}

func testProxyProtocol(t *testing.T, version int, secure bool) {
	var mu sync.Mutex
	conns := map[string]int{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.RemoteAddr+" "+r.Host)
	}))
	s.Listener = &proxyproto.Listener{Listener: s.Listener, ConnPolicy: func(proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
		return proxyproto.REQUIRE, nil
	}}
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		mu.Lock()
		defer mu.Unlock()
		conns[c.RemoteAddr().String()]++
		return ctx
	}
	u := &host.Upstream{ProxyProtocol: version}
	if secure {
		s.StartTLS()
		u.TLS = host.UpstreamTLS{CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), ServerName: "example.com"}
	} else {
		s.Start()
	}
	defer s.Close()
	u.Targets = targets(s.URL)
	p := testPool(t, u, upstream.Options{})
	local := netip.MustParseAddrPort("198.51.100.1:443")
	direct := host.Peer{Addr: netip.MustParseAddr("192.0.2.7"), Remote: netip.MustParseAddrPort("192.0.2.7:4711"), Local: local}
	behind := host.Peer{Addr: netip.MustParseAddr("192.0.2.8"), Remote: netip.MustParseAddrPort("10.0.0.1:4711"), Local: local}
	six := host.Peer{Addr: netip.MustParseAddr("2001:db8::1"), Remote: netip.MustParseAddrPort("[2001:db8::1]:99"), Local: netip.MustParseAddrPort("[2001:db8::2]:443")}
	for range 3 {
		for want, peer := range map[string]host.Peer{"192.0.2.7:4711": direct, "192.0.2.8:0": behind, "[2001:db8::1]:99": six} {
			req := get("")
			req.Peer = peer
			res, _, err := p.Do(t.Context(), req, "")
			if err != nil {
				t.Fatalf("v%d: %v", version, err)
			}
			b, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if want += " " + s.Listener.Addr().String(); string(b) != want {
				t.Errorf("v%d: %s, not %s", version, b, want)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if d := cmp.Diff(map[string]int{"192.0.2.7:4711": 1, "192.0.2.8:0": 1, "[2001:db8::1]:99": 1}, conns); d != "" {
		t.Errorf("v%d, connections: %s", version, d)
	}
}

// A health check has no client: its connection is the gateway's own.
func TestProxyProtocolOfHealthChecks(t *testing.T) {
	for _, version := range []int{1, 2} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		s.Listener = &proxyproto.Listener{Listener: s.Listener}
		s.Start()
		t.Cleanup(s.Close)
		asked := make(chan struct{}, 100)
		s.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} })
		p := testPool(t, &host.Upstream{Targets: targets(s.URL), ProxyProtocol: version,
			HealthCheck: &host.HealthCheck{Path: "/", Interval: 10 * time.Millisecond, Timeout: patience}}, upstream.Options{})
		<-asked
		<-asked
		if health(p, 0) != upstream.HealthWell {
			t.Errorf("v%d: the health check fails", version)
		}
	}
}

// A stream that is reset has the causes of a connection that is, and the others on its connection go on.
func TestHTTP2Resets(t *testing.T) {
	bothHTTP2(t, func(t *testing.T, clear bool) {
		hold := make(chan struct{})
		u := startHTTP2(t, clear, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/head":
				panic(http.ErrAbortHandler)
			case "/body":
				_, _ = io.WriteString(w, "part")
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, "one ")
			w.(http.Flusher).Flush()
			<-hold
			_, _ = io.WriteString(w, "two")
		})
		p := testPool(t, u, upstream.Options{})
		other, _, err := p.Do(t.Context(), get(""), "")
		if err != nil {
			t.Fatal(err)
		}
		req := get("")
		req.Target = "/head"
		if _, _, err := p.Do(t.Context(), req, ""); upstream.CauseOf(err) != upstream.CauseClosed || !errors.Is(err, host.BadGateway) {
			t.Errorf("before the head: %v, %s", err, upstream.CauseOf(err))
		}
		req.Target = "/body"
		res, _, err := p.Do(t.Context(), req, "")
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(res.Body); string(b) != "part" || upstream.CauseOf(err) != upstream.CauseCutOff {
			t.Errorf("in the body: %q, %v", b, err)
		}
		_ = res.Body.Close()
		close(hold)
		if b, err := io.ReadAll(other.Body); string(b) != "one two" || err != nil {
			t.Errorf("the other stream: %q, %v", b, err)
		}
		_ = other.Body.Close()
	})
}

// A response that nobody reads holds the upstream back: what is received of it ahead stays small.
func TestSlowReaderHoldsTheUpstreamBack(t *testing.T) {
	bothHTTP2(t, func(t *testing.T, clear bool) {
		var sent atomic.Int64
		u := startHTTP2(t, clear, func(w http.ResponseWriter, _ *http.Request) {
			block := make([]byte, 64<<10)
			for {
				n, err := w.Write(block)
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
		res, _, err := testPool(t, u, upstream.Options{}).Do(t.Context(), get(""), "")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		last := int64(-1)
		waitFor(t, "the upstream to be held back", func() bool {
			now := sent.Load()
			still := now == last && now > 0
			last = now
			time.Sleep(50 * time.Millisecond)
			return still
		})
		if last > 2<<20 {
			t.Errorf("%d bytes were sent ahead", last)
		}
	})
}
