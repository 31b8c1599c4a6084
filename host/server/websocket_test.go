package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"

	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
)

const chatProject = `
apis:
  main:
    authorizers: {bearer: {plugin: ./bearer.js, identitySources: [$request.header.authorization]}}
    routes:
      GET /chat/{path+}: {integration: {upstream: CHOSEN, path: "/{path}"}}
      GET /private/{path+}: {authorizer: bearer, integration: {upstream: CHOSEN, path: "/{path}"}}
      GET /filtered/{path+}: {filters: [./gate.js], integration: {upstream: CHOSEN, path: "/{path}"}}
      GET /idle/{path+}: {idleTimeout: 300ms, integration: {upstream: CHOSEN, path: "/{path}"}}
      GET /brief/{path+}: {maxDuration: 500ms, integration: {upstream: CHOSEN, path: "/{path}"}}
      GET /hurried/{path+}: {timeout: 200ms, integration: {upstream: CHOSEN, path: "/{path}"}}
      GET /mock: {integration: {mock: {body: plain}}}
      GET /function: {integration: {function: plain}}
      GET /mapped: {request: {mapping: {$default: ./map.js}}, integration: {http: "CLEAR/plain"}}
      GET /responses: {responses: [{match: ".*", mapping: {$default: ./map.js}}], integration: {http: "CLEAR/plain"}}
      POST /post: {integration: {http: "CLEAR/plain"}}
      GET /posted: {integration: {type: HTTP, uri: "CLEAR/plain", method: POST}}
functions: {plain: {plugin: ./plain.js}}
upstreams:
  clear: {targets: ["CLEAR"]}
  secure: {targets: ["SECURE"], tls: {ca: ./ca.pem, serverName: example.com}}
`

// A chatServer is an upstream. It tells how its connections ended.
type chatServer struct{ ended chan error }

func (s *chatServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	switch r.URL.Path {
	case "/plain":
		_, _ = fmt.Fprintf(w, "plain %s %q %q", r.Method, r.Header.Get("Upgrade"), r.Header.Get("Connection"))
	case "/refused":
		h.Set("X-Why", "full")
		http.Error(w, "no room", http.StatusForbidden)
	case "/accept", "/protocol", "/unasked":
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", map[bool]string{true: "h2c", false: "websocket"}[r.URL.Path == "/protocol"])
		h.Set("Sec-WebSocket-Accept", acceptFor(r.Header.Get("Sec-WebSocket-Key")+map[string]string{"/accept": "x"}[r.URL.Path]))
		w.WriteHeader(http.StatusSwitchingProtocols)
	case "/hold":
		<-r.Context().Done()
	default:
		s.chat(w, r)
	}
}

func acceptFor(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// chat echoes. A message "close" is answered by a Close of 4321, and "vanish" by none.
func (s *chatServer) chat(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"v2.chat", "v1.chat"}, CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		s.ended <- err
		return
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(-1)
	for {
		kind, message, err := c.Read(r.Context())
		if err != nil {
			s.ended <- err
			return
		}
		switch string(message) {
		case "close":
			s.ended <- c.Close(4321, "so long")
			return
		case "vanish":
			s.ended <- c.CloseNow()
			return
		}
		if err := c.Write(r.Context(), kind, message); err != nil {
			s.ended <- err
			return
		}
	}
}

// A chatGateway is a gateway with an upstream that chats.
type chatGateway struct {
	*servertest.Gateway
	upstream *chatServer
}

func startChat(t *testing.T, chosen string) *chatGateway {
	t.Helper()
	s := &chatServer{ended: make(chan error, 100)}
	clear := httptest.NewServer(s)
	secure := httptest.NewUnstartedServer(s)
	secure.EnableHTTP2 = true // which no WebSocket goes by
	secure.StartTLS()
	t.Cleanup(clear.Close)
	t.Cleanup(secure.Close)
	g := servertest.New(t, servertest.Options{Config: func(cfg *server.Config) { cfg.HTTPS, cfg.HTTP3, cfg.Certificate.SelfSigned = "127.0.0.1:0", true, true }})
	g.Write(t, map[string]string{
		"postern.yaml": strings.NewReplacer("CHOSEN", chosen, "CLEAR", clear.URL, "SECURE", secure.URL).Replace(chatProject),
		"ca.pem":       string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})),
		"bearer.js":    `export const authorize = (e) => ({ isAuthorized: e.headers.authorization === "good" })`,
		"map.js":       `export const map_request = (i) => i.body, map_response = (i) => i.body`,
		"gate.js": `
export const filter_request = (request, context) => {
	if (request.headers.get("x-pass") !== "yes") return new Response("closed", { status: 418 });
	context.seen = request.headers.get("sec-websocket-version");
};
export const filter_response = (response, context) => { response.headers.set("x-seen", context.seen + " " + response.status); };
`,
		"plain.js": `export const handler = () => "plain"`,
	})
	apply(t, g, true)
	return &chatGateway{g, s}
}

// An extended is a RoundTripper that puts the handshake of a WebSocket library into an extended CONNECT (RFC 8441, RFC 9220).
type extended struct {
	http.RoundTripper
	mark  func(*http.Request) // says which protocol
	close func()
}

func (e extended) CloseIdleConnections() { e.close() }

func (e extended) RoundTrip(r *http.Request) (*http.Response, error) {
	body, w := io.Pipe()
	out := r.Clone(r.Context())
	out.Method, out.Body, out.ContentLength = http.MethodConnect, body, -1
	e.mark(out)
	for _, name := range []string{"Connection", "Upgrade", "Sec-Websocket-Key"} {
		out.Header.Del(name)
	}
	resp, err := e.RoundTripper.RoundTrip(out)
	if err != nil || resp.StatusCode != 200 {
		return resp, err
	}
	resp.StatusCode = http.StatusSwitchingProtocols
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Accept": acceptFor(r.Header.Get("Sec-WebSocket-Key"))} {
		if resp.Header.Get(name) != "" {
			return nil, fmt.Errorf("the answer to an extended CONNECT has %s", name)
		}
		resp.Header.Set(name, value)
	}
	resp.Body = struct {
		io.Reader
		io.Writer
		io.Closer
	}{resp.Body, w, closers{w, resp.Body}}
	return resp, nil
}

type closers []io.Closer

func (c closers) Close() error {
	for _, one := range c {
		_ = one.Close()
	}
	return nil
}

// doors are the ways to the gateway: a base URL and the client for it.
func (g *chatGateway) doors(t *testing.T) map[string]func() (string, *http.Client) {
	insecure := &tls.Config{InsecureSkipVerify: true}
	return map[string]func() (string, *http.Client){
		"http/1.1": func() (string, *http.Client) { return g.URL, &http.Client{Transport: &http.Transport{}} },
		"https/1.1": func() (string, *http.Client) {
			return g.Address("https"), &http.Client{Transport: &http.Transport{TLSClientConfig: insecure.Clone()}}
		},
		"h2": func() (string, *http.Client) {
			tr := &http2.Transport{TLSClientConfig: insecure.Clone()}
			t.Cleanup(tr.CloseIdleConnections)
			mark := func(r *http.Request) { r.Header[":protocol"] = []string{"websocket"} }
			return g.Address("https"), &http.Client{Transport: extended{tr, mark, tr.CloseIdleConnections}}
		},
		"h3": func() (string, *http.Client) {
			tr := &http3.Transport{TLSClientConfig: insecure.Clone()}
			t.Cleanup(func() { _ = tr.Close() })
			return g.Address("https"), &http.Client{Transport: extended{tr, func(r *http.Request) { r.Proto = "websocket" }, func() { _ = tr.Close() }}}
		},
	}
}

// open connects to a path. A nil client is one of HTTP/1.1 in the clear.
func (g *chatGateway) open(t *testing.T, base string, client *http.Client, path string) *websocket.Conn {
	t.Helper()
	c, resp, err := websocket.Dial(t.Context(), base+path, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"v9.chat", "v1.chat"}})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("Apigw-Requestid") == "" {
		t.Errorf("no request id: %v", resp.Header)
	}
	c.SetReadLimit(-1)
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func echoes(t *testing.T, c *websocket.Conn, kind websocket.MessageType, message string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	if err := c.Write(ctx, kind, []byte(message)); err != nil {
		t.Fatal(err)
	}
	got, text, err := c.Read(ctx)
	if err != nil || got != kind || string(text) != message {
		t.Fatalf("%d bytes came back as %d bytes of kind %v, %v", len(message), len(text), got, err)
	}
}

// closedWith waits for a Close, and returns its code and reason.
func closedWith(t *testing.T, c *websocket.Conn) (websocket.StatusCode, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	_, _, err := c.Read(ctx)
	var closed websocket.CloseError
	if !asError(err, &closed) {
		t.Fatalf("no Close, but %v", err)
	}
	return closed.Code, closed.Reason
}

func asError(err error, to *websocket.CloseError) bool {
	code := websocket.CloseStatus(err)
	if code < 0 {
		return false
	}
	to.Code = code
	_, reason, _ := strings.Cut(err.Error(), "reason = ")
	to.Reason = strings.Trim(reason, `"`)
	return true
}

func (g *chatGateway) logged(t *testing.T, path string) servertest.Line {
	t.Helper()
	return g.Log.Wait(t, "the end of "+path, func(l servertest.Line) bool { return l["msg"] == "request" && l["path"] == path })
}

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
