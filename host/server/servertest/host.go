package servertest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/project"
	"github.com/postern/postern/host/server"
)

// A Host is a running gateway with a catalog, and what speaks to its admin API.
type Host struct {
	*Gateway
	Admin *admin.Client // with the first token, unless the admin API is open
	Token string        // "" when it is open
}

// StartHost starts a gateway with a catalog and waits until it follows that. Without a State in its configuration that is kept in
// a folder of its own, and retries of asynchronous calls follow soon. It ends with the test.
func StartHost(tb testing.TB, options ...Options) *Host {
	tb.Helper()
	h, err := TryHost(tb, options...)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// TryHost is StartHost for one that may be refused.
func TryHost(tb testing.TB, options ...Options) (*Host, error) {
	tb.Helper()
	var opts Options
	if len(options) > 0 {
		opts = options[0]
	}
	change := opts.Config
	opts.Config = func(c *server.Config) {
		if change != nil {
			change(c)
		}
		if c.State == nil {
			c.State = &server.State{DataDir: tb.TempDir(), Retry: 20 * time.Millisecond}
		}
	}
	g, err := open(tb, opts)
	if err != nil {
		return nil, err
	}
	h := &Host{Gateway: g, Token: opts.Token}
	if h.Token == "" {
		if h.Token, err = h.firstToken(tb.Context()); err != nil {
			return nil, errors.Join(err, g.Stop())
		}
	}
	if h.Admin, err = admin.NewClient(g.Address("admin"), admin.ClientOptions{Token: h.Token}); err != nil {
		return nil, errors.Join(err, g.Stop())
	}
	tb.Cleanup(h.Admin.Close)
	if err := g.Follow(tb.Context()); err != nil {
		return nil, errors.Join(err, g.Stop())
	}
	g.serve()
	return h, nil
}

// firstToken returns the first admin token, also where an earlier start made it.
func (h *Host) firstToken(ctx context.Context) (string, error) {
	if h.config.State.Open {
		return "", nil
	}
	token, file, err := h.FirstToken(ctx)
	if err != nil || token != "" {
		return token, err
	}
	kept, err := os.ReadFile(file)
	return strings.TrimSpace(string(kept)), err
}

// Restart ends the host and starts it anew over the same state, on other ports.
func (h *Host) Restart(tb testing.TB) *Host {
	tb.Helper()
	if err := h.Stop(); err != nil {
		tb.Fatal(err)
	}
	state := *h.config.State
	return StartHost(tb, Options{Token: h.Token, Config: func(c *server.Config) { c.State, c.CacheDir = &state, h.config.CacheDir }})
}

// State is where the host's state is, for Restart. A test may change it.
func (h *Host) State() *server.State { return h.config.State }

// An Apply is a project that is brought to a host. The zero value of each field but Files leaves it as a user has it by default.
type Apply struct {
	Project string            // "" is "test"
	Files   map[string]string // by their paths
	Input   func(in *catalog.Input)
	Write   admin.Write
}

// Apply brings a project to the host, as the command does.
func (h *Host) Apply(tb testing.TB, a Apply) (catalog.Plan, error) {
	tb.Helper()
	return h.ApplyWith(tb.Context(), tb.TempDir(), a)
}

// MustApply is Apply of files that must be taken, and waits until they serve.
func (h *Host) MustApply(tb testing.TB, files map[string]string) catalog.Plan {
	tb.Helper()
	plan, err := h.Apply(tb, Apply{Files: files, Write: admin.Write{Wait: Patience}})
	if err != nil {
		tb.Fatal(err)
	}
	return plan
}

// ApplyWith is Apply for any goroutine: the files are written into dir.
func (h *Host) ApplyWith(ctx context.Context, dir string, a Apply) (catalog.Plan, error) {
	if err := write(dir, a.Files); err != nil {
		return catalog.Plan{}, err
	}
	loaded, err := project.Load(ctx, dir, project.Options{Host: true})
	if err != nil {
		return catalog.Plan{}, err
	}
	for digest, content := range loaded.Blobs() {
		if _, err := h.Admin.SaveBlob(ctx, digest, strings.NewReader(string(content)), int64(len(content)), nil); err != nil {
			return catalog.Plan{}, err
		}
	}
	in := loaded.Input()
	if a.Input != nil {
		a.Input(&in)
	}
	if a.Project == "" {
		a.Project = "test"
	}
	return h.Admin.Apply(ctx, a.Project, in, a.Write)
}

// Upload sends code of a media type (admin.TypeJavaScript) as a function's next version. query may have promote=false.
func (h *Host) Upload(ctx context.Context, function, kind, code, query string) (Reply, error) {
	return h.Ask(ctx, "POST", "/v1/functions/"+function+"/versions?"+query, code, "Content-Type: "+kind)
}

// MustUpload is Upload of a script that must be taken, and waits until it serves.
func (h *Host) MustUpload(tb testing.TB, function, code string) {
	tb.Helper()
	reply, err := h.Upload(tb.Context(), function, admin.TypeJavaScript, code, "wait=20s")
	if err != nil || reply.Status/100 != 2 {
		tb.Fatal(reply.Status, reply.Body, err)
	}
}

// Ask sends a request to the admin API with the host's token.
func (h *Host) Ask(ctx context.Context, method, path, body string, fields ...string) (Reply, error) {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, h.Address("admin")+path, reader)
	if err != nil {
		return Reply{}, err
	}
	if h.Token != "" {
		req.Header.Set("Authorization", "Bearer "+h.Token)
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		req.Header.Set(name, value)
	}
	return h.send(req)
}

// MustAsk is Ask where an answer must come.
func (h *Host) MustAsk(tb testing.TB, method, path, body string, fields ...string) Reply {
	tb.Helper()
	reply, err := h.Ask(tb.Context(), method, path, body, fields...)
	if err != nil {
		tb.Fatal(err)
	}
	return reply
}

func write(dir string, files map[string]string) error {
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
