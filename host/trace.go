package host

import (
	"bytes"
	"sync"
	"time"
)

// A Trace keeps what happens to one exchange, for whoever debugs a definition. All methods do nothing on a nil Trace, which is that
// of an exchange that nobody looks at. It is safe for concurrent use.
type Trace struct {
	mu     sync.Mutex
	events []TraceEvent
}

// A TraceEvent is one thing that happened. Fields that its Name does not use are zero.
type TraceEvent struct {
	Time    time.Time
	Name    TraceName
	ID      string        // of TraceRoute: the request's
	Params  []Param       // of TraceRoute: those of the path
	Detail  string        // of TraceRoute: the route's key; of TraceAuthorizer: the verdict; of a failure: its reason; of others see their names
	Target  string        // of a request: method and URI, or which function; of TraceRoute: the API
	Status  int           // of a response
	Latency time.Duration // of TraceEndpointResponse
	Header  Header
	Body    []byte // the first MaxTraceBody bytes
	Length  int64  // bytes of the whole body; -1 when it streams and is not kept
}

// A TraceName says what happened.
type TraceName string

// What can happen, in the order in which it does.
const (
	TraceRoute            TraceName = "route"             // routing found Detail
	TraceRequest          TraceName = "request"           // as it arrived, before any mapping
	TraceAuthorizer       TraceName = "authorizer"        // Detail is its name and verdict
	TraceMappedRequest    TraceName = "mapped request"    // after mapping; Detail names the mapping
	TraceEndpointRequest  TraceName = "endpoint request"  // what is sent
	TraceEndpointResponse TraceName = "endpoint response" // what came back, before any mapping
	TraceSelected         TraceName = "selected response" // Detail is the rule, and Status what it says
	TraceResponse         TraceName = "response"          // what the client gets
	TraceFailure          TraceName = "failure"           // Detail is the reason
)

// MaxTraceBody bounds what is kept of each body, in bytes.
const MaxTraceBody = 64 << 10

// Add keeps an event at this time. It keeps a copy of as much of the body as it may, and of the header.
func (t *Trace) Add(e TraceEvent) {
	if t == nil {
		return
	}
	e.Time = time.Now()
	e.Header = e.Header.Clone()
	if e.Length == 0 {
		e.Length = int64(len(e.Body))
	}
	e.Body = bytes.Clone(e.Body[:min(len(e.Body), MaxTraceBody)])
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, e)
}

// Events returns what has happened so far.
func (t *Trace) Events() []TraceEvent {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]TraceEvent(nil), t.events...)
}
