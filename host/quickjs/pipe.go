package quickjs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

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

// A pipe carries a body from a script's stream to its reader. Its writing end belongs to the guest's goroutine.
type pipe struct {
	loop    *loop
	answers bool                  // it is the body of an answer
	left    func(err error) []any // the event that cancels the script's stream; runs on the guest's goroutine

	mu      sync.Mutex
	chunks  [][]byte
	size    int
	err     error // behind the chunks: io.EOF, or why the rest is missing
	gone    bool  // the reader has left
	resume  func(func() []any)
	proceed func() []any  // what resume is to bring: the writer may go on
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
func (p *pipe) await(proceed func() []any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, p.resume = p.loop.expect(context.Background())
	p.proceed = proceed
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
		p.loop.post(func() []any { return left(err) })
	}
}

// An openSet is what ends with the call, unless the script ends it before. Who takes something out of it closes it.
// It is safe for concurrent use.
type openSet struct {
	mu    sync.Mutex
	set   map[io.Closer]struct{}
	ended bool
}

// add takes x, and closes it at once when the call has ended.
func (o *openSet) add(x io.Closer) {
	o.mu.Lock()
	late := o.ended
	if !late {
		if o.set == nil {
			o.set = map[io.Closer]struct{}{}
		}
		o.set[x] = struct{}{}
	}
	o.mu.Unlock()
	if late {
		_ = x.Close()
	}
}

// take removes x, and reports whether it was there.
func (o *openSet) take(x io.Closer) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, open := o.set[x]
	delete(o.set, x)
	return open
}

// close closes x, if nobody has yet.
func (o *openSet) close(x io.Closer) {
	if o.take(x) {
		_ = x.Close()
	}
}

// end closes all that is left; bodies that stream are cut, with err.
func (o *openSet) end(err error) {
	o.mu.Lock()
	set := o.set
	o.set, o.ended = nil, true
	o.mu.Unlock()
	for x := range set {
		if body, ok := x.(outgoing); ok {
			body.cut(err)
		} else {
			_ = x.Close()
		}
	}
}

// bodies are those that stream.
func (o *openSet) bodies() []outgoing {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []outgoing
	for x := range o.set {
		if body, ok := x.(outgoing); ok {
			out = append(out, body)
		}
	}
	return out
}

// cut cuts all bodies that stream.
func (o *openSet) cut(err error) {
	for _, body := range o.bodies() {
		body.cut(err)
	}
}

// stream makes the pipe that the prelude pumps a script's stream into, and returns its number. One that answers keeps the call alive.
func (c *call) stream(answers bool) int {
	p, id := newPipe(&c.loop), c.id()
	if c.pipes == nil {
		c.pipes = map[int]*pipe{}
	}
	c.pipes[id] = p
	p.answers = answers
	if answers {
		c.streams++
	}
	c.open.add(p)
	p.left = func(reason error) []any { // the call goes on until the stream has heard of it
		return []any{"left", id, answers, errLeft.Error()}
	}
	return id
}

// write gives a pipe a chunk, and returns the number under which the guest hears that there is room again, 0 where there is.
func (c *call) write(p *pipe, chunk []byte) int {
	c.progress()
	if c.loop.fact("room", p.write(bytes.Clone(chunk))) {
		return 0
	}
	id := c.id()
	p.await(func() []any {
		c.peers--
		c.progress()
		return doneEvent(id, nil)
	})
	c.peers++
	return id
}

// endStream ends a pipe behind what was written: err is io.EOF when it is whole.
func (c *call) endStream(id int, err error) {
	p := c.pipes[id]
	if p == nil {
		return
	}
	if c.open.take(p) && p.answers {
		c.streams--
	}
	p.cut(err)
}
