package upstream_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/upstream"
)

// nameserver answers every question for an A record with what addr returns, in a world of its own.
func nameserver(t *testing.T, addr func(name string) netip.Addr) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Additionals = true, nil
			if a := addr(strings.TrimSuffix(q.Name.String(), ".")); q.Type == dnsmessage.TypeA && a.Is4() {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body: &dnsmessage.AResource{A: a.As4()}}}
			} else if q.Type == dnsmessage.TypeAAAA && a.Is6() {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body: &dnsmessage.AAAAResource{AAAA: a.As16()}}}
			}
			if out, err := m.Pack(); err == nil {
				_, _ = pc.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

func fetcher(t *testing.T, cfg upstream.FetchConfig, allow ...string) *upstream.Fetcher {
	t.Helper()
	f, err := upstream.NewFetcher(allow, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func fetch(f *upstream.Fetcher, url string) (int, error) {
	scheme, hostport, _ := strings.Cut(url, "://")
	res, err := f.Fetch(context.Background(), &host.Request{Method: "GET", Scheme: scheme, Host: hostport, Target: "/", Body: http.NoBody})
	if err != nil {
		return 0, err
	}
	if res.Body != nil {
		_ = res.Body.Close()
	}
	return res.Status, nil
}

func TestEgress(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound) // never followed
	}))
	defer s.Close()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	resolver := nameserver(t, func(string) netip.Addr { return netip.MustParseAddr("127.0.0.1") })
	for _, tc := range []struct {
		allow, url string
		ok         bool
	}{
		{"http://127.0.0.1:PORT", "http://127.0.0.1:PORT", true},
		{"http://localhost:PORT", "http://localhost:PORT", true},
		{"http://localhost:PORT", "http://LOCALHOST.:PORT", true},
		{"http://*.localhost:PORT", "http://a.b.localhost:PORT", true},
		{"http://*.localhost:PORT", "http://localhost:PORT", false},
		{"http://localhost:PORT", "http://127.0.0.1:PORT", false},
		{"http://127.0.0.1:PORT", "http://localhost:PORT", false},
		{"http://127.0.0.1:PORT", "http://[::ffff:127.0.0.1]:PORT", true}, // the same address
		{"", "http://127.0.0.1:PORT", false},
		{"http://127.0.0.1", "http://127.0.0.1:PORT", false},
		{"https://127.0.0.1:PORT", "http://127.0.0.1:PORT", false},
		{"http://good.example:PORT", "http://good.example:PORT", false},                       // leads to loopback
		{"http://good.example:PORT http://localhost:PORT", "http://good.example:PORT", false}, // localhost is another name
		{"http://good.example:PORT http://127.0.0.1:1", "http://good.example:PORT", false},    // another port
		{"http://good.example:PORT http://127.0.0.1:PORT", "http://good.example:PORT", true},  // the address is listed too
		{"http://*.example:PORT http://127.0.0.1:PORT", "http://a.b.example:PORT", true},      // any depth
		{"http://*.example:PORT http://127.0.0.1:PORT", "http://badexample:PORT", false},      // not below it
		{"http://good.example:PORT http://127.0.0.1:PORT", "http://evil.example:PORT", false}, // not listed
		{"http://127.0.0.1:PORT", "http://127.0.0.1:PORT@evil.example", false},                // user information
		{"http://127.0.0.1:PORT", "http://2130706433:PORT", false},                            // decimal
		{"http://127.0.0.1:PORT", "http://0x7f.1:PORT", false},                                // hexadecimal
		{"http://good.example:PORT http://127.0.0.1:PORT", "http://gооd.example:PORT", false}, // Cyrillic
	} {
		f := fetcher(t, upstream.FetchConfig{Resolver: resolver}, strings.Fields(strings.ReplaceAll(tc.allow, "PORT", port))...)
		status, err := fetch(f, strings.ReplaceAll(tc.url, "PORT", port))
		switch {
		case tc.ok && (err != nil || status != http.StatusFound):
			t.Errorf("%s by %q: %d, %v", tc.url, tc.allow, status, err)
		case !tc.ok && !errors.Is(err, host.Forbidden) && !errors.Is(err, host.Invalid):
			t.Errorf("%s by %q: %d, %v", tc.url, tc.allow, status, err)
		}
	}
}

// The name is listed, but leads where no name may lead.
func TestEgressAddresses(t *testing.T) {
	for _, addr := range []string{"127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
		"0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1",
		"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:7f00:1::", "2001:0:7f00:1::", "::7f00:1",
		"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::ffff:0:7f00:1", // IPv4 in IPv6: mapped, translated
		"100.100.100.200", "192.0.0.192", // where other clouds have their metadata
		"240.0.0.1", "239.255.255.255", "192.0.2.1", "203.0.113.1", "fec0::1", "ff0e::1", "100::1", "2001:db8::1"} {
		f := fetcher(t, upstream.FetchConfig{Resolver: nameserver(t, func(string) netip.Addr { return netip.MustParseAddr(addr) })}, "http://good.example:9")
		_, err := fetch(f, "http://good.example:9")
		if !errors.Is(err, host.Forbidden) || upstream.CauseOf(err) != upstream.CauseNotAllowed {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// A name that changes between two look-ups is checked at each connection, and a kept connection stays where it is.
func TestEgressRebinding(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	var moved atomic.Bool
	resolver := nameserver(t, func(string) netip.Addr {
		if moved.Load() {
			return netip.MustParseAddr("127.0.0.2") // the same machine, not listed
		}
		return netip.MustParseAddr("127.0.0.1") // listed
	})
	f := fetcher(t, upstream.FetchConfig{Resolver: resolver}, "http://good.example:"+port, "http://127.0.0.1:"+port)
	if _, err := fetch(f, "http://good.example:"+port); err != nil {
		t.Fatal(err)
	}
	moved.Store(true)
	f.Close()
	if _, err := fetch(f, "http://good.example:"+port); !errors.Is(err, host.Forbidden) {
		t.Error(err)
	}
}

// A name server that answers every other look-up with an address that may be reached does not get a guest to the other one, and neither
// does one that gives both at once.
func TestEgressRebindingEachTime(t *testing.T) {
	allowed, inside, port, reached := neighbours(t)
	var turn atomic.Int64
	f := fetcher(t, upstream.FetchConfig{Resolver: nameserver(t, func(string) netip.Addr {
		if turn.Add(1)%2 == 0 {
			return inside
		}
		return allowed
	})}, "http://good.example:"+port, "http://"+allowed.String()+":"+port)
	outcomes := map[bool]int{}
	for range 20 {
		status, err := fetch(f, "http://good.example:"+port)
		if err != nil && !errors.Is(err, host.Forbidden) || err == nil && status != 204 {
			t.Fatal(status, err)
		}
		outcomes[err == nil]++
		f.Close() // so that the next one connects, and looks up, anew
	}
	if reached.Load() != 0 || outcomes[false] == 0 {
		t.Errorf("the address inside was reached %d times, and refused %d times", reached.Load(), outcomes[false])
	}
}

func TestEgressBothAddressesAtOnce(t *testing.T) {
	allowed, inside, port, reached := neighbours(t)
	z := startZone(t, inside.String(), allowed.String())
	f := fetcher(t, upstream.FetchConfig{Resolver: z.resolver()}, "http://good.example:"+port, "http://"+allowed.String()+":"+port)
	for range 10 {
		if _, err := fetch(f, "http://good.example:"+port); err != nil && !errors.Is(err, host.Forbidden) {
			t.Fatal(err)
		}
		f.Close()
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the address inside was reached %d times", n)
	}
}

// neighbours starts servers at two addresses of this machine, at one port: one to be listed, and one whose connections are counted.
func neighbours(t *testing.T) (allowed, inside netip.Addr, port string, reached *atomic.Int64) {
	t.Helper()
	allowed, inside, reached = netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"), &atomic.Int64{}
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	t.Cleanup(outer.Close)
	_, port, _ = net.SplitHostPort(outer.Listener.Addr().String())
	l, err := net.Listen("tcp", net.JoinHostPort(inside.String(), port))
	if err != nil {
		t.Skip("this machine has one loopback address alone: ", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			reached.Add(1)
			_ = c.Close()
		}
	}()
	return allowed, inside, port, reached
}

func TestFetchTLSAndNoProxy(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"User-Agent", "Accept-Encoding", "Connection", "Cookie", "Authorization"} {
			if v := r.Header.Values(name); v != nil {
				t.Errorf("%s: %v", name, v)
			}
		}
	}))
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	f := fetcher(t, upstream.FetchConfig{RootCAs: roots}, s.URL)
	if status, err := fetch(f, s.URL); status != 200 || err != nil {
		t.Error(status, err)
	}
}

func TestBadEgress(t *testing.T) {
	for _, entry := range []string{"", "example.com", "ftp://a", "http://", "http://a/path", "http://u@a", "http://a*b", "http://*", "http://*.", "http://a.*.b",
		"http://münchen.example", "http://10.0.0.0/8", "http://a?x", "*"} {
		if _, err := upstream.NewFetcher([]string{entry}, upstream.FetchConfig{}); !errors.Is(err, host.Invalid) {
			t.Errorf("%q: %v", entry, err)
		}
	}
}
