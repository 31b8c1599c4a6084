package admin

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// A crowd is a server that has few connections. /login is answered to who has a credential, /wait when the test ends.
type crowd struct {
	testing.TB
	bound *connections
	addr  string
}

func newCrowd(t *testing.T, most int) *crowd {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bound := &connections{open: map[net.Conn]*connection{}, most: most, each: most}
	ended := make(chan struct{})
	web := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/login") {
			login(r, true)
		}
		if strings.HasSuffix(r.URL.Path, "/wait") {
			select {
			case <-ended:
			case <-r.Context().Done():
			}
		}
	})}
	bound.bound(web)
	go func() { _ = web.Serve(ln) }()
	t.Cleanup(func() { close(ended); _ = web.Close() })
	return &crowd{t, bound, ln.Addr().String()}
}

func (c *crowd) dial() net.Conn {
	c.Helper()
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func ask(conn net.Conn, path string) {
	_, _ = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n") // it may be closed
}

func answered(conn net.Conn, path string) bool {
	ask(conn, path)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		_ = resp.Body.Close()
	}
	return err == nil
}

// settle waits until so many connections fit.
func (c *crowd) settle(n int, fits func(*connection) bool) {
	c.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		got := 0
		c.bound.mu.Lock()
		for _, one := range c.bound.open {
			if fits(one) {
				got++
			}
		}
		c.bound.mu.Unlock()
		if got == n {
			return
		}
		if time.Now().After(end) {
			c.Fatalf("%d connections, want %d", got, n)
		}
	}
}

func TestStrangersMakeRoom(t *testing.T) {
	c := newCrowd(t, 8)
	known := c.dial()
	if !answered(known, "/login") {
		t.Fatal("the first is not answered")
	}
	idle := c.dial()
	if !answered(idle, "/") {
		t.Fatal("the second is not answered")
	}
	for range 3 * 8 { // nothing, half a head, or one request each
		_ = c.dial()
		_, _ = io.WriteString(c.dial(), "GET /")
		ask(c.dial(), "/")
		if !answered(c.dial(), "/") {
			t.Fatal("a health probe is not answered")
		}
	}
	if !answered(known, "/login") {
		t.Error("one with a credential was closed for those that have none")
	}
	if answered(idle, "/") {
		t.Error("the oldest without one is there still")
	}
}

func TestIdleOnesMakeRoomAndThoseAtWorkDoNot(t *testing.T) {
	c := newCrowd(t, 2)
	one, two := c.dial(), c.dial()
	if !answered(one, "/login") || !answered(two, "/login") {
		t.Fatal("one of two is not answered")
	}
	c.settle(2, func(one *connection) bool { return one.idle })
	ask(two, "/login/wait")
	c.settle(1, func(one *connection) bool { return one.idle })
	three := c.dial()
	ask(three, "/login/wait")
	c.settle(2, func(one *connection) bool { return one.known && !one.idle })
	if answered(one, "/") {
		t.Error("the idle one is there still")
	}
	if answered(c.dial(), "/") {
		t.Error("more than there may be are answered")
	}
	_ = three.Close()
	c.settle(1, func(one *connection) bool { return one.known && !one.idle })
	if !answered(c.dial(), "/") {
		t.Error("the place of one that ended is not given away")
	}
}

// A remote connection comes from an address.
type remote struct {
	net.Conn
	from   string
	closed *bool
}

func (r remote) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(r.from))
}
func (r remote) Close() error { *r.closed = true; return nil }

func TestConnectionsOfOneAddress(t *testing.T) {
	n := &connections{open: map[net.Conn]*connection{}, most: 100, each: 2}
	come := func(from string) *bool {
		closed := new(bool)
		n.began(context.Background(), remote{from: from, closed: closed})
		return closed
	}
	other := come("[2001:db8:1::1]:1")
	first, second := come("[2001:db8::1]:1"), come("[2001:db8::1]:2")
	third := come("[2001:db8::abcd]:3") // of the same network
	for range 5 {
		if *come("127.0.0.1:1") || *come("[::1]:1") {
			t.Error("loopback is bounded")
		}
	}
	if *other || !*first || *second || *third {
		t.Errorf("%v %v %v %v", *other, *first, *second, *third)
	}
}
