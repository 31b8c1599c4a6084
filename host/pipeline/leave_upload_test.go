package pipeline_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/postern/postern/host/server/servertest"
)

const echoing = `
apis:
	main:
		routes:
			POST /function: {integration: {function: echo}, timeout: 60s, streaming: true}
			POST /filter: {filters: [./shout.js], integration: {function: echo}, timeout: 60s, streaming: true}
			POST /upstream: {integration: {http: "UPSTREAM"}, timeout: 60s, streaming: true}
functions:
	echo: {plugin: ./echo.js, timeout: 60s}
`

// A client that leaves in the middle of its body while the answer to the first half is on its way has left, also where reading the body
// tells that before the connection does. Only its own half of the connection is closed here, so that nothing else can tell.
func TestClientsThatLeaveBetweenTwoHalves(t *testing.T) {
	upstream := backend(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			_ = rc.Flush()
			if err != nil {
				panic(http.ErrAbortHandler)
			}
		}
	})
	g := servertest.Start(t, project(echoing, map[string]string{
		"echo.js":  "export default { fetch: (request) => new Response(request.body.pipeThrough(new TransformStream())) }",
		"shout.js": scripts["shout.js"],
	}, "UPSTREAM", upstream))
	for _, path := range []string{"/function", "/filter", "/upstream"} {
		t.Run(path, func(t *testing.T) {
			before := len(g.Log.Lines())
			c, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100\r\n\r\nhalf", path)
			r := bufio.NewReader(c)
			resp, err := http.ReadResponse(r, nil)
			if err != nil || resp.StatusCode != 200 {
				t.Fatal(resp, err)
			}
			if b := make([]byte, 4); true {
				if _, err := resp.Body.Read(b); err != nil || !strings.EqualFold(string(b), "half") {
					t.Errorf("%q %v", b, err)
				}
			}
			_ = c.(*net.TCPConn).CloseWrite()
			servertest.Eventually(t, "the end is logged as 499", func() bool {
				for _, line := range g.Log.Lines()[before:] {
					if line["msg"] == "request" {
						return line["status"] == float64(499) && line["level"] == "INFO" && line.Text("error") != ""
					}
				}
				return false
			})
		})
	}
}
