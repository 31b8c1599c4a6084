package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/jetstream"
	"github.com/postern/postern/host/js"
	"github.com/postern/postern/host/sealed"
)

// openState opens an embedded store in memory.
func openState(t testing.TB) *jetstream.State {
	t.Helper()
	s, err := jetstream.Open(context.Background(), jetstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// optionsOf are those of a catalog over a state, with a key in memory.
func optionsOf(t testing.TB, s *jetstream.State) Options {
	t.Helper()
	key, err := sealed.Memory()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Store: s.Store(), Blobs: s.Blobs(), Sealer: key, Env: func(string) (string, bool) { return "", false }}
}

func newCatalog(t testing.TB) *Catalog {
	t.Helper()
	return New(optionsOf(t, openState(t)))
}

// save keeps a script as a blob and returns it as code.
func save(t testing.TB, c *Catalog, script string) *Code {
	t.Helper()
	blob, err := c.opts.Blobs.Save(t.Context(), strings.NewReader(script))
	if err != nil {
		t.Fatal(err)
	}
	return &Code{Runtime: host.RuntimeJS, Digest: blob.Digest, Size: blob.Size, Exports: []string{"handler"}}
}

// script is a bundled function that answers with a text.
func script(text string) string {
	return "(function(module,exports,require){module.exports = {handler: async () => (" + quoteJS(text) + ")}})"
}

func quoteJS(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// upload uploads a script that answers with a text, and promotes it.
func upload(t testing.TB, c *Catalog, name, text string) Version {
	t.Helper()
	v, err := c.UploadFunction(t.Context(), name, Upload{Code: save(t, c, script(text)), Promote: true}, Change{By: "token test"})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wantKind checks the kind of an error, and that its text has all parts.
func wantKind(t testing.TB, err error, kind host.Kind, parts ...string) {
	t.Helper()
	if err == nil || host.KindOf(err) != kind && !errors.Is(err, kind) {
		t.Fatalf("got %v, want kind %v", err, kind)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
}

// compileJS is an Options.Check that compiles and starts every script.
func compileJS(t testing.TB, calls *atomic.Int32) func(context.Context, *host.Snapshot) error {
	runtime := js.New(js.Options{})
	t.Cleanup(func() { _ = runtime.Close(context.Background()) })
	return func(ctx context.Context, s *host.Snapshot) error {
		calls.Add(1)
		for _, p := range s.Plugins() {
			src := *p.Source
			var err error
			if src.Code, src.SourceMap, err = src.Load(ctx); err != nil {
				return err
			}
			module, err := runtime.Compile(ctx, src)
			if err != nil {
				return err
			}
			plugin, err := module.Open(ctx, *p)
			if err != nil {
				return errors.Join(err, module.Close(ctx))
			}
			if err := errors.Join(plugin.Close(ctx), module.Close(ctx)); err != nil {
				return err
			}
		}
		return nil
	}
}

// A cut breaks the connection to a real store at one call, before or after the call has done its work, and from then on.
type cut struct {
	at     int32
	after  bool
	calls  atomic.Int32
	cancel context.CancelFunc // the client's context; nil fails with Unavailable instead
}

var errCut = &host.Error{Op: "store", Kind: host.Unavailable, Err: errors.New("the connection was cut")}

func (c *cut) before() error {
	n := c.calls.Add(1)
	if c.at == 0 || n < c.at || n == c.at && c.after {
		return nil
	}
	return c.fail()
}

func (c *cut) fail() error {
	if c.cancel != nil {
		c.cancel()
	}
	return errCut
}

func (c *cut) done(err error) error {
	if err == nil && c.at != 0 && c.calls.Load() >= c.at && c.after {
		return c.fail()
	}
	return err
}

type cutStore struct {
	host.Store
	*cut
}

func (s cutStore) Get(ctx context.Context, key host.Key) (host.Entry, error) {
	if err := s.before(); err != nil {
		return host.Entry{}, err
	}
	e, err := s.Store.Get(ctx, key)
	return e, s.done(err)
}

func (s cutStore) Put(ctx context.Context, key host.Key, value []byte, rev uint64) (uint64, error) {
	if err := s.before(); err != nil {
		return 0, err
	}
	rev, err := s.Store.Put(ctx, key, value, rev)
	return rev, s.done(err)
}

func (s cutStore) Delete(ctx context.Context, key host.Key, rev uint64) error {
	if err := s.before(); err != nil {
		return err
	}
	return s.done(s.Store.Delete(ctx, key, rev))
}

func (s cutStore) List(ctx context.Context, prefix host.Key) iter.Seq2[host.Entry, error] {
	if err := s.before(); err != nil {
		return func(yield func(host.Entry, error) bool) { yield(host.Entry{}, err) }
	}
	return s.Store.List(ctx, prefix)
}

type cutBlobs struct {
	host.Blobs
	*cut
}

func (b cutBlobs) Save(ctx context.Context, r io.Reader) (host.Blob, error) {
	if err := b.before(); err != nil {
		return host.Blob{}, err
	}
	blob, err := b.Blobs.Save(ctx, r)
	return blob, b.done(err)
}

func (b cutBlobs) Stat(ctx context.Context, digest string) (host.Blob, error) {
	if err := b.before(); err != nil {
		return host.Blob{}, err
	}
	blob, err := b.Blobs.Stat(ctx, digest)
	return blob, b.done(err)
}

func (b cutBlobs) Open(ctx context.Context, digest string) (io.ReadCloser, error) {
	if err := b.before(); err != nil {
		return nil, err
	}
	r, err := b.Blobs.Open(ctx, digest)
	return r, b.done(err)
}

func (b cutBlobs) Delete(ctx context.Context, digest string, before time.Time) error {
	if err := b.before(); err != nil {
		return err
	}
	return b.done(b.Blobs.Delete(ctx, digest, before))
}

// with returns options whose calls of the store and of the blobs go through a cut.
func (c *cut) with(o Options) Options {
	o.Store, o.Blobs = cutStore{o.Store, c}, cutBlobs{o.Blobs, c}
	return o
}

// hasRule reports whether an error of a definition has a rule at a path.
func hasRule(err error, rule, path string) bool {
	var errs definition.Errors
	if !errors.As(err, &errs) {
		return false
	}
	for _, e := range errs {
		if e.Rule == rule && e.Path == path {
			return true
		}
	}
	return false
}

// checkOrigins is an Options.Check that wants every timeout of a function to be from a place.
func checkOrigins(t testing.TB, want string) func(context.Context, *host.Snapshot) error {
	return func(_ context.Context, s *host.Snapshot) error {
		for _, f := range s.Functions {
			if got := f.Plugin.Limits.Timeout.Origin(); got != want {
				t.Errorf("the timeout of %s is from %s, want %s", f.Name, got, want)
			}
		}
		return nil
	}
}
