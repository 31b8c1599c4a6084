package project

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postern/postern/host"
)

const (
	// maxRatio is how many bytes a zip may unpack to for each of its own, beside slack. Scripts come to ten or twenty.
	maxRatio = 100
	slack    = 8 << 20 // bytes

	// maxDirectory is how many bytes of a zip are read to find out what is in it: a list of entries is kept in memory, and what
	// the zip says of its length may be a lie.
	maxDirectory = 8 << 20
	maxZipName   = 1024 // bytes of the name of an entry
	maxNamePart  = 255  // bytes of what stands between its slashes; file systems take no more
	maxLevels    = 64   // folders in each other: each one is walked for each file in it
)

// An unpacker writes the files of a zip into a folder of its own. It believes nothing that the zip says of itself. No name leads out of the
// folder, and nothing in it is a link, so paths are left to the system: an os.Root would open each folder on the way for each file.
type unpacker struct {
	dir     string
	entries int               // files and folders that there may be
	left    int64             // bytes that may still come
	names   map[string]string // what is there already, by its name in lower case; folders with a slash at their end
}

// unzip unpacks a zip of size bytes into the empty folder dir.
func unzip(ctx context.Context, r io.ReaderAt, size int64, dir string, limits UploadLimits) error {
	counted := &countedReaderAt{r: r, left: maxDirectory}
	archive, err := zip.NewReader(counted, size)
	switch {
	case errors.Is(err, errDirectory) || err == nil && len(archive.File) > limits.Entries:
		return tooMany(limits.Entries)
	case err != nil:
		return unfit("it is not a whole zip, but cut off or damaged (%s)", reason(err))
	case len(archive.File) == 0:
		return unfit("the zip is empty")
	}
	counted.left = -1
	u := &unpacker{dir: dir, entries: limits.Entries, left: min(limits.Unpacked, size*maxRatio+slack), names: map[string]string{}}
	for _, f := range archive.File {
		if err := ctx.Err(); err != nil {
			return &host.Error{Op: opUpload, Kind: host.Unavailable, Err: context.Cause(ctx)}
		}
		if err := u.entry(f); err != nil {
			return err
		}
	}
	return nil
}

// entry writes one file or makes one folder.
func (u *unpacker) entry(f *zip.File) error {
	name, folder := strings.CutSuffix(f.Name, "/")
	if problem := entryProblem(f, name, folder); problem != "" {
		return unfit("the zip's entry %s %s", quoted(f.Name), problem)
	}
	if foreignMetadata(name) {
		return nil
	}
	if err := u.claim(name, folder); err != nil {
		return err
	}
	if len(u.names) > u.entries { // also of folders that only the names of files make
		return tooMany(u.entries)
	}
	local := filepath.Join(u.dir, filepath.FromSlash(name))
	if folder {
		return failed(os.MkdirAll(local, 0o700))
	}
	if err := os.MkdirAll(filepath.Dir(local), 0o700); err != nil {
		return failed(err)
	}
	return u.write(f, local)
}

// entryProblem says what is wrong with an entry, "" for nothing. Nothing on the disk is looked at.
func entryProblem(f *zip.File, name string, folder bool) string {
	const encrypted = 1 // of the flags (APPNOTE.TXT, section 4.4.4)
	switch {
	case len(f.Name) > maxZipName:
		return fmt.Sprintf("has a name of %d bytes, and %d are the most", len(f.Name), maxZipName)
	case slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return len(part) > maxNamePart }):
		return fmt.Sprintf("has a part of more than %d bytes in its name", maxNamePart)
	case strings.Count(name, "/") > maxLevels:
		return fmt.Sprintf("is more than %d folders deep", maxLevels)
	case !utf8.ValidString(f.Name):
		return "has a name that is not UTF-8"
	case strings.Contains(f.Name, `\`):
		return "has a backslash in its name"
	case strings.ContainsFunc(f.Name, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return "has a control character in its name"
	case name == "." || !fs.ValidPath(name) || !filepath.IsLocal(filepath.FromSlash(name)):
		return "leads out of the folder, or is not written in the plain way"
	case !folder && f.Mode()&fs.ModeSymlink != 0:
		return "is a symbolic link; pack what it leads to (zip -r without -y)"
	case !folder && !f.Mode().IsRegular():
		return "is neither a file nor a folder"
	case f.Flags&encrypted != 0:
		return "is encrypted"
	}
	return ""
}

// foreignMetadata reports what macOS adds to zips.
func foreignMetadata(name string) bool {
	return strings.HasPrefix(name, "__MACOSX/") || name == "__MACOSX" || path.Base(name) == ".DS_Store"
}

// claim takes a name, and refuses one that is taken: by itself, in other letters' case, or by a file where a folder is needed.
func (u *unpacker) claim(name string, folder bool) error {
	for at := 0; at < len(name); {
		next := strings.IndexByte(name[at:], '/')
		part, dir := name, folder
		if next >= 0 {
			part, dir = name[:at+next], true
			at += next + 1
		} else {
			at = len(name)
		}
		want := part
		if dir {
			want += "/"
		}
		before, taken := u.names[strings.ToLower(part)]
		switch {
		case !taken:
			u.names[strings.ToLower(part)] = want
		case before == want && !dir:
			return unfit("the zip has %s twice", quoted(want))
		case before != want:
			return unfit("the zip has %s and %s, which are one file on some systems", quoted(before), quoted(want))
		}
	}
	return nil
}

func (u *unpacker) write(f *zip.File, local string) error {
	in, err := f.Open()
	if err != nil {
		return unfit("the zip's entry %s cannot be read: %s", quoted(f.Name), reason(err))
	}
	defer in.Close()
	out, err := os.OpenFile(local, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return failed(err)
	}
	n, err := io.Copy(out, io.LimitReader(&sourceReader{r: in}, u.left+1))
	closeErr := out.Close()
	u.left -= n
	var source *sourceError
	switch {
	case errors.As(err, &source):
		return unfit("the zip's entry %s cannot be read: %s", quoted(f.Name), reason(source.err))
	case err != nil:
		return failed(err)
	case closeErr != nil:
		return failed(closeErr)
	case u.left < 0:
		return tooLarge("the zip unpacks to more bytes than it may (at %s)", quoted(f.Name))
	}
	return nil
}

func tooMany(entries int) error {
	return tooLarge("the zip has more than %d files and folders", entries)
}

// quoted writes a name from a zip for a message.
func quoted(name string) string {
	const most = 80
	if len(name) > most {
		name = name[:most] + "…"
	}
	return fmt.Sprintf("%q", name)
}

// A sourceError is one of what is read, rather than of where it is written.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }

// A sourceReader marks its errors.
type sourceReader struct{ r io.Reader }

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		err = &sourceError{err}
	}
	return n, err
}

var errDirectory = errors.New("its directory is too long")

// A countedReaderAt reads so many bytes and no more; any number when left is negative.
type countedReaderAt struct {
	r    io.ReaderAt
	left int64
}

func (c *countedReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if c.left < 0 {
		return c.r.ReadAt(p, off)
	}
	if int64(len(p)) > c.left {
		return 0, errDirectory
	}
	n, err := c.r.ReadAt(p, off)
	c.left -= int64(n)
	return n, err
}
