package jetstream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/jetstream"
)

// The test binary is also the process that is killed: it writes to the folder that childEnv names until then, and prints what
// was acknowledged, a line each.
const (
	childEnv = "POSTERN_TEST_JETSTREAM"
	syncEnv  = "POSTERN_TEST_SYNC"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := writeForever(dir); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	os.Exit(m.Run())
}

func writeForever(dir string) error {
	ctx := context.Background()
	s, err := jetstream.Open(ctx, jetstream.Options{Dir: dir, SyncAlways: os.Getenv(syncEnv) != ""})
	if err != nil {
		return err
	}
	q, err := s.Queue(ctx, "q", jetstream.QueueBounds{MaxPerTopic: 1 << 30})
	if err != nil {
		return err
	}
	j, err := s.Journal(ctx, "audit", jetstream.Bounds{})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	fail := make(chan error)
	seed := rand.Uint64()
	for w, write := range []func(n uint64) error{
		func(n uint64) error { return writeDocument(ctx, s.Store(), "state", n, say) },
		func(n uint64) error { return writeDocument(ctx, s.Store(), host.Key(fmt.Sprint("doc/", n%7)), n, say) },
		func(n uint64) error {
			b, err := s.Blobs().Save(ctx, io.LimitReader(rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(seed)}), int64(n%5)<<18+9))
			if err == nil {
				say("blob %s %d", b.Digest, b.Size)
			}
			return err
		},
		func(n uint64) error {
			id := strconv.FormatUint(seed+n, 36)
			err := errors.Join(q.Send(ctx, jetstream.Job{Topic: "f", Data: []byte(id)}), ignore(j.Append(ctx, jetstream.Record{Topic: "f", Data: []byte(id + "\n")})))
			if err == nil {
				say("job %s -", id)
			}
			return err
		},
	} {
		go func() {
			for n := uint64(w); ; n++ {
				if err := write(n); err != nil {
					fail <- err
				}
			}
		}()
	}
	return <-fail
}

func ignore[T any](_ T, err error) error { return err }

// writeDocument counts a document up.
func writeDocument(ctx context.Context, s host.Store, key host.Key, n uint64, say func(string, ...any)) error {
	e, err := s.Get(ctx, key)
	if err != nil && !errors.Is(err, host.NotFound) {
		return err
	}
	if n%50 == 49 && key != "state" && e.Rev > 0 {
		return s.Delete(ctx, key, e.Rev)
	}
	had, _ := strconv.Atoi(strings.TrimSpace(string(e.Value)))
	if key != "state" {
		had = int(e.Rev)
	}
	rev, err := s.Put(ctx, key, []byte(fmt.Sprintf("%d%*s", had+1, int(n%3000), "")), e.Rev)
	if err == nil && key == "state" {
		say("state %d %d", rev, had+1)
	}
	return err
}

// TestKill kills a writer eighteen times in the middle of its writes; what it said it has written is there each time.
func TestKill(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("eighteen processes")
	}
	for mode, kills := range map[string]int{"": 12, "always": 6} {
		t.Run("sync "+mode, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			jobs, blobs, state := 0, map[string]int64{}, 0
			for i := range kills {
				lines := killed(t, dir, mode, 30+i*11)
				for _, l := range lines {
					f := strings.Fields(l)
					switch n, _ := strconv.Atoi(f[2]); f[0] {
					case "job":
						jobs++
					case "blob":
						blobs[f[1]] = int64(n)
					case "state":
						state = max(state, n)
					}
				}
				check(t, dir, jobs, blobs, state)
			}
			t.Logf("%d jobs, %d contents, %d states", jobs, len(blobs), state)
		})
	}
}

// killed starts a writer, lets it say some lines, kills it, and returns all that it has said.
func killed(t *testing.T, dir, mode string, n int) (lines []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir, syncEnv+"="+mode)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		if strings.HasPrefix(scanner.Text(), "error") {
			t.Fatal(scanner.Text())
		}
		if lines = append(lines, scanner.Text()); len(lines) == n {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait() // it was killed
	if len(lines) < n {
		t.Fatalf("it said %d lines", len(lines))
	}
	if last := lines[len(lines)-1]; len(strings.Fields(last)) != 3 {
		lines = lines[:len(lines)-1] // cut in the middle
	}
	return lines
}

func check(t *testing.T, dir string, jobs int, blobs map[string]int64, state int) {
	t.Helper()
	s, err := jetstream.Open(t.Context(), jetstream.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	e, err := s.Store().Get(t.Context(), "state")
	if got, _ := strconv.Atoi(strings.TrimSpace(string(e.Value))); got < state || got > state+1 || err != nil && (state > 0 || !errors.Is(err, host.NotFound)) {
		t.Errorf("state %d, acknowledged %d, %v", got, state, err)
	}
	there := all(t, s.Blobs())
	for d, size := range blobs {
		if there[d] != size {
			t.Errorf("content %s has %d bytes, acknowledged %d", d, there[d], size)
		}
	}
	for d, size := range there { // none is half there
		if data, err := load(t, s.Blobs(), d); err != nil || int64(len(data)) != size {
			t.Errorf("content %s: %v", d, err)
		}
	}
	q, err := s.Queue(t.Context(), "q", jetstream.QueueBounds{MaxPerTopic: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	if counts, err := q.Waiting(t.Context()); err != nil || counts["f"] < jobs {
		t.Errorf("%d jobs, acknowledged %d, %v", counts["f"], jobs, err)
	}
	j, err := s.Journal(t.Context(), "audit", jetstream.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	if records := strings.Count(pages(t, j, jetstream.Query{Limit: 1000}), "\n"); records < jobs {
		t.Errorf("%d records, acknowledged %d", records, jobs)
	}
}
