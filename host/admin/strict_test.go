package admin

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
)

func TestKeysTwice(t *testing.T) {
	f := start(t)
	json := []string{"Content-Type", "application/json"}
	for _, body := range []string{
		`{"name":"x","role":"viewer","role":"admin"}`, `{"name":"x","role":"viewer","Role":"admin"}`, `{"name":"x","ROLE":"viewer","role":"admin"}`,
		`{"name":"x","role":"viewer","ro\u006ce":"admin"}`, `{"name":"x","role":"admin","role":"viewer"}`,
	} {
		if p := f.wantProblem(400, host.Invalid, "POST", "/v1/tokens", body, json...); !strings.Contains(strings.ToLower(p.Detail), `key "role" twice`) {
			t.Errorf("%s: %s", body, p.Detail)
		}
	}
}

func TestDecodeStrict(t *testing.T) {
	type inner struct {
		Key string            `json:"key"`
		Env map[string]string `json:"env"`
	}
	type body struct {
		inner
		Name string           `json:"name"`
		List []inner          `json:"list"`
		Map  map[string]inner `json:"map"`
		Any  any              `json:"any"`
		To   *inner           `json:"to"`
	}
	for text, good := range map[string]bool{
		`{"name":"a","key":"b"}`:                                            true,
		`{"map":{"a":{"key":"1"},"A":{"key":"2"}}}`:                         true, // names of their own
		`{"env":{"PATH":"1","Path":"2"}}`:                                   true,
		`{"any":{"x":1,"X":2}}`:                                             true,
		`{"any":{"x":1,"x":2}}`:                                             false,
		`{"env":{"PATH":"1","PATH":"2"}}`:                                   false,
		`{"map":{"a":{"key":"1"},"a":{"key":"2"}}}`:                         false,
		`{"key":"1","KEY":"2"}`:                                             false,
		"{\"key\":\"1\",\"\u212aey\":\"2\"}":                                false, // the sign of kelvin is a k to encoding/json
		`{"list":[{"key":"1"},{"key":"1","Key":"2"}]}`:                      false,
		`{"map":{"x":{"key":"1","Key":"2"}}}`:                               false,
		`{"to":{"key":"1","Key":"2"}}`:                                      false,
		`{"to":{"env":{"a":"1","a":"2"}}}`:                                  false,
		`{"any":` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `}`: true,
		`{"any":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`: false,
	} {
		err := decodeStrict([]byte(text), &body{})
		var bad *fault
		if (err == nil) != good || err != nil && (!errors.As(err, &bad) || bad.status != 400) {
			t.Errorf("%.100s: %v", text, err)
		}
	}
}

func TestNamesOfDots(t *testing.T) {
	f := start(t)
	for _, name := range []string{"%2e", "%2e%2e", "%2e%2e%2e"} {
		f.wantProblem(400, host.Invalid, "PUT", "/v1/secrets/"+name, "v")
		f.wantProblem(400, host.Invalid, "DELETE", "/v1/tokens/"+name, nil)
		f.wantProblem(400, host.Invalid, "DELETE", "/v1/keys/"+name, nil)
	}
	f.want(200, "PUT", "/v1/secrets/.env", "v")
	f.want(204, "DELETE", "/v1/secrets/.env", nil)
	if _, _, err := f.Access.CreateToken(t.Context(), access.Grant{Name: "..", Role: access.Viewer}); !errors.Is(err, host.Invalid) {
		t.Errorf("%v", err)
	}
}

// A client that sends all before it reads sees why its body was refused, and not a broken connection.
func TestRefusedBodiesAreReadOn(t *testing.T) {
	f := start(t)
	viewer := f.login(access.Viewer)
	for what, request := range map[string]string{
		"too large":       "POST /2015-03-31/functions/greet/invocations HTTP/1.1\r\nAuthorization: Bearer " + f.token,
		"no token":        "PUT /v1/blobs/" + strings.Repeat("0", 64) + " HTTP/1.1",
		"may not":         "POST /v1/functions/greet/versions HTTP/1.1\r\nContent-Type: text/javascript\r\nAuthorization: " + viewer,
		"another type":    "POST /v1/functions/greet/versions HTTP/1.1\r\nContent-Type: text/plain\r\nAuthorization: Bearer " + f.token,
		"nothing is here": "POST /nothing HTTP/1.1",
	} {
		conn := f.dial()
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetWriteBuffer(64 << 10)
		}
		head := request + "\r\nHost: x\r\nContent-Length: 20971520\r\n\r\n"
		if _, err := io.WriteString(conn, head+strings.Repeat("x", 20<<20)); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		answer, err := io.ReadAll(conn) // to the end of the connection
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 4") || !strings.Contains(string(answer), "Connection: close") {
			t.Errorf("%s: %v %.200s", what, err, answer)
		}
	}
}

func TestEventsHaveTheirLimit(t *testing.T) {
	f := start(t)
	f.uploaded("talk", talker)
	const path = "/2015-03-31/functions/talk/invocations"
	event := func(n int) string { return `"` + strings.Repeat("<", n-2) + `"` }
	f.want(202, "POST", path, event(maxPayloadLater), "X-Amz-Invocation-Type", "Event")
	a := f.want(413, "POST", path, event(maxPayloadLater+1), "X-Amz-Invocation-Type", "Event")
	if !strings.Contains(string(a.body), "limit 978944 bytes") {
		t.Errorf("%s", a.body)
	}
}

func TestLoopbackIsForItsOwnNames(t *testing.T) {
	f := start(t)
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/metrics"} {
		for _, name := range []string{"localhost:1", "127.0.0.1", "10.1.2.3:8090", "[::1]:9", "::1", machine} {
			f.want(200, "GET", path, nil, "Authorization", "", "Host", name)
		}
		for _, name := range []string{"evil.example", "evil.example:8090", "127.0.0.1.evil.example", "localhost.evil.example"} {
			f.want(401, "GET", path, nil, "Authorization", "", "Host", name)
			f.want(200, "GET", path, nil, "Host", name)
		}
	}
	f.want(200, "GET", "/healthz", nil, "Authorization", "", "Host", "evil.example")
}

func TestOneFoldersStatusIsForItsOwnNames(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1") })
	for _, loopback := range []bool{true, false} {
		h := Handler(func() Status { return Status{} }, none, metrics, loopback)
		for _, path := range []string{"/", "/metrics", "/healthz"} {
			for name, own := range map[string]bool{"localhost:8090": true, "127.0.0.1": true, "evil.example": false} {
				w, r := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
				r.Host = name
				h.ServeHTTP(w, r)
				if want := !loopback || own || path == "/healthz"; (w.Code == 200) != want {
					t.Errorf("loopback %v: %s of %s: %d", loopback, path, name, w.Code)
				}
			}
		}
	}
}

func none() []Plugin { return nil }
