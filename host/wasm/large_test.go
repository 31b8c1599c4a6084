package wasm_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm"
)

const large = 64 << 20 // bytes

// A source is a body of n bytes that nobody holds, and counts what was taken of it.
type source struct {
	n     int64
	taken atomic.Int64
}

func (s *source) Read(p []byte) (int, error) {
	left := s.n - s.taken.Load()
	if left == 0 {
		return 0, io.EOF
	}
	n := int(min(left, int64(len(p))))
	for i := range p[:n] {
		p[i] = 'x'
	}
	s.taken.Add(int64(n))
	return n, nil
}

func (*source) Close() error { return nil }

// A counter keeps nothing of what it reads, and sees how much memory there is meanwhile.
type counter struct {
	n, seen int64
	heap    uint64
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	if c.n-c.seen > 8<<20 {
		c.seen = c.n
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		c.heap = max(c.heap, m.HeapAlloc)
	}
	return len(p), nil
}

// streamers are guests that answer with what they get, over each carrier.
var streamers = map[string]struct{ guest, entry, meta string }{
	"function": {"echo", host.EntryHandle, `{}`},
	"command":  {"command_echo", host.EntryHandle, request("/")},
	"filter":   {"filter", host.EntryFilterResponse, responseMeta},
}

func openStreamer(t *testing.T, guest string, timeout time.Duration) (*wasm.Runtime, host.Plugin) {
	rt := newRuntime(t, wasm.Options{})
	cfg := host.PluginConfig{Name: guest, Limits: limits()}
	if guest == "filter" {
		cfg.Config = []byte(`"c"`)
	}
	cfg.Limits.Timeout = host.Default(timeout)
	return rt, open(t, compile(t, rt, guest, guestCode(t, guest)), cfg)
}

// 64 MiB go in and come out while little of it is held.
func TestLargeBodies(t *testing.T) {
	for name, guest := range streamers {
		t.Run(name, func(t *testing.T) {
			_, p := openStreamer(t, guest.guest, time.Minute)
			before := heap()
			out, err := p.Call(context.Background(), guest.entry, host.Event{Meta: []byte(guest.meta), Body: &source{n: large}}, &effects{})
			if err != nil {
				t.Fatal(err)
			}
			got := &counter{}
			if _, err := io.Copy(got, out.Body); err != nil || got.n != large {
				t.Errorf("%d bytes, %v", got.n, err)
			}
			_ = out.Body.Close()
			if got.heap > before+4<<20 {
				t.Errorf("the heap grew from %d to %d bytes", before, got.heap)
			}
		})
	}
}

// A reader who does not read holds the guest, and through it the sender: what is between them is bounded.
func TestSlowReader(t *testing.T) {
	for name, guest := range streamers {
		t.Run(name, func(t *testing.T) {
			rt, p := openStreamer(t, guest.guest, 25*time.Second)
			in := &source{n: large}
			out, err := p.Call(context.Background(), guest.entry, host.Event{Meta: []byte(guest.meta), Body: in}, &effects{})
			if err != nil {
				t.Fatal(err)
			}
			for at, same := int64(0), 0; same < 20; {
				time.Sleep(10 * time.Millisecond)
				if now := in.taken.Load(); now > 256<<10 {
					t.Fatalf("%d bytes were taken, and nobody reads", now)
				} else if now > 0 && now == at {
					same++
				} else {
					at, same = now, 0
				}
			}
			if _, err := io.CopyN(io.Discard, out.Body, 1<<20); err != nil {
				t.Error(err)
			}
			if now := in.taken.Load(); now < 1<<20 || now > 1<<20+256<<10 {
				t.Errorf("%d bytes were taken for 1 MiB that was read", now)
			}
			_ = out.Body.Close()
			waitFor(t, func() bool { return rt.Stats().Leased == 0 })
		})
	}
}

// What a function flushes is read at once, be it little.
func TestFlush(t *testing.T) {
	code, err := goGuest()
	if err != nil {
		t.Fatal(err)
	}
	rt := newRuntime(t, wasm.Options{CacheDir: compiled})
	cfg := goConfig()
	cfg.Limits.Timeout = host.Default(25 * time.Second)
	p := open(t, compile(t, rt, "goguest", code), cfg)
	r, w := io.Pipe()
	out, err := p.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(get("/gate")), Body: r}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		got := make([]byte, len("data: tick\n\n"))
		if _, err := io.ReadFull(out.Body, got); err != nil || string(got) != "data: tick\n\n" {
			t.Fatalf("got %q, %v", got, err)
		}
		if _, err := w.Write([]byte("x")); err != nil { // the next one is written when this is read
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), out.Body.Close()); err != nil {
		t.Error(err)
	}
}
