package listener

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
)

// A fieldTrace sees the fields of requests as they came, through quic-go's log of events: the http.Request that it makes of them shows
// neither the scheme nor that there were two lengths. The events of QUIC itself, of which there are several for each packet, are not made.
type fieldTrace struct {
	c     *http3Conn
	asked bool // for a recorder of QUIC's events, which comes first
}

// traceFields is quic.Config.Tracer.
func traceFields(ctx context.Context, _ bool, _ quic.ConnectionID) qlogwriter.Trace {
	c, ok := ctx.Value(http3Key{}).(*http3Conn)
	if !ok {
		return nil
	}
	return &fieldTrace{c: c}
}

// AddProducer implements qlogwriter.Trace. It returns nil for what is not wanted.
func (t *fieldTrace) AddProducer() qlogwriter.Recorder {
	if !t.asked {
		t.asked = true
		return nil
	}
	return t
}

// RecordEvent implements qlogwriter.Recorder. A header section is recorded before its request is handled, by the same goroutine.
func (t *fieldTrace) RecordEvent(e qlogwriter.Event) {
	parsed, ok := e.(qlog.FrameParsed)
	if !ok {
		return
	}
	section, ok := parsed.Frame.Frame.(qlog.HeadersFrame)
	if !ok {
		return
	}
	t.c.mu.Lock()
	s := t.c.streams[parsed.StreamID]
	t.c.mu.Unlock()
	if s != nil && !s.passed.Load() { // else it is a trailer
		s.fault = badFields(section.HeaderFields)
	}
}

// Close implements qlogwriter.Recorder.
func (t *fieldTrace) Close() error { return nil }

// badFields returns the rule that a request's header section breaks, of those that quic-go does not look at, or "".
func badFields(fields []qlog.HeaderField) string {
	method, scheme, lengths := "", "", 0
	for _, f := range fields {
		switch f.Name {
		case ":method":
			method = f.Value
		case ":scheme":
			scheme = strings.ToLower(f.Value)
		case "content-length":
			if lengths++; lengths > 1 {
				return "more than one Content-Length" // RFC 9110, section 8.6
			}
			if f.Value == "" {
				return "Content-Length is not a number"
			}
		}
	}
	if scheme != "http" && scheme != "https" && (scheme != "" || method != http.MethodConnect) {
		return "a :scheme that is not HTTP" // RFC 9114, section 4.3.1
	}
	return ""
}

// hasContent reports whether a request whose length is zero has content all the same, which makes it malformed (RFC 9114, section
// 4.1.2): quic-go resets the stream then, but only where somebody reads. Content that comes later than endWait behind its header
// is not seen, and goes nowhere.
func (s *http3Stream) hasContent(r *http.Request, patience time.Duration) bool {
	if r.ContentLength != 0 || r.Body == http.NoBody {
		return false
	}
	_ = s.SetReadDeadline(time.Now().Add(endWait))
	defer func() { _ = s.SetReadDeadline(time.Time{}) }()
	switch _, err := s.Peek(make([]byte, 1)); {
	case err == io.EOF:
		r.Body = http.NoBody
		return false
	case err != nil:
		return false
	}
	_ = s.SetReadDeadline(time.Time{})
	if patience > 0 {
		_ = s.SetReadDeadline(time.Now().Add(patience))
	}
	_, err := io.Copy(io.Discard, r.Body) // other frames than DATA, and empty ones, are no content
	if err == nil {
		r.Body = http.NoBody
	}
	return err != nil
}
