package listener_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

// heapBound is how much an attack on one connection may make the heap grow. What a test itself holds is in it.
const heapBound = 24 << 20

// attack floods one connection, and then asks on another whether the listener still serves.
type attack struct {
	name     string
	unread   bool // the client does not read what it is sent
	settings []http2.Setting
	flood    func(r *raw) error // until the server hangs up, or there is no more to send
	ends     bool               // the server hangs up
	waits    bool               // it takes a second or more, for limits to pass
	bySelf   bool               // every exchange ends while the client stays
	reason   listener.Reason    // of the first refusal; "" when none must be
	starts   int                // the most Handlers that may start; 0 for any
}

var attacks = []attack{
	{name: "rapid reset", ends: true, reason: listener.ReasonFlood, starts: 3000, flood: func(r *raw) error { // CVE-2023-44487
		for id := uint32(1); id < 400_000; id += 2 {
			if err := r.open(id, "/held", true); err != nil {
				return err
			}
			if err := r.fr.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "resets that the server is made to send", ends: true, reason: listener.ReasonHTTP2, starts: 3000, flood: func(r *raw) error { // CVE-2025-8671
		for id := uint32(1); id < 400_000; id += 2 {
			if err := r.open(id, "/held", false); err != nil {
				return err
			}
			if err := r.fr.WriteWindowUpdate(id, 0); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "resets by overflowing windows", ends: true, reason: listener.ReasonHTTP2, starts: 3000, flood: func(r *raw) error {
		for id := uint32(1); id < 400_000; id += 2 {
			if err := r.open(id, "/held", false); err != nil {
				return err
			}
			if err := r.fr.WriteWindowUpdate(id, 1<<31-1); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "streams that are refused", ends: true, reason: listener.ReasonHTTP2, starts: 250, flood: func(r *raw) error {
		for id := uint32(1); id < 400_000; id += 2 {
			if err := r.open(id, "/held", true); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "streams that are refused, unread", waits: true, unread: true, ends: true, starts: 250, flood: func(r *raw) error {
		for id := uint32(1); id < 2_000_000; id += 2 {
			if err := r.open(id, "/held", true); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "CONTINUATION", waits: true, ends: true, flood: func(r *raw) error { // CVE-2024-27316
		if err := r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.encode("/hello"), EndStream: true}); err != nil {
			return err
		}
		for range 100_000 {
			r.block.Reset()
			_ = r.enc.WriteField(hpack.HeaderField{Name: "x", Value: strings.Repeat("x", 8000), Sensitive: true})
			if err := r.fr.WriteContinuation(1, false, r.block.Bytes()); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "empty CONTINUATION", ends: true, reason: listener.ReasonFlood, flood: func(r *raw) error {
		if err := r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.encode("/hello"), EndStream: true}); err != nil {
			return err
		}
		return repeat(500_000, func() error { return r.fr.WriteContinuation(1, false, nil) })
	}},
	{name: "SETTINGS", ends: true, reason: listener.ReasonFlood, flood: func(r *raw) error { // CVE-2019-9515
		return repeat(500_000, func() error { return r.fr.WriteSettings() })
	}},
	{name: "SETTINGS, unread", unread: true, ends: true, flood: func(r *raw) error {
		return repeat(5_000_000, func() error { return r.fr.WriteSettings() })
	}},
	{name: "windows of 250 streams changed", ends: true, reason: listener.ReasonFlood, flood: func(r *raw) error {
		for id := uint32(1); id < 500; id += 2 {
			if err := r.open(id, "/held", false); err != nil {
				return err
			}
		}
		n := uint32(0)
		return repeat(500_000, func() error {
			n++
			return r.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: n % 60_000})
		})
	}},
	{name: "PING", ends: true, reason: listener.ReasonFlood, flood: func(r *raw) error { // CVE-2019-9512
		return repeat(500_000, func() error { return r.fr.WritePing(false, [8]byte{}) })
	}},
	{name: "PING, unread", unread: true, ends: true, flood: func(r *raw) error {
		return repeat(5_000_000, func() error { return r.fr.WritePing(false, [8]byte{}) })
	}},
	{name: "PRIORITY", ends: true, reason: listener.ReasonFlood, flood: func(r *raw) error { // CVE-2019-9513
		id := uint32(1)
		return repeat(500_000, func() error {
			id += 2
			return r.fr.WritePriority(id, http2.PriorityParam{StreamDep: id - 2, Weight: uint8(id)})
		})
	}},
	{name: "empty DATA", ends: true, reason: listener.ReasonFlood, flood: func(r *raw) error { // CVE-2019-9518
		if err := r.open(1, "/held", false); err != nil {
			return err
		}
		return repeat(500_000, func() error { return r.fr.WriteData(1, false, nil) })
	}},
	{name: "unknown frames", ends: true, reason: listener.ReasonFlood, flood: func(r *raw) error {
		return repeat(500_000, func() error { return r.fr.WriteRawFrame(0xbe, 0, 0, []byte("x")) })
	}},
	{name: "WINDOW_UPDATE of the connection", ends: true, flood: func(r *raw) error {
		return repeat(500_000, func() error { return r.fr.WriteWindowUpdate(0, 1) })
	}},
	{name: "a window that overflows", waits: true, ends: true, flood: func(r *raw) error {
		return repeat(3, func() error { return r.fr.WriteWindowUpdate(0, 1<<31-1) })
	}},
	{name: "HPACK bomb", flood: func(r *raw) error { // CVE-2016-6581: a byte stands for 4 KiB
		r.block.Reset()
		_ = r.encode("/hello", "x", strings.Repeat("x", 4000))
		block := append(bytes.Clone(r.block.Bytes()), bytes.Repeat([]byte{0x80 | 62}, 10_000)...)
		for id := uint32(1); id < 200; id += 2 {
			if err := r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true, EndStream: true}); err != nil {
				return err
			}
			r.block.Reset()
			block = append(bytes.Clone(r.encode("/hello")), bytes.Repeat([]byte{0x80 | 62}, 10_000)...)
		}
		return nil
	}},
	{name: "an HPACK table made large and small", flood: func(r *raw) error {
		for id := uint32(1); id < 2000; id += 2 {
			r.enc.SetMaxDynamicTableSize(id % 4096)
			if err := r.open(id, "/hello", true); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "no window at all", waits: true, bySelf: true, settings: []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}}, starts: 250, flood: func(r *raw) error {
		for id := uint32(1); id < 500; id += 2 {
			if err := r.open(id, "/endless", true); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "a window of one byte", waits: true, bySelf: true, settings: []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 1}}, starts: 250, flood: func(r *raw) error { // CVE-2019-9511
		for id := uint32(1); id < 500; id += 2 {
			if err := r.open(id, "/endless", true); err != nil {
				return err
			}
		}
		for id := uint32(1); id < 500; id += 2 {
			if err := r.fr.WriteWindowUpdate(id, 1); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "nothing is read", waits: true, unread: true, ends: true, bySelf: true, starts: 250, flood: func(r *raw) error {
		if err := r.fr.WriteWindowUpdate(0, 1<<30); err != nil {
			return err
		}
		for id := uint32(1); id < 500; id += 2 {
			if err := r.open(id, "/endless", true); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "bodies that nobody reads", starts: 250, flood: func(r *raw) error {
		chunk := make([]byte, 16<<10)
		for id := uint32(1); id < 500; id += 2 {
			if err := r.open(id, "/held", false); err != nil {
				return err
			}
		}
		for id := uint32(1); id < 500; id += 2 { // the connection's window lets 1 MiB through
			_ = r.c.SetWriteDeadline(time.Now().Add(time.Second))
			if err := r.fr.WriteData(id, false, chunk); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "the last stream of all", waits: true, ends: true, reason: listener.ReasonHTTP2, flood: func(r *raw) error {
		if err := r.open(1<<31-1, "/hello", true); err != nil {
			return err
		}
		return r.open(1, "/hello", true) // there is no higher one
	}},
}

func repeat(n int, do func() error) error {
	for range n {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // what pools hold goes at the second time
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestHTTP2Attacks(t *testing.T) {
	for _, a := range attacks {
		for _, secure := range []bool{false, true} {
			if secure && a.waits {
				continue // the frames are seen over TLS, as the others show
			}
			t.Run(fmt.Sprintf("%s/%v", a.name, secure), func(t *testing.T) { a.run(t, secure) })
		}
	}
}

func (a attack) run(t *testing.T, secure bool) {
	var starts, running atomic.Int64
	cfg := listener.Config{Limits: listener.Limits{WriteIdle: 500 * time.Millisecond, BodyIdle: time.Second}, Handler: func(ctx context.Context, r *host.Request) *host.Response {
		starts.Add(1)
		running.Add(1)
		resp := text("hello")
		switch r.Target {
		case "/held":
			<-ctx.Done()
		case "/endless":
			resp = &host.Response{Status: 200, Length: -1, Body: endless{}}
		}
		resp.End = func(error) { running.Add(-1) }
		return resp
	}}
	s, c := startRawH2(t, cfg, secure)
	before := heap()
	r := newRaw(t, c, !a.unread, a.settings...)
	sent := make(chan error, 1)
	go func() { sent <- a.flood(r) }()

	other := newRaw(t, s.another(t, secure), true)
	for id := uint32(1); id < 20; id += 2 {
		if err := other.open(id, "/hello", true); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "answers on another connection", func() bool { return other.headers.Load() == 10 })
	err := <-sent
	if a.bySelf {
		eventually(t, "the end of every exchange, by itself", func() bool { return running.Load() == 0 })
	}
	if now := heap(); now > before+heapBound {
		t.Errorf("the heap grew from %d to %d KiB", before>>10, now>>10)
	}
	if a.ends {
		a.ended(t, r, err)
	}
	_ = c.Close()
	_ = other.c.Close()
	eventually(t, "the end of every exchange", func() bool { return running.Load() == 0 })
	if n := int(starts.Load()) - 10; a.starts > 0 && n > a.starts {
		t.Errorf("%d handlers were started", n)
	}
	if a.reason != "" {
		// net/http may see that too many wait before there were too many.
		if f := s.refusal(t); f.Reason != a.reason && (a.reason != listener.ReasonFlood || f.Reason != listener.ReasonHTTP2) {
			t.Errorf("refused: %+v", f)
		}
	}
}

// ended checks that the server hung up.
func (a attack) ended(t *testing.T, r *raw, err error) {
	t.Helper()
	if a.unread {
		eventually(t, "the end of the connection", func() bool { return err != nil || r.fr.WritePing(false, [8]byte{}) != nil })
		return
	}
	select {
	case <-r.ended:
	case <-time.After(patience):
		t.Error("the connection was not ended")
	}
}

// startRawH2 returns a listener and a connection to it on which HTTP/2 can be spoken.
func startRawH2(t *testing.T, cfg listener.Config, secure bool) (*running, net.Conn) {
	t.Helper()
	if !secure {
		s := start(t, cfg)
		return s, dial(t, s.addr)
	}
	conf, roots := testTLS(t)
	cfg.TLS = conf
	s := start(t, cfg)
	s.roots = roots
	return s, tlsDial(t, s.addr, roots, "h2")
}

func (r *running) another(t *testing.T, secure bool) net.Conn {
	t.Helper()
	if secure {
		return tlsDial(t, r.addr, r.roots, "h2")
	}
	return dial(t, r.addr)
}
