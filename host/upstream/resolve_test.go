package upstream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/upstream"
)

// A zone is a name server for one name.
type zone struct {
	mu        sync.Mutex
	addresses []netip.Addr
	rcode     dnsmessage.RCode
	asked     int
	conn      net.PacketConn
}

func startZone(t *testing.T, addresses ...string) *zone {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	z := &zone{conn: conn}
	z.set(dnsmessage.RCodeSuccess, addresses...)
	go z.serve()
	return z
}

func (z *zone) set(rcode dnsmessage.RCode, addresses ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.rcode, z.addresses = rcode, nil
	for _, a := range addresses {
		z.addresses = append(z.addresses, netip.MustParseAddr(a))
	}
}

func (z *zone) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", z.conn.LocalAddr().String())
	}}
}

func (z *zone) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := z.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		z.answer(&m)
		if packed, err := m.Pack(); err == nil {
			_, _ = z.conn.WriteTo(packed, from)
		}
	}
}

func (z *zone) answer(m *dnsmessage.Message) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	m.Response, m.Authoritative, m.RCode = true, true, z.rcode
	m.Additionals = nil
	q := m.Questions[0]
	head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}
	for _, a := range z.addresses {
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
}

// A replica answers with its address, and counts its connections.
type replica struct {
	*httptest.Server
	open atomic.Int32
}

// startReplicas starts a server for each address, all with one port.
func startReplicas(t *testing.T, addresses ...string) (string, map[string]*replica) {
	t.Helper()
	port := "0"
	all := map[string]*replica{}
	for _, addr := range addresses {
		ln, err := net.Listen("tcp", net.JoinHostPort(addr, port))
		if err != nil {
			t.Skipf("this machine has no %s: %v", addr, err)
		}
		_, port, _ = net.SplitHostPort(ln.Addr().String())
		r := &replica{}
		r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, addr) }))
		_ = r.Listener.Close()
		r.Listener = ln
		r.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				r.open.Add(1)
			case http.StateClosed:
				r.open.Add(-1)
			}
		}
		r.Start()
		t.Cleanup(r.Close)
		all[addr] = r
	}
	return port, all
}

// answering asks n times, and returns who answered.
func answering(t *testing.T, p *upstream.Pool, n int) map[string]int {
	t.Helper()
	out := map[string]int{}
	for range n {
		name, err := ask(t, p, "")
		if err != nil {
			t.Fatal(err)
		}
		out[name]++
	}
	return out
}

func TestNameWithSeveralAddresses(t *testing.T) {
	port, replicas := startReplicas(t, "127.0.0.1", "127.0.0.2", "127.0.0.3")
	z := startZone(t, "127.0.0.1", "127.0.0.2")
	rec, opts := record()
	opts.Resolver = z.resolver()
	url := "http://shop.example.test:" + port
	p := testPool(t, &host.Upstream{Targets: targets(url), DNSRefresh: host.Default(20 * time.Millisecond)}, opts)
	if d := cmp.Diff(map[string]int{"127.0.0.1": 3, "127.0.0.2": 3}, answering(t, p, 6)); d != "" {
		t.Error(d)
	}

	// One address leaves and another comes: its connections close, those of the one that stays do not.
	z.set(dnsmessage.RCodeSuccess, "127.0.0.2", "127.0.0.3")
	waitFor(t, "the addresses to change", func() bool {
		_, known := rec.healthy(url + " (127.0.0.3:" + port + ")")
		return known
	})
	if d := cmp.Diff(map[string]int{"127.0.0.2": 3, "127.0.0.3": 3}, answering(t, p, 6)); d != "" {
		t.Error(d)
	}
	waitFor(t, "the connections to close", func() bool { return replicas["127.0.0.1"].open.Load() == 0 })
	if n := replicas["127.0.0.2"].open.Load(); n != 1 {
		t.Errorf("%d connections to the address that stayed", n)
	}
	if _, known := rec.healthy(url + " (127.0.0.1:" + port + ")"); known {
		t.Error("an address that is gone is still reported")
	}

	// A name server that fails, or says that there is no such name, takes nothing down.
	z.set(dnsmessage.RCodeNameError)
	waitFor(t, "a failed look-up", func() bool { return rec.said("upstream name not resolved") })
	if got := answering(t, p, 4); len(got) != 2 {
		t.Errorf("%v answered", got)
	}
}

// A response goes on while its address leaves, and its connection is not kept then.
func TestAddressLeavesUnderAResponse(t *testing.T) {
	port, replicas := startReplicas(t, "127.0.0.1", "127.0.0.2")
	hold := make(chan struct{})
	replicas["127.0.0.1"].Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "one")
		w.(http.Flusher).Flush()
		<-hold
		_, _ = io.WriteString(w, " two")
	})
	z := startZone(t, "127.0.0.1")
	p := testPool(t, &host.Upstream{Targets: targets("http://shop.example.test:" + port), DNSRefresh: host.Default(10 * time.Millisecond)},
		upstream.Options{Resolver: z.resolver()})
	res, _, err := p.Do(context.Background(), get(""), "")
	if err != nil {
		t.Fatal(err)
	}
	z.set(dnsmessage.RCodeSuccess, "127.0.0.2")
	waitFor(t, "the address to leave", func() bool { return strings.Contains(p.Status()[0].Name, "127.0.0.2") })
	close(hold)
	if b, err := io.ReadAll(res.Body); string(b) != "one two" || err != nil {
		t.Error(string(b), err)
	}
	_ = res.Body.Close()
	waitFor(t, "the connection to close", func() bool { return replicas["127.0.0.1"].open.Load() == 0 })
}

// The share of a target is its own, however many addresses its name has.
func TestWeightsAreOfTargets(t *testing.T) {
	port, _ := startReplicas(t, "127.0.0.1", "127.0.0.2")
	lone := startBackend(t, "lone")
	z := startZone(t, "127.0.0.1", "127.0.0.2")
	p := testPool(t, &host.Upstream{Targets: targets("http://shop.example.test:"+port, lone.URL)}, upstream.Options{Resolver: z.resolver()})
	waitFor(t, "the look-up", func() bool { return len(p.Status()) == 3 })
	if d := cmp.Diff(map[string]int{"127.0.0.1": 2, "127.0.0.2": 2, "lone": 4}, answering(t, p, 8)); d != "" {
		t.Error(d)
	}
	var all []string
	for _, s := range p.Status() {
		all = append(all, s.Name)
	}
	sort.Strings(all)
	want := []string{lone.URL, "http://shop.example.test:" + port + " (127.0.0.1:" + port + ")", "http://shop.example.test:" + port + " (127.0.0.2:" + port + ")"}
	if d := cmp.Diff(want, all); d != "" {
		t.Error(d)
	}
}

// A name that cannot be resolved is an error of its own, and is used as soon as it can.
func TestNameAppearsLater(t *testing.T) {
	port, _ := startReplicas(t, "127.0.0.1")
	z := startZone(t)
	z.set(dnsmessage.RCodeNameError)
	p := testPool(t, &host.Upstream{Targets: targets("http://shop.example.test:" + port), DNSRefresh: host.Default(20 * time.Millisecond)},
		upstream.Options{Resolver: z.resolver()})
	if _, err := ask(t, p, ""); upstream.CauseOf(err) != upstream.CauseName {
		t.Error(err)
	}
	z.set(dnsmessage.RCodeSuccess, "127.0.0.1")
	waitFor(t, "the name", func() bool {
		got, err := ask(t, p, "")
		return got == "127.0.0.1" && err == nil
	})
}

// One address that takes no connection costs no request: another takes it.
func TestDeadAddress(t *testing.T) {
	port, replicas := startReplicas(t, "127.0.0.1", "127.0.0.2")
	replicas["127.0.0.2"].Close()
	z := startZone(t, "127.0.0.1", "127.0.0.2")
	p := testPool(t, &host.Upstream{Targets: targets("http://shop.example.test:" + port)}, upstream.Options{Resolver: z.resolver()})
	if d := cmp.Diff(map[string]int{"127.0.0.1": 6}, answering(t, p, 6)); d != "" {
		t.Error(d)
	}
}

// Integrations that name a URI look its name up again too.
func TestDirectFollowsItsName(t *testing.T) {
	port, _ := startReplicas(t, "127.0.0.1")
	z := startZone(t, "127.0.0.1")
	d := upstream.NewDirect(upstream.Options{Resolver: z.resolver()})
	s := closing(t, sender{d})
	for range 2 {
		res, err := s.RoundTrip(context.Background(), get("shop.example.test:"+port))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.asked == 0 || z.asked > 2 { // A and AAAA
		t.Errorf("the name server was asked %d times", z.asked)
	}
}

// Who waits for a name that is still looked up when the pool is closed learns of that.
func TestCloseWhileLookingUp(t *testing.T) {
	silent := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	p := openPool(t, &host.Upstream{Targets: targets("http://slow.example"), ConnectTimeout: host.Default(time.Minute)}, upstream.Options{Resolver: silent})
	failed := make(chan error, 1)
	go func() {
		_, _, err := p.Do(t.Context(), get(""), "")
		failed <- err
	}()
	p.Close()
	select {
	case err := <-failed:
		if !errors.Is(err, host.BadGateway) || upstream.CauseOf(err) != upstream.CauseUnreachable {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("it waits on")
	}
}
