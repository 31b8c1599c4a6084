package datadir_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/datadir"
)

// migrating are two steps that change a file, add one and remove one. At the named point the process kills itself.
func migrating(point string) datadir.Options {
	die := func(at string) {
		if point == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	return datadir.Options{Format: 3, Release: "3.0.0", Migrations: []datadir.Migration{
		{Format: 2, Run: func(_ context.Context, dir string) error {
			die("first")
			block := filepath.Join(dir, "jetstream", "block")
			old, err := os.ReadFile(block)
			if err != nil || string(old) != "one" {
				return errors.Join(err, errors.New("the block is "+string(old)))
			}
			if err := os.WriteFile(block, []byte("two"), 0o600); err != nil {
				return err
			}
			die("written")
			return os.WriteFile(filepath.Join(dir, "added"), []byte("new"), 0o600)
		}},
		{Format: 3, Run: func(_ context.Context, dir string) error {
			if err := os.Remove(filepath.Join(dir, "old")); err != nil {
				return err
			}
			die("second")
			if point == "fails" {
				return errors.New("the second step does not like it")
			}
			return nil
		}},
	}}
}

func formatOne(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "data")
	d := open(t, dir, datadir.Options{Format: 1, Release: "1.0.0"})
	write(t, d.Path("jetstream", "block"), "one")
	write(t, d.Path("old"), "old")
	_ = d.Close()
	return dir
}

func checkMigrated(t *testing.T, dir string) {
	t.Helper()
	got := tree(t, dir)
	delete(got, "postern.lock")
	want := map[string]string{".": "/", "jetstream": "/", "jetstream/block": "two", "added": "new", "temp": "/",
		"postern.json": "{\n  \"format\": 3,\n  \"release\": \"3.0.0\"\n}\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("migrated folder:\n%s", diff)
	}
	checkCopy(t, dir)
}

func checkCopy(t *testing.T, dir string) {
	t.Helper()
	kept := tree(t, dir+".format-1")
	if kept["jetstream/block"] != "one" || kept["old"] != "old" || !strings.Contains(kept["postern.json"], `"format": 1`) {
		t.Errorf("the copy: %v", kept)
	}
	info, err := os.Stat(dir + ".format-1")
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the copy is open to others: %v", err)
	}
}

func TestMigration(t *testing.T) {
	dir := formatOne(t)
	_ = open(t, dir, migrating("")).Close()
	checkMigrated(t, dir)
	// Once only: the steps would fail on what they have made.
	_ = open(t, dir, migrating("")).Close()
	checkMigrated(t, dir)
	refused(t, dir, datadir.Options{Format: 1, Release: "1.0.0"}, host.Unsupported, "3.0.0 or newer")
}

func TestAFailedMigrationPutsBack(t *testing.T) {
	dir := formatOne(t)
	refused(t, dir, migrating("fails"), host.Internal, "format 3", "does not like it", dir+".format-1")
	checkCopy(t, dir)
	_ = open(t, dir, migrating("")).Close()
	checkMigrated(t, dir)
}

func TestAKilledMigrationStartsOver(t *testing.T) {
	for _, point := range []string{"first", "written", "second"} {
		t.Run(point, func(t *testing.T) {
			dir := formatOne(t)
			for range 2 {
				line, _, stop := second(t, dir, 0, migrateEnv+"="+point)
				stop()
				if line != "" {
					t.Fatalf("it was not killed: %s", line)
				}
				checkCopy(t, dir)
			}
			_ = open(t, dir, migrating("")).Close()
			checkMigrated(t, dir)
		})
	}
	t.Run("put back by the release before", func(t *testing.T) {
		dir := formatOne(t)
		_, _, stop := second(t, dir, 0, migrateEnv+"=second")
		stop()
		_ = open(t, dir, datadir.Options{Format: 1, Release: "1.0.0"}).Close()
		got := tree(t, dir)
		if got["jetstream/block"] != "one" || got["old"] != "old" || got["added"] != "" {
			t.Errorf("%v", got)
		}
	})
	t.Run("its copy is gone", func(t *testing.T) {
		dir := formatOne(t)
		_, _, stop := second(t, dir, 0, migrateEnv+"=second")
		stop()
		if err := os.RemoveAll(dir + ".format-1"); err != nil {
			t.Fatal(err)
		}
		refused(t, dir, migrating(""), host.Internal, "put the copy back")
	})
}

func TestNoRoomForTheCopy(t *testing.T) {
	top, _ := mount(t, "size=24m,mode=0700")
	dir := filepath.Join(top, "data")
	d := open(t, dir, datadir.Options{Format: 1})
	if err := os.WriteFile(d.Path("jetstream"), make([]byte, 14<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
	refused(t, dir, migrating(""), host.Unavailable, "no room for the copy", "15.4 MiB are needed", "free some space")
}
