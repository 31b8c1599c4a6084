package backup

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/postern/postern/host"
)

// readAll reads an archive to its end and checks all of it. Contents are saved as they come, for nothing names them yet; documents are
// held.
func (in *restore) readAll(ctx context.Context, r io.Reader) error {
	source := &source{r: r}
	zip, err := gzip.NewReader(bufio.NewReader(source))
	if err != nil {
		return source.damaged(err)
	}
	source.left = in.opts.MaxBytes
	plain := &bounded{r: zip, source: source}
	files := tar.NewReader(plain)
	named := int64(0)
	for n := 0; ; n++ {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return fail(restoring, host.Invalid, "the backup is cut off: its checksums are missing")
		}
		if err != nil {
			return source.damaged(err)
		}
		if n > maxEntries {
			return fail(restoring, host.TooLarge, "the backup has more than %d files", maxEntries)
		}
		if header.Typeflag != tar.TypeReg || len(header.Name) > maxName {
			return fail(restoring, host.Invalid, "the backup has %.80q, which is not a file of a backup", header.Name)
		}
		if named += header.Size; named > in.opts.MaxBytes || named < 0 { // a sparse file's holes take no bytes of the archive
			return tooLarge()
		}
		if header.Name == sumsName {
			if err := in.check(files, header.Size, source); err != nil {
				return err
			}
			return ended(files, plain, source)
		}
		if err := in.file(ctx, header, files, source); err != nil {
			return err
		}
	}
}

// ended checks that nothing follows the checksums, and that the compression's own is right.
func ended(files *tar.Reader, plain io.Reader, source *source) error {
	if _, err := files.Next(); err == nil {
		return fail(restoring, host.Invalid, "the backup has files behind its checksums")
	} else if !errors.Is(err, io.EOF) {
		return source.damaged(err)
	}
	rest, err := io.ReadAll(io.LimitReader(plain, 1<<20))
	if err != nil {
		return source.damaged(err)
	}
	if len(bytes.Trim(rest, "\x00")) > 0 || len(rest) == 1<<20 {
		return fail(restoring, host.Invalid, "something follows the end of the backup")
	}
	return nil
}

// file takes one file: the manifest, then documents, then contents.
func (in *restore) file(ctx context.Context, header *tar.Header, r io.Reader, source *source) error {
	name := header.Name
	_, twice := in.sums.of[name]
	first := len(in.sums.order) == 0
	switch {
	case first != (name == manifestName):
		return fail(restoring, host.Invalid, "this is no backup: %s must be its first file", manifestName)
	case twice:
		return fail(restoring, host.Invalid, "the backup has %.80q twice", name)
	case first:
		data, err := source.hold(r, header.Size, maxManifest)
		if err != nil {
			return err
		}
		in.sums.add(name, sumOf(data))
		var m Manifest
		if err := json.Unmarshal(data, &m); err != nil {
			return fail(restoring, host.Invalid, "the backup's manifest is damaged: %w", err)
		}
		return in.begin(m)
	case strings.HasPrefix(name, documentsFolder):
		return in.readDocument(header, r, source)
	case strings.HasPrefix(name, blobsFolder) && digestPattern.MatchString(name[len(blobsFolder):]):
		return in.readBlob(ctx, name, r, source)
	}
	return fail(restoring, host.Invalid, "the backup has %.80q, which does not belong there", name)
}

func (in *restore) readDocument(header *tar.Header, r io.Reader, source *source) error {
	key, ok := documentKey(header.Name)
	if !ok || len(in.saved) > 0 {
		return fail(restoring, host.Invalid, "the backup has %.80q, which does not belong there", header.Name)
	}
	if in.held += header.Size + int64(len(header.Name)) + documentCost; in.held > maxDocuments {
		return fail(restoring, host.TooLarge, "the backup's documents have more than %d bytes", maxDocuments)
	}
	data, err := source.hold(r, header.Size, host.MaxDocument)
	if err != nil {
		return err
	}
	in.sums.add(header.Name, sumOf(data))
	return in.document(key, data)
}

func (in *restore) readBlob(ctx context.Context, name string, r io.Reader, source *source) error {
	content := &remembering{r: r}
	blob, err := in.blobs.Save(ctx, content)
	switch {
	case content.err != nil:
		return source.damaged(content.err)
	case err != nil:
		return within(restoring, err)
	case blobsFolder+blob.Digest != name:
		return fail(restoring, host.Invalid, "the backup is damaged: %s is not what its name says", name)
	}
	in.sums.add(name, blob.Digest)
	in.saved = append(in.saved, blob.Digest)
	in.report.Blobs++
	return nil
}

// check compares the checksums with what was read: the same files, in the same order, with the same sums.
func (in *restore) check(r io.Reader, size int64, source *source) error {
	text, err := source.hold(r, size, maxSums)
	if err != nil {
		return err
	}
	if !bytes.Equal(text, in.sums.text()) {
		return fail(restoring, host.Invalid, "the backup is damaged: its files are not those that its checksums were made of")
	}
	return nil
}

// A source is where a backup comes from.
type source struct {
	r    io.Reader
	err  error // of r, not its end
	left int64 // bytes that it may unpack to
}

// Read reads, and remembers what failed.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// damaged is the error of a backup that cannot be read on.
func (s *source) damaged(err error) error {
	var known *host.Error
	switch {
	case errors.As(err, &known):
		return err
	case s.err != nil && errors.As(s.err, &known):
		return within(restoring, s.err)
	case s.err != nil:
		return fail(restoring, host.Invalid, "the backup could not be received: %w", s.err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fail(restoring, host.Invalid, "the backup is cut off")
	}
	return fail(restoring, host.Invalid, "the backup is damaged, or no backup: %w", err)
}

// hold reads a whole file that must be small.
func (s *source) hold(r io.Reader, size, most int64) ([]byte, error) {
	if size > most {
		return nil, fail(restoring, host.TooLarge, "a file in the backup has %d bytes, where %d are the most", size, most)
	}
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, s.damaged(err)
	}
	return data, nil
}

// bounded ends what unpacks to too much.
type bounded struct {
	r      io.Reader
	source *source
}

// Read fails with Kind TooLarge when no bytes are left.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.source.left -= int64(n); b.source.left < 0 {
		return 0, tooLarge()
	}
	return n, err
}

func tooLarge() error {
	return fail(restoring, host.TooLarge, "the backup unpacks to more than it may")
}

// remembering keeps its reader's error, to tell it from that of the writer.
type remembering struct {
	r   io.Reader
	err error
}

// Read reads, and remembers what failed.
func (m *remembering) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = err
	}
	return n, err
}
