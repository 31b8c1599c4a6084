package stream

import (
	"context"
	"errors"
	"io"
	"sync"
)

// errCut is what a reader finds behind the bytes of an output that was cut by Hurry.
var errCut = errors.New("the body was cut off: its maker was needed elsewhere, and nobody had read on")

// An Output is the body that a guest writes. Until it has begun it only collects; from then on it is a pipe whose writer
// waits while Buffer bytes are unread.
type Output struct {
	begun chan struct{} // closed when the body starts to stream

	mu        sync.Mutex
	changed   sync.Cond
	buf       []byte // written and not yet read, from start on
	start     int
	streaming bool
	written   bool // the guest wrote a body, if only an empty one
	ended     bool
	closed    bool // by the reader
	hurried   bool
	cut       bool // the writer was told to go
	err       error
}

func (o *Output) init() {
	o.changed.L = &o.mu
	o.begun = make(chan struct{})
}

// Begin makes the output a pipe; there must be somebody to read it. It may be called again.
func (o *Output) Begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.streaming {
		o.streaming, o.written = true, true
		close(o.begun)
	}
}

// HasBegun reports whether the output is a pipe.
func (o *Output) HasBegun() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.streaming
}

// Written reports whether there is a body, if only an empty one.
func (o *Output) Written() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.written
}

// Room reports whether n more bytes fit under limit in an output that has not begun. One that has begun always has room.
func (o *Output) Room(n, limit int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.streaming || len(o.buf)+n <= limit
}

// Bytes returns what was collected in an output that nobody reads as a pipe. The writer must have ended.
func (o *Output) Bytes() []byte { return o.buf[o.start:] }

// Write takes all of p, or fails with ErrClosed or ErrDeadline.
func (o *Output) Write(ctx context.Context, p []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.written = true
	if !o.streaming {
		o.buf = append(o.buf, p...)
		return nil
	}
	for {
		if o.closed || o.cut {
			return ErrClosed
		}
		if n := min(len(p), Buffer-(len(o.buf)-o.start)); n > 0 {
			if o.start > 0 {
				o.buf = append(o.buf[:0], o.buf[o.start:]...)
				o.start = 0
			}
			o.buf = append(o.buf, p[:n]...)
			p = p[n:]
			o.changed.Broadcast()
		}
		if len(p) == 0 {
			return nil
		}
		if ctx.Err() != nil {
			return ErrDeadline
		}
		o.await(ctx)
	}
}

// await returns when something changed or ctx ended, and cuts the output when its reader should have hurried and did not.
// The lock is held, and released in between.
func (o *Output) await(ctx context.Context) {
	if !o.hurried {
		o.wait(ctx)
		return
	}
	patience, cancel := context.WithTimeout(ctx, Grace)
	defer cancel()
	unread := len(o.buf) - o.start
	o.wait(patience)
	if patience.Err() != nil && ctx.Err() == nil && len(o.buf)-o.start == unread {
		o.cut = true
	}
}

func (o *Output) wait(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.changed.Broadcast()
	})
	o.changed.Wait()
	stop()
}

// Read returns what the guest has written, waiting for it if need be.
func (o *Output) Read(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		switch {
		case o.closed:
			return 0, io.ErrClosedPipe
		case o.start < len(o.buf):
			n := copy(p, o.buf[o.start:])
			o.start += n
			o.changed.Broadcast()
			return n, nil
		case o.ended && o.err != nil:
			return 0, o.err
		case o.ended:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		o.changed.Wait()
	}
}

// End tells the reader that there will be no more, and why if not by the guest's will. The first reason stands.
func (o *Output) End(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	if o.cut {
		err = errCut
	}
	o.ended, o.err = true, err
	o.changed.Broadcast()
}

// Hurry has a writer that waits for its reader wait no longer than Grace from now on: then the output is cut off.
func (o *Output) Hurry() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hurried = true
	o.changed.Broadcast()
}

// close tells the writer that nobody reads, and reports whether the guest still runs.
func (o *Output) close() (running bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.changed.Broadcast()
	return !o.ended
}
