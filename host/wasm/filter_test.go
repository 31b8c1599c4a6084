package wasm_test

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm"
)

const (
	requestMeta  = `{"phase":"request","request":{"method":"POST","path":"/x","headers":[],"length":-1},"context":{}}`
	responseMeta = `{"phase":"response","response":{"statusCode":200,"headers":[],"length":-1},"context":{}}`
)

// openFilter opens the filter that does act.
func openFilter(t testing.TB, act string, timeout time.Duration) (*wasm.Runtime, host.Plugin) {
	t.Helper()
	rt := newRuntime(t, wasm.Options{})
	cfg := host.PluginConfig{Name: "filter", Limits: limits(), Config: []byte(`"` + act + `"`)}
	cfg.Limits.Timeout = host.Default(timeout)
	cfg.Limits.HostCalls = host.Default[int64](math.MaxInt64) // what spins is to end by its time
	return rt, open(t, compile(t, rt, "filter", guestCode(t, "filter")), cfg)
}

func pin(t testing.TB, p host.Plugin) host.Pinned {
	t.Helper()
	pinned, err := p.(host.Pinner).Pin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pinned.Release)
	return pinned
}

func TestFilter(t *testing.T) {
	for name, test := range map[string]struct {
		act, body       string
		meta, out, says string
	}{
		"nothing":             {"n", "some", "{}", "", ""},
		"headers":             {"h", "some", `{"setHeaders":[["x-filter","1"]]}`, "", ""},
		"a new body":          {"c", "some", `{"body":true}`, "some", ""},
		"after all":           {"w", "some", `{"body":true}`, "some", ""},
		"an empty body":       {"e", "some", `{"body":true}`, "", ""},
		"undeclared":          {"u", "some", `{"setHeaders":[["x-filter","1"]]}`, "", ""},
		"reads":               {"r", "some", "", "", "read 4 bytes of the body and gives no new one"},
		"reads what is empty": {"r", "", "{}", "", ""},
		"malformed":           {"j", "", "", "", "not JSON"},
	} {
		_, p := openFilter(t, test.act, 25*time.Second)
		for entry, in := range map[string]string{host.EntryFilterRequest: requestMeta, host.EntryFilterResponse: responseMeta} {
			meta, body, err := ask(p, entry, in, []byte(test.body), &effects{})
			switch {
			case test.says != "":
				var guest *host.GuestError
				if !errors.Is(err, host.Internal) || !errors.As(err, &guest) || !strings.Contains(guest.Message, test.says) {
					t.Errorf("%s, %s: got %v", name, entry, err)
				}
			case err != nil || meta != test.meta || body != test.out:
				t.Errorf("%s, %s: got %s %q, %v", name, entry, meta, body, err)
			}
		}
	}
	_, p := openFilter(t, "a", 25*time.Second)
	if meta, body, err := ask(p, host.EntryFilterRequest, requestMeta, []byte("some"), &effects{}); err != nil || meta != `{"response":{"statusCode":403}}` || body != "no\n" {
		t.Errorf("an early answer: %s %q, %v", meta, body, err)
	}
	// What was announced and is empty is a body, and not none.
	_, p = openFilter(t, "e", 25*time.Second)
	if out, err := p.Call(context.Background(), host.EntryFilterRequest, host.Event{Meta: []byte(requestMeta)}, &effects{}); err != nil || out.Body == nil {
		t.Errorf("an empty body: %v, %v", out.Body, err)
	}
}

// The head of what a filter changes goes on before a byte of its body came, and each piece as it comes. Waiting for it is not
// counted.
func TestFilterStreams(t *testing.T) {
	_, p := openFilter(t, "c", 2*time.Second)
	r, w := io.Pipe()
	out, err := p.Call(context.Background(), host.EntryFilterResponse, host.Event{Meta: []byte(responseMeta), Body: r}, &effects{})
	if err != nil || string(out.Meta) != `{"body":true}` {
		t.Fatalf("got %s, %v", out.Meta, err)
	}
	for _, piece := range []string{"data: one\n\n", "data: two\n\n", "data: three\n\n"} {
		if _, err := io.WriteString(w, piece); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(piece))
		if _, err := io.ReadFull(out.Body, got); err != nil || string(got) != piece {
			t.Fatalf("got %q, %v", got, err)
		}
		time.Sleep(900 * time.Millisecond) // all together longer than the filter's time
	}
	_ = w.Close()
	if rest, err := io.ReadAll(out.Body); err != nil || len(rest) > 0 {
		t.Errorf("the rest: %q, %v", rest, err)
	}
	_ = out.Body.Close()
}

// Behind its answer a filter may run no longer than its time between a read and a write.
func TestFilterSpins(t *testing.T) {
	for _, act := range []string{"l", "s"} { // in a loop, and on reads and writes of nothing
		rt, p := openFilter(t, act, 2*time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
		defer cancel()
		out, err := p.Call(ctx, host.EntryFilterRequest, host.Event{Meta: []byte(requestMeta)}, &effects{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(out.Body); !errors.Is(err, host.Timeout) || !strings.Contains(err.Error(), "2s (default)") {
			t.Errorf("%s: got %v", act, err)
		}
		_ = out.Body.Close()
		waitFor(t, func() bool { return rt.Stats().Leased == 0 })
	}
}

// Both halves of an exchange find one instance, and no other exchange comes in between.
func TestPinned(t *testing.T) {
	rt, p := openFilter(t, "m", 25*time.Second)
	half := func(pinned host.Pinned, entry string) string {
		out, err := pinned.Call(context.Background(), entry, host.Event{Meta: []byte("{}")}, &effects{})
		if err != nil {
			t.Fatal(err)
		}
		return string(out.Meta)
	}
	first, second := pin(t, p), pin(t, p)
	if n := rt.Stats().Leased; n != 2 {
		t.Errorf("%d instances are leased", n)
	}
	half(first, host.EntryFilterRequest)
	half(first, host.EntryFilterRequest)
	half(second, host.EntryFilterRequest)
	if a, b := half(first, host.EntryFilterResponse), half(second, host.EntryFilterResponse); a != `{"statusCode":202}` || b != `{"statusCode":201}` {
		t.Errorf("got %s and %s", a, b)
	}
	first.Release()
	first.Release()
	second.Release()
	if _, err := first.Call(context.Background(), host.EntryFilterResponse, host.Event{}, &effects{}); !errors.Is(err, host.Internal) {
		t.Errorf("after Release: %v", err)
	}
	if s := rt.Stats(); s.Leased != 0 || s.Instances != 2 {
		t.Errorf("after Release: %+v", s)
	}
}

// An error of the guest's own leaves the second half its instance; what breaks it does not.
func TestPinnedFails(t *testing.T) {
	for act, want := range map[string]string{"x": `{"statusCode":201}`, "t": ""} {
		_, p := openFilter(t, act, 25*time.Second)
		pinned := pin(t, p)
		if _, err := pinned.Call(context.Background(), host.EntryFilterRequest, host.Event{}, &effects{}); !errors.Is(err, host.Internal) {
			t.Errorf("%s: the first half: %v", act, err)
		}
		out, err := pinned.Call(context.Background(), host.EntryFilterResponse, host.Event{}, &effects{})
		if string(out.Meta) != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, host.Internal) {
			t.Errorf("%s: the second half: %s, %v", act, out.Meta, err)
		}
		pinned.Release()
	}
}

// endless is a client that never stops sending.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// An upstream that answers before it has read the request's body does not read on until somebody reads its answer, for which the
// filter is needed: its first half is cut off.
func TestUpstreamAnswersEarly(t *testing.T) {
	rt, p := openFilter(t, "c", 25*time.Second)
	pinned := pin(t, p)
	first, err := pinned.Call(context.Background(), host.EntryFilterRequest, host.Event{Meta: []byte(requestMeta), Body: io.NopCloser(endless{})}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	answer := strings.NewReader("early")
	second, err := pinned.Call(context.Background(), host.EntryFilterResponse, host.Event{Meta: []byte(responseMeta), Body: io.NopCloser(answer)}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(second.Body); err != nil || string(body) != "early" {
		t.Errorf("the answer: %q, %v", body, err)
	}
	if n, err := io.Copy(io.Discard, first.Body); err == nil || n == 0 || n > 64<<10 {
		t.Errorf("the request went on with %d bytes, %v; it is not whole", n, err)
	}
	_, _ = first.Body.Close(), second.Body.Close()
	pinned.Release()
	if s := rt.Stats(); s.Leased != 0 || s.Instances != 1 {
		t.Errorf("%+v: the guest ended by itself", s)
	}
}

// A first half whose reader has gone ends, also while its sender is silent.
func TestFirstHalfIsLeft(t *testing.T) {
	_, p := openFilter(t, "c", 25*time.Second)
	pinned := pin(t, p)
	r, w := io.Pipe()
	first, err := pinned.Call(context.Background(), host.EntryFilterRequest, host.Event{Meta: []byte(requestMeta), Body: r}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Body.Close()
	second, err := pinned.Call(context.Background(), host.EntryFilterResponse, host.Event{Meta: []byte(responseMeta)}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	_ = second.Body.Close()
	_ = w.Close()
}

// A second half waits for a request that is still being sent, for as long as the exchange may take.
func TestSecondHalfWaits(t *testing.T) {
	rt, p := openFilter(t, "c", 25*time.Second)
	pinned := pin(t, p)
	r, w := io.Pipe()
	first, err := pinned.Call(context.Background(), host.EntryFilterRequest, host.Event{Meta: []byte(requestMeta), Body: r}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := pinned.Call(ctx, host.EntryFilterResponse, host.Event{Meta: []byte(responseMeta)}, &effects{}); !errors.Is(err, host.Timeout) {
		t.Errorf("while nothing comes: %v", err)
	}
	answered := make(chan error)
	go func() {
		_, err := pinned.Call(context.Background(), host.EntryFilterResponse, host.Event{Meta: []byte(responseMeta)}, &effects{})
		answered <- err
	}()
	_, _ = io.WriteString(w, "late")
	_ = w.Close()
	if body, err := io.ReadAll(first.Body); err != nil || string(body) != "late" {
		t.Errorf("the request: %q, %v", body, err)
	}
	if err := <-answered; err != nil {
		t.Errorf("the second half: %v", err)
	}
	pinned.Release()
	waitFor(t, func() bool { return rt.Stats().Leased == 0 })
}

// Release ends what runs, and does not wait for it.
func TestReleaseWhileRunning(t *testing.T) {
	rt, p := openFilter(t, "c", 25*time.Second)
	pinned := pin(t, p)
	r, w := io.Pipe()
	if _, err := pinned.Call(context.Background(), host.EntryFilterRequest, host.Event{Meta: []byte(requestMeta), Body: r}, &effects{}); err != nil {
		t.Fatal(err)
	}
	pinned.Release()
	waitFor(t, func() bool { return rt.Stats().Leased == 0 })
	_ = w.Close()
	if n := rt.Stats().Instances; n != 1 {
		t.Errorf("%d instances; the guest ended by itself", n)
	}
	rt, p = openFilter(t, "l", 25*time.Second)
	pinned = pin(t, p)
	if _, err := pinned.Call(context.Background(), host.EntryFilterRequest, host.Event{Meta: []byte(requestMeta)}, &effects{}); err != nil {
		t.Fatal(err)
	}
	pinned.Release()
	waitFor(t, func() bool { return rt.Stats().Instances == 0 })
}
