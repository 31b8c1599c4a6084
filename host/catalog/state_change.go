package catalog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postern/postern/host"
)

const (
	maxAttempts = 100                   // of one change, while other writers are first
	maxMessage  = 1024                  // bytes of a change's message, or of a deployment's description: they are kept with each version
	maxPause    = 50 * time.Millisecond // between two of them
	maxSaving   = 8                     // blobs that are saved at once
	freshBlob   = 30 * time.Second      // a blob that is older is saved again when something new names it, so that Collect leaves it
)

// A tx is one attempt to change the state: it reads what it has put itself. It is for one goroutine.
type tx struct {
	state
	change Change
	now    time.Time
	before root
}

// change runs f on the state as it is and writes what f has put, at once or not at all. When another writer was first, f runs again on
// what that has made of the state, so f must not keep anything of a former run. It returns the revision that the state has afterwards: the
// same as before when nothing changed, and in a dry run.
func (c *Catalog) change(ctx context.Context, ch Change, f func(ctx context.Context, t *tx) error) (uint64, error) {
	if len(ch.Message) > maxMessage {
		return 0, refuse(host.TooLarge, "", "the message has more than %d bytes", maxMessage)
	}
	for attempt := 1; ; attempt++ {
		t, err := c.begin(ctx, ch)
		if err != nil {
			return 0, err
		}
		if err := f(ctx, t); err != nil {
			return 0, err
		}
		if err := t.forgetVersions(ctx); err != nil {
			return 0, err
		}
		revision, err := t.commit(ctx)
		if !errors.Is(err, errSecond) {
			return revision, err
		}
		if attempt == maxAttempts {
			return 0, refuse(host.Conflict, "change the state", "others changed it %d times meanwhile: try again", attempt)
		}
		if attempt == 1 {
			if err := c.queue(ctx); err != nil {
				return 0, err
			}
			defer func() { <-c.turn }()
		} else if err := pause(ctx, rand.N(min(maxPause, time.Duration(attempt)*time.Millisecond))); err != nil {
			return 0, err
		}
	}
}

// queue waits until no other writer of this process that was second is at work.
func (c *Catalog) queue(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ended(ctx)
	case c.turn <- struct{}{}:
		return nil
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ended(ctx)
	case <-time.After(d):
		return nil
	}
}

// ended is the error of a context that ended while something waited.
func ended(ctx context.Context) error {
	return refuse(host.Timeout, "change the state", "%w", context.Cause(ctx))
}

// errSecond tells change that another writer was first.
var errSecond = errors.New("another writer was first")

func (c *Catalog) begin(ctx context.Context, ch Change) (*tx, error) {
	s, err := c.state(ctx)
	if err != nil {
		return nil, err
	}
	t := &tx{state: *s, change: ch, now: time.Now().UTC(), before: s.root}
	t.written = map[string][]byte{}
	t.root.Documents = make(map[kind]map[string]string, len(s.root.Documents))
	for k, documents := range s.root.Documents {
		t.root.Documents[k] = maps.Clone(documents)
	}
	return t, nil
}

// put makes doc the document of a resource. One that equals the document that is there changes nothing; else its revision is the next
// one, and the times and By are set, in doc too.
func (t *tx) put(k kind, name string, doc document) error {
	value, err := json.Marshal(doc)
	if err != nil {
		return refuse(host.Internal, fmt.Sprintf("write the %s %q", k, name), "%w", err)
	}
	was := t.digest(k, name)
	if digestOf(value) == was {
		return nil
	}
	m := doc.metadata()
	if was == t.before.Documents[k][name] { // the first time in this transaction
		m.Revision++
	}
	if was == "" {
		m.Created = t.now
	}
	m.Updated, m.By = t.now, t.change.By
	digest, err := t.attach(doc)
	if err != nil {
		return err
	}
	if t.root.Documents[k] == nil {
		t.root.Documents[k] = map[string]string{}
	}
	t.root.Documents[k][name] = digest
	return nil
}

// attach keeps a document that another one names by the digest that is returned.
func (t *tx) attach(doc any) (digest string, err error) {
	value, err := json.Marshal(doc)
	if err != nil {
		return "", refuse(host.Internal, "write a document", "%w", err)
	}
	if len(value) > maxDocument {
		return "", refuse(host.TooLarge, "write a document", "it has %d bytes, and %d is the most: delete versions or deployments that nothing needs any more", len(value), maxDocument)
	}
	digest = digestOf(value)
	t.written[digest] = value
	return digest, nil
}

// delete removes a resource.
func (t *tx) delete(k kind, name string) { delete(t.root.Documents[k], name) }

func digestOf(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:])
}

// commit writes the documents, then swaps the root. The error is errSecond when it was changed since begin.
func (t *tx) commit(ctx context.Context) (uint64, error) {
	for k, documents := range t.root.Documents {
		if len(documents) == 0 {
			delete(t.root.Documents, k)
		}
	}
	if t.change.DryRun || reflect.DeepEqual(t.root, t.before) {
		return t.revision, nil
	}
	value, err := json.Marshal(t.root)
	if err != nil {
		return 0, refuse(host.Internal, "write the state", "%w", err)
	}
	if len(value) > host.MaxDocument {
		return 0, refuse(host.TooLarge, "write the state", "there are too many resources: their names and digests have %d bytes, and %d is the most", len(value), host.MaxDocument)
	}
	if err := t.save(ctx); err != nil {
		return 0, err
	}
	revision, err := t.catalog.opts.Store.Put(ctx, stateKey, value, t.revision)
	if errors.Is(err, host.Conflict) {
		return 0, errSecond
	}
	return revision, err
}

// save writes the documents, also those that were there before: so they are young, and no Collect takes them before the swap.
func (t *tx) save(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxSaving)
	for digest, value := range t.written {
		group.Go(func() error {
			blob, err := t.catalog.opts.Blobs.Save(ctx, bytes.NewReader(value))
			if err == nil && blob.Digest != digest {
				err = refuse(host.Internal, "write a document", "it was kept as %.12s, and is %.12s", blob.Digest, digest)
			}
			return err
		})
	}
	return group.Wait()
}

// expect refuses a change that was made for another revision of a resource than it has.
func (t *tx) expect(k kind, name string, m *meta) error {
	want := t.change.Revision
	if want == 0 || want == m.Revision {
		return nil
	}
	if m.Revision == 0 {
		return refuse(host.Conflict, "", "the %s %q has not revision %d: it is not there. Leave out the revision to make it", k, name, want)
	}
	by := m.By
	if by == "" {
		by = "somebody"
	}
	return refuse(host.Conflict, "", "the %s %q has revision %d and not %d: %s changed it at %s. Read it again and repeat the change, or leave out the revision to change it all the same",
		k, name, m.Revision, want, by, m.Updated.Format(time.RFC3339))
}

// owned refuses a change of what a project owns, unless it is forced.
func (t *tx) owned(k kind, name string, m *meta) error {
	if m.Project == "" || t.change.Force {
		return nil
	}
	return refuse(host.Conflict, "", "the %s %q belongs to the project %q: change it there and apply the project, or force the change (force=true, or --force of the command), which the next apply takes back",
		k, name, m.Project)
}

// use makes sure of a blob that something new names: it is there, and Collect leaves it until the state names it. known says that the state
// names it already: should another writer take it out, this one will be second, and ask again.
func (t *tx) use(ctx context.Context, what, digest string, known bool) error {
	blobs := t.catalog.opts.Blobs
	blob, err := blobs.Stat(ctx, digest)
	if errors.Is(err, host.NotFound) {
		return refuse(host.Invalid, "", "the blob %.12s of %s is not saved: upload it first", abridged(digest), what)
	}
	if err != nil || known || t.change.DryRun || time.Since(blob.Written) < freshBlob {
		return err
	}
	r, err := blobs.Open(ctx, digest)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = blobs.Save(ctx, r)
	return err
}

// A retired document has the highest number that deleted resources of one kind had used, by name. Numbers are never used again, so that
// orders@3 cannot become something else.
type retired struct {
	meta
	Last map[string]int `json:"last"`
}

// retire remembers the highest number of a resource that is deleted.
func (t *tx) retire(ctx context.Context, k kind, name string, number int) error {
	doc := &retired{}
	if t.has(kindRetired, string(k)) {
		var err error
		if doc, err = read[retired](ctx, &t.state, kindRetired, string(k)); err != nil {
			return err
		}
	}
	if doc.Last == nil {
		doc.Last = map[string]int{}
	}
	doc.Last[name] = number
	return t.put(kindRetired, string(k), doc)
}

// lastNumber is the highest number of a resource that was deleted; 0 when none was.
func (s *state) lastNumber(ctx context.Context, k kind, name string) (int, error) {
	if !s.has(kindRetired, string(k)) {
		return 0, nil
	}
	doc, err := read[retired](ctx, s, kindRetired, string(k))
	if err != nil {
		return 0, err
	}
	return doc.Last[name], nil
}
