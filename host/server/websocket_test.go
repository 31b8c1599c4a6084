package server_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/postern/postern/host/server/servertest"
)

func TestWebSocketPassesThrough(t *testing.T) {
	for _, upstream := range []string{"clear", "secure"} {
		g := startChat(t, upstream)
		for name, door := range g.doors(t) {
			t.Run(name+" to "+upstream, func(t *testing.T) {
				base, client := door()
				path := "/chat/" + strings.ReplaceAll(name, "/", "-")
				c := g.open(t, base, client, path)
				if c.Subprotocol() != "v1.chat" {
					t.Errorf("subprotocol %q", c.Subprotocol())
				}
				echoes(t, c, websocket.MessageText, "hello")
				echoes(t, c, websocket.MessageBinary, strings.Repeat("0123456789", 100_000))
				echoes(t, c, websocket.MessageText, "")
				if err := c.Ping(c.CloseRead(t.Context())); err != nil {
					t.Error(err)
				}
				_ = c.Close(4000, "enough")
				if code := websocket.CloseStatus(waitFor(t, "the upstream's end", g.upstream.ended)); code != 4000 {
					t.Errorf("the upstream saw %v", code)
				}
				line := g.logged(t, path)
				if line["status"] != float64(101) || line["level"] != "INFO" || line.Text("error") != "" || line["bytes"].(float64) < 1e6 || line["received"].(float64) < 1e6 {
					t.Errorf("logged as %v", line)
				}

				c = g.open(t, base, client, "/chat/again")
				if err := c.Write(t.Context(), websocket.MessageText, []byte("close")); err != nil {
					t.Fatal(err)
				}
				if code, reason := closedWith(t, c); code != 4321 || reason != "so long" {
					t.Errorf("closed with %v %q", code, reason)
				}
				waitFor(t, "the upstream's end", g.upstream.ended)
			})
		}
	}
}

func TestWebSocketCompressionIsTheEnds(t *testing.T) {
	g := startChat(t, "clear")
	c, resp, err := websocket.Dial(t.Context(), g.URL+"/chat/x", &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover, CompressionThreshold: 1})
	if err != nil || !strings.Contains(resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	for range 3 {
		echoes(t, c, websocket.MessageText, strings.Repeat("again and ", 1000))
	}
}

// dialStatus asks for a WebSocket that is refused.
func dialStatus(t *testing.T, base string, client *http.Client, path string, fields ...string) (int, string, http.Header) {
	t.Helper()
	h := http.Header{}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		h.Set(name, value)
	}
	c, resp, err := websocket.Dial(t.Context(), base+path, &websocket.DialOptions{HTTPClient: client, HTTPHeader: h})
	if err == nil {
		_ = c.CloseNow()
		t.Fatalf("%s was upgraded", path)
	}
	if resp == nil {
		t.Fatalf("%s: %v", path, err)
	}
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), resp.Header
}

func TestWebSocketsThatAreRefused(t *testing.T) {
	g := startChat(t, "clear")
	for name, door := range g.doors(t) {
		base, client := door()
		for path, want := range map[string]struct {
			status int
			body   string
		}{
			"/chat/refused":  {403, "no room\n"},
			"/chat/accept":   {502, `{"message":"Bad Gateway"}`},
			"/chat/protocol": {502, `{"message":"Bad Gateway"}`},
			"/hurried/hold":  {504, `{"message":"Gateway Timeout"}`},
			"/private/x":     {401, `{"message":"Unauthorized"}`},
			"/nowhere":       {404, `{"message":"Not Found"}`},
		} {
			if status, body, h := dialStatus(t, base, client, path); status != want.status || body != want.body || path == "/chat/refused" && h.Get("X-Why") != "full" {
				t.Errorf("%s %s: %d %q %v", name, path, status, body, h)
			}
		}
		if status, _, _ := dialStatus(t, base, client, "/private/x", "Authorization: bad"); status != 403 {
			t.Errorf("%s: a caller who may not got %d", name, status)
		}
		if status, body, h := dialStatus(t, base, client, "/filtered/x"); status != 418 || body != "closed" || h.Get("X-Seen") != "" && h.Get("X-Seen") != "undefined 418" {
			t.Errorf("%s: a filter refused with %d %q %v", name, status, body, h)
		}
		c, resp, err := websocket.Dial(t.Context(), base+"/filtered/x", &websocket.DialOptions{HTTPClient: client, HTTPHeader: http.Header{"X-Pass": {"yes"}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("X-Seen"); got != "13 101" {
			t.Errorf("%s: the filter has seen %q", name, got)
		}
		echoes(t, c, websocket.MessageText, "through a filter")
		_ = c.CloseNow()
		c, _, err = websocket.Dial(t.Context(), base+"/private/x", &websocket.DialOptions{HTTPClient: client, HTTPHeader: http.Header{"Authorization": {"good"}}})
		if err != nil {
			t.Fatal(err)
		}
		echoes(t, c, websocket.MessageText, "in")
		_ = c.CloseNow()
	}
	// Where there is nothing to upgrade, an offer is ignored.
	for path, want := range map[string]string{
		"/mock": "plain", "/function": "plain", "/mapped": `plain GET "" ""`, "/responses": `plain GET "" ""`, "/posted": `plain POST "" ""`, "/chat/plain": `plain GET "websocket" "Upgrade"`,
	} {
		reply := g.Get(t, path, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
		if reply.Status != 200 || reply.Body != want {
			t.Errorf("%s: %d %q", path, reply.Status, reply.Body)
		}
	}
	// An upgrade that nobody asked for.
	if reply := g.Get(t, "/chat/unasked"); reply.Status != 502 || !strings.Contains(g.Log.Request(t, reply).Text("error"), "unasked") {
		t.Errorf("%+v", reply)
	}
	if reply := g.Get(t, "/chat/unasked", "Connection: Upgrade", "Upgrade: h2c"); reply.Status != 502 {
		t.Errorf("another protocol: %+v", reply)
	}
}

func TestWebSocketLimits(t *testing.T) {
	t.Parallel() // it mostly waits
	g := startChat(t, "clear")
	for name, door := range g.doors(t) {
		for path, reason := range map[string]string{"/idle/": "no byte either way within the route's idleTimeout of 300ms (postern.yaml:", "/brief/": "not done within the route's maxDuration of 500ms (postern.yaml:"} {
			t.Run(name+path, func(t *testing.T) {
				base, client := door()
				path += strings.ReplaceAll(name, "/", "-")
				c := g.open(t, base, client, path)
				echoes(t, c, websocket.MessageText, "hello")
				if code, _ := closedWith(t, c); code != websocket.StatusGoingAway {
					t.Errorf("the client saw %v", code)
				}
				if code := websocket.CloseStatus(waitFor(t, "the upstream's end", g.upstream.ended)); code != websocket.StatusGoingAway {
					t.Errorf("the upstream saw %v", code)
				}
				if line := g.logged(t, path); line["status"] != float64(101) || line["level"] != "INFO" || !strings.Contains(line.Text("error"), reason) {
					t.Errorf("logged as %v", line)
				}
			})
		}
	}
}

// Pings are bytes too.
func TestPingsKeepAWebSocket(t *testing.T) {
	t.Parallel() // it mostly waits
	g := startChat(t, "clear")
	c := g.open(t, g.URL, nil, "/patient/x")
	reading := c.CloseRead(t.Context())
	for range 15 {
		time.Sleep(200 * time.Millisecond)
		if err := c.Ping(reading); err != nil {
			t.Fatal(err)
		}
	}
}

// A connection counts as a request of its upstream until it ends.
func TestWebSocketsCountAsRequests(t *testing.T) {
	g := startChat(t, "clear")
	for _, leave := range []func(*websocket.Conn){func(c *websocket.Conn) { _ = c.Close(websocket.StatusNormalClosure, "") }, func(c *websocket.Conn) { _ = c.CloseNow() }} {
		c := g.open(t, g.URL, nil, "/one/x")
		if reply := g.Get(t, "/one/plain"); reply.Status != 503 {
			t.Errorf("beside a connection: %+v", reply)
		}
		leave(c)
		servertest.Eventually(t, "its place is free", func() bool { return g.Get(t, "/one/plain").Status == 200 })
	}
}

// A drain says goodbye to both sides, and does not wait for its deadline.
func TestDrainClosesWebSockets(t *testing.T) {
	g := startChat(t, "clear")
	var conns []*websocket.Conn
	for _, door := range g.doors(t) {
		base, client := door()
		c := g.open(t, base, client, "/chat/x")
		echoes(t, c, websocket.MessageText, "hello")
		conns = append(conns, c)
	}
	drained := make(chan error, 1)
	go func() { drained <- g.Drain() }()
	for _, c := range conns {
		if code, _ := closedWith(t, c); code != websocket.StatusGoingAway {
			t.Errorf("the client saw %v", code)
		}
		if code := websocket.CloseStatus(waitFor(t, "the upstream's end", g.upstream.ended)); code != websocket.StatusGoingAway {
			t.Errorf("the upstream saw %v", code)
		}
	}
	if err := waitFor(t, "the drain", drained); err != nil {
		t.Error(err)
	}
	if line := g.logged(t, "/chat/x"); line["level"] != "INFO" || !strings.Contains(line.Text("error"), "draining") {
		t.Errorf("logged as %v", line)
	}
}

// A connection keeps the pipeline that it began with.
func TestWebSocketsOutliveAReload(t *testing.T) {
	g := startChat(t, "clear")
	c := g.open(t, g.URL, nil, "/chat/x")
	before := g.Stats()
	g.Write(t, map[string]string{"postern.yaml": "apis: {main: {routes: {GET /mock: {integration: {mock: {body: new}}}}}}\n"})
	apply(t, g.Gateway, true)
	if reply := g.Get(t, "/mock"); reply.Body != "new" {
		t.Errorf("the new definition does not serve: %+v", reply)
	}
	echoes(t, c, websocket.MessageText, "still here")
	if g.Stats().Pools != before.Pools {
		t.Errorf("the pools were %d, now %d", before.Pools, g.Stats().Pools)
	}
	_ = c.Close(websocket.StatusNormalClosure, "")
	servertest.Eventually(t, "what it used is closed", func() bool { return g.Stats().Pools < before.Pools })
}

// Whoever leaves, and however, nothing stays behind.
func TestWebSocketsThatAreLeft(t *testing.T) {
	g := startChat(t, "clear")
	all := func() {
		for _, door := range g.doors(t) {
			base, client := door()
			c := g.open(t, base, client, "/chat/client")
			echoes(t, c, websocket.MessageText, "hello")
			_ = c.CloseNow() // without a word
			waitFor(t, "the upstream's end", g.upstream.ended)
			c = g.open(t, base, client, "/chat/upstream")
			if err := c.Write(t.Context(), websocket.MessageText, []byte("vanish")); err != nil {
				t.Fatal(err)
			}
			if _, _, err := c.Read(t.Context()); err == nil || websocket.CloseStatus(err) >= 0 {
				t.Errorf("the upstream vanished, and the client saw %v", err)
			}
			_ = c.CloseNow()
			waitFor(t, "the upstream's end", g.upstream.ended)
			client.CloseIdleConnections()
		}
	}
	all()
	if line := g.logged(t, "/chat/upstream"); line["level"] != "ERROR" || line["status"] != float64(101) || line.Text("error") == "" {
		t.Errorf("logged as %v", line)
	}
	goroutines := runtime.NumGoroutine()
	for range 5 {
		all()
	}
	servertest.Eventually(t, "no goroutine is left over", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
}

// What a client sends before it has seen the 101 is not lost.
func TestWebSocketEarlyData(t *testing.T) {
	g := startChat(t, "clear")
	c, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(servertest.Patience))
	hello := []byte{0x81, 0x85, 0, 0, 0, 0, 'h', 'e', 'l', 'l', 'o'}
	_, err = io.WriteString(c, "GET /chat/early HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"+string(hello[:7]))
	if err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatal(resp, err)
	}
	_, _ = c.Write(hello[7:])
	got := make([]byte, 7)
	if _, err := io.ReadFull(br, got); err != nil || !bytes.Equal(got, append([]byte{0x81, 5}, "hello"...)) {
		t.Errorf("%q, %v", got, err)
	}
	// A client that ends its half still gets what is on its way to it.
	_ = c.(*net.TCPConn).CloseWrite()
	if _, err := io.ReadAll(br); err != nil {
		t.Error(err)
	}
	waitFor(t, "the upstream's end", g.upstream.ended)
}
