package pipeline_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
)

const (
	notFound    = `{"message":"Not Found"}`
	internal    = `{"message":"Internal Server Error"}`
	badGateway  = `{"message":"Bad Gateway"}`
	timedOut    = `{"message":"Gateway Timeout"}`
	tooLarge    = `{"message":"Request Entity Too Large"}`
	unsupported = `{"message":"Unsupported Media Type"}`
	badRequest  = `{"message":"Bad Request"}`
)

// project is the files of a project whose definition is text, indented or not, with more files beside it. NAME in text is
// replaced by its value.
func project(text string, files map[string]string, replace ...string) map[string]string {
	all := map[string]string{"postern.yaml": strings.NewReplacer(replace...).Replace(strings.ReplaceAll(text, "\t", "  "))}
	for name, content := range files {
		all[name] = content
	}
	return all
}

// expect compares a response's status and body, and that the log line of the request names the cause; "" for none.
func expect(t *testing.T, g *servertest.Gateway, reply servertest.Reply, status int, body, cause string) {
	t.Helper()
	if reply.Status != status || reply.Body != body || reply.Err != nil {
		t.Errorf("got %d %q %v\nwant %d %q", reply.Status, reply.Body, reply.Err, status, body)
	}
	line := g.Log.Request(t, reply)
	if line["status"] != float64(status) {
		t.Errorf("the log says status %v: %v", line["status"], line)
	}
	if got := line.Text("error"); cause == "" && got != "" || !strings.Contains(got, cause) {
		t.Errorf("the log says %q; want a cause with %q", got, cause)
	}
	if level := map[bool]string{true: "ERROR", false: "INFO"}[status >= 500]; line["level"] != level {
		t.Errorf("level %v of a %d", line["level"], status)
	}
}

// backend starts an HTTP server that ends with the test.
func backend(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

// echo answers with what it got: "METHOD target", the fields whose names begin with X- or are listed, and the body.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, r.Method+" "+r.RequestURI+" "+string(body))
}

// quiet turns the access log off.
func quiet(cfg *server.Config) { cfg.AccessLog = false }
