package host

import (
	"context"
	"io"
	"iter"
	"time"
)

// A Key names a document of a Store: segments of any characters but NUL, separated by slashes, as in "secrets/db-password".
// Neither a segment nor the key is empty.
type Key string

// An Entry is a document at a revision.
type Entry struct {
	Key     Key
	Value   []byte
	Rev     uint64    // of the document; higher with each write of any document of the store
	Written time.Time // of this revision
}

// A Change is what a watch tells.
type Change struct {
	Entry
	Deleted bool // Value is nil then
	Synced  bool // no document: all that was there when the watch began, or began again after a disconnect, has been told
}

// A Store keeps small documents, of up to MaxDocument bytes. What Put and Delete have acknowledged is durable as far as the
// store was opened to be. It is safe for concurrent use.
type Store interface {
	// Get returns a document. One that is not there has Kind NotFound.
	Get(ctx context.Context, key Key) (Entry, error)
	// Put writes a document over the revision rev, and creates it when rev is 0. It returns the new revision. When another
	// writer was first the error has Kind Conflict, and a document that is too large has Kind TooLarge.
	Put(ctx context.Context, key Key, value []byte, rev uint64) (uint64, error)
	// Delete removes a document at revision rev; Kind Conflict when it has another, or is not there.
	Delete(ctx context.Context, key Key, rev uint64) error
	// List yields the documents at prefix and below it, sorted by key; "" is everything. The first error ends it.
	List(ctx context.Context, prefix Key) iter.Seq2[Entry, error]
	// Watch yields what List would, then a Change that is Synced, then every change as it comes, until ctx ends or the
	// consumer stops. After a disconnect it tells again what changed meanwhile, deletions too, and a Synced; a document
	// may come twice, and revisions between may be left out. The last element carries the error that ended it, if one did.
	Watch(ctx context.Context, prefix Key) iter.Seq2[Change, error]
}

// MaxDocument bounds a document of a Store, in bytes: NATS's default payload limit, less room for its headers.
const MaxDocument = 1<<20 - 64<<10

// A Blob is one content of Blobs.
type Blob struct {
	Digest  string // SHA-256 of the content, in lower-case hexadecimal
	Size    int64  // bytes
	Written time.Time
}

// Blobs keeps contents of any size by their digest. A content is there whole or not at all. It is safe for concurrent use.
type Blobs interface {
	// Save reads r to its end and keeps it. Saving what is there already changes nothing but Written.
	Save(ctx context.Context, r io.Reader) (Blob, error)
	// Stat returns what is known of a content; Kind NotFound when it is not there.
	Stat(ctx context.Context, digest string) (Blob, error)
	// Open returns a content; Kind NotFound. A content that is not what its digest says fails with Kind Internal, at the
	// last byte at the latest.
	Open(ctx context.Context, digest string) (io.ReadCloser, error)
	// Delete removes a content that was written before a time; the zero time is any. It is content when the content is not there, or is
	// younger: one that is saved again at the same moment stays.
	Delete(ctx context.Context, digest string, before time.Time) error
	// List yields every content, in no order. The first error ends it.
	List(ctx context.Context) iter.Seq2[Blob, error]
}
