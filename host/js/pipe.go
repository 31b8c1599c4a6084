package js

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/dop251/goja"

	"github.com/postern/postern/host"
)

// pipeRoom is how much of a body waits for its reader, in bytes, before the script's stream has to wait. One chunk more fits.
const pipeRoom = 64 << 10

// errLeft is what a stream is cancelled with when its reader closes it.
var errLeft = errors.New("the reader has gone")

// An outgoing body can be cut by the end of its call, and left by its reader. Both are safe from any goroutine.
type outgoing interface {
	io.Closer
	cut(err error)   // the rest does not come; err is told to the reader
	leave(err error) // the reader does not want the rest; err is told to whoever makes it
}

// A pipe carries a body from a script's stream to its reader. Its writing end belongs to the script's goroutine.
type pipe struct {
	loop *loop
	left func(err error) error // cancels the script's stream; runs on the script's goroutine

	mu      sync.Mutex
	chunks  [][]byte
	size    int
	err     error // behind the chunks: io.EOF, or why the rest is missing
	gone    bool  // the reader has left
	resume  func(func() error)
	proceed func() error  // what resume is to bring: the writer may go on
	signal  chan struct{} // holds one token when there is something to read
}

var _ outgoing = (*pipe)(nil)

func newPipe(l *loop) *pipe {
	l.listen()
	return &pipe{loop: l, signal: make(chan struct{}, 1)}
}

func (p *pipe) tell() {
	select {
	case p.signal <- struct{}{}:
	default:
	}
}

// write adds a chunk, which it takes over, and reports whether there is room for more. There is none behind the end: a stream that never waits
// by itself would keep the loop from telling it that its reader has left.
func (p *pipe) write(chunk []byte) (room bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone || p.err != nil || len(chunk) == 0 {
		return len(chunk) == 0
	}
	p.chunks = append(p.chunks, chunk)
	p.size += len(chunk)
	p.tell()
	return p.size < pipeRoom
}

// await has proceed brought to the loop when there is room again, which may be now.
func (p *pipe) await(proceed func() error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resume, p.proceed = p.loop.expect(), proceed
	if p.gone || p.err != nil || p.size < pipeRoom {
		p.goOn()
	}
}

// goOn lets the writer go on. The lock is held.
func (p *pipe) goOn() {
	if p.resume != nil {
		p.resume(p.proceed)
		p.resume, p.proceed = nil, nil
	}
}

// cut ends the body behind what was written: err is io.EOF when it is whole.
func (p *pipe) cut(err error) {
	p.mu.Lock()
	if p.err == nil {
		p.err = err
	}
	p.goOn()
	p.tell()
	p.mu.Unlock()
}

// Read waits for bytes. What was written before the body was cut is read first.
func (p *pipe) Read(b []byte) (int, error) {
	for {
		p.mu.Lock()
		n := 0
		for n < len(b) && len(p.chunks) > 0 {
			m := copy(b[n:], p.chunks[0])
			n += m
			if p.chunks[0] = p.chunks[0][m:]; len(p.chunks[0]) == 0 {
				p.chunks[0] = nil
				p.chunks = p.chunks[1:]
			}
		}
		if p.size -= n; p.size < pipeRoom/2 {
			p.goOn()
		}
		err := p.err
		if len(p.chunks) > 0 || n > 0 && err != io.EOF {
			err = nil
		}
		p.mu.Unlock()
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		<-p.signal
	}
}

// Close cancels the script's stream, unless it has ended. It does not wait for that.
func (p *pipe) Close() error {
	p.leave(errLeft)
	return nil
}

func (p *pipe) leave(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return
	}
	over := p.err != nil
	p.gone, p.chunks, p.size = true, nil, 0
	p.goOn()
	if over {
		return
	}
	p.err = &host.Error{Op: "read a body", Kind: host.Unavailable, Err: err}
	p.tell()
	if p.left != nil {
		left := p.left
		p.left = nil
		p.loop.post(func() error { return left(err) })
	}
}

// stream makes the reader of a script's stream, which the prelude pumps into it. One that answers keeps the call alive.
func (c *call) stream(pump goja.Callable, stream goja.Value, answers bool) (io.ReadCloser, error) {
	in, p := c.in, newPipe(&c.loop)
	if answers {
		c.streams++
	}
	c.open.add(p)
	end := func(err error) {
		if c.open.take(p) && answers {
			c.streams--
		}
		p.cut(err)
	}
	sink := in.rt.NewObject()
	in.set(sink, "write", func(fc goja.FunctionCall) goja.Value {
		c.live()
		c.progress()
		if c.loop.fact("room", p.write(bytes.Clone(in.needBytes(fc.Argument(0))))) {
			return goja.Undefined()
		}
		promise, resolve, _ := in.rt.NewPromise()
		proceed := func() error {
			c.peers--
			c.progress()
			return resolve(goja.Undefined())
		}
		p.await(proceed)
		c.peers++
		return in.rt.ToValue(promise)
	})
	in.set(sink, "end", func(goja.FunctionCall) goja.Value {
		end(io.EOF)
		return goja.Undefined()
	})
	in.set(sink, "fail", func(fc goja.FunctionCall) goja.Value {
		end(c.failed(thrownError(fc.Argument(0))))
		return goja.Undefined()
	})
	cancel, err := pump(goja.Undefined(), stream, sink)
	if err != nil {
		end(err)
		return nil, err
	}
	cancelStream, _ := goja.AssertFunction(cancel)
	p.mu.Lock()
	p.left = func(reason error) error { // the call goes on until the stream has heard of it
		if err := c.readerLeft(answers); err != nil {
			return err
		}
		_, err := cancelStream(goja.Undefined(), in.domError(errLeft.Error(), "AbortError"), in.rt.ToValue(func(goja.FunctionCall) goja.Value {
			end(reason)
			return goja.Undefined()
		}))
		return err
	}
	p.mu.Unlock()
	return p, nil
}

// readerLeft tells the script that nobody waits for its answer any more.
func (c *call) readerLeft(answers bool) error {
	if c.left == nil || !answers {
		return nil
	}
	_, err := c.left(goja.Undefined())
	return err
}

// A splice is a body that goes from its source to its reader without the script.
type splice struct {
	call *call
	from *source
	body io.Reader
	end  atomic.Pointer[error] // why the rest does not come
	done func(func() error)    // brings the end to the loop, which waits for it
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
	s.done = c.loop.expect()
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
		s.done(func() error {
			s.call.peers--
			if s.call.open.take(s) {
				s.call.streams--
			}
			return s.call.readerLeft(left)
		})
	})
}

func (s *splice) cut(err error) {
	s.end.CompareAndSwap(nil, &err)
	s.from.close()
}

func (s *splice) leave(error) { s.over(true) }
