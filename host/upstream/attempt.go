package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern/postern/host"
)

// An attempt is one sending of a request, and what is learned of it on the way.
type attempt struct {
	req  *host.Request
	body *requestBody // nil for none
	lane string       // the connections that it may use, where they are not all of its transport's
	end  func()       // called once, when the response is over, or what a connection was upgraded to; not after an error; nil for none

	cancel func() // ends its context, when the response is over; nil for none

	head  headTimer
	trace httptrace.ClientTrace
	sent  bool // there was a connection: bytes may have gone out

	mu    sync.Mutex // guards conn and reads: a connection that the transport gave up may still speak
	conn  *conn      // which carries it; nil for a Fetcher's
	reads uint64     // of conn, when it was taken

	// unasked says that the response's first byte was there before the request: nothing was read from the connection since. It is the rest
	// of what the upstream said to the request before, which may have been another client's.
	unasked atomic.Bool
	spoiled bool // it has met such a connection before
}

func (a *attempt) watch(ctx context.Context) context.Context {
	a.trace.GotConn = func(info httptrace.GotConnInfo) {
		a.sent = true
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.conn = tracked(info.Conn); a.conn != nil {
			a.reads = a.conn.reads.Load()
			a.body.over(a.conn)
		}
	}
	a.trace.GotFirstResponseByte = func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.conn != nil && a.conn.reads.Load() == a.reads {
			a.unasked.Store(true)
			_ = a.conn.Close()
		}
	}
	if a.body != nil && a.body.gate != nil {
		gate := a.body.gate
		a.trace.Wait100Continue = func() { gate.begun = time.Now() }
		a.trace.Got100Continue = func() { gate.invited.Store(true) }
	}
	return httptrace.WithClientTrace(ctx, &a.trace)
}

func tracked(c net.Conn) *conn {
	if over, ok := c.(*tls.Conn); ok {
		c = over.NetConn()
	}
	own, _ := c.(*conn)
	return own
}

// finish ends what is left of the attempt, whose request's body is closed unless it was given up. It may be called again.
func (a *attempt) finish() {
	a.body.finish()
	if a.cancel != nil {
		a.cancel()
	}
}

// once sends a request that is not tried again.
func once(ctx context.Context, t *http.Transport, req *host.Request) (*host.Response, error) {
	a := &attempt{req: req, body: newRequestBody(ctx, req)}
	resp, err := roundTrip(ctx, t, a)
	if err != nil || resp.Body == nil {
		a.finish()
	}
	return resp, err
}
