package project_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host/project"
)

// longEnough is how long a test waits for a change before it fails.
const longEnough = 20 * time.Second

func watch(t *testing.T, dir string) *project.Watcher {
	t.Helper()
	w, err := project.NewWatcher(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// expect waits until a change of that input is reported, and returns all that was reported until then.
func expect(t *testing.T, w *project.Watcher, input string) []string {
	t.Helper()
	var all []string
	deadline := time.After(longEnough)
	for {
		select {
		case changed := <-w.Changes():
			all = append(all, changed...)
			if slices.Contains(changed, input) {
				return all
			}
		case <-deadline:
			t.Fatalf("the change of %s was not reported; these were: %q", input, all)
		}
	}
}

func inputs(t *testing.T, w *project.Watcher, list ...string) {
	t.Helper()
	if _, err := w.Watch(list, time.Now()); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, dir, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		t.Fatal(err)
	}
}

func TestWatch(t *testing.T) {
	dir := write(t, map[string]string{"postern.yaml": "", "lib/a.ts": "", "functions/f/main.go": "", "functions/f/sub/x.go": "", "other/y.ts": ""})
	w := watch(t, dir)
	put(t, dir, "other/y.ts", "edited before the first load has ended")
	expect(t, w, "other/y.ts")

	inputs(t, w, "postern.yaml", "lib/a.ts", "functions/f/")
	put(t, dir, "lib/a.ts", "1")
	expect(t, w, "lib/a.ts")

	put(t, dir, "lib/.a.ts.new", "2")
	rename(t, dir, "lib/.a.ts.new", "lib/a.ts")
	seen := expect(t, w, "lib/a.ts") // an editor's save, by renaming

	put(t, dir, "lib/a.ts", "3")
	seen = append(seen, expect(t, w, "lib/a.ts")...) // and the renamed file is still watched

	put(t, dir, "other/y.ts", "not an input any more")
	put(t, dir, "lib/b.ts", "nor is this")
	put(t, dir, "functions/f/.main.go.swp", "nor this")
	put(t, dir, "functions/f/sub/x.go", "package x")
	seen = append(seen, expect(t, w, "functions/f/sub/x.go")...)
	for _, name := range seen {
		if name != "lib/a.ts" && name != "functions/f/sub/x.go" {
			t.Errorf("the change of %s was reported, which is no input", name)
		}
	}

	put(t, dir, "functions/f/new/z.go", "package z") // the folder is new, too
	expect(t, w, "functions/f/new")
	put(t, dir, "functions/f/new/z.go", "package z // edited")
	expect(t, w, "functions/f/new/z.go")
}

func TestWatchSurvivesRecreatedFolders(t *testing.T) {
	dir := write(t, map[string]string{"postern.yaml": "", "lib/deep/a.ts": "", "functions/f/main.go": ""})
	w := watch(t, dir)
	inputs(t, w, "postern.yaml", "lib/deep/a.ts", "functions/f/", "later/b.ts")

	if err := os.RemoveAll(filepath.Join(dir, "lib")); err != nil {
		t.Fatal(err)
	}
	expect(t, w, "lib/deep/a.ts")
	put(t, dir, "lib/deep/a.ts", "made again")
	expect(t, w, "lib/deep/a.ts")
	put(t, dir, "lib/deep/a.ts", "edited")
	expect(t, w, "lib/deep/a.ts")

	rename(t, dir, "functions", "away")
	put(t, dir, "functions/f/main.go", "made again")
	expect(t, w, "functions/f")
	put(t, dir, "functions/f/main.go", "edited")
	expect(t, w, "functions/f/main.go")

	put(t, dir, "later/b.ts", "what was missing comes")
	expect(t, w, "later/b.ts")
}

func TestWatchSurvivesARecreatedProject(t *testing.T) {
	parent := write(t, map[string]string{"project/postern.yaml": ""})
	dir := filepath.Join(parent, "project")
	w := watch(t, dir)
	inputs(t, w, "postern.yaml")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	expect(t, w, "postern.yaml")
	put(t, dir, "postern.yaml", "made again")
	expect(t, w, "postern.yaml")
	put(t, dir, "postern.yaml", "edited")
	expect(t, w, "postern.yaml")
}

func TestWatchMergesChanges(t *testing.T) {
	dir := write(t, map[string]string{"postern.yaml": "", "a.ts": "", "b.ts": ""})
	w := watch(t, dir)
	inputs(t, w, "postern.yaml", "a.ts", "b.ts")
	for range 20 {
		put(t, dir, "a.ts", "1")
		put(t, dir, "b.ts", "1")
		time.Sleep(time.Millisecond)
	}
	seen := expect(t, w, "b.ts") // which is always written after a.ts
	if !slices.Contains(seen, "a.ts") || len(seen) > 20 {
		t.Errorf("reported: %q of 40 changes", seen)
	}
}

// What a broken project lacks may come anywhere, so that every file of it counts.
func TestWatchABrokenProject(t *testing.T) {
	dir := write(t, map[string]string{"postern.yaml": one("./f.ts"), "f.ts": "import {x} from './lib/x'\nexport const handler = x\n"})
	w := watch(t, dir)
	p, err := project.Load(t.Context(), dir, options(t))
	if err == nil {
		t.Fatal("the import is not there, and the project loads")
	}
	inputs(t, w, p.Inputs...)
	put(t, dir, "tmp.1", "an editor's own")
	rename(t, dir, "tmp.1", "f.ts")
	expect(t, w, "f.ts")
	put(t, dir, "f.ts", "import {x} from './lib/x'\nexport const handler = x\n")
	expect(t, w, "f.ts")
	put(t, dir, "lib/x.ts", "export const x = () => 1")
	expect(t, w, "lib")
	p = load(t, dir, options(t))
	inputs(t, w, p.Inputs...)
	put(t, dir, "lib/x.ts", "export const x = () => 2")
	expect(t, w, "lib/x.ts")
}

// A file that is edited after it was read and before it was watched is told of by Watch, once.
func TestWatchTellsWhatItMissed(t *testing.T) {
	dir := write(t, map[string]string{"postern.yaml": "", "old.js": "", "new.js": "", "seen.js": ""})
	w, err := project.NewWatcher(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if _, err := w.Watch([]string{"postern.yaml", "seen.js"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	read := time.Now()
	for name, changed := range map[string]time.Time{"old.js": read.Add(-time.Minute), "new.js": read.Add(time.Minute), "seen.js": read.Add(time.Minute)} {
		if err := os.Chtimes(filepath.Join(dir, name), changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	inputs := []string{"postern.yaml", "old.js", "new.js", "seen.js", "absent.js"}
	for _, want := range [][]string{{"new.js"}, nil} { // what is watched now is not missed again
		missed, err := w.Watch(inputs, read)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, missed); diff != "" {
			t.Error(diff)
		}
	}
}
