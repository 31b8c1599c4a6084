package pipeline_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/postern/postern/host/server/servertest"
)

// Filters see both halves of a handshake, and no byte behind it.
func TestFilterOfAnUpgrade(t *testing.T) {
	ended := make(chan struct{}, 10)
	upstream := func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { ended <- struct{}{} }()
		defer conn.CloseNow()
		for {
			kind, data, err := conn.Read(r.Context())
			if err != nil || conn.Write(r.Context(), kind, append([]byte(r.Header.Get("X-Order")+" "), data...)) != nil {
				return
			}
		}
	}
	dial := func(g *servertest.Gateway) (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(t.Context(), g.URL+"/ws", &websocket.DialOptions{HTTPClient: g.Client})
	}
	t.Run("passes", func(t *testing.T) {
		g := filtered(t, "", single(wasmFilter("REQUEST", `{"setHeaders":[["X-Order","filtered"]]}`, "RESPONSE", `{"setHeaders":[["X-Seen","1"]]}`)), upstream)
		for range 2 { // the one instance does not stay with the first
			conn, resp, err := dial(g)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow() // both are open together
			if resp.Header.Get("X-Seen") != "1" {
				t.Errorf("got %v", resp.Header)
			}
			if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if _, data, err := conn.Read(t.Context()); string(data) != "filtered hello" {
				t.Errorf("got %q, %v", data, err)
			}
		}
	})
	for name, c := range map[string]struct {
		filter string
		status int
		came   bool // to the upstream
	}{
		"is answered early":     {wasmFilter("REQUEST", `{"response":{"statusCode":403}}`), 403, false},
		"cannot have a body":    {wasmFilter("RESPONSE", `{"body":true}`), 500, true},
		"cannot be called off":  {wasmFilter("RESPONSE", `{"statusCode":403}`), 500, true},
		"is lost with its half": {wasmFilter("DO_RESPONSE", "t"), 500, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, resp, err := dial(filtered(t, "", c.filter, upstream))
			if err == nil || resp == nil || resp.StatusCode != c.status {
				t.Fatalf("got %v, %v; want %d", resp, err, c.status)
			}
			if !c.came {
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
			defer cancel()
			select {
			case <-ended:
			case <-ctx.Done():
				t.Error("the upstream's connection was left open")
			}
		})
	}
}
