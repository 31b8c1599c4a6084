package jetstream_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/jetstream"
)

func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-c:
		if !ok {
			t.Fatal("the channel is at its end")
		}
		return v
	case <-time.After(patience):
		t.Fatal("nothing comes")
	}
	panic("unreachable")
}

func TestJournal(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, s *jetstream.State) {
		j, err := s.Journal(t.Context(), "audit", jetstream.Bounds{MaxAge: 24 * time.Hour, MaxBytes: 1 << 20, MaxPerTopic: 20})
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := j.Read(t.Context(), jetstream.Query{Newest: true}); err != nil || len(got) != 0 {
			t.Errorf("%v, %v", got, err)
		}
		for i := range 10 {
			topic := []string{"a/$default", "b.c *>"}[i%2]
			if _, err := j.Append(t.Context(), jetstream.Record{Topic: topic, ID: fmt.Sprint("id", i), Data: []byte(fmt.Sprint(i))}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := j.Append(t.Context(), jetstream.Record{Topic: "b.c *>", ID: "id9", Data: []byte("twice")}); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			q    jetstream.Query
			want string
		}{
			{jetstream.Query{}, "0 1 2 3 4 5 6 7 8 9"},
			{jetstream.Query{Newest: true}, "9 8 7 6 5 4 3 2 1 0"},
			{jetstream.Query{Limit: 3}, "0 1 2 | 3 4 5 | 6 7 8 | 9"},
			{jetstream.Query{Limit: 5, Newest: true}, "9 8 7 6 5 | 4 3 2 1 0"},
			{jetstream.Query{Limit: 2, Topic: "b.c *>"}, "1 3 | 5 7 | 9"},
			{jetstream.Query{Limit: 2, Topic: "a/$default", Newest: true}, "8 6 | 4 2 | 0"},
			{jetstream.Query{Topic: "none"}, ""},
		} {
			if got := pages(t, j, c.q); got != c.want {
				t.Errorf("%+v: %s, want %s", c.q, got, c.want)
			}
		}
		testPurge(t, j)
		if _, err := s.Journal(t.Context(), "a.b", jetstream.Bounds{}); err == nil {
			t.Error("a name with a dot")
		}
		_, err = j.Append(t.Context(), jetstream.Record{Topic: "a", Data: make([]byte, host.MaxDocument+1)})
		wantKind(t, err, host.TooLarge)
	})
}

func pages(t *testing.T, j *jetstream.Journal, q jetstream.Query) string {
	t.Helper()
	var all []string
	for {
		records, after, err := j.Read(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var page []string
		for _, r := range records {
			page = append(page, string(r.Data))
		}
		all = append(all, strings.Join(page, " "))
		if q.After = after; after == 0 {
			return strings.Join(all, " | ")
		}
	}
}

func testPurge(t *testing.T, j *jetstream.Journal) {
	if err := j.PurgeUpTo(t.Context(), "a/$default", 0); err != nil {
		t.Error(err)
	}
	if got := pages(t, j, jetstream.Query{Limit: 2, Newest: true}); got != "9 7 | 5 3 | 1" {
		t.Error(got)
	}
	for i := range 30 {
		if _, err := j.Append(t.Context(), jetstream.Record{Topic: "new", Data: []byte(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if all, _, err := j.Read(t.Context(), jetstream.Query{Topic: "b.c *>"}); err != nil || len(all) != 5 {
		t.Errorf("%d records, %v", len(all), err)
	} else if err := j.PurgeUpTo(t.Context(), "b.c *>", all[2].Sequence); err != nil {
		t.Error(err)
	}
	if got := pages(t, j, jetstream.Query{Topic: "b.c *>"}); got != "7 9" {
		t.Errorf("after a purge up to the third: %s", got)
	}
	if all, _, err := j.Read(t.Context(), jetstream.Query{Topic: "new"}); err != nil || len(all) != 20 || string(all[0].Data) != "10" {
		t.Errorf("%d records of a topic that keeps 20, %v", len(all), err)
	}
}

// consume runs a consumer until the test ends.
func consume(t *testing.T, q *jetstream.Queue, each int, handle func(context.Context, jetstream.Job) jetstream.Verdict) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.Consume(ctx, each, handle) }()
	t.Cleanup(func() {
		cancel()
		if err := next(t, done); err != nil {
			t.Errorf("consume: %v", err)
		}
	})
}

func send(t *testing.T, q *jetstream.Queue, topic, id, data string) {
	t.Helper()
	if err := q.Send(t.Context(), jetstream.Job{Topic: topic, ID: id, Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
}

func TestQueue(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, s *jetstream.State) {
		q, err := s.Queue(t.Context(), "invocations", jetstream.QueueBounds{MaxPerTopic: 100, MaxBytes: 8 << 20})
		if err != nil {
			t.Fatal(err)
		}
		send(t, q, "before", "", "1") // before there is a consumer
		block := make(chan struct{})
		got := make(chan string, 100)
		consume(t, q, 2, func(_ context.Context, j jetstream.Job) jetstream.Verdict {
			if j.Topic == "slow" {
				<-block
			}
			got <- fmt.Sprint(j.Topic, " ", string(j.Data), " ", j.Attempt)
			if j.Topic == "again" && j.Attempt < 3 {
				return jetstream.Verdict{Again: true, After: time.Duration(j.Attempt-1) * 10 * time.Millisecond}
			}
			return jetstream.Verdict{}
		})
		if g := next(t, got); g != "before 1 1" {
			t.Error(g)
		}
		for i := range 100 {
			send(t, q, "slow", "", fmt.Sprint(i))
		}
		err = q.Send(t.Context(), jetstream.Job{Topic: "slow"})
		wantKind(t, err, host.Throttled, "100 jobs")
		send(t, q, "other.$ *", "one", "x") // is not held up
		send(t, q, "other.$ *", "one", "y") // is the same
		if g := next(t, got); g != "other.$ * x 1" {
			t.Error(g)
		}
		send(t, q, "again", "", "z")
		for i := range 3 {
			if g := next(t, got); g != fmt.Sprint("again z ", i+1) {
				t.Error(g)
			}
		}
		eventually(t, func() bool {
			counts, err := q.Waiting(t.Context())
			return err == nil && cmp.Equal(counts, map[string]int{"slow": 100})
		})
		close(block)
		seen := map[string]bool{}
		for range 100 {
			seen[next(t, got)] = true
		}
		if len(seen) != 100 {
			t.Errorf("%d of 100 jobs", len(seen))
		}
		eventually(t, func() bool { counts, err := q.Waiting(t.Context()); return err == nil && len(counts) == 0 })
	})
}

func TestQueueAndDead(t *testing.T) {
	t.Parallel()
	s := open(t, jetstream.Options{})
	q, err := s.Queue(t.Context(), "q", jetstream.QueueBounds{})
	if err != nil {
		t.Fatal(err)
	}
	send(t, q, "g", "", "2")
	counts, err := q.Waiting(t.Context())
	if diff := cmp.Diff(map[string]int{"g": 1}, counts); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	for range 2 { // a handler that was killed after the first
		if _, err := q.Dead().Append(t.Context(), jetstream.Record{Topic: "g", ID: "job", Data: []byte("2")}); err != nil {
			t.Fatal(err)
		}
	}
	if got := pages(t, q.Dead(), jetstream.Query{Topic: "g"}); got != "2" {
		t.Error(got)
	}
	wantKind(t, q.Send(t.Context(), jetstream.Job{Topic: ""}), host.Invalid)
	wantKind(t, q.Consume(t.Context(), 0, nil), host.Invalid)
}

// TestTwoConsumers: each job goes to one of two hosts, and jobs survive a restart of the host with their attempts.
func TestTwoConsumersAndARestart(t *testing.T) {
	t.Parallel()
	srv := external(t, nil)
	o := jetstream.Options{URL: address(srv, "nats", "")}
	queue := func() *jetstream.Queue {
		q, err := open(t, o).Queue(t.Context(), "q", jetstream.QueueBounds{})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	first := queue()
	ctx, cancel := context.WithCancel(t.Context())
	tried := make(chan int, 100)
	done := make(chan error, 1)
	go func() {
		done <- first.Consume(ctx, 4, func(_ context.Context, j jetstream.Job) jetstream.Verdict {
			tried <- j.Attempt
			return jetstream.Verdict{Again: true, After: 200 * time.Millisecond}
		})
	}()
	for i := range 20 {
		send(t, first, "f", "", fmt.Sprint(i))
	}
	for range 20 {
		next(t, tried)
	}
	cancel()
	if err := next(t, done); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]int{}
	handle := func(_ context.Context, j jetstream.Job) jetstream.Verdict {
		mu.Lock()
		defer mu.Unlock()
		seen[string(j.Data)]++
		if j.Attempt < 2 {
			t.Errorf("attempt %d", j.Attempt)
		}
		return jetstream.Verdict{}
	}
	consume(t, queue(), 2, handle)
	consume(t, queue(), 2, handle)
	eventually(t, func() bool { counts, err := first.Waiting(t.Context()); return err == nil && len(counts) == 0 })
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 20 {
		t.Errorf("%d of 20 jobs", len(seen))
	}
}
