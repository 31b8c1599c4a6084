package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/jetstream"
	"github.com/postern/postern/host/sealed"
)

// patience bounds what a test waits for.
const patience = 30 * time.Second

// A fixture is an admin API on a loopback listener, over a store in memory. Every answer that it gets is held against the description.
type fixture struct {
	testing.TB
	*server
	url       string
	token     string // of an admin
	gate      *gateway
	log       *logBuffer
	described *description
}

// start runs an admin API. prepare may change what it works on.
func start(t testing.TB, prepare ...func(*Config)) *fixture {
	t.Helper()
	ctx := t.Context()
	state, err := jetstream.Open(ctx, jetstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = state.Close() })
	key, err := sealed.Memory()
	if err != nil {
		t.Fatal(err)
	}
	journal, err := state.Journal(ctx, "audit", jetstream.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{TB: t, log: &logBuffer{}, described: describe(t)}
	logger := slog.New(slog.NewTextHandler(f.log, nil))
	accept := func(context.Context, *host.Snapshot) error { return nil }
	deployed := catalog.New(catalog.Options{Store: state.Store(), Blobs: state.Blobs(), Sealer: key, Check: accept})
	f.gate = newGateway(t, deployed)
	cfg := Config{
		Catalog: deployed, Store: state.Store(), Blobs: state.Blobs(), Gateway: f.gate, Audit: journal, Logger: logger, Loopback: true,
		Access: access.New(access.Options{Store: state.Store(), Sealer: key, Logger: logger}), Recipients: key.Recipients(), TempDir: t.TempDir(),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, "up 1\n")
		}),
	}
	for _, change := range prepare {
		change(&cfg)
	}
	f.server = New(cfg).(*server)
	if cfg.Access != nil {
		if _, f.token, err = cfg.Access.CreateToken(ctx, access.Grant{Name: "root", Role: access.Admin}); err != nil {
			t.Fatal(err)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.url = "http://" + ln.Addr().String()
	web := HTTPServer(f.server, logger)
	go func() { _ = web.Serve(ln) }()
	t.Cleanup(func() { _ = web.Close() })
	return f
}

// An answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) code() string { return strconv.Itoa(a.status) }

// lines are the JSON values of a body.
func (a answer) lines(kind string) []byte {
	if kind == TypeNDJSON {
		return a.body
	}
	var one bytes.Buffer
	if json.Compact(&one, a.body) != nil {
		return a.body
	}
	return one.Bytes()
}

// into decodes the body.
func (a answer) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

// send sends a request, with the admin's token unless a header says otherwise. body is text as it is, or a value for JSON.
func (f *fixture) send(method, path string, body any, header ...string) answer {
	f.Helper()
	var text io.Reader
	req, err := http.NewRequestWithContext(f.Context(), method, f.url+path, nil)
	if err != nil {
		f.Fatal(err)
	}
	switch b := body.(type) {
	case nil:
	case string:
		text = strings.NewReader(b)
	case []byte:
		text = bytes.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			f.Fatal(err)
		}
		text = bytes.NewReader(data)
		req.Header.Set("Content-Type", "application/json")
	}
	if text != nil {
		withBody, err := http.NewRequest(method, f.url+path, text)
		if err != nil {
			f.Fatal(err)
		}
		req.Body, req.ContentLength, req.GetBody = withBody.Body, withBody.ContentLength, withBody.GetBody
	}
	if f.token != "" {
		req.Header.Set("Authorization", "Bearer "+f.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
		} else if header[i] == "Host" {
			req.Host = header[i+1]
		} else {
			req.Header.Set(header[i], header[i+1])
		}
	}
	return f.exchange(req)
}

// exchange sends a request and checks the answer against the description.
func (f *fixture) exchange(req *http.Request) answer {
	f.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		f.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		f.Fatal(err)
	}
	a := answer{resp.StatusCode, resp.Header, data}
	if _, pattern := f.mux.Handler(req); strings.Contains(pattern, " ") {
		for _, op := range operations() {
			if op.method+" "+op.path == pattern {
				f.described.check(f, &op, a)
			}
		}
	}
	return a
}

// want sends a request and expects a status.
func (f *fixture) want(status int, method, path string, body any, header ...string) answer {
	f.Helper()
	a := f.send(method, path, body, header...)
	if a.status != status {
		f.Fatalf("%s %s answered %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

// refused sends a request and expects a problem of a kind with a status.
func (f *fixture) wantProblem(status int, kind host.Kind, method, path string, body any, header ...string) *Problem {
	f.Helper()
	a := f.want(status, method, path, body, header...)
	p := &Problem{}
	a.into(f, p)
	if !errors.Is(p, kind) || p.Status != status || p.Detail == "" || a.header.Get("Content-Type") != TypeProblem {
		f.Errorf("%s %s: %+v as %q, want the kind %v", method, path, p, a.header.Get("Content-Type"), kind)
	}
	return p
}

// login makes a token of a role.
func (f *fixture) login(role access.Role) string {
	f.Helper()
	_, text, err := f.Access.CreateToken(f.Context(), access.Grant{Name: role.String(), Role: role})
	if err != nil {
		f.Fatal(err)
	}
	return "Bearer " + text
}

// A logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
