// Package datadir is the data folder of a host: made with mode 0700, held by one process at a time, marked with the number of its
// format. A folder that cannot be used is refused before anything in it is touched, and the refusal says what to do.
package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/atomicfile"
)

// Format is the number of the layout that this release writes:
//
//	postern.json   the marker: the format, and which release wrote it
//	postern.lock   held by the process that uses the folder, with its pid
//	jetstream/     the embedded NATS server's files
//	admin.token    the first admin token, 0600
//	secrets.key    the identities that seal secrets, 0600
//	passed         which code was checked, a digest a line; without it, all is checked again
//	temp/          what is being received; emptied when the folder is opened
//
// Other files are secrets of the host (Dir.Secret).
const Format = 1

// Names in the folder.
const (
	markerName = "postern.json"
	lockName   = "postern.lock"
	tempName   = "temp"
	keyName    = "secrets.key"
)

// A Migration brings a folder from the format before it to Format.
type Migration struct {
	Format int // that the folder has afterwards
	Run    func(ctx context.Context, dir string) error
}

// Options say how to open a data folder. The zero value is right for a release whose format is Format.
type Options struct {
	Release    string      // of this program, as "1.4.0": written into the marker, for the message of an older one; empty: "unknown"
	Migrations []Migration // from each older format to the next one, by rising Format
	Format     int         // 0: Format, the package's
	Logger     *slog.Logger
}

// A Dir is a data folder that this process holds. It is safe for concurrent use.
type Dir struct {
	path   string
	unlock func()
	closed sync.Once
	secret sync.Mutex // one Secret at a time: two that make the same one agree
}

// Open makes the folder if it is missing, takes it for this process, migrates it if its format is an older one, and checks that
// it can be written. The errors: Conflict when another process holds it (with its pid), Unsupported when a newer release wrote
// it, Forbidden for owner and permissions, Unavailable for a read-only or full disk, Invalid when it is not a data folder, and
// Internal for a damaged marker. None of them changes what is there.
func Open(ctx context.Context, path string, o Options) (*Dir, error) {
	if o.Format == 0 {
		o.Format = Format
	}
	if o.Release == "" {
		o.Release = "unknown"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fail(path, host.Invalid, err, "")
	}
	if err := create(path); err != nil {
		return nil, err
	}
	if err := checkOwner(path); err != nil {
		return nil, err
	}
	unlock, err := lock(path)
	if err != nil {
		return nil, err
	}
	d := &Dir{path: path, unlock: unlock}
	if err := d.prepare(ctx, o); err != nil {
		unlock()
		return nil, err
	}
	return d, nil
}

// prepare does what the lock must be held for.
func (d *Dir) prepare(ctx context.Context, o Options) error {
	if err := d.restore(o); err != nil {
		return err
	}
	marker, err := d.readMarker()
	if err != nil {
		return err
	}
	if err := d.probe(); err != nil {
		return err
	}
	switch {
	case marker.Format == 0:
		err = d.writeMarker(marker, o)
	case marker.Format > o.Format:
		return d.newer(marker, o)
	case marker.Format < o.Format:
		err = d.migrate(ctx, marker, o)
	}
	if err != nil {
		return err
	}
	return d.emptyTemp()
}

// create makes the folder, with the folders above it, and refuses what is not one.
func create(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return fail(path, host.Invalid, errors.New("it is a file, not a folder"), "name a folder, which is made if it is missing")
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(path, 0o700)
		if err == nil {
			err = atomicfile.SyncFolder(filepath.Dir(path))
		}
	}
	if err != nil {
		return explain(path, err)
	}
	return nil
}

// Path returns the path of something in the folder.
func (d *Dir) Path(name ...string) string { return filepath.Join(append([]string{d.path}, name...)...) }

// Temp returns a folder for what is being received. It is empty when the data folder is opened.
func (d *Dir) Temp() string { return d.Path(tempName) }

func (d *Dir) emptyTemp() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return explain(d.path, err)
	}
	for _, e := range entries {
		if isLeftover(e.Name()) {
			_ = os.Remove(d.Path(e.Name())) // small, and tried again the next time
		}
	}
	if err := os.RemoveAll(d.Temp()); err != nil {
		return explain(d.path, err)
	}
	if err := os.Mkdir(d.Temp(), 0o700); err != nil {
		return explain(d.path, err)
	}
	return nil
}

// Close gives the folder back. It is held until then, or until the process ends.
func (d *Dir) Close() error {
	d.closed.Do(d.unlock)
	return nil
}

// fail is an error about a data folder.
func fail(path string, kind host.Kind, err error, remedy string) error {
	if remedy != "" {
		err = fmt.Errorf("%w; %s", err, remedy)
	}
	return &host.Error{Op: "data folder " + path, Kind: kind, Err: err}
}
