package datadir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/atomicfile"
)

// Endings of folders beside the data folder. The copy of an older format is made under "…-new" and gets its name when it is
// whole; while a migration runs, migratingName stands in the data folder with the copy's name.
const (
	copyEnding    = ".format-%d"
	newEnding     = "-new"
	migratingName = "migrating"
)

func isLeftover(name string) bool {
	return strings.HasPrefix(name, ".probe-") || strings.HasPrefix(name, ".new-")
}

func (d *Dir) copyPath(format int) string { return d.path + fmt.Sprintf(copyEnding, format) }

// migrate keeps a copy, marks that a migration is under way, runs what is due, and writes the new marker last. A process that is killed in
// between leaves the mark: the next one puts the copy back (restore) and starts over.
func (d *Dir) migrate(ctx context.Context, m marker, o Options) error {
	steps, err := d.due(m, o)
	if err != nil {
		return err
	}
	kept := d.copyPath(m.Format)
	if err := d.keep(ctx, kept); err != nil {
		return err
	}
	o.Logger.Info("data folder is migrated", "folder", d.path, "from", m.Format, "to", o.Format, "copy", kept)
	if err := atomicfile.Replace(d.Path(migratingName), []byte(filepath.Base(kept)), 0o600); err != nil {
		return explain(d.path, err)
	}
	for _, step := range steps {
		if err := step.Run(ctx, d.path); err != nil {
			err = fmt.Errorf("migration to format %d: %w", step.Format, err)
			return errors.Join(fail(d.path, host.Internal, err, "what it was is put back; the copy stays at "+kept), d.restore(o))
		}
	}
	if err := d.writeMarker(m, o); err != nil {
		return errors.Join(err, d.restore(o))
	}
	if err := os.Remove(d.Path(migratingName)); err != nil {
		return explain(d.path, err)
	}
	return explainSync(d.path, atomicfile.SyncFolder(d.path))
}

// due returns the steps from m's format to o's, and refuses a list that has a gap.
func (d *Dir) due(m marker, o Options) ([]Migration, error) {
	var steps []Migration
	at := m.Format
	for _, step := range o.Migrations {
		if step.Format == at+1 && at < o.Format {
			steps, at = append(steps, step), step.Format
		}
	}
	if at != o.Format {
		return nil, fail(d.path, host.Unsupported, fmt.Errorf("it has format %d, and this release (%s) cannot bring it from format %d to %d",
			m.Format, o.Release, at, o.Format), "nothing was changed; use the release that wrote it ("+m.Release+"), or one in between")
	}
	return steps, nil
}

// keep copies the folder beside itself, if there is room. A copy that is there already is whole, and of a migration that was given up:
// it is replaced, because the folder may have been used since.
func (d *Dir) keep(ctx context.Context, kept string) error {
	size, err := treeSize(d.path)
	if err != nil {
		return explain(d.path, err)
	}
	if free, err := Free(filepath.Dir(d.path)); err == nil && size+size/10 > free {
		return fail(d.path, host.Unavailable, fmt.Errorf("its format is older, and there is no room for the copy that is kept before it is migrated: %.1f MiB are needed at %s, %.1f MiB are free",
			float64(size+size/10)/(1<<20), filepath.Dir(kept), float64(free)/(1<<20)), "nothing was changed; free some space")
	}
	fresh := kept + newEnding
	if err := os.RemoveAll(fresh); err != nil {
		return explain(d.path, err)
	}
	if err := copyTree(ctx, d.path, fresh); err != nil {
		_ = os.RemoveAll(fresh) // the first error says more
		return explain(d.path, fmt.Errorf("copy it to %s: %w", fresh, err))
	}
	if err := os.RemoveAll(kept); err != nil {
		return explain(d.path, err)
	}
	if err := os.Rename(fresh, kept); err != nil {
		return explain(d.path, err)
	}
	return explainSync(d.path, atomicfile.SyncFolder(filepath.Dir(d.path)))
}

// restore puts back what a migration that did not end has begun to change. It can be killed too: the mark goes last.
func (d *Dir) restore(o Options) error {
	name, err := os.ReadFile(d.Path(migratingName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return explain(d.path, err)
	}
	kept := filepath.Join(filepath.Dir(d.path), string(name))
	if info, err := os.Stat(kept); string(name) != filepath.Base(kept) || err != nil || !info.IsDir() {
		return fail(d.path, host.Internal, fmt.Errorf("a migration was cut off, and the copy %q that it kept is not there", name),
			"nothing was changed; put the copy back at "+kept+", or restore a backup")
	}
	o.Logger.Warn("a migration was cut off: the data folder is put back from its copy", "folder", d.path, "copy", kept)
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return explain(d.path, err)
	}
	for _, e := range entries {
		if e.Name() == migratingName || e.Name() == lockName {
			continue
		}
		if err := os.RemoveAll(d.Path(e.Name())); err != nil {
			return explain(d.path, err)
		}
	}
	if err := copyTree(context.Background(), kept, d.path); err != nil { // not to be left half-way because a caller gives up
		return explain(d.path, err)
	}
	if err := os.Remove(d.Path(migratingName)); err != nil {
		return explain(d.path, err)
	}
	return explainSync(d.path, atomicfile.SyncFolder(d.path))
}

func explainSync(path string, err error) error {
	if err != nil {
		return explain(path, err)
	}
	return nil
}

func treeSize(root string) (size uint64, err error) {
	err = filepath.WalkDir(root, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			size += uint64(info.Size())
		}
		return err
	})
	return size, err
}

// copyTree copies folders and files, without the lock and the mark of a migration, and returns when all is on the disk.
func copyTree(ctx context.Context, from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil || rel == lockName || rel == migratingName {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			if err := os.MkdirAll(target, 0o700); err != nil {
				return err
			}
			return atomicfile.SyncFolder(filepath.Dir(target))
		case e.Type().IsRegular():
			return copyFile(path, target)
		}
		return fmt.Errorf("%s is neither a file nor a folder", path)
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
