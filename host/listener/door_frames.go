package listener

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

const (
	// frameBurst is how many frames that carry nothing a client may send on an HTTP/2 connection, beyond those that it earns. It is less
	// than the 10,000 answers that net/http lets wait before it closes, in a way that a client which reads nothing does not notice.
	frameBurst = 5_000
	// frameRate is how many of them it earns in a second.
	frameRate = 100
	// frameShare is for how many bytes that are sent to it, which it acknowledges with WINDOW_UPDATE, it earns one.
	frameShare = 32
	// frameCarrying is how many it earns with a frame of DATA that carries something, and with a request that comes to the Handler.
	frameCarrying = 4
)

// frames counts what a client sends on an HTTP/2 connection. Frames that carry nothing cost the client next to nothing and make work
// here: SETTINGS and PING are answered, PRIORITY, WINDOW_UPDATE and empty DATA and CONTINUATION are looked at. HEADERS are among
// them until a request comes of them, as net/http answers those beyond ConcurrentStreams by itself. It bounds the memory that
// all these take, but not their number (RFC 9113, section 10.5).
type frames struct {
	header  [9]byte
	have    int // bytes of the header
	left    uint32
	balance int
	since   time.Time    // when time was last paid for
	sent    atomic.Int64 // bytes that the client was sent since, or their worth
	slow    slowHeader
}

// feed takes what arrived. It reports false for a flood.
func (f *frames) feed(p []byte) bool {
	for len(p) > 0 {
		if f.left > 0 {
			n := min(uint32(len(p)), f.left)
			f.left -= n
			p = p[n:]
			f.slow.frameRead(&f.header, f.left)
			continue
		}
		n := copy(f.header[f.have:], p)
		p = p[n:]
		if f.have += n; f.have < len(f.header) {
			return true
		}
		f.have, f.left = 0, binary.BigEndian.Uint32(f.header[:4])>>8
		f.slow.frameBegun(&f.header)
		f.slow.frameRead(&f.header, f.left)
		if !f.count(f.header[3]) {
			return false
		}
	}
	return true
}

// frameData and frameHeaders are types of frames (RFC 9113, sections 6.1 and 6.2).
const (
	frameData    = 0x0
	frameHeaders = 0x1
)

func (f *frames) count(kind byte) bool {
	if kind == frameData && f.left > 0 {
		f.balance = min(f.balance+frameCarrying, frameBurst)
		return true
	}
	if f.balance--; f.balance > 0 {
		return true
	}
	now := time.Now()
	earned := int(f.sent.Swap(0) / frameShare)
	if !f.since.IsZero() {
		earned += int(now.Sub(f.since).Seconds() * frameRate)
	}
	f.since = now
	f.balance = min(earned, frameBurst)
	return f.balance > 0
}

// request is told of each that comes to the Handler.
func (f *frames) request() { f.sent.Add(frameCarrying * frameShare) }

const (
	// logBurst is how many refusals are logged at once, and logRate how many in a second after that: they are cheaper to make than to log.
	logBurst = 100
	logRate  = 20

	// resetBurst is how many streams of an HTTP/2 connection may be reset while their Handler runs, beyond those that resetRate allows.
	resetBurst = 500
	// resetRate is how many may be in a second.
	resetRate = 20
)

// A bucket leaks. The zero value is empty.
type bucket struct {
	mu    sync.Mutex
	level float64
	since time.Time
}

// add reports false when the bucket, which leaks rate a second, holds more than burst already.
func (b *bucket) add(burst, rate float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if !b.since.IsZero() {
		b.level = max(b.level-now.Sub(b.since).Seconds()*rate, 0)
	}
	b.since = now
	if b.level >= burst {
		return false
	}
	b.level++
	return true
}

// resetEnds is called at the end of an exchange, and closes its connection when too many of them ended by a reset, of either side: their
// Handlers ran for nothing (CVE-2023-44487, CVE-2025-8671). net/http bounds how many run and wait at a time.
func (x *exchange) resetEnds() {
	if x.r.ProtoMajor != 2 || x.r.Context().Err() == nil || x.conn.left.Load() || x.l.base.Err() != nil || x.conn.resets.add(resetBurst, resetRate) {
		return
	}
	x.conn.flood(floodOfResets)
}

// resetEnds is the same for a QUIC connection.
func (c *http3Conn) resetEnds(request context.Context) {
	conn := c.quic()
	if request.Err() == nil || conn.Context().Err() != nil || c.resets.add(resetBurst, resetRate) {
		return
	}
	_ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeExcessiveLoad), floodOfResets) // ended counts it
}

const floodOfResets = "too many streams were reset"

// flood closes the connection of a client that makes work for nothing, and counts it once.
func (c *conn) flood(detail string) {
	c.flooded.Do(func() {
		c.l.refuse(Refusal{Remote: c.remote, Reason: ReasonFlood, Detail: detail})
		c.abort()
	})
}

// abort closes at once and forgets what is still to be sent, which a client that reads nothing would keep in the kernel for long.
func (c *conn) abort() {
	inner := c.Conn
	if p, ok := inner.(*proxied); ok {
		inner = p.Conn
	}
	if tcp, ok := inner.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.shut()
}
