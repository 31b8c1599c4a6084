package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
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

	cancel func() // ends its context, when the response's body is closed; nil for none

	head  headTimer
	trace httptrace.ClientTrace
	sent  bool   // there was a connection: bytes may have gone out
	conn  *conn  // which carries it; nil for a Fetcher's
	reads uint64 // of conn, when it was taken

	// unasked says that the response's first byte was there before the request: nothing was read from the connection since. It is the rest
	// of what the upstream said to the request before, which may have been another client's.
	unasked atomic.Bool
	spoiled bool // it has met such a connection before
}

func (a *attempt) watch(ctx context.Context) context.Context {
	a.trace.GotConn = func(info httptrace.GotConnInfo) {
		a.sent, a.conn = true, tracked(info.Conn)
		if a.conn != nil {
			a.reads = a.conn.reads.Load()
		}
	}
	a.trace.GotFirstResponseByte = func() {
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

// once sends a request that is not tried again.
func once(ctx context.Context, t *http.Transport, req *host.Request) (*host.Response, error) {
	a := &attempt{req: req, body: newRequestBody(ctx, req)}
	resp, err := roundTrip(ctx, t, a)
	if err != nil {
		a.body.finish()
	}
	return resp, err
}
