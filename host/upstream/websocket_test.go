package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

const waiting = 20 * time.Second

// aFrame is a frame as it is on the wire.
func aFrame(op ws.OpCode, size int, masked bool) []byte {
	f := ws.NewFrame(op, true, bytes.Repeat([]byte{0x88}, size)) // a payload that looks like a Close
	if masked {
		f = ws.MaskFrame(f)
	}
	return ws.MustCompileFrame(f)
}

func TestFramesAreFollowed(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 70000} {
		for _, masked := range []bool{false, true} {
			one := aFrame(ws.OpText, size, masked)
			stream := bytes.Repeat(one, 3)
			for _, step := range []int{1, 2, 3, 13, 14, 15, 4096, len(stream)} {
				var f frames
				for at := 0; at < len(stream); at += step {
					f.advance(stream[at:min(at+step, len(stream))])
					if end := min(at+step, len(stream)); f.boundary() != (end%len(one) == 0) {
						t.Fatalf("size %d, masked %v, step %d: boundary is %v at %d of %d", size, masked, step, f.boundary(), end, len(one))
					}
				}
				if f.closed || f.lost {
					t.Errorf("size %d: %+v", size, f)
				}
				f.advance(aFrame(ws.OpClose, 2, masked))
				if !f.closed {
					t.Errorf("size %d: a Close went unnoticed", size)
				}
			}
		}
	}
	f := frames{}
	if f.advance([]byte{0x82, 127, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 1}); f.boundary() || !f.lost {
		t.Error("a length of 64 bits was taken")
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(aFrame(ws.OpText, 300, true), 7)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		step = max(1, step%100)
		var whole, pieces frames
		whole.advance(data)
		for at := 0; at < len(data); at += step {
			pieces.advance(data[at:min(at+step, len(data))])
		}
		if !whole.lost && whole != pieces && (whole.boundary() != pieces.boundary() || whole.closed != pieces.closed || whole.left != pieces.left) {
			t.Errorf("%+v and %+v", whole, pieces)
		}
	})
}

// A spliced is a splice with the far ends of its connections.
type spliced struct {
	client, upstream *net.TCPConn
	leave            context.CancelFunc
	result           chan error
}

func startSplice(t *testing.T) *spliced {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	s := &spliced{leave: leave, result: make(chan error, 1)}
	var near [2]*net.TCPConn
	s.client, near[0] = tcpPair(t)
	s.upstream, near[1] = tcpPair(t)
	go func() { s.result <- splice(ctx, near[0], near[1]) }()
	t.Cleanup(leave)
	return s
}

func tcpPair(t *testing.T) (far, near *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(waiting))
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn), n.(*net.TCPConn)
}

// ended waits for the splice's end.
func (s *spliced) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.result:
		return err
	case <-time.After(waiting):
		t.Fatal("the splice goes on")
		return nil
	}
}

// expectRead reads exactly want.
func expectRead(t *testing.T, from io.Reader, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(from, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %x, %v; want %x", got, err, want)
	}
}

// readFrame reads a frame of a control message.
func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err != nil || f.Header.Length > 125 {
		return f, err
	}
	f.Payload = make([]byte, f.Header.Length)
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}

// expectClose reads a Close of 1001, and answers it.
func expectClose(t *testing.T, c net.Conn, masked bool) {
	t.Helper()
	f, err := readFrame(c)
	if err != nil || f.Header.OpCode != ws.OpClose || f.Header.Masked != masked {
		t.Fatalf("%+v, %v", f.Header, err)
	}
	if masked {
		f = ws.UnmaskFrameInPlace(f)
	}
	if code, _ := ws.ParseCloseFrameData(f.Payload); code != ws.StatusGoingAway {
		t.Errorf("closed with %d", code)
	}
	_, _ = c.Write(aFrame(ws.OpClose, 0, !masked))
}

func TestGoodbyeAtAFrameBoundary(t *testing.T) {
	for name, halves := range map[string]int{"at rest": 0, "within a header": 1, "within a payload": 50} {
		t.Run(name, func(t *testing.T) {
			s := startSplice(t)
			up, down := aFrame(ws.OpText, 100, true), aFrame(ws.OpBinary, 200, false)
			_, _ = s.client.Write(up[:halves])
			_, _ = s.upstream.Write(down[:halves])
			expectRead(t, s.upstream, up[:halves])
			expectRead(t, s.client, down[:halves])
			s.leave()
			if halves > 0 {
				_, _ = s.client.Write(up[halves:])
				_, _ = s.upstream.Write(down[halves:])
				expectRead(t, s.upstream, up[halves:])
				expectRead(t, s.client, down[halves:])
			}
			expectClose(t, s.upstream, true)
			expectClose(t, s.client, false)
			if err := s.ended(t); err != nil {
				t.Error(err)
			}
			for _, c := range []net.Conn{s.client, s.upstream} {
				if rest, _ := io.ReadAll(c); len(rest) > 0 {
					t.Errorf("behind the Close came %x", rest)
				}
			}
		})
	}
}

// What a frame still needs is passed behind a goodbye, and the frame after it is not.
func TestGoodbyeEndsAFrameAndDropsTheNext(t *testing.T) {
	for _, masked := range []bool{true, false} {
		one := aFrame(ws.OpText, 300, masked)
		for cut := range one {
			var to recorder
			h := &half{dst: &to, toServer: masked}
			if err := h.pass(one[:cut]); err != nil {
				t.Fatal(err)
			}
			h.leave()
			h.bid()
			if err := h.pass(append(append([]byte{}, one[cut:]...), aFrame(ws.OpText, 9, masked)...)); err != nil {
				t.Fatal(err)
			}
			got := to.Bytes()
			if cut > 0 {
				if !bytes.HasPrefix(got, one) {
					t.Fatalf("cut at %d: the frame became %x", cut, got)
				}
				got = got[len(one):]
			}
			f, err := readFrame(bytes.NewReader(got))
			if err != nil || f.Header.OpCode != ws.OpClose || f.Header.Masked != masked || len(got) != int(f.Header.Length)+ws.HeaderSize(f.Header) {
				t.Fatalf("cut at %d: then came %x, %v", cut, got, err)
			}
			if h.answered() {
				t.Fatal("answered without a Close")
			}
			if err := h.pass(aFrame(ws.OpClose, 2, masked)); err != nil || !h.answered() {
				t.Fatalf("its answer: %v", err)
			}
		}
	}
}

// A recorder keeps what is written.
type recorder struct{ bytes.Buffer }

func (*recorder) Close() error { return nil }

// A side that has said Close itself is sent no second one.
func TestGoodbyeBehindAClose(t *testing.T) {
	s := startSplice(t)
	bye := aFrame(ws.OpClose, 2, true)
	_, _ = s.client.Write(bye)
	expectRead(t, s.upstream, bye)
	s.leave()
	expectClose(t, s.client, false)
	_, _ = s.upstream.Write(aFrame(ws.OpClose, 2, false)) // its answer comes late, and nobody is told a second time
	if err := s.ended(t); err != nil {
		t.Error(err)
	}
	if rest, _ := io.ReadAll(s.upstream); len(rest) > 0 {
		t.Errorf("behind its Close came %x", rest)
	}
}

// Whoever does not answer a goodbye, or does not even read it, is not waited for without end.
func TestGoodbyeToTheDeaf(t *testing.T) {
	s := startSplice(t)
	_ = s.client.SetDeadline(time.Time{})
	blocked := make(chan struct{})
	go func() { // the upstream fills what nobody reads
		defer close(blocked)
		_, _ = io.Copy(s.upstream, strings.NewReader(strings.Repeat(string(aFrame(ws.OpBinary, 1<<20, false)), 64)))
	}()
	s.leave()
	_ = s.ended(t)
	<-blocked
}

func TestEndsOfASplice(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(s *spliced)
		failed bool
	}{
		"the client ends its half": {func(s *spliced) { _ = s.client.CloseWrite() }, false},
		"the client vanishes":      {func(s *spliced) { _ = s.client.SetLinger(0); _ = s.client.Close() }, false},
		"the upstream ends":        {func(s *spliced) { _ = s.upstream.Close() }, true},
		"the upstream vanishes":    {func(s *spliced) { _ = s.upstream.SetLinger(0); _ = s.upstream.Close() }, true},
		"the upstream closes well": {func(s *spliced) { _, _ = s.upstream.Write(aFrame(ws.OpClose, 2, false)); _ = s.upstream.Close() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSplice(t)
			message := aFrame(ws.OpText, 10, true)
			_, _ = s.client.Write(message)
			expectRead(t, s.upstream, message)
			c.end(s)
			for _, far := range []net.Conn{s.client, s.upstream} { // both hear of it, and leave
				_, _ = io.ReadAll(far)
				_ = far.Close()
			}
			if err := s.ended(t); (err != nil) != c.failed {
				t.Error(err)
			}
		})
	}
}

// What is on its way to a client that has ended its half still reaches it.
func TestHalfClose(t *testing.T) {
	s := startSplice(t)
	_ = s.client.CloseWrite()
	if rest, err := io.ReadAll(s.upstream); len(rest) > 0 || err != nil {
		t.Errorf("%x, %v", rest, err)
	}
	late := aFrame(ws.OpText, 100_000, false)
	_, _ = s.upstream.Write(late)
	_ = s.upstream.Close()
	if got, err := io.ReadAll(s.client); !bytes.Equal(got, late) || err != nil {
		t.Errorf("%d bytes of %d, %v", len(got), len(late), err)
	}
	_ = s.ended(t)
}

// Nothing is read that cannot be written: a pipe without any room shows it.
func TestSlowReadersHoldTheOtherSideBack(t *testing.T) {
	client, nearClient := net.Pipe()
	upstream, nearUpstream := net.Pipe()
	result := make(chan error, 1)
	go func() { result <- splice(t.Context(), nearClient, nearUpstream) }()
	_ = client.SetWriteDeadline(time.Now().Add(time.Second))
	taken, err := client.Write(make([]byte, 1<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) || taken > 32<<10 {
		t.Errorf("%d bytes were taken, %v", taken, err)
	}
	_ = client.Close()
	_ = upstream.Close()
	<-result
}
