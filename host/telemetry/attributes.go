package telemetry

import "go.opentelemetry.io/otel/attribute"

// SpanAttributes is how many attributes a span should have at most where it matters: the SDK removes duplicates with a
// map, which it can keep off the heap up to this size. A ninth attribute costs as much as five others.
const SpanAttributes = 8

// The attributes of HTTP spans, as the OpenTelemetry semantic conventions name them ("Semantic conventions for HTTP
// spans", stable).
const (
	HTTPMethod         = attribute.Key("http.request.method")
	HTTPMethodOriginal = attribute.Key("http.request.method_original") // when HTTPMethod is OtherMethod
	HTTPRoute          = attribute.Key("http.route")
	HTTPStatus         = attribute.Key("http.response.status_code")
	HTTPRequestSize    = attribute.Key("http.request.body.size")  // bytes
	HTTPResponseSize   = attribute.Key("http.response.body.size") // bytes
	HTTPResendCount    = attribute.Key("http.request.resend_count")
	URLScheme          = attribute.Key("url.scheme")
	URLPath            = attribute.Key("url.path")
	URLQuery           = attribute.Key("url.query")
	URLFull            = attribute.Key("url.full") // of client spans
	ServerAddress      = attribute.Key("server.address")
	ServerPort         = attribute.Key("server.port")
	ClientAddress      = attribute.Key("client.address") // after trusted proxies
	PeerAddress        = attribute.Key("network.peer.address")
	PeerPort           = attribute.Key("network.peer.port")
	ProtocolVersion    = attribute.Key("network.protocol.version") // "1.1", "2", "3"
	UserAgent          = attribute.Key("user_agent.original")
	ErrorType          = attribute.Key("error.type") // the Kind, or the status from 500 on
	TLSVersion         = attribute.Key("tls.protocol.version")
)

// Postern's own attributes.
const (
	RequestID       = attribute.Key("postern.request.id")
	API             = attribute.Key("postern.api")
	Stage           = attribute.Key("postern.stage")
	Deployment      = attribute.Key("postern.deployment") // its number
	Canary          = attribute.Key("postern.canary")     // true when the stage's canary was asked
	Phase           = attribute.Key("postern.phase")
	Listener        = attribute.Key("postern.listener")
	Reason          = attribute.Key("postern.reason")
	PluginName      = attribute.Key("postern.plugin.name")
	PluginDigest    = attribute.Key("postern.plugin.digest")
	PluginRuntime   = attribute.Key("postern.plugin.runtime")
	PluginCarrier   = attribute.Key("postern.plugin.carrier")
	PluginEntry     = attribute.Key("postern.plugin.entry")
	PluginOutcome   = attribute.Key("postern.plugin.outcome") // one of the Outcome constants
	PluginCold      = attribute.Key("postern.plugin.cold")    // an instance was started for the call
	PluginWait      = attribute.Key("postern.plugin.wait")    // seconds until an instance was free
	PluginMemory    = attribute.Key("postern.plugin.memory")  // bytes
	PluginIn        = attribute.Key("postern.plugin.bytes_in")
	PluginOut       = attribute.Key("postern.plugin.bytes_out")
	CacheHit        = attribute.Key("postern.cache.hit")
	Upstream        = attribute.Key("postern.upstream")
	Target          = attribute.Key("postern.upstream.target")
	Function        = attribute.Key("postern.function")
	FunctionVersion = attribute.Key("postern.function.version")
	FunctionAlias   = attribute.Key("postern.function.alias")
)

// The outcomes of a plugin call. They are few, because they are a metric's dimension.
const (
	OutcomeOK      = "ok"
	OutcomeError   = "error"   // the guest threw, trapped or answered nonsense
	OutcomeTimeout = "timeout" // the deadline passed
	OutcomeLimit   = "limit"   // a size or memory limit was reached
	OutcomeBusy    = "busy"    // no instance came free in time
	OutcomeGone    = "gone"    // the caller left
	OutcomeOpen    = "open"    // it was not called: it keeps crashing, and is left alone
)

// OtherMethod stands for methods that HTTP does not define, so that clients cannot make up dimensions.
const OtherMethod = "_OTHER"

// methods are the known ones (RFC 9110 section 9, RFC 5789), OtherMethod first.
var methods = [...]string{OtherMethod, "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

// Method returns method when HTTP defines it, and OtherMethod otherwise.
func Method(method string) string { return methods[methodIndex(method)] }

func methodIndex(method string) int {
	for i, m := range methods {
		if m == method {
			return i
		}
	}
	return 0
}

// Version returns the value of ProtocolVersion for a Peer's Protocol: "2" for "HTTP/2.0".
func Version(protocol string) string {
	switch protocol {
	case "HTTP/1.1":
		return "1.1"
	case "HTTP/2.0":
		return "2"
	case "HTTP/3.0":
		return "3"
	case "HTTP/1.0":
		return "1.0"
	}
	return ""
}
