package listener

import "time"

// frameContinuation is a type of frames, and flagEndHeaders the flag of it and of HEADERS that ends a field block (RFC 9113, sections 6.2
// and 6.10).
const (
	frameContinuation = 0x9
	flagEndHeaders    = 0x4
)

// A slowHeader holds a field block of HTTP/2 to Limits.ReadHeader, from the first byte of its HEADERS frame to the last of the frame that
// ends it. net/http has no limit of time there. No other frame may come in between (RFC 9113, section 6.10), so that nothing else on
// the connection waits for it.
type slowHeader struct {
	open  bool // a block has begun
	turns int  // how many frames and blocks have gone that are waited for no more
	timer *time.Timer
	timed int // the turn, from 1, for which the timer runs; 0 where it does not
}

func (s *slowHeader) frameBegun(header *[9]byte) {
	switch {
	case header[3] == frameHeaders:
		s.open = true
	case !s.open:
		s.turns++
	}
}

// frameRead is told how many bytes of a frame are left to come.
func (s *slowHeader) frameRead(header *[9]byte, left uint32) {
	kind := header[3]
	if s.open && left == 0 && (kind == frameHeaders || kind == frameContinuation) && header[4]&flagEndHeaders != 0 {
		s.open = false
		s.turns++
	}
}

// inHeader reports whether the last byte was of a field block, or of the header of a frame that may begin one.
func (f *frames) inHeader() bool {
	const kindKnown = 4
	return f.slow.open || f.have > 0 && (f.have < kindKnown || f.header[3] == frameHeaders)
}

// holdHeader is called by the reader when something was read.
func (c *conn) holdHeader() {
	limit, s := c.l.limits.ReadHeader, &c.frames.slow
	switch turn := s.turns + 1; {
	case limit <= 0:
	case !c.frames.inHeader():
		if s.timed != 0 {
			s.timer.Stop()
			s.timed = 0
		}
	case s.timer == nil:
		s.timer, s.timed = time.AfterFunc(limit, c.headerTooSlow), turn
	case s.timed != turn:
		s.timer.Reset(limit)
		s.timed = turn
	}
}

func (c *conn) headerTooSlow() {
	c.l.mu.Lock()
	_, open := c.l.conns[c]
	c.l.mu.Unlock()
	if open {
		c.l.refuse(Refusal{Remote: c.remote, Reason: ReasonHeaderTimeout, Detail: "the header took longer than " + c.l.limits.ReadHeader.String()})
		_ = c.shut()
	}
}
