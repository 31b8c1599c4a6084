package host

import "time"

// An Upstream is a pool of targets outside.
type Upstream struct {
	Name           string
	Targets        []Target
	Timeout        Setting[time.Duration] // from the request's end to the answer's head, all attempts together
	ConnectTimeout Setting[time.Duration] // for a connection, and again for its TLS handshake
	IdleTimeout    Setting[time.Duration] // after which a connection that nobody uses closes
	Balance        Balance
	HashOn         Setting[string]        // of consistent_hash: an expression such as $request.header.X; "" is the client's address
	MaxConnections Setting[int]           // to one address of a target; 0 for no limit
	MaxRequests    Setting[int]           // to one address of a target at a time; 0 for no limit
	DNSRefresh     Setting[time.Duration] // how often a target's name is looked up again
	ProxyProtocol  int                    // version of the PROXY header that each connection begins with: 1 or 2; 0 for none
	HealthCheck    *HealthCheck           // nil checks nothing
	Ejection       *Ejection              // nil ejects nothing
	Retries        *Retries               // nil retries nothing but a connection that could not be made, at another target, or was found closed
	Breaker        *Breaker               // nil never opens
	TLS            UpstreamTLS
	Pos            Position
}

// A Target is one server of an upstream.
type Target struct {
	URL    string // scheme://host[:port]; http, https (HTTP/2 where the target offers it), or h2c (HTTP/2 with prior knowledge)
	Weight int    // its share of the requests, against the others'; at least 1
	Pos    Position
}

// A Balance says which target gets a request.
type Balance string

// The ways to balance.
const (
	BalanceRoundRobin     Balance = "round_robin"
	BalanceLeastRequests  Balance = "least_requests"
	BalanceConsistentHash Balance = "consistent_hash"
)

// A HealthCheck asks targets whether they are well (active checking).
type HealthCheck struct {
	Path      string
	Interval  time.Duration
	Timeout   time.Duration
	Status    string // a regular expression over the whole status code
	Healthy   int    // answers in a row after which a target is well
	Unhealthy int    // failures in a row after which it is not
	Pos       Position
}

// An Ejection takes a target out whose real requests fail (passive checking).
type Ejection struct {
	Failures int           // in a row: answers of 502, 503 and 504, and none at all
	For      time.Duration // how long the first time; it doubles each time that the target fails again, up to ten times For
	Max      int           // per cent of the targets that may be out at a time
	Pos      Position
}

// Retries send a request again that failed and is safe to repeat: its method is idempotent (RFC 9110, section 9.2.2) and its
// body has not begun to be read. With a body, it is repeated only where no byte of it was taken.
type Retries struct {
	Attempts int           // further ones after the first
	On       []string      // "connect", "reset", "timeout", or a status code
	Backoff  time.Duration // before the first further one, doubled before each next, with jitter
	Budget   int           // per cent of the requests of the last 10 s that may be retries; at least 3 a second always may
	Pos      Position
}

// A Breaker refuses requests at once to an upstream as a whole that keeps failing.
type Breaker struct {
	Failures int           // in a row, that open it
	For      time.Duration // open, until a trial request may close it
	Pos      Position
}

// UpstreamTLS says whom to trust at an upstream's end, and who this gateway is there.
type UpstreamTLS struct {
	CAFile     Setting[string] // of the project; "" for none, as the two below
	CA         []byte          // its PEM, resolved by host/project; nil trusts the system's roots
	CertFile   Setting[string] // of the project: the client certificate's chain
	Cert       []byte          // its PEM, resolved by host/project; nil shows none
	KeyFile    Setting[string] // of the project
	Key        SecretValue
	ServerName string // for SNI and verification; "" is the target's host
	Pos        Position
}

// Defaults of what the definition of an upstream may leave out.
const (
	DefaultUpstreamTimeout = 30 * time.Second
	DefaultConnectTimeout  = 5 * time.Second
	DefaultUpstreamIdle    = 90 * time.Second
	DefaultDNSRefresh      = 30 * time.Second

	DefaultHealthInterval  = 10 * time.Second
	DefaultHealthTimeout   = 2 * time.Second // or the interval, where that is shorter
	DefaultHealthStatus    = `2\d\d|3\d\d`
	DefaultHealthySuccess  = 2
	DefaultHealthyFailures = 3

	DefaultEjectionFailures = 5
	DefaultEjectionFor      = 30 * time.Second
	DefaultEjectionMax      = 50 // per cent

	DefaultRetryAttempts = 1
	DefaultRetryOn       = "connect reset 502 503 504"
	DefaultRetryBackoff  = 25 * time.Millisecond
	DefaultRetryBudget   = 20 // per cent

	DefaultBreakerFailures = 10
	DefaultBreakerFor      = 10 * time.Second
)
