package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/postern/postern/host"
)

const writing = "backup"

// Write backs up a live host as a tar.gz. What changes meanwhile may be in it or not, but the state in it is one that was. An error leaves a
// file that Restore refuses. Kind Unavailable means that contents were collected meanwhile: it can be tried again.
//
// What Restore would refuse is not written at all: more than it takes has Kind TooLarge, and a state that Info.Check does not accept Internal,
// for that is a damage of this host.
func Write(ctx context.Context, w io.Writer, store host.Store, blobs host.Blobs, info Info) error {
	set, err := read(ctx, store, blobs)
	if err != nil {
		return within(writing, err)
	}
	for key := range set.documents {
		if sealedKey(key) && len(info.Recipients) == 0 {
			return fail(writing, host.Invalid, "the host has no sealing key, and %.80q is sealed: the backup could not be restored", key)
		}
	}
	if info.Time.IsZero() {
		info.Time = time.Now()
	}
	if err := set.check(ctx, store, blobs, info); err != nil {
		return err
	}
	zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return within(writing, err)
	}
	a := &archive{tar: tar.NewWriter(zip), time: info.Time.UTC().Truncate(time.Second)}
	if err := a.writeAll(ctx, set, blobs, info); err != nil {
		return within(writing, err)
	}
	if a.missing > 0 {
		if err := unchanged(ctx, store, set.revision); err != nil {
			return err
		}
	}
	text := a.sums.text()
	err = a.put(sumsName, text)
	if err = errors.Join(err, a.tar.Close(), zip.Close()); err != nil {
		return within(writing, err)
	}
	return nil
}

// A set is what belongs together.
type set struct {
	revision  uint64
	documents map[host.Key][]byte
	blobs     map[string]int64 // sizes by digest
}

// read reads all documents, and which contents there are. A state must find what it names, so what could be deleted behind the
// read of the root, once the next state does not need it, is also read before. Tokens and access keys are read after it alone: one that
// was revoked meanwhile must not come back.
func read(ctx context.Context, store host.Store, blobs host.Blobs) (*set, error) {
	s := &set{documents: map[host.Key][]byte{}, blobs: map[string]int64{}}
	if err := s.list(ctx, blobs); err != nil {
		return nil, err
	}
	for entry, err := range store.List(ctx, "secrets") {
		if err != nil {
			return nil, err
		}
		s.documents[entry.Key] = entry.Value
	}
	root, err := store.Get(ctx, stateKey)
	if err != nil && !errors.Is(err, host.NotFound) {
		return nil, err
	}
	for entry, err := range store.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		s.documents[entry.Key] = entry.Value
	}
	delete(s.documents, stateKey)
	if s.revision = root.Rev; s.revision != 0 {
		s.documents[stateKey] = root.Value
	}
	return s, s.list(ctx, blobs)
}

func (s *set) list(ctx context.Context, blobs host.Blobs) error {
	for blob, err := range blobs.List(ctx) {
		if err != nil {
			return err
		}
		s.blobs[blob.Digest] = blob.Size
	}
	return nil
}

// check refuses what Restore would, before the first byte.
func (s *set) check(ctx context.Context, store host.Store, blobs host.Blobs, info Info) error {
	if err := s.fits(); err != nil || info.Check == nil {
		return err
	}
	there := func(digest string) bool { _, ok := s.blobs[digest]; return ok }
	err := info.Check(ctx, s.documents, only{blobs, there})
	if err == nil {
		return nil
	}
	if err := unchanged(ctx, store, s.revision); err != nil {
		return err // what was not found may have been collected
	}
	if errors.Is(err, host.Invalid) || errors.Is(err, host.Unsupported) {
		return fail(writing, host.Internal, "what this host keeps is damaged, so no host could restore it: %w", err)
	}
	return within(writing, err)
}

// fits counts as Restore does.
func (s *set) fits() error {
	const block = 512 // of a tar: each file has a header, and is filled up
	var held, sums, total int64
	count := func(name string, size int64) {
		sums += int64(len(name)) + 67 // of a sum, two spaces and a new line
		total += block + (size+block-1)/block*block
		if len(name) > 100 {
			total += 3*block + int64(len(name)) // a header of its own has the name
		}
	}
	for key, value := range s.documents {
		name := documentName(key)
		if len(name) > maxName {
			return fail(writing, host.TooLarge, "the key %.80q has more than %d bytes in a backup, which could not be restored", key, maxName)
		}
		held += int64(len(value)) + int64(len(name)) + documentCost
		count(name, int64(len(value)))
	}
	for digest, size := range s.blobs {
		count(blobsFolder+digest, size)
	}
	count(manifestName, maxManifest)
	count(sumsName, sums)
	var over string
	switch files := len(s.documents) + len(s.blobs) + 1; {
	case held > maxDocuments:
		over = fmt.Sprintf("its documents (secrets, tokens, access keys) have %d bytes with their names, and %d are the most", held, maxDocuments)
	case files > maxEntries:
		over = fmt.Sprintf("it has %d files, and %d are the most", files, maxEntries)
	case sums > maxSums:
		over = fmt.Sprintf("its checksums have %d bytes, and %d are the most", sums, maxSums)
	case total > DefaultMaxBytes:
		over = fmt.Sprintf("it has %d bytes, and %d are the most", total, int64(DefaultMaxBytes))
	default:
		return nil
	}
	return fail(writing, host.TooLarge, "the backup could not be restored: %s. Delete what is not needed any more, or copy the data folder while the host is stopped", over)
}

// unchanged says that contents which went away meanwhile were not needed: all that a state names stays as long as it is the newest.
func unchanged(ctx context.Context, store host.Store, revision uint64) error {
	now, err := store.Get(ctx, stateKey)
	if err != nil && !errors.Is(err, host.NotFound) {
		return within(writing, err)
	}
	if now.Rev != revision {
		return collected()
	}
	return nil
}

func collected() error {
	return fail(writing, host.Unavailable, "contents were collected while they were backed up: try again")
}

// An archive is one that is being written.
type archive struct {
	tar     *tar.Writer
	time    time.Time
	sums    sums
	missing int // contents that were deleted before they were read
}

func (a *archive) writeAll(ctx context.Context, s *set, blobs host.Blobs, info Info) error {
	manifest, err := json.MarshalIndent(Manifest{Format: Format, Version: info.Version, Time: a.time, Revision: s.revision,
		Recipients: info.Recipients}, "", "  ")
	if err != nil {
		return err
	}
	if len(manifest) >= maxManifest {
		return fail(writing, host.TooLarge, "the host's sealing key has so many identities that their public halves take more than %d bytes: the backup could not be restored", maxManifest)
	}
	if err := a.put(manifestName, append(manifest, '\n')); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(s.documents)) {
		if err := a.put(documentName(key), s.documents[key]); err != nil {
			return err
		}
	}
	for _, digest := range slices.Sorted(maps.Keys(s.blobs)) {
		if err := a.copy(ctx, blobs, digest, s.blobs[digest]); err != nil {
			return err
		}
	}
	return nil
}

func (a *archive) begin(name string, size int64) error {
	return a.tar.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: a.time})
}

func (a *archive) put(name string, data []byte) error {
	if err := a.begin(name, int64(len(data))); err != nil {
		return err
	}
	a.sums.add(name, sumOf(data))
	_, err := a.tar.Write(data)
	return err
}

func (a *archive) copy(ctx context.Context, blobs host.Blobs, digest string, size int64) error {
	r, err := blobs.Open(ctx, digest)
	if errors.Is(err, host.NotFound) {
		a.missing++
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close() // what it has read is checked already
	if err := a.begin(blobsFolder+digest, size); err != nil {
		return err
	}
	a.sums.add(blobsFolder+digest, digest) // Blobs checks it
	n, err := io.Copy(a.tar, r)
	if err == nil && n != size {
		err = fail("blob "+digest, host.Internal, "it has %d bytes, and should have %d", n, size)
	}
	if err == nil {
		return nil
	}
	if _, gone := blobs.Stat(ctx, digest); errors.Is(gone, host.NotFound) {
		return collected()
	}
	return err
}
