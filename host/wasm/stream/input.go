// Package stream carries bodies between a guest and its host while both run: what a guest reads can be taken from it although
// the sender is silent, and what it writes is read while it still writes. It knows neither guests' engines nor their carriers.
package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// Buffer is how many bytes of a body are held between a guest and the other side, each way.
	Buffer = 32 << 10
	// Grace is how long a guest may go on whose other side has gone.
	Grace = time.Second
)

// What a guest learns of a body that ends before its end.
var (
	// ErrClosed: nobody reads the output on, or the input's sender has gone.
	ErrClosed = errors.New("the other side has gone")
	// ErrDeadline: the call's context has ended.
	ErrDeadline = errors.New("the call's time is over")
)

// An Input is the body that a guest reads. It waits for its sender on a goroutine of its own, so that the guest can be ended
// while the sender is silent; a read of the body that is then under way is the last one. Its methods are for the goroutine that
// runs the guest, but for Close.
type Input struct {
	body   io.Reader // nil for none
	direct bool      // the body is all there: reading it never waits
	buf    []byte
	result chan result
	once   sync.Once
	closed chan struct{}

	failed error // why the body broke off
	ended  bool
	count  int64
}

type result struct {
	n   int
	err error
}

// NewInput makes an input of a body, which may be nil. One with a method Len, as bytes.Reader has, is all there.
func NewInput(body io.Reader) *Input {
	in := &Input{body: body, closed: make(chan struct{})}
	_, in.direct = body.(interface{ Len() int })
	return in
}

// Read waits for at least one byte, and returns io.EOF at the body's end. Its other errors are ErrClosed, ErrDeadline, and the
// body's own.
func (in *Input) Read(ctx context.Context, p []byte) (int, error) {
	switch {
	case len(p) == 0: // as an empty vector of WASI asks; no reader could make progress
		return 0, nil
	case in.failed != nil:
		return 0, in.failed
	case in.ended || in.body == nil:
		return 0, io.EOF
	case in.isClosed():
		return 0, ErrClosed
	}
	r, err := in.next(ctx, p)
	if err != nil {
		return 0, err
	}
	in.count += int64(r.n)
	if r.err == io.EOF {
		in.ended = true
	} else if r.err != nil {
		in.failed = r.err
	}
	if r.n > 0 {
		return r.n, nil
	}
	return 0, r.err
}

// next reads once, into p.
func (in *Input) next(ctx context.Context, p []byte) (result, error) {
	if in.direct {
		n, err := ReadSome(in.body, p)
		return result{n, err}, nil
	}
	if in.result == nil {
		in.result = make(chan result, 1)
	}
	if want := min(len(p), Buffer); cap(in.buf) < want {
		in.buf = make([]byte, want)
	}
	buf := in.buf[:min(len(p), cap(in.buf))]
	go func() {
		defer func() {
			if r := recover(); r != nil { // nobody else could: this goroutine has no caller
				in.result <- result{err: fmt.Errorf("reading the body panicked: %v", r)}
			}
		}()
		n, err := ReadSome(in.body, buf)
		in.result <- result{n, err}
	}()
	select {
	case r := <-in.result:
		copy(p, buf[:r.n])
		return r, nil
	case <-in.closed:
		return result{}, ErrClosed
	case <-ctx.Done():
		in.Close() // the read that is under way has the buffer
		return result{}, ErrDeadline
	}
}

// ReadSome reads at least a byte or an error. Readers may return neither, but not for ever.
func ReadSome(r io.Reader, p []byte) (int, error) {
	for range 100 {
		if n, err := r.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// Close ends the read that waits and all that follow, with ErrClosed. It may be called again, and at any time.
func (in *Input) Close() { in.once.Do(func() { close(in.closed) }) }

// Failed returns why the body broke off, nil while it did not.
func (in *Input) Failed() error { return in.failed }

// Count returns how many bytes the guest has read.
func (in *Input) Count() int64 { return in.count }

func (in *Input) isClosed() bool {
	select {
	case <-in.closed:
		return true
	default:
		return false
	}
}
