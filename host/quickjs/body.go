package quickjs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js/web"
)

const (
	chunkSize = 64 << 10 // bytes that one read of a body gives at most
	maxWhole  = 64 << 20 // bytes of a body that a script reads as a whole
)

// A source is a body that a script reads: the event's, or that of a fetched response. One read runs at a time, beside the guest.
type source struct {
	call   *call
	body   io.Reader // nil for none
	closer func()    // ends what the body holds; nil leaves it to the caller
	reject func(error) *web.Exception
	length int64 // -1 when unknown
	peer   bool  // it is the event's body: who sends it is not the script's fault

	begun  bool                  // something was read, or dropped
	err    error                 // what reads fail with from now on
	lost   error                 // what reading it failed with
	broken atomic.Pointer[error] // why it broke off while it went by the script
	buffer []byte
	once   sync.Once
}

// newSource makes a source of the event's body, which is the caller's to close.
func (c *call) newSource(ev host.Event) *source {
	length := ev.Length
	if length <= 0 {
		length = -1
	}
	s := &source{call: c, body: ev.Body, length: length, peer: true, reject: func(err error) *web.Exception {
		return &web.Exception{Name: "TypeError", Message: "the body could not be read: " + err.Error()}
	}}
	c.inputs = append(c.inputs, s)
	return s
}

// failure is why the body could not be read, nil when it could.
func (s *source) failure() error {
	if broken := s.broken.Load(); s.lost == nil && broken != nil {
		return *broken
	}
	return s.lost
}

// pass makes a reader of a body that goes by the script.
func (s *source) pass() io.ReadCloser {
	s.begun = true
	return &passing{s.body, s}
}

// A passing body is read by somebody else than the script.
type passing struct {
	io.Reader
	from *source
}

// Read notes why the body breaks off.
func (p *passing) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if err != nil && err != io.EOF {
		p.from.broken.Store(&err)
	}
	return n, err
}

// Close leaves the body to its owner.
func (*passing) Close() error { return nil }

// end takes the body away from the script: its caller may have it back.
func (s *source) end() { s.begun, s.body, s.err = true, nil, errEnded }

func (s *source) close() {
	s.once.Do(func() {
		if s.closer != nil {
			s.closer()
		}
	})
}

// await reads beside the guest, and returns the number under which the guest hears what use makes of it. What the event's body waits for is
// not waited for when the call ends: it is its caller who closes it.
func (s *source) await(read func(body io.Reader) error, use func() any) int {
	c, id := s.call, s.call.id()
	body, failed := s.body, s.err // as they are now: the script may drop the body while it is read
	s.begun = true
	_, bring := c.loop.expect(context.Background())
	c.peers++
	work := func() {
		err := failed
		if err == nil && body != nil {
			err = read(body)
		}
		bring(func() []any {
			c.peers--
			c.progress()
			if err != nil && err != io.EOF {
				if s.err = err; failed == nil {
					s.lost = err
				}
				s.close()
				return failedEvent(id, s.reject(err))
			}
			if err == io.EOF {
				s.body = nil
				s.close()
			}
			return doneEvent(id, use())
		})
	}
	if s.peer {
		go work()
	} else {
		c.loop.beside(work)
	}
	return id
}

func doneEvent(id int, v any) []any { return []any{"done", id, true, v} }

func failedEvent(id int, e *web.Exception) []any { return []any{"done", id, false, e.Name, e.Message} }

// readSome reads the next bytes, null at the end.
func (s *source) readSome() int {
	var n int
	return s.await(func(body io.Reader) (err error) {
		if s.buffer == nil {
			s.buffer = make([]byte, chunkSize)
		}
		for tries := 0; n == 0 && err == nil; tries++ { // a reader may give nothing, but not for ever
			if n, err = body.Read(s.buffer); tries == 100 {
				return io.ErrNoProgress
			}
		}
		if n > 0 && err != nil && err != io.EOF {
			err = nil // the next read tells it again
		}
		return err
	}, func() any {
		if n == 0 {
			return null{}
		}
		return s.buffer[:n]
	})
}

// readAll reads all that is left.
func (s *source) readAll() int {
	var all []byte
	return s.await(func(body io.Reader) (err error) {
		all, err = io.ReadAll(io.LimitReader(body, maxWhole+1))
		if err == nil && len(all) > maxWhole {
			return &host.Error{Op: "read a body", Kind: host.TooLarge, Err: fmt.Errorf("it has more than %d bytes; read it as a stream", maxWhole)}
		}
		if err == nil {
			err = io.EOF
		}
		return err
	}, func() any {
		if all == nil {
			return []byte{}
		}
		return all
	})
}

// drop lets go of what was not read.
func (s *source) drop() {
	s.begun = true
	s.close()
	if s.err == nil && s.body != nil {
		s.body, s.err = nil, errors.New("the body was cancelled")
	}
}

// abort makes every read of a fetched body fail from now on, with what the guest knows.
func (s *source) abort() {
	s.reject = func(error) *web.Exception { return &web.Exception{Name: "Error", Message: "the body was aborted"} }
	if s.err == nil && s.body != nil {
		s.err = context.Canceled
	}
	s.close()
}

// A splice is a body that goes from its source to its reader without the script.
type splice struct {
	call *call
	from *source
	body io.Reader
	end  atomic.Pointer[error] // why the rest does not come
	done func(func() []any)    // brings the end to the loop, which waits for it
	once sync.Once
}

var _ outgoing = (*splice)(nil)

// splice makes a reader of a source that the script left alone.
func (c *call) splice(from *source) io.ReadCloser {
	s := &splice{call: c, from: from, body: from.body}
	from.begun = true
	if from.body == nil {
		return nil
	}
	_, s.done = c.loop.expect(context.Background())
	c.streams++
	c.peers++
	c.open.add(s)
	return s
}

// Read reads from the source. The end of the call ends it, for a read that waits when something comes.
func (s *splice) Read(b []byte) (n int, err error) {
	if s.end.Load() == nil {
		n, err = s.body.Read(b)
	}
	if end := s.end.Load(); end != nil {
		n, err = 0, *end
	}
	if err != nil {
		s.over(false)
	}
	return n, err
}

// Close ends the source.
func (s *splice) Close() error {
	s.over(true)
	return nil
}

func (s *splice) over(left bool) {
	s.once.Do(func() {
		s.from.close()
		s.done(func() []any {
			s.call.peers--
			if s.call.open.take(s) {
				s.call.streams--
			}
			if !left {
				return nil
			}
			return []any{"left", 0, true, errLeft.Error()}
		})
	})
}

func (s *splice) cut(err error) {
	s.end.CompareAndSwap(nil, &err)
	s.from.close()
}

func (s *splice) leave(error) { s.over(true) }
