package sigv4

import (
	"testing"
	"time"
)

func TestReplay(t *testing.T) {
	opts := options()
	opts.Replays = &Replays{}
	clock := noon
	opts.Now = func() time.Time { return clock }
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		send := func() error {
			r := request(t, method, "/", "x", nil)
			sign(t, r, "x", "lambda", noon.Add(5*time.Minute))
			return verify(arrive(t, r), opts)
		}
		clock = noon
		if err := send(); err != nil {
			t.Fatal(err)
		}
		for _, later := range []time.Duration{0, time.Minute, 5 * time.Minute, 10 * time.Minute} {
			clock = noon.Add(later)
			if err := send(); CodeOf(err) != InvalidSignature {
				t.Errorf("%s again %v later: %v; want a refusal", method, later, err)
			}
		}
	}
	clock = noon
	for range 3 {
		r := request(t, "GET", "/", "", nil)
		sign(t, r, "", "lambda", noon)
		if err := verify(arrive(t, r), opts); err != nil {
			t.Errorf("GET again: %v", err)
		}
	}
	r := request(t, "POST", "/", "y", nil)
	sign(t, r, "y", "lambda", noon)
	r = arrive(t, r)
	zero(r)
	if err := verify(r, opts); CodeOf(err) != InvalidSignature {
		t.Error(err)
	}
	r = request(t, "POST", "/", "y", nil)
	sign(t, r, "y", "lambda", noon)
	if err := verify(arrive(t, r), opts); err != nil {
		t.Errorf("the first good one after a bad one: %v", err)
	}
}

func TestReplaysBounded(t *testing.T) {
	var p Replays
	var sum [32]byte
	for i := range 3 * maxReplays {
		sum[0], sum[1], sum[2], sum[3] = byte(i), byte(i>>8), byte(i>>16), byte(i>>24)
		if !p.first(sum[:], noon, time.Minute) {
			t.Fatalf("%d is new, and was refused", i)
		}
	}
	if n := len(p.now) + len(p.old); n > 2*maxReplays {
		t.Errorf("%d signatures are kept", n)
	}
	if p.first(sum[:], noon.Add(time.Minute), time.Minute) {
		t.Error("the newest was forgotten")
	}
}
