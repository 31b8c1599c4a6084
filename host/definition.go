package host

import (
	"iter"
	"time"
)

// A Snapshot is every definition at one revision. It is immutable once it is built.
type Snapshot struct {
	Revision  string      // SHA-256 over all below and the code it refers to: equal revisions are equal
	APIs      []*API      // sorted by name, as are the others
	Functions []*Function // by name, then version
	Aliases   []*Alias    // by function, then name
	Upstreams []*Upstream
	Domains   []*Domain
}

// Definitions yields every API: those of the stages, and those of their canaries.
func (s *Snapshot) Definitions() iter.Seq[*API] {
	return func(yield func(*API) bool) {
		for _, a := range s.APIs {
			if !yield(a) {
				return
			}
			for _, stage := range a.Stages {
				if stage.Canary != nil && !yield(stage.Canary.API) {
					return
				}
			}
		}
	}
}

// Plugins yields every use of a plugin with the entry that it is called by: functions, authorizers, filters and mappings. A
// filter comes with EntryFilterRequest, and may have EntryFilterResponse instead.
func (s *Snapshot) Plugins() iter.Seq2[string, *PluginConfig] {
	return func(yield func(string, *PluginConfig) bool) {
		for _, f := range s.Functions {
			if !yield(EntryHandle, &f.Plugin) {
				return
			}
		}
		for a := range s.Definitions() {
			if !a.plugins(yield) {
				return
			}
		}
	}
}

func (a *API) plugins(yield func(string, *PluginConfig) bool) bool {
	for _, authorizer := range a.Authorizers {
		if authorizer.Function == "" && !yield(EntryAuthorize, &authorizer.Plugin) {
			return false
		}
	}
	for _, f := range a.Filters {
		if !yield(EntryFilterRequest, &f.Plugin) {
			return false
		}
	}
	for _, r := range a.Routes {
		for _, f := range r.Filters {
			if !yield(EntryFilterRequest, &f.Plugin) {
				return false
			}
		}
		for i := range r.Mappings {
			if r.Mappings[i].Template == nil && !yield(EntryMapRequest, &r.Mappings[i].Plugin) {
				return false
			}
		}
		for _, rule := range r.Responses {
			for i := range rule.Mappings {
				if rule.Mappings[i].Template == nil && !yield(EntryMapResponse, &rule.Mappings[i].Plugin) {
					return false
				}
			}
		}
	}
	return true
}

// A Protocol says whose semantics an API follows.
type Protocol string

// The protocols.
const (
	ProtocolHTTP      Protocol = "http"
	ProtocolREST      Protocol = "rest"
	ProtocolWebSocket Protocol = "websocket"
)

// DefaultStage is the stage that needs no path segment, and DefaultRoute the route that matches what no other does.
const (
	DefaultStage = "$default"
	DefaultRoute = "$default"
)

// An API is a named set of routes with one protocol. A snapshot has one for each deployment that a stage serves, with the stages
// that serve it: those of one name share their hosts, and have no stage in common.
type API struct {
	Name            string
	Protocol        Protocol
	Root            bool // also answers at / of any host that no domain claims
	RootImplied     bool // Root was not written: the file has no other API
	DefaultEndpoint bool // answers at its execute-api host and below /_postern/
	CORS            *CORS
	Authorizers     []*Authorizer
	Filters         []*Filter // of every request that the API claims, outermost first
	Routes          []*Route  // in the order of the file
	Stages          []*Stage
	REST            *REST // nil on all but rest APIs
	Pos             Position
}

// Stage returns the stage of that name, or nil.
func (a *API) Stage(name string) *Stage {
	for _, s := range a.Stages {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// CORS is the cross-origin configuration of an http API.
type CORS struct {
	AllowOrigins     []string
	AllowMethods     []string
	AllowHeaders     []string
	ExposeHeaders    []string
	MaxAge           time.Duration
	AllowCredentials bool
	Pos              Position
}

// A Stage is a named, deployed snapshot of an API, with its own variables.
type Stage struct {
	Name       string
	Variables  map[string]string
	Deployment int     // the number of the deployment that it serves; 0 outside of a store
	Canary     *Canary // nil without one
	Pos        Position
}

// A Canary takes a share of a stage's requests to another deployment, or to other variables.
type Canary struct {
	Percent float64 // of the requests, 0 to 100, chosen at random for each
	API     *API    // what is deployed there; its only stage is Stage
	Stage   *Stage  // of the same name, with the variables of both; it has no canary itself
}

// A Route is a match, and what is plugged there.
type Route struct {
	Key         string // as written: "GET /orders/{id}", "$default"
	Method      string // "" for ANY
	Pattern     string // "/orders/{id}"; "" for $default
	Authorizer  *Authorizer
	Filters     []*Filter              // inside the API's, outermost first
	Timeout     Setting[time.Duration] // for the whole request, or until the head of a response that streams
	IdleTimeout Setting[time.Duration] // without a byte either way, behind the head of a response that streams; 0 for none
	MaxDuration Setting[time.Duration] // for the whole of an exchange that streams; 0 for none
	MaxBody     Setting[int64]         // bytes of the request's body; 0 for no limit
	Streaming   bool                   // bodies are of any length and must not be buffered
	Mappings    []Mapping              // of the request, by media type
	Integration IntegrationConfig
	Responses   []ResponseRule
	REST        *Method // nil on all but rest APIs
	Pos         Position
}

// A Filter is a plugin that sees both halves of a request.
type Filter struct {
	Plugin PluginConfig
	Pos    Position
}

// A Mapping is a plugin or a template for bodies of one media type.
type Mapping struct {
	MediaType string
	Plugin    PluginConfig
	Template  *Template // nil for a plugin
}

// A ResponseRule selects by the integration's status, or by a function's errorMessage on rest APIs, and says what becomes of the
// response. What Amazon calls an integration response is one.
type ResponseRule struct {
	Match           string // a regular expression over the whole; "" matches all
	Status          int    // 0 leaves it
	Mappings        []Mapping
	Parameters      []ParameterMapping
	ContentHandling string // ConvertToText, ConvertToBinary, or "" for neither
	Pos             Position
}

// An Authorizer decides who may call.
type Authorizer struct {
	Name            string
	Type            string // AuthorizerToken or AuthorizerRequest on rest APIs; "" on others
	Plugin          PluginConfig
	Function        string                 // calls this function instead of a plugin of its own; "" for none
	Qualifier       string                 // of Function: an alias, or a version's number; "" is AliasLive
	IdentitySources []string               // $request.header.X, $request.querystring.X, $context.X, $stageVariables.X; on rest APIs method.request.header.X too
	Validation      string                 // of AuthorizerToken: a regular expression that the whole token must match; "" for none
	ResultTTL       Setting[time.Duration] // 0 caches nothing
	PayloadFormat   string                 // "1.0" or "2.0"
	Pos             Position
}

// An IntegrationType says what an integration reaches.
type IntegrationType string

// The integration types.
const (
	IntegrationFunction IntegrationType = "function"
	IntegrationHTTP     IntegrationType = "http"
	IntegrationUpstream IntegrationType = "upstream"
	IntegrationMock     IntegrationType = "mock"
	IntegrationService  IntegrationType = "service" // an AWS service, by ServiceCall
)

// An IntegrationConfig says where a route's requests go. Fields that its Type does not use are zero.
type IntegrationConfig struct {
	Type          IntegrationType
	Function      string        // a function's name
	Qualifier     string        // of the function: an alias, or a version's number; "" is AliasLive
	PayloadFormat string        // of a function: "1.0" or "2.0"
	URI           string        // of http: a template with ${stageVariables.x} and {param}
	Upstream      string        // an upstream's name
	Path          string        // of upstream: a template; "" sends the request's path
	Method        string        // "" sends the client's
	Passthrough   string        // WHEN_NO_MATCH, WHEN_NO_TEMPLATES or NEVER, for bodies that no mapping matches
	Mock          *MockResponse // nil with IntegrationMock on rest APIs: the request's mapping chooses the response (Amazon's MOCK)
	Timeout       Setting[time.Duration]
	Pos           Position

	Proxy           bool               // of rest APIs: HTTP_PROXY and AWS_PROXY, and not HTTP and AWS
	Parameters      []ParameterMapping // of the request
	ContentHandling string             // of the request: ConvertToText, ConvertToBinary, or "" for neither
	Service         *ServiceCall       // of IntegrationService
	Insecure        bool               // of HTTP on rest APIs: the certificate's issuer is not verified (tlsConfig.insecureSkipVerification)
}

// The passthrough behaviours of a route with mappings (API Gateway developer guide, "Integration passthrough behaviors").
const (
	PassthroughWhenNoMatch     = "WHEN_NO_MATCH"
	PassthroughWhenNoTemplates = "WHEN_NO_TEMPLATES"
	PassthroughNever           = "NEVER"
)

// A MockResponse is answered as it stands.
type MockResponse struct {
	Status int
	Header Header
	Body   string
}

// A Function is plugin code that is called by name, at one version.
type Function struct {
	Name    string
	Version int // 1, 2, … in a store; 0 outside of one, where a function has one version
	Plugin  PluginConfig
	URL     bool // answers at its own host, by AliasLive
	Async   Async
	Pos     Position
}

// AliasLive is the alias that a call without a qualifier means.
const AliasLive = "live"

// An Alias is a name for a version of a function, or for two of which each gets its share of the calls.
type Alias struct {
	Function string
	Name     string
	Version  int
	Second   int     // the other version; 0 for none
	Weight   float64 // the share of Second: more than 0 and less than 1, chosen at random for each call
}

// Async says what becomes of asynchronous calls that fail.
type Async struct {
	Retries    Setting[int]           // further attempts after the first: 0, 1 or 2
	MaxAge     Setting[time.Duration] // after which an event is given up
	DeadLetter string                 // the function that gets what is given up, with the reason; "" keeps it for a reader (spec/functions.md)
}

// A Domain gives stages a host of their own.
type Domain struct {
	Name     string
	Mappings []DomainMapping
	Pos      Position
}

// A DomainMapping puts a stage below a base path of a domain.
type DomainMapping struct {
	Path  string // "/orders"; "/" for the whole domain
	API   string
	Stage string
	Pos   Position
}

// Defaults of the settings that a definition may leave out.
const (
	DefaultRouteTimeout    = 30 * time.Second // Amazon's maximum for http APIs
	DefaultMaxBody         = 10 << 20         // bytes, Amazon's payload quota
	DefaultFunctionTimeout = 3 * time.Second  // Lambda's default
	DefaultPluginTimeout   = 3 * time.Second  // of authorizers and mappings
	DefaultMemory          = 64 << 20         // bytes; a Go guest starts with about 3 MiB
	DefaultMaxResult       = 10 << 20         // bytes
	DefaultConcurrency     = 64

	// DefaultFilterConcurrency is more, because an instance of a filter with both halves is held while the upstream, or the client, is
	// slow: with 64, as many slow clients would stop an API.
	DefaultFilterConcurrency = 512

	DefaultFuel        = 100_000_000_000 // some 16 s of a processor in a tight loop: the timeout comes first, unless one is set that is long
	DefaultHostCalls   = 100_000
	DefaultFetches     = 50       // Cloudflare Workers' on its free plan
	DefaultFetchBytes  = 50 << 20 // Extism's default of a response
	DefaultLogLines    = 1000
	DefaultLogBytes    = 256 << 10
	DefaultHeaders     = 200
	DefaultHeaderBytes = 64 << 10
	DefaultKVBytes     = 16 << 20

	DefaultAsyncRetries = 2             // Lambda's default, and its maximum
	DefaultAsyncMaxAge  = 6 * time.Hour // Lambda's default, and its maximum
	MinAsyncMaxAge      = time.Minute   // Lambda's minimum

	DefaultResultTTL   = 5 * time.Minute  // Amazon's default
	MaxResultTTL       = time.Hour        // Amazon's maximum
	DefaultStreamIdle  = 10 * time.Minute // Amazon's for WebSocket APIs
	DefaultMaxDuration = 2 * time.Hour    // Amazon's for WebSocket APIs
)
