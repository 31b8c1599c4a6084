package pipeline

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/postern/postern/host"
)

var errLoanEnded = errors.New("the body is not the guest's to read any more")

// A loan is a body that a guest may read until the loan ends. It stays its owner's to close, and keeps why it broke off: a guest
// may not notice, or say something else.
type loan struct {
	body io.ReadCloser
	kind host.Kind // of errors that have none

	mu      sync.Mutex // not held while reading
	reading bool
	taken   bool // a byte was read
	over    bool
	err     error
}

func lend(body io.ReadCloser, kind host.Kind) *loan { return &loan{body: body, kind: kind} }

// Read implements io.Reader.
func (l *loan) Read(p []byte) (int, error) {
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return 0, errLoanEnded
	}
	l.reading = true
	l.mu.Unlock()
	n, err := l.body.Read(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reading = false
	l.taken = l.taken || n > 0
	if err != nil && err != io.EOF && !l.over { // after the end it may have been closed
		l.err = err
	}
	return n, err
}

// Close does nothing: the body is not the guest's.
func (l *loan) Close() error { return nil }

// end ends the loan, and reports whether some of the body is gone, or just being read.
func (l *loan) end() (touched bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	return l.taken || l.reading
}

// reason returns what broke the body off, and err where nothing did: a guest that fails for its input is not to blame.
func (l *loan) reason(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		return err
	}
	var typed *host.Error
	if errors.As(l.err, &typed) {
		return l.err
	}
	return &host.Error{Op: "read a body for a filter", Kind: l.kind, Err: l.err}
}

// A madeBody is a body that a guest makes while it is read, out of the one that it reads. It may be closed while it is read.
type madeBody struct {
	guest  io.ReadCloser // nil for an empty body
	of     *loan
	failed func(error) error // names the filter
	closed atomic.Bool       // read to its end, or closed: nothing of the guest's call is left

	mu  sync.Mutex
	err error
}

func (h *filterHalf) make(guest io.ReadCloser, of *loan) *madeBody {
	return &madeBody{guest: guest, of: of, failed: h.failed}
}

// Read implements io.Reader. A body that is made of one which broke off breaks off too, so that it is not taken for whole.
func (b *madeBody) Read(p []byte) (int, error) {
	if b.guest == nil {
		return 0, io.EOF
	}
	n, err := b.guest.Read(p)
	switch {
	case err == nil || b.closed.Load():
		return n, err
	case err == io.EOF:
		b.closed.Store(true)
		if err = b.of.reason(nil); err == nil {
			return n, io.EOF
		}
	default:
		err = b.of.reason(b.failed(err))
	}
	b.mu.Lock()
	b.err = err
	b.mu.Unlock()
	return n, err
}

// Close ends the guest's call and closes what it reads.
func (b *madeBody) Close() error {
	if b.guest == nil {
		return nil
	}
	b.closed.Store(true)
	b.of.end()
	var err error
	if b.of.body != nil {
		err = b.of.body.Close() // first: it ends a read that the guest waits for
	}
	return errors.Join(err, b.guest.Close())
}

// leave ends the guest's call and leaves open what it reads: to interrupt a read from the client is to hang up.
func (b *madeBody) leave() {
	b.closed.Store(true)
	b.of.end()
	if b.guest != nil {
		_ = b.guest.Close() // what it made is nobody's
	}
}

// idle reports whether no guest makes it any more; also of a body that is nil.
func (b *madeBody) idle() bool { return b == nil || b.guest == nil || b.closed.Load() }

// failure returns what Read failed with, or nil.
func (b *madeBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// drop ends the guest's call without anything of its body, and leaves what it could read. It reports whether it did.
func (b *madeBody) drop() (touched bool) {
	if touched = b.of.end(); touched {
		_ = b.of.body.Close() // it is of no use any more, and the guest may wait for it
	}
	if b.guest != nil {
		_ = b.guest.Close() // what it wrote beside an answer without a body is nobody's
	}
	b.closed.Store(true)
	return touched
}

// length is what is known of it beforehand, -1 for nothing.
func (b *madeBody) length() int64 {
	if b.guest == nil {
		return 0
	}
	if sized, ok := b.guest.(sizer); ok {
		return int64(sized.Len())
	}
	return -1
}

// answer makes it the body of a response.
func (b *madeBody) answer(resp *host.Response) {
	resp.Body, resp.Length, resp.Trailer = b, b.length(), nil
	describe(&resp.Header, resp.Length)
	if b.guest == nil {
		b.drop()
		resp.Body = nil
	}
}
