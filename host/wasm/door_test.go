package wasm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/kv"
	"github.com/postern/postern/host/wasm"
)

// doorEffects have a map, and keep the metrics.
type doorEffects struct {
	effects
	host.KV
	metrics []string
}

func (e *doorEffects) KVGet(ctx context.Context, key string) (host.KVEntry, error) {
	return e.KV.KVGet(ctx, key)
}

func (e *doorEffects) KVPut(ctx context.Context, key string, value []byte, o host.KVOptions) (int64, error) {
	return e.KV.KVPut(ctx, key, value, o)
}

func (e *doorEffects) KVDelete(ctx context.Context, key string, revision int64) error {
	return e.KV.KVDelete(ctx, key, revision)
}

func (e *doorEffects) KVKeys(ctx context.Context, prefix, after string) ([]string, error) {
	return e.KV.KVKeys(ctx, prefix, after)
}

func (e *doorEffects) Metric(_ context.Context, kind host.MetricKind, name string, value float64) error {
	switch {
	case name == "full":
		return &host.Error{Op: "metric", Kind: host.TooLarge, Err: errors.New("too many")}
	case name == "":
		return &host.Error{Op: "metric", Kind: host.Invalid, Err: errors.New("no name")}
	}
	e.metrics = append(e.metrics, fmt.Sprint(kind, " ", name, " ", value))
	return nil
}

// door encodes what testdata/door.wat is to do.
func door(act byte, first, second int64, key, value string) host.Event {
	meta := []byte{act, byte(len(key))}
	meta = binary.LittleEndian.AppendUint64(meta, uint64(first))
	meta = binary.LittleEndian.AppendUint64(meta, uint64(second))
	return host.Event{Meta: append(append(meta, key...), value...)}
}

// through asks the guest, and returns the revision and the value that it was given, or the error.
func through(t *testing.T, p host.Plugin, fx host.Effects, in host.Event) (revision int64, value string, err error) {
	t.Helper()
	out, err := p.Call(context.Background(), host.EntryHandle, in, fx)
	if err != nil {
		return 0, "", err
	}
	defer out.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(out.Body); err != nil {
		return 0, "", err
	}
	return int64(binary.LittleEndian.Uint64(b.Bytes())), b.String()[8:], nil
}

func openDoor(t *testing.T, config string, change func(*host.Limits)) host.Plugin {
	t.Helper()
	cfg := host.PluginConfig{Name: "door", Limits: limits(), Config: json.RawMessage(config)}
	cfg.Limits.Timeout = host.Default(10 * time.Second)
	if change != nil {
		change(&cfg.Limits)
	}
	return open(t, compile(t, newRuntime(t, wasm.Options{}), "door", guestCode(t, "door")), cfg)
}

func wantResult(t *testing.T, what string, err error, result int) {
	t.Helper()
	if want := fmt.Sprintf("handle returned %d", result); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%s: got %v, want: %s", what, err, want)
	}
}

func TestMapOfAGuest(t *testing.T) {
	p := openDoor(t, "", nil)
	var store kv.Store
	fx := &doorEffects{KV: store.Map("door", 80<<10)}
	_, _, err := through(t, p, fx, door('g', 0, 0, "a", ""))
	wantResult(t, "get nothing", err, -2)
	first, _, err := through(t, p, fx, door('p', 0, 0, "a", "one"))
	if err != nil || first <= 0 {
		t.Fatalf("put: revision %d, %v", first, err)
	}
	_, _, err = through(t, p, fx, door('p', 0, 0, "a", "two"))
	wantResult(t, "put where something is", err, -10)
	second, _, err := through(t, p, fx, door('p', first, 60_000, "a", "two"))
	if err != nil || second <= first {
		t.Fatalf("put: revision %d after %d, %v", second, first, err)
	}
	for _, room := range []int64{0, 1, 65536} {
		if got, value, err := through(t, p, fx, door('g', room, 0, "a", "")); err != nil || got != second || value != "two" {
			t.Errorf("get with room for %d: %q, revision %d, %v", room, value, got, err)
		}
	}
	_, _, err = through(t, p, fx, door('d', first, 0, "a", ""))
	wantResult(t, "delete another revision", err, -10)
	if _, _, err = through(t, p, fx, door('p', -1, 0, "a/<b>", "x")); err != nil {
		t.Fatal(err)
	}
	if _, keys, err := through(t, p, fx, door('k', 0, 0, "a", "")); err != nil || keys != `["a","a/<b>"]` {
		t.Errorf("keys: %s, %v", keys, err)
	}
	if _, keys, err := through(t, p, fx, door('k', 0, 0, "a", "a/<b>")); err != nil || keys != `[]` {
		t.Errorf("keys behind the last: %s, %v", keys, err)
	}
	if _, _, err = through(t, p, fx, door('d', second, 0, "a", "")); err != nil {
		t.Error(err)
	}
	for what, test := range map[string]struct {
		in     host.Event
		result int
	}{
		"a value over 64 KiB":       {door('p', -1, 0, "b", strings.Repeat("x", host.MaxKVValue+1)), -3},
		"a key of no bytes":         {door('p', -1, 0, "", "x"), -8},
		"a key that is not UTF-8":   {door('p', -1, 0, "\xff", "x"), -8},
		"a negative time":           {door('p', -1, -1, "b", "x"), -8},
		"a time that no clock has":  {door('p', -1, math.MaxInt64, "b", "x"), -8},
		"a revision that none has":  {door('p', -2, 0, "b", "x"), -8},
		"deleting such a revision":  {door('d', -2, 0, "b", ""), -8},
		"a metric of no kind":       {door('m', 3, 0, "looks", ""), -8},
		"a metric without a name":   {door('m', 0, 0, "", ""), -8},
		"a metric too many":         {door('m', 0, 0, "full", ""), -9},
		"getting what nobody has":   {door('g', 0, 0, "b", ""), -2},
		"a map that has enough":     {door('p', -1, 0, "big", strings.Repeat("x", host.MaxKVValue)), 0},
		"a metric of a fine number": {door('m', 2, int64(math.Float64bits(1.5)), "looks", ""), 0},
	} {
		if _, _, err := through(t, p, fx, test.in); test.result != 0 {
			wantResult(t, what, err, test.result)
		} else if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, _, err = through(t, p, fx, door('p', -1, 0, "over", strings.Repeat("x", 20<<10)))
	wantResult(t, "more than the map may hold", err, -3)
	if got := strings.Join(fx.metrics, ", "); got != "2 looks 1.5" {
		t.Errorf("metrics: %s", got)
	}
	_, _, err = through(t, p, &effects{}, door('g', 0, 0, "a", "")) // as while it starts: not allowed
	wantResult(t, "a map that is not allowed", err, -5)
}

func TestContextOfACall(t *testing.T) {
	p := openDoor(t, "", nil)
	in := door('c', 0, 0, "", "")
	in.Function = &host.FunctionContext{Name: "f", Version: "3", ARN: "arn:f:3", RequestID: "r-1", Client: json.RawMessage(`{"custom":1}`)}
	_, text, err := through(t, p, &effects{}, in)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Deadline  int64
		RequestID string
		Function  struct{ Name, Version, ARN string }
		Client    json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(time.UnixMilli(got.Deadline)); left <= 0 || left > 10*time.Second {
		t.Errorf("the deadline is %v from now", left)
	}
	if got.RequestID != "r-1" || got.Function.Name != "f" || got.Function.Version != "3" || got.Function.ARN != "arn:f:3" || string(got.Client) != `{"custom":1}` {
		t.Errorf("got %s", text)
	}
}

// Starting, a guest has no call: the context is empty, and the map ends it.
func TestDoorWhileStarting(t *testing.T) {
	openDoor(t, "c", nil)
	m := compile(t, newRuntime(t, wasm.Options{}), "door", guestCode(t, "door"))
	_, err := m.Open(context.Background(), host.PluginConfig{Name: "door", Limits: limits(), Config: json.RawMessage("k")})
	var guest *host.GuestError
	if !errors.As(err, &guest) || guest.Type != host.GuestTrap || !strings.Contains(guest.Message, "kv_revision") {
		t.Errorf("got %v", err)
	}
}

// What a guest asks of its host is counted, but for what moves a body.
func TestHostCallsAreLimited(t *testing.T) {
	p := openDoor(t, "", func(l *host.Limits) { l.HostCalls = host.Default[int64](100) })
	_, _, err := through(t, p, &effects{}, door('l', 0, 0, "", ""))
	var guest *host.GuestError
	var limit *host.LimitError
	if !errors.Is(err, host.Internal) || !errors.As(err, &guest) || guest.Type != host.GuestLimit || !errors.As(err, &limit) {
		t.Fatalf("got %v", err)
	}
	if limit.Limit != "limits.hostCalls" || limit.Value != "100" || limit.Origin != "default" || !strings.Contains(guest.Stack, "do") {
		t.Errorf("got %+v, stack %q", limit, guest.Stack)
	}
	in := door('b', 0, 0, "", "")
	in.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", 1000)))
	if _, _, err := through(t, p, &effects{}, in); err != nil {
		t.Errorf("a body of 1000 bytes, one a read: %v", err)
	}
}
