package native

import (
	"context"
	"io"
	"sync"
)

// An output is the body that a guest writes. Until it has begun it only collects; from then on it is a pipe whose
// writer waits while streamBuffer bytes are unread.
type output struct {
	begun chan struct{} // closed when the body starts to stream; nil for entries whose result is buffered

	mu        sync.Mutex
	changed   sync.Cond
	buf       []byte // written and not yet read, from start on
	start     int
	streaming bool
	written   bool // the guest wrote a body, if only an empty one
	ended     bool
	closed    bool // by the reader
	err       error
}

func (o *output) init() { o.changed.L = &o.mu }

// begin makes the output a pipe, once; there must be somebody to read it.
func (o *output) begin() {
	o.mu.Lock()
	o.streaming = true
	o.mu.Unlock()
	close(o.begun)
}

func (o *output) hasBegun() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.streaming
}

// room reports whether n more bytes fit into the buffer of an output that has not begun.
func (o *output) room(n, limit int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.streaming || len(o.buf)+n <= limit
}

// write takes all of p, or returns a negative result.
func (o *output) write(ctx context.Context, p []byte) int32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.written = true
	if !o.streaming {
		o.buf = append(o.buf, p...)
		return 0
	}
	for {
		if o.closed {
			return resultClosed
		}
		if n := min(len(p), streamBuffer-(len(o.buf)-o.start)); n > 0 {
			if o.start > 0 {
				o.buf = append(o.buf[:0], o.buf[o.start:]...)
				o.start = 0
			}
			o.buf = append(o.buf, p[:n]...)
			p = p[n:]
			o.changed.Broadcast()
		}
		if len(p) == 0 {
			return 0
		}
		if ctx.Err() != nil {
			return resultTimeout
		}
		o.wait(ctx)
	}
}

// wait returns when something changed or ctx ended. The lock is held, and released in between.
func (o *output) wait(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.changed.Broadcast()
	})
	o.changed.Wait()
	stop()
}

func (o *output) read(p []byte) (int, error) {
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

// end tells the reader that there will be no more, and why if not by the guest's will. The first reason stands.
func (o *output) end(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	o.ended, o.err = true, err
	o.changed.Broadcast()
}

// close tells the writer that nobody reads, and reports whether the guest still runs.
func (o *output) close() (running bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.changed.Broadcast()
	return !o.ended
}
