package admin

import (
	"io"
	"net/http"
	"time"
)

// A response gives up a client that takes nothing of it for some time, and knows whether it has begun.
type response struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	begun    bool
}

func (s *server) response(w http.ResponseWriter) *response {
	return &response{ResponseWriter: w, control: http.NewResponseController(w), patience: s.delays.write}
}

// Unwrap is for http.ResponseController.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader begins the response.
func (r *response) WriteHeader(status int) {
	r.begin()
	r.ResponseWriter.WriteHeader(status)
}

// begin gives the client time from now.
func (r *response) begin() {
	r.begun = true
	_ = r.control.SetWriteDeadline(time.Now().Add(r.patience)) // a connection that has none is not on a network
}

// maxPiece is how much a client must take within its time, in bytes.
const maxPiece = 64 << 10

// Write sends pieces, each of which has its own time: a long response to a slow client comes through.
func (r *response) Write(p []byte) (n int, err error) {
	for first := true; err == nil && (first || n < len(p)); first = false {
		r.begin()
		var wrote int
		wrote, err = r.ResponseWriter.Write(p[n:min(len(p), n+maxPiece)])
		n += wrote
	}
	return n, err
}

// What is read on of a body behind an answer that refuses it. Many clients read no answer before they have sent all, and would see a
// broken connection instead.
const (
	maxUnread      = 32 << 20 // bytes
	unreadTime     = 2 * time.Second
	unreadByOthers = 256 << 10 // bytes, which net/http reads on by itself
)

// mayDrain prepares for reading on behind the answer. A client that asked whether to send its body at all has sent nothing.
func (c *call) mayDrain() bool {
	if c.r.ProtoMajor != 1 || c.sent == nil || c.r.ContentLength >= 0 && c.r.ContentLength <= unreadByOthers || c.r.Header.Get("Expect") != "" {
		return false
	}
	c.w.Header().Set("Connection", "close")
	return c.w.control.EnableFullDuplex() == nil // or else net/http takes the body away with the answer
}

// drain reads on after an answer that is complete.
func (c *call) drain() {
	if c.w.control.Flush() == nil && c.w.control.SetReadDeadline(time.Now().Add(unreadTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.sent, maxUnread) // then the connection is closed
	}
}
