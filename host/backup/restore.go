package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

const restoring = "restore"

// DefaultMaxBytes bounds what a backup may unpack to.
const DefaultMaxBytes = 64 << 30

// Options say how to restore.
type Options struct {
	Recipients     []string // of the host's sealing key: the public halves of all its identities
	WithoutSecrets bool     // leaves out all that is sealed, when the host has another key
	MaxBytes       int64    // that the backup may unpack to; 0 is DefaultMaxBytes
	Check          Check    // of all that would be restored, before the first document is written; nil checks no more than the archive
}

// A Report is what was restored.
type Report struct {
	Manifest  Manifest
	Documents int
	Blobs     int
	LeftOut   []host.Key // by WithoutSecrets, sorted
}

// Restore gives an empty host what a backup holds. A host is empty while nothing was ever deployed on it; it may have tokens and access keys,
// which stay, beside those of the backup. A backup that is damaged, cut off or no backup has Kind Invalid, one of a newer format
// Unsupported, one that unpacks to more than it may TooLarge; a host that is not empty, and a sealing key that is not the backup's, Conflict. What Options.Check
// refuses keeps its Kind.
//
// All of the backup is checked before the first document is written, and the root document is written last. A restore that fails leaves
// the host empty; the contents it has saved are collected later. One that is killed can be done again, with the same backup.
func Restore(ctx context.Context, r io.Reader, store host.Store, blobs host.Blobs, opts Options) (*Report, error) {
	if opts.MaxBytes == 0 {
		opts.MaxBytes = DefaultMaxBytes
	}
	if err := empty(ctx, store); err != nil {
		return nil, err
	}
	in := &restore{store: store, blobs: blobs, opts: opts, documents: map[host.Key][]byte{}}
	if err := in.readAll(ctx, r); err != nil {
		return nil, err
	}
	if opts.Check != nil {
		there := func(digest string) bool { return in.sums.of[blobsFolder+digest] != "" }
		if err := opts.Check(ctx, in.documents, only{blobs, there}); err != nil {
			return nil, within(restoring, err)
		}
	}
	if err := in.fits(ctx); err != nil {
		return nil, err
	}
	if err := in.write(ctx); err != nil {
		return nil, err
	}
	in.report.Documents = len(in.documents)
	return &in.report, nil
}

func empty(ctx context.Context, store host.Store) error {
	_, err := store.Get(ctx, stateKey)
	if errors.Is(err, host.NotFound) {
		return nil
	}
	if err != nil {
		return within(restoring, err)
	}
	return fail(restoring, host.Conflict, "something is deployed on this host: restore into a new one, with an empty data folder")
}

// A restore is one in progress.
type restore struct {
	store     host.Store
	blobs     host.Blobs
	opts      Options
	report    Report
	sums      sums
	documents map[host.Key][]byte // to be written when all is checked
	saved     []string            // digests
	held      int64               // bytes of documents
}

// begin is called with the manifest.
func (in *restore) begin(m Manifest) error {
	if m.Format > Format {
		return fail(restoring, host.Unsupported, "the backup has format %d, of Postern %.40s: this version reads formats up to %d. Restore it with that version, or a newer one",
			m.Format, m.Version, Format)
	}
	if m.Format < 1 {
		return fail(restoring, host.Invalid, "the backup's manifest has no format")
	}
	in.report.Manifest = m
	return nil
}

// document takes one document, unless it is sealed and left out.
func (in *restore) document(key host.Key, value []byte) error {
	if sealedKey(key) {
		if in.opts.WithoutSecrets {
			in.report.LeftOut = append(in.report.LeftOut, key)
			return nil
		}
		if err := in.checkKey(); err != nil {
			return err
		}
	}
	in.documents[key] = value
	return nil
}

// checkKey compares the keys, because a sealed value does not say which it needs.
func (in *restore) checkKey() error {
	var absent []string
	for _, recipient := range in.report.Manifest.Recipients {
		if !slices.Contains(in.opts.Recipients, recipient) {
			absent = append(absent, fmt.Sprintf("%.80s", recipient))
		}
	}
	if len(absent) == 0 && len(in.report.Manifest.Recipients) > 0 {
		return nil
	}
	return fail(restoring, host.Conflict, "the backup's secrets are sealed with another key than this host's: copy the key file of the host that it was made on to this one"+
		" and start it again, or restore --without-secrets and put them anew. Missing: %s", strings.Join(absent, ", "))
}

// fits is asked when the whole backup was read.
func (in *restore) fits(ctx context.Context) error {
	if _, ok := in.documents[stateKey]; ok != (in.report.Manifest.Revision != 0) {
		return fail(restoring, host.Invalid, "the backup's state is not the one that its manifest tells of")
	}
	for _, digest := range in.saved { // a collection may have run, if this took hours
		if _, err := in.blobs.Stat(ctx, digest); err != nil {
			return within(restoring, err)
		}
	}
	for key, value := range in.documents {
		there, err := in.store.Get(ctx, key)
		switch {
		case errors.Is(err, host.NotFound):
		case err != nil:
			return within(restoring, err)
		case bytes.Equal(there.Value, value): // of this backup, restored before and killed
		case credential(key): // the host's own stays: it may be the one that this restore was asked for with
			delete(in.documents, key)
		default:
			return fail(restoring, host.Conflict, "this host has its own document %.200q: delete it, or restore into a host with an empty data folder", key)
		}
	}
	return nil
}

// write writes the documents, the root last, and takes back what it wrote when it fails.
func (in *restore) write(ctx context.Context) error {
	written := map[host.Key]uint64{}
	err := func() error {
		keys := slices.DeleteFunc(slices.Sorted(maps.Keys(in.documents)), func(key host.Key) bool { return key == stateKey })
		for _, key := range keys {
			rev, err := in.store.Put(ctx, key, in.documents[key], 0)
			if errors.Is(err, host.Conflict) {
				if there, get := in.store.Get(ctx, key); get == nil && bytes.Equal(there.Value, in.documents[key]) {
					continue
				}
			}
			if err != nil {
				return err
			}
			written[key] = rev
		}
		if root, ok := in.documents[stateKey]; ok {
			_, err := in.store.Put(ctx, stateKey, root, 0)
			return err
		}
		return nil
	}()
	if err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if _, get := in.store.Get(ctx, stateKey); !errors.Is(get, host.NotFound) {
		return within(restoring, err) // the root may have been written, though it was not acknowledged: then it needs what was
	}
	for key, rev := range written {
		err = errors.Join(err, in.store.Delete(ctx, key, rev))
	}
	return within(restoring, err)
}
