package upstream

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern/postern/host"
)

// A requestBody is a request's body in one attempt to send it. Until the transport reads it, the attempt can be given up and the
// body be sent by the next one. It ends with the attempt's context, for as long as the transport holds it: a stream's
// request may go on behind the head of its response.
type requestBody struct {
	source io.ReadCloser
	state  atomic.Uint32
	stop   func() bool // ends the watch on the context
	gate   *gate       // nil for a body that nobody holds back
	atEnd  func()      // called when it is read to its end; nil for nothing
	conn   atomic.Pointer[conn]
	broke  atomic.Bool  // reading it failed
	lost   atomic.Bool  // the connection went before its end came, for no reason of this side's
	ended  func() error // why the attempt's context has ended, nil while it has not
}

// A gate holds the body of a request back that expects 100 (RFC 9110, section 10.1.1). net/http sends it also when the
// answer is a final one, to keep the connection: the client, which waits for a 100 of ours, would then be asked for it.
type gate struct {
	begun   time.Time // when the wait began
	invited atomic.Bool
	over    chan struct{}
	end     func() // closes over
}

func newGate() *gate {
	g := &gate{over: make(chan struct{})}
	g.end = sync.OnceFunc(func() { close(g.over) })
	return g
}

// pass reports whether the body may be sent, and if not it does so when the response is over: an error before would end that too.
func (g *gate) pass() bool {
	if g == nil || g.invited.Load() || time.Since(g.begun) >= expectContinue {
		return true
	}
	<-g.over
	return false
}

// refuse ends the wait of a body that is not sent.
func (b *requestBody) refuse() {
	if b != nil && b.gate != nil {
		b.gate.end()
	}
}

// The states of a requestBody, in order.
const (
	bodyUntouched uint32 = iota
	bodyGivenUp          // untouched, and now another attempt's
	bodyCanceled         // untouched when the attempt's context ended
	bodyBegun
	bodyEnded // read to its end
)

var errNotRead = errors.New("the attempt is over, and its request's body is not read any more")

// newRequestBody returns nil for a request without a body.
func newRequestBody(ctx context.Context, req *host.Request) *requestBody {
	if req.Length == 0 || req.Body == nil {
		return nil
	}
	b := &requestBody{source: req.Body, ended: ctx.Err}
	if hasToken(req.Header.Get("Expect"), "100-continue") {
		b.gate = newGate()
	}
	// The transport waits for a read of the body even after ctx has ended; closing the body ends that read.
	b.stop = context.AfterFunc(ctx, func() {
		b.refuse()
		if !b.state.CompareAndSwap(bodyUntouched, bodyCanceled) && b.state.Load() >= bodyBegun {
			_ = b.source.Close()
		}
	})
	return b
}

// Read implements io.Reader.
func (b *requestBody) Read(p []byte) (int, error) {
	if !b.gate.pass() {
		return 0, errNotRead
	}
	if !b.state.CompareAndSwap(bodyUntouched, bodyBegun) && b.state.Load() < bodyBegun {
		return 0, errNotRead
	}
	n, err := b.source.Read(p)
	if err == io.EOF && b.state.Swap(bodyEnded) != bodyEnded && b.atEnd != nil {
		b.atEnd()
	}
	if err != nil && err != io.EOF {
		b.broke.Store(true)
	}
	return n, err
}

// Close implements io.Closer, for the transport. A body that nobody read stays open for another attempt.
func (b *requestBody) Close() error {
	if c := b.conn.Swap(nil); c != nil {
		c.sending.CompareAndSwap(b, nil)
	}
	if b.state.Load() < bodyBegun {
		return nil
	}
	b.stop()
	return b.source.Close()
}

// over is told which connection carries it. Of several on one of HTTP/2 that knows the last; there, net/http closes them itself.
func (b *requestBody) over(c *conn) {
	if b != nil {
		b.conn.Store(c)
		c.sending.Store(b)
	}
}

// giveUp takes the body back, and reports whether that could be done: not once it was begun.
func (b *requestBody) giveUp() bool {
	if b == nil {
		return true
	}
	b.stop()
	b.refuse()
	return b.state.CompareAndSwap(bodyUntouched, bodyGivenUp) || b.state.CompareAndSwap(bodyCanceled, bodyGivenUp)
}

// begun reports whether the body cannot be given up any more.
func (b *requestBody) begun() bool { return b != nil && b.state.Load() >= bodyBegun }

// finish closes the body at the end of the attempt, whatever the transport did, unless it was given up.
func (b *requestBody) finish() {
	if b != nil && b.state.Load() != bodyGivenUp {
		b.stop()
		b.refuse()
		_ = b.source.Close()
	}
}

// stalled reports whether the body was begun and has not come to its end: who sends it may be the slow one.
func (b *requestBody) stalled() bool { return b != nil && b.state.Load() == bodyBegun }
