package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// farewellTime is how long one side of a WebSocket may go on after the other has ended, or after both were told to go: for
// its Close (RFC 6455, section 7.1.1), or to read what is still on its way to it.
const farewellTime = 5 * time.Second

var spliceBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// splice carries bytes between a client and an upstream until both sides have ended, and closes both connections. When ctx
// ends, each side gets a Close of 1001 (going away) at the next boundary of a frame, and farewellTime to answer. Who reads
// slowly holds the other side back: nothing is kept but one buffer for each direction. The error is the upstream's failure:
// a connection that broke, or ended without a Close while the client was still there.
func splice(ctx context.Context, client net.Conn, upstream io.ReadWriteCloser) error {
	up := &half{src: client, dst: upstream, toServer: true}
	down := &half{src: upstream, dst: client}
	hangUp := func() {
		_ = client.Close()
		_ = upstream.Close()
	}
	answered := func() { // a side that has said Close need not be waited for
		if up.answered() && down.answered() {
			hangUp()
		}
	}
	var farewell *time.Timer
	begin := sync.OnceFunc(func() { farewell = time.AfterFunc(farewellTime, hangUp) })
	leaving := ctx.Done()
	ends := make(chan *half, 2)
	var goodbyes sync.WaitGroup
	for _, h := range []*half{up, down} {
		goodbyes.Go(func() {
			h.carry()
			ends <- h // before the other side is told: its answer must not seem to have been first
			if h.ended {
				_ = closeWrite(h.dst)
			}
		})
	}
	var first *half
	for running := 2; running > 0; {
		select {
		case h := <-ends:
			running--
			if first == nil {
				first = h
			}
			begin()
			if h.readErr != nil { // there is nobody left at that end
				hangUp()
			}
			answered()
		case <-leaving:
			leaving = nil
			begin()
			up.leave() // both, before either is told: one side's answer is not for the other
			down.leave()
			for _, h := range []*half{up, down} {
				goodbyes.Go(func() {
					h.bid() // this may wait for its peer to read, until the connection is closed
					answered()
				})
			}
		}
	}
	farewell.Stop()
	hangUp()
	goodbyes.Wait()
	if ctx.Err() != nil || down.frames.closed {
		return nil
	}
	return first.verdict()
}

// verdict says whether the upstream failed, as the half that ended first saw it.
func (h *half) verdict() error {
	broken, left := h.readErr, h.readErr == nil && h.writeErr == nil
	if h.toServer {
		broken, left = h.writeErr, false // that the client left is its choice
	}
	switch {
	case broken != nil:
		return fmt.Errorf("the upstream's connection broke: %w", broken)
	case left:
		return errors.New("the upstream ended the connection without a Close")
	}
	return nil
}

// A half is one direction.
type half struct {
	src      io.Reader
	dst      io.WriteCloser
	toServer bool // frames to a server are masked (RFC 6455, section 5.1)

	mu      sync.Mutex
	writing bool   // carry writes, and sees to the rest when it is done
	leaving bool   // a Close is to be sent
	over    bool   // it was: what comes now is dropped
	frames  frames // of what was read; guarded by mu, and by writing

	readErr, writeErr error // why carry returned; both nil at the source's end
	ended             bool  // the source, in good order: so must what is written to dst
}

// carry copies until the source ends, or answers a goodbye.
func (h *half) carry() {
	buf := spliceBuffers.Get().(*[32 << 10]byte)
	defer spliceBuffers.Put(buf)
	for {
		n, err := h.src.Read(buf[:])
		if n > 0 {
			if h.writeErr = h.pass(buf[:n]); h.writeErr != nil {
				return
			}
		}
		switch {
		case err == io.EOF:
			h.ended = true
			return
		case err != nil:
			h.readErr = err
			return
		case h.answered():
			return
		}
	}
}

// pass writes p, or of p what still belongs to a frame that has begun.
func (h *half) pass(p []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(p) > 0 && !h.over {
		n := len(p)
		if h.leaving {
			if n = h.frames.rest(p); n == 0 {
				break
			}
		}
		h.writing = true
		h.mu.Unlock()
		_, err := h.dst.Write(p[:n])
		h.mu.Lock()
		h.writing = false
		if err != nil {
			return err
		}
		h.frames.advance(p[:n])
		p = p[n:]
	}
	err := h.sayClose()
	h.frames.advance(p) // dropped, but its Close is waited for
	return err
}

// leave asks for a Close of 1001.
func (h *half) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaving = true
}

// bid sends the Close where no frame is under way; pass does where one is.
func (h *half) bid() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.writing {
		_ = h.sayClose() // a connection that broke ends carry too
	}
}

// sayClose sends the Close, if it is time. h.mu is held.
func (h *half) sayClose() error {
	if !h.leaving || h.over || h.frames.closed || !h.frames.boundary() {
		return nil
	}
	h.over = true
	f := ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, ""))
	if h.toServer {
		f = ws.MaskFrameInPlace(f)
	}
	_, err := h.dst.Write(ws.MustCompileFrame(f))
	return err
}

// answered reports whether the source has said Close after the goodbye: there is nothing more to wait for.
func (h *half) answered() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.leaving && h.frames.closed
}

// frames follows a stream of WebSocket frames, to know where one ends.
type frames struct {
	head   [ws.MaxHeaderSize]byte
	have   int   // of a header that is not complete
	left   int64 // of a frame's payload
	last   bool  // the frame is a Close
	closed bool  // a Close is through
	lost   bool  // these are no frames
}

// boundary reports whether no frame is under way.
func (f *frames) boundary() bool { return !f.lost && f.have == 0 && f.left == 0 }

// advance is told the next bytes.
func (f *frames) advance(p []byte) {
	for len(p) > 0 {
		p = p[f.next(p):]
	}
}

// rest returns how many bytes of p belong to the frame that is under way.
func (f *frames) rest(p []byte) int {
	if f.boundary() {
		return 0
	}
	ahead := *f
	return ahead.next(p)
}

// next takes bytes up to the end of a frame at most, and returns how many.
func (f *frames) next(p []byte) int {
	if f.lost {
		return len(p)
	}
	n := 0
	if f.left == 0 {
		var whole bool
		if n, whole = f.header(p); !whole {
			return n
		}
	}
	payload := min(int64(len(p)-n), f.left)
	f.left -= payload
	if f.left == 0 && f.last {
		f.closed = true
	}
	return n + int(payload)
}

// header reads a frame's header and returns how many bytes of p it took, and whether it is whole.
func (f *frames) header(p []byte) (n int, whole bool) {
	had := f.have
	f.have += copy(f.head[had:], p)
	r := bytes.NewReader(f.head[:f.have])
	h, err := ws.ReadHeader(r)
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return f.have - had, false
	case err != nil:
		f.lost = true
		return len(p), false
	}
	n = f.have - r.Len() - had
	f.have, f.left, f.last = 0, h.Length, h.OpCode == ws.OpClose
	return n, true
}
