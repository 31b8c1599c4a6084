package host

import (
	"context"
	"time"
)

// A Phase is a moment in a request. Phases run in the order of their values.
type Phase uint8

// The phases, in order.
const (
	PhaseLimit Phase = iota
	PhaseFilter
	PhaseAuthorize
	PhaseThrottle
	PhaseValidate
	PhaseCache
	PhaseMapRequest
	PhaseIntegrate
	PhaseMapResponse
)

var phaseNames = [...]string{"limit", "filter", "authorize", "throttle", "validate", "cache", "map_request", "integrate", "map_response"}

// String returns the phase's name, which is also its span's name.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return "unknown"
}

// An Exchange is one request and the response to it.
type Exchange struct {
	ID        string // the request id: logs, spans, the Apigw-Requestid header
	TraceID   string // 32 hex digits; empty when nothing is traced
	Started   time.Time
	Match     Match
	Request   *Request
	Response  *Response   // nil until a Handler answers
	Principal Principal   // set by the authorize phase
	Outbound  *Invocation // set by the map_request phase; nil sends what arrived
	Function  *Function   // the version that the integrate phase called; nil for none
	Alias     string      // of Function, by which it was called; "" for none
	Err       error
	Trace     *Trace // nil for an exchange that nobody looks at
}

// A Match is what routing found.
type Match struct {
	API      *API
	Stage    *Stage
	Route    *Route // nil when no route matches
	Params   []Param
	Path     string // the path below stage and base path, undecoded, starting with /
	BasePath string // what stands before Path in the request's target: "", "/prod", "/_postern/orders/prod"
	Domain   string // the host that selected the API, without port
	Mapped   bool   // BasePath is that of a domain's mapping, which says nothing of the stage
}

// A Param is one path parameter with its value as it stands in the path, undecoded.
type Param struct{ Name, Value string }

// Param returns the undecoded value of a path parameter.
func (m *Match) Param(name string) (string, bool) {
	for _, p := range m.Params {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

// A Principal is what an authorizer said of the caller.
type Principal struct {
	ID      string
	Context map[string]any // handed to the integration; JSON values

	// UsageIdentifierKey is the API key that an authorizer of a rest API says the caller has; "" for none.
	UsageIdentifierKey string
}

// A Handler performs one phase. It answers early by setting x.Response, and refuses by returning an error
// with a Kind. What it needs to do on the way back, it returns as a Second; nil for none. It is shared by
// all requests of its route and must be safe for concurrent use.
type Handler interface {
	Handle(ctx context.Context, x *Exchange) (Second, error)
}

// A Second is the second half of a step, of one exchange.
type Second interface {
	// Response runs on the way back, in reverse order of the steps, also on early answers and errors.
	Response(ctx context.Context, x *Exchange) error
	// End runs once, always, after the last byte or the disconnect.
	End(err error)
}

// A Mapper turns one body into another, with overrides. A plugin is one through an adapter.
type Mapper interface {
	Map(ctx context.Context, in *MapInput) (*MapOutput, error)
}

// MapInput is what a mapping sees. Response fields are zero for a request mapping.
type MapInput struct {
	Exchange *Exchange
	Body     []byte
	Binary   bool // Body is octets and no text, by the API's binary media types; a template cannot read it
	Status   int
	Header   Header // of the integration's response

	// What the request's mapping overrode, for a response mapping, which may read it.
	RequestOverride, ResponseOverride Override
}

// MapOutput is what a mapping makes. Overrides replace the value of that name; a zero Status changes nothing.
type MapOutput struct {
	Body        []byte
	ContentType string // of Body, where the mapping says so; "" leaves it to the gateway
	Request     Override
	Response    Override
}

// An Override replaces parts of what goes out. Its values are a mapping's, and through that perhaps a client's: whoever sends them refuses line breaks in
// header fields, and paths that climb.
type Override struct {
	Header Header
	Query  Header
	Path   map[string]string // path parameters of the integration's URI, undecoded
	Status int
}

// An Integration answers an invocation. Routes, direct invocation and later WebSocket messages and queues share it.
type Integration interface {
	Invoke(ctx context.Context, in *Invocation) (*Result, error)
}

// An Invocation is what an integration is asked. What arrived (Exchange.Request) is kept apart from what is sent.
type Invocation struct {
	Exchange *Exchange
	Request  *Request          // what is sent: after mapping, or what arrived on a proxy
	Path     map[string]string // overrides of path parameters for the integration's URI
	Target   string            // the path that a mapping sends it to, in the place of the one that the integration says; "" leaves that
	Mapped   bool              // a mapping made Request.Body: it is the whole payload of a function
	Override Override          // what the request's mapping overrode, for the response's, which may read it
	Response Override          // what the request's mapping already decided about the response
}

// A Result is an integration's answer. Its Body may outlive the call.
type Result struct{ Response *Response }
