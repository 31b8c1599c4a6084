package listener

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// endWait is how long a request is waited for to begin its body, or to end, where its header does not say whether it has one. An end
// that comes later costs only that the length of the body is not known.
const endWait = 100 * time.Millisecond

// An http3Conn is a client's QUIC connection.
//
// remote is the address with which it began and which its handshake validated. When the client migrates (RFC 9000, section 9),
// quic-go validates the new path and moves the packets there, but remote stays: who is trusted, whose rate is counted and what an
// authorizer saw does not change in the middle of a connection, and nobody gets to be a trusted proxy by moving to one's address.
type http3Conn struct {
	s             *http3Server
	remote, local netip.AddrPort
	validated     bool // the client's address, by a token, before the handshake ended

	shaken  atomic.Bool // the handshake has ended well
	counted sync.Once   // out of http3Server.unvalidated
	resets  bucket

	mu      sync.Mutex
	conn    *quic.Conn // nil until quic-go gives it out
	streams map[quic.StreamID]*http3Stream
}

// An http3Stream is a request's.
type http3Stream struct {
	*quic.Stream
	since  time.Time
	passed atomic.Bool // the header was whole and good, and the request is, or was, with the Handler
	fault  string      // what is wrong with it all the same; touched by the goroutine that serves the stream
}

// awaitHandshake notices when the client's address is its own.
func (c *http3Conn) awaitHandshake(conn *quic.Conn) {
	select {
	case <-conn.HandshakeComplete():
		c.shaken.Store(true)
		c.validate()
	case <-conn.Context().Done():
	}
}

// validate is called when the address is validated, or the connection has gone.
func (c *http3Conn) validate() {
	c.counted.Do(func() {
		if !c.validated {
			c.s.unvalidated.Add(-1)
		}
	})
}

// ended is called once, when quic-go has closed the connection.
func (c *http3Conn) ended(cause error) {
	c.validate()
	c.s.mu.Lock()
	delete(c.s.conns, c)
	c.s.mu.Unlock()
	if c.s.draining.Load() {
		return
	}
	var broken *quic.TransportError
	var application *quic.ApplicationError
	switch {
	case !c.shaken.Load():
		c.s.l.refuse(Refusal{Remote: c.remote, Reason: ReasonHandshake, Detail: cause.Error()})
	case errors.As(cause, &broken) && !broken.Remote:
		c.s.l.refuse(Refusal{Remote: c.remote, Reason: ReasonHTTP3, Detail: broken.Error()})
	case errors.As(cause, &application) && !application.Remote && application.ErrorCode != quic.ApplicationErrorCode(http3.ErrCodeNoError):
		c.s.l.refuse(Refusal{Remote: c.remote, Reason: ReasonHTTP3, Detail: application.Error()})
	}
}

// serve accepts streams until the connection ends.
func (c *http3Conn) serve(conn *quic.Conn) {
	c.local = udpAddrPort(conn.LocalAddr())
	c.mu.Lock()
	c.conn = conn
	c.mu.Unlock()
	if c.s.draining.Load() {
		c.leave()
	}
	engine, err := c.s.engine.NewRawServerConn(conn)
	if err != nil {
		c.close()
		return
	}
	go func() {
		for {
			str, err := conn.AcceptUniStream(context.Background())
			if err != nil {
				return
			}
			go engine.HandleUnidirectionalStream(str)
		}
	}()
	for {
		str, err := conn.AcceptStream(context.Background())
		if err != nil {
			_ = engine.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "") // it is closed: this ends a timer
			return
		}
		if c.s.draining.Load() {
			str.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestRejected))
			str.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestRejected))
			continue
		}
		go c.stream(engine, c.add(str))
	}
}

func (c *http3Conn) add(str *quic.Stream) *http3Stream {
	s := &http3Stream{Stream: str, since: time.Now()}
	if d := c.s.l.limits.ReadHeader; d > 0 {
		_ = str.SetReadDeadline(s.since.Add(d))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams[str.StreamID()] = s
	return s
}

// begun returns the stream of a request whose header quic-go has read.
func (c *http3Conn) begun(id quic.StreamID) *http3Stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[id]
	s.passed.Store(true)
	return s
}

// stream serves one request.
func (c *http3Conn) stream(engine *http3.RawServerConn, s *http3Stream) {
	engine.HandleRequestStream(s.Stream)
	if !s.passed.Load() {
		c.refused(s)
	}
	c.mu.Lock()
	delete(c.streams, s.StreamID())
	c.mu.Unlock()
	if c.s.draining.Load() {
		c.leave()
	}
}

// refused finds out why quic-go dealt with a stream by itself. It tells nobody, but the end of the stream shows it.
func (c *http3Conn) refused(s *http3Stream) {
	r := Refusal{Remote: c.remote}
	var code *quic.StreamError
	switch cause := context.Cause(s.Context()); {
	case errors.Is(cause, quic.ErrStreamClosed):
		r.Reason, r.Status = ReasonHeaderTooLarge, http.StatusRequestHeaderFieldsTooLarge
		r.Detail = "the header section is over the limit"
	case !errors.As(cause, &code) || code.Remote:
		return // the client has left
	case code.ErrorCode == quic.StreamErrorCode(http3.ErrCodeRequestIncomplete):
		if d := c.s.l.limits.ReadHeader; d <= 0 || time.Since(s.since) < d {
			return // the client gave up in the middle of its header
		}
		r.Reason, r.Detail = ReasonHeaderTimeout, "the header took longer than "+c.s.l.limits.ReadHeader.String()
	default:
		r.Reason, r.Detail = ReasonMalformed, http3.ErrCode(code.ErrorCode).String()
	}
	c.s.l.refuse(r)
}

// leave closes the connection soon if nothing runs on it. What was written last is still on its way.
func (c *http3Conn) leave() {
	c.mu.Lock()
	busy := len(c.streams) > 0
	c.mu.Unlock()
	if !busy {
		time.AfterFunc(lingerTime, c.close)
	}
}

// close closes the connection at once, if quic-go has given it out; the transport ends the others.
func (c *http3Conn) close() {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		_ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	}
}

// earlyData deals with requests that came in 0-RTT data: somebody who recorded them may send them again, from a forged address
// (RFC 8470, section 3). One with a safe method (RFC 9110, section 9.2.1) from an address that a token proves goes on, marked for
// whoever comes next. All others wait for the handshake, which nobody can replay. It is false when there is none.
func (c *http3Conn) earlyData(r *http.Request) bool {
	conn := c.quic()
	select {
	case <-conn.HandshakeComplete():
		return true
	default:
	}
	if c.validated && isSafe(r.Method) {
		r.Header.Set("Early-Data", "1")
		return true
	}
	select {
	case <-conn.HandshakeComplete():
		r.TLS = tlsState(conn)
		return true
	case <-r.Context().Done():
		return false
	}
}

func (c *http3Conn) quic() *quic.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn
}

func isSafe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// findEnd notices that a request has no body, which HTTP/3 shows only by the stream's end. Without it, every GET would go on with
// a body of unknown length, and no PUT without a body could be tried again. It does not wait for clients that may wait in their turn:
// for 100 (Continue), or for the head of a gRPC call's answer.
func (s *http3Stream) findEnd(r *http.Request) {
	if r.ContentLength >= 0 || r.Method == http.MethodConnect || r.Header["Expect"] != nil ||
		strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/grpc") {
		return
	}
	_ = s.SetReadDeadline(time.Now().Add(endWait))
	_, err := s.Peek(make([]byte, 1))
	_ = s.SetReadDeadline(time.Time{})
	if err == io.EOF {
		r.Body, r.ContentLength = http.NoBody, 0
	}
}
