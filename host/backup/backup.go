// Package backup writes all that a host keeps into one file while the host runs, and gives it to an empty one. spec/backup.md has the
// format, and what is not in it.
//
// A backup is consistent without stopping anybody, because all that changes is small: the root document names immutable contents by
// their digests, so one read of it is a state that was, and the contents can be copied at leisure. Copied is every content there
// is, and not just those that the root reaches: so this package needs not know what is in a document; whoever does gives it a Check.
package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

// Format is the number of the format that is written. Older ones are read.
const Format = 1

// The names in the archive, in their order.
const (
	manifestName    = "manifest.json"
	documentsFolder = "documents/" // then the key, escaped as one segment of a path
	blobsFolder     = "blobs/"     // then the digest
	sumsName        = "SHA256SUMS" // as sha256sum writes it, of all the above
)

const (
	stateKey = host.Key("state")

	maxManifest  = 64 << 10
	maxDocuments = 256 << 20 // bytes of all documents, which a restore holds in memory
	documentCost = 256       // bytes that each takes beside its name and value
	maxName      = 64 << 10  // bytes: a path of a project, escaped
	maxEntries   = 1 << 20   // files in an archive
	maxSums      = 256 << 20 // bytes of the checksums
)

var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// A Manifest says what a backup is. It stands first.
type Manifest struct {
	Format     int       `json:"format"`
	Version    string    `json:"version"` // of Postern
	Time       time.Time `json:"time"`
	Revision   uint64    `json:"revision"`             // of the state; 0 when nothing was ever deployed
	Recipients []string  `json:"recipients,omitempty"` // public halves of the keys that sealed documents may be sealed with
}

// Info is what Write cannot know.
type Info struct {
	Version    string    // of Postern
	Time       time.Time // zero is now
	Recipients []string  // of the host's sealing key
	Check      Check     // the one that a restore will ask; nil checks nothing
}

// A Check says whether documents, with blobs, are something that a host can run. This package does not know what is in them. Invalid or
// Unsupported is what it does not accept; what blobs fails with keeps its Kind. It must not change the documents.
type Check func(ctx context.Context, documents map[host.Key][]byte, blobs host.Blobs) error

// only are the blobs that belong to a backup, of a host that may have others.
type only struct {
	host.Blobs
	has func(digest string) bool
}

// Stat finds what belongs to the backup.
func (o only) Stat(ctx context.Context, digest string) (host.Blob, error) {
	if !o.has(digest) {
		return host.Blob{}, absent(digest)
	}
	return o.Blobs.Stat(ctx, digest)
}

// Open opens what belongs to the backup.
func (o only) Open(ctx context.Context, digest string) (io.ReadCloser, error) {
	if !o.has(digest) {
		return nil, absent(digest)
	}
	return o.Blobs.Open(ctx, digest)
}

func absent(digest string) error {
	return fail(fmt.Sprintf("blob %.64q", digest), host.NotFound, "it is not in the backup")
}

// sealedKey reports whether a document holds something sealed: secrets, and the secrets of access keys.
func sealedKey(key host.Key) bool {
	return strings.HasPrefix(string(key), "secrets/") || strings.HasPrefix(string(key), "keys/")
}

// credential reports whether a document is a token or an access key.
func credential(key host.Key) bool {
	return strings.HasPrefix(string(key), "tokens/") || strings.HasPrefix(string(key), "keys/")
}

func documentName(key host.Key) string { return documentsFolder + url.PathEscape(string(key)) }

// documentKey is the other way round. It accepts only what documentName gives.
func documentKey(name string) (host.Key, bool) {
	text, err := url.PathUnescape(strings.TrimPrefix(name, documentsFolder))
	key := host.Key(text)
	if err != nil || documentName(key) != name || strings.ContainsRune(text, 0) {
		return "", false
	}
	for segment := range strings.SplitSeq(text, "/") {
		if segment == "" {
			return "", false
		}
	}
	return key, true
}

// sums are the SHA-256 of the files of an archive by their names, in hexadecimal.
type sums struct {
	of    map[string]string
	order []string
}

func (s *sums) add(name, sum string) {
	if s.of == nil {
		s.of = map[string]string{}
	}
	s.of[name] = sum
	s.order = append(s.order, name)
}

// text is what sha256sum would print.
func (s *sums) text() []byte {
	var b strings.Builder
	for _, name := range s.order {
		b.WriteString(s.of[name] + "  " + name + "\n")
	}
	return []byte(b.String())
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func fail(op string, kind host.Kind, format string, args ...any) error {
	return &host.Error{Op: op, Kind: kind, Err: fmt.Errorf(format, args...)}
}

// within says what of a backup or restore an error of the store comes from, and keeps its Kind.
func within(op string, err error) error {
	var known *host.Error
	if errors.As(err, &known) {
		return &host.Error{Op: op, Kind: known.Kind, Err: err}
	}
	return &host.Error{Op: op, Kind: host.Internal, Err: err}
}
