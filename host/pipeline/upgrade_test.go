package pipeline_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/postern/postern/host/server/servertest"
)

// The spans of a WebSocket end with it, and say how that went.
func TestTraceOfAWebSocket(t *testing.T) {
	g, r := startTraced(t, nil, nil)
	g.Write(t, project(`
apis: {main: {routes: {GET /chat: {integration: {http: "UPSTREAM/"}}}}}
`, nil, "UPSTREAM", backend(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		kind, message, err := c.Read(r.Context())
		if err == nil {
			_ = c.Write(r.Context(), kind, message)
		}
		if string(message) == "vanish" {
			_ = c.CloseNow()
		}
		_ = c.Close(websocket.StatusNormalClosure, "")
	})))
	if _, err := g.Apply(t); err != nil {
		t.Fatal(err)
	}
	for message, tree := range map[string]string{
		"hello":  "GET /chat server\n  integrate\n    GET client\n",
		"vanish": "GET /chat server error\n  integrate error\n    GET client error\n",
	} {
		c, resp, err := websocket.Dial(t.Context(), g.URL+"/chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, _, _ = c.Read(t.Context())
		_ = c.CloseNow()
		reply := servertest.Reply{Header: resp.Header}
		trace := traceOf(t, g, r, reply, 3)
		sameTree(t, trace, tree)
		root := trace.Find("GET /chat")
		if got := root.Attributes["http.response.status_code"]; got != "101" || root.Attributes["postern.upgrade.received"] == "" {
			t.Errorf("the root says %v", root.Attributes)
		}
		if line := g.Log.Request(t, reply); strings.Contains(tree, "error") != (line["level"] == "ERROR") {
			t.Errorf("logged as %v", line)
		}
	}
}
