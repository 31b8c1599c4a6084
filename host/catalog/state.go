package catalog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// A View is the state at one revision. It is immutable.
type View struct {
	Revision uint64 // of the root document: grows with each change; 0 while nothing was ever written
}

// View reads the state as it is now.
func (c *Catalog) View(ctx context.Context) (*View, error) {
	s, err := c.state(ctx)
	if err != nil {
		return nil, err
	}
	return &View{Revision: s.revision}, nil
}

const (
	stateKey    host.Key = "state"
	stateFormat          = 1
	maxDocument          = 64 << 20 // bytes of a document of a resource, or of a bundle
)

// A kind is a kind of resource that has documents.
type kind string

const (
	kindProject  kind = "project"
	kindAPI      kind = "api"
	kindFunction kind = "function"
	kindRetired  kind = "retired" // numbers that deleted resources have used up, by their kind
)

// A root is the document that names all others. It is all that a change swaps.
type root struct {
	Format    int                        `json:"format"`
	Documents map[kind]map[string]string `json:"documents"` // digests by kind and name
}

// A meta is what the document of each resource begins with. A transaction keeps its revision, times and By.
type meta struct {
	Revision uint64    `json:"revision"`
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
	By       string    `json:"by,omitempty"`      // who changed it last
	Project  string    `json:"project,omitempty"` // that owns it
	Uses     []use     `json:"uses,omitempty"`    // what it points at, and would miss
	Bundles  []string  `json:"bundles,omitempty"` // digests of those that it needs: Collect leaves them and their code
}

func (m *meta) metadata() *meta { return m }

// A use is one place that points at another resource.
type use struct {
	Kind      string `json:"kind"` // "function" or "secret"
	Name      string `json:"name"`
	Qualifier string `json:"qualifier,omitempty"` // of a function: a version's number or an alias
	From      string `json:"from,omitempty"`      // who points, for people: "the stage prod of the API orders"
}

// A document is what a blob of a resource holds: a struct that embeds meta, in JSON.
type document interface{ metadata() *meta }

// A state is everything at one revision. It is immutable, but for that of a transaction.
type state struct {
	catalog  *Catalog
	revision uint64
	root     root
	written  map[string][]byte // by a transaction and not saved yet, by digest
}

// state reads the root. One that was never written is empty.
func (c *Catalog) state(ctx context.Context) (*state, error) {
	s := &state{catalog: c, root: root{Format: stateFormat, Documents: map[kind]map[string]string{}}}
	entry, err := c.opts.Store.Get(ctx, stateKey)
	if errors.Is(err, host.NotFound) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	s.revision = entry.Rev
	s.root, err = parseRoot(entry.Value, host.Internal)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// parseRoot reads a root document. What is damaged has the Kind that is given, and what a newer version has written Unsupported.
func parseRoot(value []byte, damage host.Kind) (root, error) {
	const op = "read the state"
	var newer struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(value, &newer); err != nil {
		return root{}, refuse(damage, op, "the root document is damaged: %w", err)
	}
	switch {
	case newer.Format > stateFormat:
		return root{}, refuse(host.Unsupported, op,
			"it has format %d, of a newer version of Postern: this one knows %d. Run the newer version, or restore a backup", newer.Format, stateFormat)
	case newer.Format < 1:
		return root{}, refuse(damage, op, "the root document is damaged: it has no format")
	}
	var r root
	if err := decode(value, &r); err != nil {
		return root{}, refuse(damage, op, "the root document is damaged: %w", err)
	}
	if r.Documents == nil {
		r.Documents = map[kind]map[string]string{}
	}
	return r, nil
}

// names returns the names of the resources of a kind, sorted.
func (s *state) names(k kind) []string { return slices.Sorted(maps.Keys(s.root.Documents[k])) }

// has reports whether there is a resource.
func (s *state) has(k kind, name string) bool { return s.root.Documents[k][name] != "" }

// digest is that of a resource's document; "" when there is none.
func (s *state) digest(k kind, name string) string { return s.root.Documents[k][name] }

// read returns the document of a resource. It is the caller's own copy. One that is not there has Kind NotFound.
func read[T any](ctx context.Context, s *state, k kind, name string) (*T, error) {
	digest := s.digest(k, name)
	if digest == "" {
		return nil, missing(string(k), name, s.names(k))
	}
	return readDocument[T](ctx, s, fmt.Sprintf("%s %q", k, name), digest)
}

// readDocument returns a document by its digest; what names it for people, as `function "greet"`.
func readDocument[T any](ctx context.Context, s *state, what, digest string) (*T, error) {
	value, err := s.content(ctx, digest)
	doc := new(T)
	if err == nil {
		err = decode(value, doc)
	}
	if err != nil {
		return nil, damaged(what, digest, err)
	}
	return doc, nil
}

// content returns a blob that is small: a document or a bundle. It must not be changed.
func (s *state) content(ctx context.Context, digest string) ([]byte, error) {
	if value, ok := s.written[digest]; ok {
		return value, nil
	}
	return s.catalog.content(ctx, digest)
}

func (c *Catalog) content(ctx context.Context, digest string) ([]byte, error) {
	if value, ok := c.cache.GetIfPresent(digest); ok {
		return value, nil
	}
	value, err := c.load(ctx, digest, maxDocument)
	if err != nil {
		return nil, err
	}
	c.cache.Set(digest, value)
	return value, nil
}

// load reads a blob of at most limit bytes.
func (c *Catalog) load(ctx context.Context, digest string, limit int64) ([]byte, error) {
	return loadFrom(ctx, c.opts.Blobs, digest, limit)
}

func loadFrom(ctx context.Context, blobs host.Blobs, digest string, limit int64) ([]byte, error) {
	r, err := blobs.Open(ctx, digest)
	if err != nil {
		return nil, err
	}
	value, err := io.ReadAll(io.LimitReader(r, limit+1))
	err = cmp.Or(err, r.Close())
	if err == nil && int64(len(value)) > limit {
		err = refuse(host.TooLarge, "read a blob", "%.12s has more than %d bytes", digest, limit)
	}
	return value, err
}

// decode is strict: what this version does not know was written by another, and would be lost by the next change.
func decode(value []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(value))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) { // not More, which takes a bracket that closes nothing for the end
		return errors.New("something follows its end")
	}
	return nil
}

// meta reads what the documents of all kinds have. It must not be changed.
func (s *state) meta(ctx context.Context, k kind, name string) (*meta, error) {
	digest := s.digest(k, name)
	if m, ok := s.catalog.metas.GetIfPresent(digest); ok {
		return m, nil
	}
	value, err := s.content(ctx, digest)
	var doc struct{ meta }
	if err == nil {
		err = json.Unmarshal(value, &doc)
	}
	if err != nil {
		return nil, damaged(fmt.Sprintf("%s %q", k, name), digest, err)
	}
	s.catalog.metas.Set(digest, &doc.meta)
	return &doc.meta, nil
}

// damaged is the error of a document that cannot be read or decoded. What the store fails with keeps its Kind, but for a document that is
// not there: that the state names it makes it a loss.
func damaged(what, digest string, err error) error {
	var known *host.Error
	switch {
	case errors.Is(err, host.NotFound):
		return refuse(host.Internal, "read the "+what, "its document %.12s is lost: restore a backup", digest)
	case errors.As(err, &known):
		return refuse(known.Kind, "read the "+what, "%w", err)
	}
	return refuse(host.Internal, "read the "+what, "its document %.12s is damaged, or of a newer version of Postern: %w", digest, err)
}

// users tells who points at what fits, sorted.
func (s *state) users(ctx context.Context, fits func(use) bool) ([]string, error) {
	var from []string
	for k := range s.root.Documents {
		for _, name := range s.names(k) {
			m, err := s.meta(ctx, k, name)
			if err != nil {
				return nil, err
			}
			for _, u := range m.Uses {
				if fits(u) {
					from = append(from, u.From)
				}
			}
		}
	}
	slices.Sort(from)
	return slices.Compact(from), nil
}

// inUse is the error of deleting something that others point at. op is "delete" and what is deleted.
func inUse(op string, from []string) error {
	const most = 10
	more, change := "", "change these first"
	if len(from) == 1 {
		change = "change that first"
	}
	if len(from) > most {
		from, more = from[:most], fmt.Sprintf(" and %d more", len(from)-most)
	}
	return refuse(host.Conflict, op, "%s is used by %s%s: %s", strings.TrimPrefix(op, "delete "), strings.Join(from, ", "), more, change)
}

// missing is the error of a name that is not there, with a similar one that is.
func missing(what, name string, known []string) error {
	hint := ""
	if near := definition.Nearest(name, known); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return refuse(host.NotFound, "", "there is no %s %q%s", what, abridged(name), hint)
}

// missingOf is missing for what belongs to something: the function "greet" has no alias "x".
func missingOf(owner, what, name string, known []string) error {
	hint := ""
	if near := definition.Nearest(name, known); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return refuse(host.NotFound, "", "%s has no %s %q%s", owner, what, abridged(name), hint)
}

// abridged shortens a name that came from outside.
func abridged(name string) string {
	const most = 128
	if len(name) <= most {
		return name
	}
	return strings.ToValidUTF8(name[:most], "") + "…"
}

// refuse makes an error. %w keeps its cause in the chain.
func refuse(k host.Kind, op, format string, args ...any) error {
	return &host.Error{Op: op, Kind: k, Err: fmt.Errorf(format, args...)}
}

// Watch yields the revision of the state now, and again after each change of the state or of a secret, until ctx ends.
func (c *Catalog) Watch(ctx context.Context) iter.Seq2[uint64, error] {
	return func(yield func(uint64, error) bool) {
		var revision uint64
		synced, changed := false, true
		for change, err := range c.opts.Store.Watch(ctx, "") {
			if err != nil {
				yield(revision, err)
				return
			}
			switch {
			case change.Synced:
				synced = true
			case change.Key == stateKey && change.Rev != revision:
				revision, changed = change.Rev, true
			case strings.HasPrefix(string(change.Key), string(secretsKey)+"/"):
				changed = true
			}
			if synced && changed {
				changed = false
				if !yield(revision, nil) {
					return
				}
			}
		}
	}
}
