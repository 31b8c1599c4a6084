package pipeline_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/postern/postern/host/server/servertest"
)

// nonsense starts a TCP server that answers a request for /name with answers[name] and hangs up, or keeps silent after
// an answer that ends in an ellipsis.
func nonsense(t *testing.T, answers map[string]string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				answer, silent := strings.CutSuffix(answers[strings.TrimPrefix(r.URL.Path, "/")], "…")
				_, _ = io.WriteString(c, answer)
				if silent {
					_, _ = c.Read(make([]byte, 1)) // until the other end hangs up
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

const failing = `
apis:
	main:
		routes:
			GET /down: {integration: {http: "DOWN/"}}
			GET /name: {integration: {http: "http://nobody.invalid/"}}
			GET /slow/{what}: {integration: {http: "UPSTREAM/{what}", timeout: 500ms}}
			GET /pool/{what}: {timeout: 1s, integration: {upstream: slow, path: "/{what}"}}
			GET /raw/{what}: {integration: {http: "UPSTREAM/{what}"}}
			GET /mapped/{what}:
				integration: {http: "UPSTREAM/{what}", timeout: 500ms}
				responses: [{mapping: {$default: ./same.js}}]
			GET /ok: {integration: {http: "UPSTREAM/good"}}
upstreams: {slow: {targets: ["UPSTREAM"], timeout: 500ms}}
`

var answersOfNonsense = map[string]string{
	"good":        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood",
	"silent":      "…",
	"text":        "hello, who is there?\r\n\r\n",
	"hangs-up":    "",
	"half":        "HTTP/1.1 200 OK\r\nContent-Le",
	"fields":      "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
	"huge":        "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 300<<10) + "\r\n\r\n",
	"switch":      "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n",
	"length":      "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
	"cut":         "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
	"cut-chunks":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
	"bad-chunks":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\nzz\r\n",
	"stalls":      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this…",
	"stalls-long": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n…",
	"cut-error":   "HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nonly this",
}

func startFailing(t *testing.T) *servertest.Gateway {
	t.Helper()
	return servertest.Start(t, project(failing, map[string]string{"same.js": "export const map_response = (i) => i.body"},
		"UPSTREAM", nonsense(t, answersOfNonsense), "DOWN", closedPort(t)))
}

func TestUpstreamsThatFail(t *testing.T) {
	g := startFailing(t)
	for path, c := range map[string]struct {
		status      int
		body, cause string
	}{
		"/down":             {502, badGateway, "connection refused"},
		"/name":             {502, badGateway, "nobody.invalid"},
		"/slow/silent":      {504, timedOut, "the upstream did not answer in time"},
		"/pool/silent":      {504, timedOut, "the upstream did not answer in time"},
		"/raw/text":         {502, badGateway, "malformed HTTP"},
		"/raw/hangs-up":     {502, badGateway, "EOF"},
		"/raw/half":         {502, badGateway, "malformed MIME header"},
		"/raw/fields":       {502, badGateway, "malformed"},
		"/raw/huge":         {502, badGateway, "headers exceeded"},
		"/raw/switch":       {502, badGateway, "switched protocols unasked"},
		"/raw/length":       {502, badGateway, "Content-Length"},
		"/mapped/cut":       {502, badGateway, "the response was cut off"},
		"/mapped/stalls":    {504, timedOut, "did not answer in time"},
		"/mapped/cut-error": {502, badGateway, "the response was cut off"},
	} {
		t.Run(path, func(t *testing.T) {
			expect(t, g, g.Get(t, path), c.status, c.body, c.cause)
			expect(t, g, g.Get(t, "/ok"), 200, "good", "")
		})
	}
}

// A response that breaks off behind its status line is cut for the client too, and is an error in the log.
func TestResponsesThatBreakOff(t *testing.T) {
	t.Parallel() // it mostly waits
	g := startFailing(t)
	for path, c := range map[string]struct {
		status int
		cause  string
	}{
		"/raw/cut":          {200, "the response was cut off: unexpected EOF"},
		"/raw/cut-chunks":   {200, "the response was cut off: unexpected EOF"},
		"/raw/bad-chunks":   {200, "the response was cut off"},
		"/raw/cut-error":    {500, "the response was cut off"},
		"/slow/stalls":      {200, "the upstream did not answer in time"},
		"/slow/stalls-long": {200, "the upstream did not answer in time"},
		"/pool/stalls":      {200, "the upstream did not answer in time"},
	} {
		t.Run(path, func(t *testing.T) {
			cutOff(t, g, path)
			line := g.Log.Wait(t, "a line of "+path, func(l servertest.Line) bool { return l["msg"] == "request" && l.Text("path") == path })
			if line["level"] != "ERROR" || !strings.Contains(line.Text("error"), c.cause) || line["status"] != float64(c.status) {
				t.Errorf("logged as %v", line)
			}
			expect(t, g, g.Get(t, "/ok"), 200, "good", "")
		})
	}
}

// cutOff fails the test unless the response of path ends before its end. Where nothing was flushed there is not even a
// status line.
func cutOff(t *testing.T, g *servertest.Gateway, path string) {
	t.Helper()
	reply, err := g.Send(t.Context(), "GET", path, nil)
	if err == nil && reply.Err == nil {
		t.Errorf("the client does not see a cut: %+v", reply)
	}
}

// Without the access log, what fails is logged all the same, and nothing else.
func TestFailuresAreLoggedWithoutTheAccessLog(t *testing.T) {
	g := servertest.New(t, servertest.Options{Config: quiet})
	g.Write(t, project(failing, map[string]string{"same.js": "export const map_response = (i) => i.body"},
		"UPSTREAM", nonsense(t, answersOfNonsense), "DOWN", closedPort(t)))
	if _, err := g.Apply(t); err != nil {
		t.Fatal(err)
	}
	g.Get(t, "/ok")
	g.Get(t, "/nowhere")
	g.Log.Request(t, g.Get(t, "/down"))
	cutOff(t, g, "/raw/cut")
	g.Log.Wait(t, "the response that was cut", func(l servertest.Line) bool { return l.Text("path") == "/raw/cut" })
	for _, line := range g.Log.Lines() {
		if line["msg"] == "request" && line["level"] != "ERROR" {
			t.Errorf("logged: %v", line)
		}
	}
}

// What goes both ways at once is neither collected on its way in nor on its way out.
func TestStreamingBothWays(t *testing.T) {
	g := servertest.Start(t, project(`apis: {main: {routes: {$default: {integration: {http: "UPSTREAM"}}}}}`, nil,
		"UPSTREAM", backend(t, func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			_ = rc.EnableFullDuplex()
			lines := bufio.NewScanner(r.Body)
			for lines.Scan() {
				fmt.Fprintf(w, "got %s\n", lines.Text())
				_ = rc.Flush()
			}
		})))
	in, out := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/", in)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(out, "0\n") }()
	resp, err := g.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for i := range 5 { // each line is sent only when the one before has come back
		if !lines.Scan() || lines.Text() != fmt.Sprintf("got %d", i) {
			t.Fatalf("line %d: %q %v", i, lines.Text(), lines.Err())
		}
		if _, err := fmt.Fprintf(out, "%d\n", i+1); err != nil {
			t.Fatal(err)
		}
	}
	_ = out.Close()
	for lines.Scan() {
		continue
	}
	if lines.Err() != nil || lines.Text() != "" && lines.Text() != "got 5" {
		t.Errorf("%q %v", lines.Text(), lines.Err())
	}
}
