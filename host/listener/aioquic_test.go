package listener_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

// aioquic is the release of the independent client, from PyPI.
const aioquic = "aioquic==1.7.2"

// python returns an interpreter that has aioquic. The environment is kept in the user's cache, so that it is made once.
func python(t *testing.T) string {
	t.Helper()
	missing := func(reason string) {
		t.Helper()
		reason += "\nthe test of HTTP/3 with " + aioquic + " needs Python 3 and PyPI: apt-get install python3-venv"
		if os.Getenv("CI") != "" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "postern-test", aioquic)
	interpreter := filepath.Join(dir, "bin", "python")
	if exec.Command(interpreter, "-c", "import aioquic").Run() == nil {
		return interpreter
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	fresh, err := os.MkdirTemp("", "postern-test-")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{"python3", "-m", "venv", "--clear", dir},
		{interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", aioquic},
	} {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Dir = fresh
		if out, err := cmd.CombinedOutput(); err != nil {
			missing(err.Error() + "\n" + string(out))
		}
	}
	_ = os.Remove(fresh)
	return interpreter
}

func TestIndependentHTTP3Client(t *testing.T) {
	interpreter := python(t)
	conf, _ := testTLS(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: conf.Certificates[0].Certificate[0]})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, listener.Config{TLS: conf, HTTP3: true, Handler: forAioquic})
	_, port, _ := net.SplitHostPort(s.addr)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, interpreter, "testdata/aioquic_client.py", port, ca)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var have map[string]any
	if err := json.Unmarshal(out, &have); err != nil {
		t.Fatal(err, string(out))
	}
	answer := func(body string, length float64, with ...any) map[string]any {
		a := map[string]any{"status": "200", "body": body, "length": length, "trailer": nil, "alt-svc": nil, "code": nil}
		for i := 0; i < len(with); i += 2 {
			a[with[i].(string)] = with[i+1]
		}
		return a
	}
	million := answer("0123456789012345678901234567890123456789012345678901234567890123", 1e6)
	want := map[string]any{
		"get":              answer("GET /get?x=%20", 14),
		"head":             answer("", 0),
		"post":             million,
		"trailer":          answer("body", 4, "trailer", map[string]any{"x-sum": "42"}),
		"many":             50.0,
		"interim":          "100",
		"continue":         answer("asked for", 9),
		"after key update": answer("GET /keys", 9),
		"extended connect": 1.0,
		"tunnel":           answer("over the tunnel", 15),
		"abort":            float64(0x102), // H3_INTERNAL_ERROR: a part is not taken for the whole
		"early":            answer("GET /early", 10),
		"early accepted":   true,
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Error(d)
	}
}

// forAioquic answers what testdata/aioquic_client.py asks.
func forAioquic(_ context.Context, r *host.Request) *host.Response {
	switch r.Path() {
	case "/echo":
		return &host.Response{Status: 200, Length: -1, Body: r.Body}
	case "/head": // of no announced length, which aioquic wants to see even in an answer to HEAD
		return &host.Response{Status: 200, Length: -1, Body: io.NopCloser(strings.NewReader("not sent"))}
	case "/trailer":
		return &host.Response{Status: 200, Length: -1, Body: r.Body, Trailer: r.Trailer}
	case "/asked":
		b, _ := io.ReadAll(r.Body)
		return text(string(b))
	case "/chat":
		return accept(func(_ context.Context, c net.Conn) { _, _ = io.Copy(c, c) })
	case "/abort":
		rest, w := io.Pipe()
		go func() {
			_, _ = io.WriteString(w, "half")
			_ = w.CloseWithError(io.ErrUnexpectedEOF)
		}()
		return &host.Response{Status: 200, Length: -1, Body: rest}
	}
	return text(r.Method + " " + r.Target)
}
