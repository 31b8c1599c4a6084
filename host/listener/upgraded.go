package listener

import (
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// An upgradedConn first reads what the client sent before it saw the 101.
type upgradedConn struct {
	net.Conn
	early []byte
}

// Read implements net.Conn.
func (c *upgradedConn) Read(p []byte) (int, error) {
	if len(c.early) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.early)
	c.early = c.early[n:]
	return n, nil
}

// CloseWrite ends the writing half.
func (c *upgradedConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// A tunnelWriter is the ResponseWriter of a stream of HTTP/2 or 3.
type tunnelWriter interface {
	http.ResponseWriter
	deadliner
	FlushError() error
}

// A tunnelConn is a stream of HTTP/2 or 3 as a net.Conn, behind an extended CONNECT. When the client ends its half, Read returns
// io.EOF and Write goes on. The other half ends when host.Response.Upgrade returns; there is no CloseWrite.
//
// The engines cannot read on after a deadline: HTTP/2 closes the body, and HTTP/3 may be in the middle of a frame. So a goroutine
// reads without one, and Read reads from it through a pipe.
type tunnelConn struct {
	w             tunnelWriter
	local, remote net.Addr
	in            net.Conn // the reading end of the pipe
	fed           chan struct{}
	err           error // why the client's half broke; set before fed is closed

	write   sync.Mutex // held by Write
	mu      sync.Mutex // guards what follows
	until   time.Time  // the deadline of writes
	writing bool
	closed  bool
}

var _ net.Conn = (*tunnelConn)(nil)

// newTunnelConn starts reading; end stops it.
func newTunnelConn(x *exchange) *tunnelConn {
	in, feed := net.Pipe()
	c := &tunnelConn{w: x.w.(tunnelWriter), in: in, fed: make(chan struct{})}
	c.local, c.remote = x.addrs()
	go func() {
		buf := buffers.Get().(*[copyBuffer]byte)
		_, c.err = io.CopyBuffer(struct{ io.Writer }{feed}, struct{ io.Reader }{x.r.Body}, buf[:])
		buffers.Put(buf)
		close(c.fed)
		_ = feed.Close()
	}()
	return c
}

// Read implements net.Conn. Unlike a deadline of Write's, one of Read's can be moved after it has passed.
func (c *tunnelConn) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	switch err {
	case io.EOF: // the feeder has gone
		<-c.fed
		if c.err != nil {
			err = c.err
		}
	case io.ErrClosedPipe:
		err = net.ErrClosed
	}
	return n, err
}

// Write implements net.Conn. p is on its way when it returns. After a deadline has passed in the middle of a Write, the stream
// is broken.
func (c *tunnelConn) Write(p []byte) (int, error) {
	c.write.Lock()
	defer c.write.Unlock()
	if err := c.beginWrite(); err != nil {
		return 0, err
	}
	n, err := c.w.Write(p)
	if err == nil {
		err = c.w.FlushError()
	}
	return n, c.endWrite(err)
}

// beginWrite sets the deadline only for the time of a Write: on HTTP/2 one that passes at rest would break the stream.
func (c *tunnelConn) beginWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return net.ErrClosed
	case !c.until.IsZero() && !time.Now().Before(c.until):
		return os.ErrDeadlineExceeded
	}
	c.writing = true
	if !c.until.IsZero() {
		_ = c.w.SetWriteDeadline(c.until)
	}
	return nil
}

func (c *tunnelConn) endWrite(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = false
	late := !c.until.IsZero() && !time.Now().Before(c.until)
	if !c.until.IsZero() && !c.closed {
		_ = c.w.SetWriteDeadline(time.Time{})
	}
	switch {
	case err == nil:
		return nil
	case c.closed:
		return net.ErrClosed
	case late:
		return os.ErrDeadlineExceeded
	}
	return err
}

// Close implements net.Conn. It ends a Read and a Write that are under way.
func (c *tunnelConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	_ = c.in.Close()
	_ = c.w.SetReadDeadline(time.Unix(1, 0))
	if c.writing {
		_ = c.w.SetWriteDeadline(time.Unix(1, 0))
	}
	return nil
}

// end closes and waits for whoever still reads or writes: the engines allow neither after an exchange.
func (c *tunnelConn) end() {
	_ = c.Close()
	c.write.Lock()
	defer c.write.Unlock() // the writer has gone
	<-c.fed
}

// LocalAddr implements net.Conn.
func (c *tunnelConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *tunnelConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *tunnelConn) SetDeadline(t time.Time) error {
	_ = c.SetWriteDeadline(t)
	return c.in.SetReadDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *tunnelConn) SetReadDeadline(t time.Time) error { return c.in.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (c *tunnelConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	if c.writing && !c.closed {
		return c.w.SetWriteDeadline(t)
	}
	return nil
}
