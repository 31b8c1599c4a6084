package server_test

//lint:file-ignore SA1019 net/http's Transport takes no :protocol, which an extended CONNECT needs

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
      GET /patient/{path+}: {idleTimeout: 2s, integration: {upstream: CHOSEN, path: "/{path}"}}
      GET /one/{path+}: {integration: {upstream: one, path: "/{path}"}}
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
  one: {targets: ["CLEAR"], maxRequests: 1}
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
