package project

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/postern/postern/host"
)

const (
	quiet    = 50 * time.Millisecond  // without a change before one is reported: editors write in several steps
	patience = time.Second            // after which it is reported even so
	absence  = 200 * time.Millisecond // between looks for a project's folder that is gone
)

// A Watcher reports changes of a project's inputs. It watches folders and not files, since editors save by renaming a
// new file over the old one; and the folders above them, since folders are removed and made again too.
type Watcher struct {
	root    string
	notify  *fsnotify.Watcher
	changes chan []string
	stop    chan struct{}
	done    sync.WaitGroup

	mu    sync.Mutex
	files map[string]bool // inputs that are files, relative
	trees []string        // inputs that are folders, relative, with a slash at the end; "./" is the project
}

// NewWatcher watches the project in dir: all of it until Watch says what matters, so that no edit is missed while it is
// loaded for the first time. Close it.
func NewWatcher(dir string) (*Watcher, error) {
	p, _ := find(dir) // a definition that is not there may come
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, &host.Error{Op: "watch project", Kind: host.Unavailable, Err: watchError(err)}
	}
	w := &Watcher{root: p.Dir, notify: notify, changes: make(chan []string), stop: make(chan struct{})}
	if _, err := w.Watch(append(p.Inputs, wholeProject), time.Now()); err != nil {
		return nil, errors.Join(err, notify.Close())
	}
	w.done.Go(w.run)
	return w, nil
}

// Changes gives the inputs that changed, relative to the project and sorted, some time after the last change; several
// changes come together. "." stands for all. The channel is closed by Close.
func (w *Watcher) Changes() <-chan []string { return w.changes }

// Watch replaces the inputs by a Project's, which was loaded from since on. What is not there yet is waited for. It returns
// the inputs that nobody watched meanwhile and that changed after since: no event will tell of them. The error says that
// the system lets no more folders be watched; those that it did are.
func (w *Watcher) Watch(inputs []string, since time.Time) (missed []string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	files, trees := w.files, w.trees
	w.files, w.trees = map[string]bool{}, nil
	for _, in := range inputs {
		if strings.HasSuffix(in, "/") {
			w.trees = append(w.trees, in)
		} else {
			w.files[in] = true
		}
	}
	_, err = w.sync()
	watched := func(file string) bool {
		return files[file] || slices.ContainsFunc(trees, func(tree string) bool { return tree == wholeProject || strings.HasPrefix(file, tree) })
	}
	for file := range w.files {
		info, err := os.Stat(filepath.Join(w.root, filepath.FromSlash(file)))
		if err == nil && !watched(file) && info.ModTime().After(since) {
			missed = append(missed, file)
		}
	}
	slices.Sort(missed)
	return missed, err
}

// Close stops watching, and waits until nothing runs any more.
func (w *Watcher) Close() error {
	close(w.stop)
	w.done.Wait()
	return w.notify.Close()
}

// sync makes the watched folders those that the inputs need, and returns the ones that were not watched before.
func (w *Watcher) sync() (appeared []string, err error) {
	want := map[string]bool{}
	for f := range w.files {
		w.climb(want, path.Dir(f))
	}
	for _, tree := range w.trees {
		w.climb(want, path.Clean(tree))
		w.descend(want, path.Clean(tree))
	}
	watched := map[string]bool{}
	for _, dir := range w.notify.WatchList() {
		watched[dir] = true
		if !want[dir] {
			_ = w.notify.Remove(dir) // it may be gone already
		}
	}
	var errs []error
	for dir := range want {
		if watched[dir] {
			continue
		}
		if addErr := w.notify.Add(dir); addErr != nil {
			if !errors.Is(addErr, fs.ErrNotExist) {
				errs = append(errs, watchError(addErr))
			}
		} else {
			appeared = append(appeared, dir)
		}
	}
	if len(errs) > 0 {
		err = &host.Error{Op: "watch project", Kind: host.Unavailable, Err: errs[0]}
	}
	return appeared, err
}

// climb adds a folder and those above it, up to the project's, as far as they are there.
func (w *Watcher) climb(want map[string]bool, rel string) {
	for {
		abs := filepath.Join(w.root, filepath.FromSlash(rel))
		if info, err := os.Stat(abs); err == nil && info.IsDir() {
			want[abs] = true
		}
		if rel == "." || !filepath.IsLocal(filepath.FromSlash(rel)) {
			return
		}
		rel = path.Dir(rel)
	}
}

// descend adds the folders below one, but for those that tools fill.
func (w *Watcher) descend(want map[string]bool, rel string) {
	top := filepath.Join(w.root, filepath.FromSlash(rel))
	_ = filepath.WalkDir(top, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it is gone, or not ours to read
		}
		if d.IsDir() {
			if file != top && ignored(d.Name()) {
				return filepath.SkipDir
			}
			want[file] = true
		}
		return nil
	})
}

// ignored names the files and folders inside of an input folder that are not its source.
func ignored(name string) bool {
	switch name {
	case "node_modules", "target", "zig-out", "zig-cache", "plugin.wasm", "4913": // the last is vim's, which tries whether it may write
		return true
	}
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~")
}

func (w *Watcher) run() {
	defer close(w.changes)
	pending := map[string]bool{}
	var first time.Time
	timer := time.NewTimer(absence)
	defer timer.Stop()
	for {
		var out chan []string
		var ready []string
		if len(pending) > 0 && first.IsZero() {
			out, ready = w.changes, slices.Sorted(maps.Keys(pending))
		}
		select {
		case <-w.stop:
			return
		case out <- ready:
			clear(pending)
		case e := <-w.notify.Events:
			w.forget(e)
			if name, ok := w.relevant(e); ok {
				pending[name] = true
			}
			if first.IsZero() {
				first = time.Now()
			}
			timer.Reset(min(quiet, max(0, patience-time.Since(first))))
		case err := <-w.notify.Errors:
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				pending["."] = true // what changed is not known
			}
		case <-timer.C:
			first = time.Time{}
			if w.settle(pending) {
				timer.Reset(absence)
			}
		}
	}
}

// forget stops watching what was below a folder that is gone from its name. Such watches belong to the folder and not to
// the name: they would hold the place of those on a new folder of that name.
func (w *Watcher) forget(e fsnotify.Event) {
	if !e.Has(fsnotify.Remove) && !e.Has(fsnotify.Rename) {
		return
	}
	for _, dir := range w.notify.WatchList() {
		if dir == e.Name || strings.HasPrefix(dir, e.Name+string(filepath.Separator)) {
			_ = w.notify.Remove(dir) // the system may have done so
		}
	}
}

// settle looks for folders that came or were made again, whose files changed before they were watched. It reports whether
// the project's own folder is gone, which no event will tell the end of.
func (w *Watcher) settle(pending map[string]bool) (gone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := os.Stat(w.root); err != nil {
		return true
	}
	appeared, _ := w.sync() // Watch has told, when the limit was reached
	for _, dir := range appeared {
		rel, ok := w.rel(dir)
		if !ok {
			continue
		}
		for f := range w.files {
			if rel == "." || strings.HasPrefix(f, rel+"/") {
				pending[f] = true
			}
		}
		if w.inTree(rel) {
			pending[rel] = true
		}
	}
	w.dropPassing(pending)
	return false
}

// dropPassing forgets files that came and went beside one that stayed: what editors leave behind is no change to tell.
func (w *Watcher) dropPassing(pending map[string]bool) {
	passing := map[string]bool{}
	for name := range pending {
		if _, err := os.Lstat(filepath.Join(w.root, filepath.FromSlash(name))); err != nil && !w.files[name] {
			passing[name] = true
		}
	}
	if len(passing) < len(pending) {
		maps.DeleteFunc(pending, func(name string, _ bool) bool { return passing[name] })
	}
}

func (w *Watcher) rel(name string) (string, bool) {
	rel, err := filepath.Rel(w.root, name)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// relevant returns the input that an event is about. Changes of permissions count only where anything may mend the project.
func (w *Watcher) relevant(e fsnotify.Event) (string, bool) {
	rel, ok := w.rel(e.Name)
	if !ok {
		return "", false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Op == fsnotify.Chmod && !slices.Contains(w.trees, wholeProject) {
		return "", false
	}
	return rel, w.files[rel] || w.inTree(rel)
}

// inTree reports whether a path lies in an input folder and is not ignored there.
func (w *Watcher) inTree(rel string) bool {
	for _, tree := range w.trees {
		below := rel
		if tree != wholeProject {
			if below, _ = strings.CutPrefix(rel+"/", tree); below == rel+"/" {
				continue
			}
		}
		if !slices.ContainsFunc(strings.Split(strings.Trim(below, "/"), "/"), func(name string) bool { return name != "." && ignored(name) }) {
			return true
		}
	}
	return false
}

// watchError adds the remedy to the limits of inotify.
func watchError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE) {
		return fmt.Errorf("the system lets no more folders be watched: %w; raise fs.inotify.max_user_watches and fs.inotify.max_user_instances (sysctl)", err)
	}
	return err
}
