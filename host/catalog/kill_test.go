package catalog

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/postern/postern/host/jetstream"
	"github.com/postern/postern/host/sealed"
)

const killedDir = "POSTERN_TEST_KILLED_DIR" // set in the process that is killed

// TestKilled kills a process that uploads, promotes and rotates a secret, at any moment. What it was told to be done is there, and
// whatever is there is whole.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		changeForEver(t, dir)
		return
	}
	dir := t.TempDir()
	if _, err := sealed.Create(filepath.Join(dir, "key")); err != nil {
		t.Fatal(err)
	}
	kills := 10
	if testing.Short() {
		kills = 2
	}
	acknowledged := 0
	for range kills {
		acknowledged = max(acknowledged, killWriter(t, dir, 1+rand.IntN(20), rand.N(5*time.Millisecond)))
		checkKilled(t, dir, acknowledged)
	}
	if acknowledged == 0 {
		t.Error("nothing was ever acknowledged")
	}
}

func openKilled(t *testing.T, dir string) (*Catalog, *jetstream.State) {
	t.Helper()
	key, err := sealed.Open(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := jetstream.Open(context.Background(), jetstream.Options{Dir: filepath.Join(dir, "data")})
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Store: s.Store(), Blobs: s.Blobs(), Sealer: key}), s
}

// changeForEver makes version after version, and writes the number of each that is acknowledged.
func changeForEver(t *testing.T, dir string) {
	c, _ := openKilled(t, dir)
	ctx := context.Background()
	n := 0
	if f, err := c.Function(ctx, "greet"); err == nil {
		n = f.Version
	}
	for {
		n++
		text := fmt.Sprint(n)
		if v := upload(t, c, "greet", text); v.Version != n {
			t.Fatalf("version %d, want %d", v.Version, n)
		}
		if _, err := c.PutSecret(ctx, "db", []byte(text), Change{}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.SetAlias(ctx, "greet", "blue", n, 0, 0, Change{}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Collect(ctx, time.Hour); err != nil {
			t.Fatal(err)
		}
		fmt.Println("acknowledged", n)
	}
}

// killWriter runs a writer until it has acknowledged some changes, and a little longer, and returns the last.
func killWriter(t *testing.T, dir string, changes int, longer time.Duration) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), killedDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last, seen := 0, 0
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if n := 0; scan(lines.Text(), &n) {
			last = n
			if seen++; seen == changes {
				time.AfterFunc(longer, func() { _ = cmd.Process.Kill() })
			}
		} else {
			t.Log(lines.Text())
		}
	}
	_ = cmd.Wait() // it was killed
	if seen < changes {
		t.Fatalf("the writer ended after %d changes", seen)
	}
	return last
}

func scan(line string, n *int) bool {
	_, err := fmt.Sscanf(line, "acknowledged %d", n)
	return err == nil
}

func checkKilled(t *testing.T, dir string, acknowledged int) {
	t.Helper()
	c, s := openKilled(t, dir)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	f, err := c.Function(t.Context(), "greet")
	if err != nil {
		t.Fatal(err)
	}
	blue, err := c.Version(t.Context(), "greet", "blue")
	if err != nil {
		t.Fatal(err)
	}
	secret := 0
	if _, err := fmt.Sscan(secretText(t, c), &secret); err != nil {
		t.Fatal(err)
	}
	if f.Version < acknowledged || f.Version > acknowledged+1 || f.Live != f.Version || secret < acknowledged || secret > f.Version || blue.Version < acknowledged || blue.Version > secret {
		t.Errorf("%d was acknowledged: got version %d, live %d, secret %d, blue %d", acknowledged, f.Version, f.Live, secret, blue.Version)
	}
	all, err := c.Versions(t.Context(), "greet")
	if err != nil || len(all) != f.Version {
		t.Fatalf("%d versions, %v", len(all), err)
	}
	for _, v := range all {
		if text, err := readAll(t, c, v.Digest); err != nil || text != script(fmt.Sprint(v.Version)) {
			t.Fatalf("version %d has the code %q, %v", v.Version, text, err)
		}
	}
}
