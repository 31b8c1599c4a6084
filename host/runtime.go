package host

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"log/slog"
	"time"
)

// The names of the entries by which a guest is called. They are the same in every language.
const (
	EntryAuthorize   = "authorize"
	EntryMapRequest  = "map_request"
	EntryMapResponse = "map_response"
	EntryHandle      = "handle"

	// A filter has one of these, or both.
	EntryFilterRequest  = "filter_request"
	EntryFilterResponse = "filter_response"
)

// A Runtime runs guests of one kind. It is safe for concurrent use.
type Runtime interface {
	// Compile checks and compiles code; it is called once per digest. Its errors have Kind Invalid, and a Pos
	// where the source allows.
	Compile(ctx context.Context, src Source) (Module, error)
	// Close frees what all modules share. Modules must be closed before.
	Close(ctx context.Context) error
}

// A Source is code that a runtime can compile.
type Source struct {
	Name      string   // for people: the reference in the user's file
	Runtime   string   // RuntimeWasm or RuntimeJS
	ABI       string   // overrides detection; empty detects
	Code      []byte   // a Wasm binary, or one bundled script
	SourceMap []byte   // of Code, for scripts; may be nil
	Exports   []string // names that a script exports; nil for Wasm
	Digest    string   // SHA-256 of Code, in hexadecimal

	ConfigSchema []byte `json:"-"` // JSON Schema of its configuration, where it was found beside the code; nil for none

	// Load returns Code and SourceMap where the code is kept elsewhere until it is needed: Code and SourceMap are nil then, and
	// MapDigest is the SHA-256 of the map, "" for none. It may be called any number of times, from any goroutine.
	Load      func(ctx context.Context) (code, sourceMap []byte, err error) `json:"-"`
	MapDigest string
}

// The carriers that a definition can ask for, where detection by exports is not enough (PluginConfig.ABI).
const (
	ABIPostern = "postern" // Postern's own
	ABICGI     = "cgi"     // a WASI command that speaks CGI/1.1 (RFC 3875)
	ABIStdio   = "stdio"   // a WASI command that reads its input from stdin and writes its result to stdout
)

// The runtimes.
const (
	RuntimeWasm    = "wasm"
	RuntimeJS      = "js"      // goja
	RuntimeQuickJS = "quickjs" // QuickJS on wazero
)

// A Module is compiled code. It is safe for concurrent use.
type Module interface {
	Info() ModuleInfo
	// Open makes a plugin, which owns a pool of instances. The first instance may be made before Open returns, so that
	// code which cannot start is refused when a definition is built and not by the first request.
	Open(ctx context.Context, cfg PluginConfig) (Plugin, error)
	// Close frees the compiled code. Every plugin of it must be closed before.
	Close(ctx context.Context) error
}

// ModuleInfo describes compiled code.
type ModuleInfo struct {
	Carrier string   // an ABI constant, or "js"
	Entries []string // what it can be called by
	Exports []string // the functions that it exports, where a name is no entry of its own, as handler; nil where these are Entries
	Imports []string // module.name of each host function it wants
	Memory  int64    // bytes that an instance starts with; 0 when unknown
}

// A Plugin is code with a configuration and a pool of instances. It is safe for concurrent use.
type Plugin interface {
	// Call runs one entry. The plugin's own deadline is laid inside ctx's. An error has Kind Timeout when a
	// deadline passed, TooLarge when a size limit did, Unavailable when no instance came free in time, and
	// Internal with a *GuestError in its chain when the guest failed. The instance that answers is leased until
	// the result's Body is closed; the caller must close it, and in.Body stays the caller's to close.
	Call(ctx context.Context, entry string, in Event, fx Effects) (Event, error)
	// Close waits for running calls until ctx ends, then frees the instances.
	Close(ctx context.Context) error
}

// A Pinner is a Plugin that can keep one instance for several calls, as a filter's two halves need: what the first leaves in
// the instance, the second finds. A plugin of a filter with both entries must be one.
type Pinner interface {
	// Pin leases an instance until Release. Its errors are those of Call.
	Pin(ctx context.Context) (Pinned, error)
}

// A Pinned is a leased instance. Calls run one at a time: one that begins while the last one's body is still being made
// waits for that, unless the runtime can do both at once. It is not safe for concurrent use but for Release.
type Pinned interface {
	// Call is that of Plugin, on this instance. After a call that failed by more than an error of the guest's own, further
	// ones fail with Kind Internal.
	Call(ctx context.Context, entry string, in Event, fx Effects) (Event, error)
	// Release gives the instance back once, and may be called again. What is still running is ended. It does not wait.
	Release()
}

// An Event is what crosses the border to a guest and back: JSON that describes, and bytes that are the body.
type Event struct {
	Meta   []byte
	Body   io.ReadCloser // nil for none
	Length int64         // bytes of Body, where the sender told them beforehand; 0 or less otherwise

	// Encoding says how a carrier puts Body into the JSON, where its guests take it there.
	Encoding BodyEncoding

	// Stats is what the call cost, filled by the runtime, also beside an error.
	Stats CallStats

	// Function tells a guest as what it is called; nil for all but EntryHandle, and in results.
	Function *FunctionContext
}

// A BodyEncoding says how a body of octets stands in an event's JSON (isBase64Encoded).
type BodyEncoding uint8

// The encodings of bodies.
const (
	EncodingGuess  BodyEncoding = iota // text where the media type and the octets are text, else base64: as http APIs do
	EncodingText                       // text, with U+FFFD for what is not UTF-8: of rest APIs, as their binary media types say
	EncodingBase64                     // base64, of rest APIs
)

// A FunctionContext is what a function is told of itself and its invocation, in the words of Lambda's context object.
type FunctionContext struct {
	Name      string          // the function's
	Version   string          // "$LATEST" outside of a store
	ARN       string          // with the qualifier that the caller gave, if any
	RequestID string          // of an invocation by name; "" leaves it to the runtime
	Client    json.RawMessage // what the caller of an invocation by name told of itself; nil for nothing
}

// CallStats is what a plugin call cost. Zero fields are not known.
type CallStats struct {
	Cold     bool          // the call made the instance that served it
	Waited   time.Duration // for a free instance
	HostTime time.Duration // spent in host calls, as fetches and waiting for a body
	Memory   int64         // bytes that the instance holds after the call
	Fuel     int64         // units that the guest used (see Limits.Fuel)
}

// An Inspector is a Plugin that tells how its pool is.
type Inspector interface {
	Pool() PoolStats
}

// PoolStats are the instances of one plugin, now.
type PoolStats struct {
	Idle    int   // instances that wait for a call
	Busy    int   // instances in a call
	Waiting int   // callers that wait for an instance
	Memory  int64 // bytes of all instances; 0 when unknown
}

// Effects is everything that a guest can do to the world. It is built for each plugin call, from what that
// plugin may do. Recording and replaying wrap it.
type Effects interface {
	Clock
	Random
	Fetcher
	KV
	Secrets
	Logger
	Spans
	Metrics
}

// A Starter is an Effects that has those of a start too, as a recorder needs, since what code does before its first call is part of
// what it does. A runtime then serves the call by an instance that it makes for it, and starts that one on what Start returns.
type Starter interface {
	Effects
	Start() Effects
}

// A Countdown is an Effects that hears of the time that a call has left when its guest asks for that, and says what the guest is told: it
// depends on when it is asked, so that a replay has to tell what it was.
type Countdown interface {
	TimeLeft(d time.Duration) time.Duration
}

// A Conductor is an Effects under which what a guest waits for comes in an order that is noted, or in the one that was. A runtime whose
// guests wait for several things at once tells it of each, on the goroutine that runs the guest, and takes them as it says. A runtime whose
// guests wait for one thing at a time has no need of it.
type Conductor interface {
	// Task gives a number above zero to something that begins beside the guest, and the context of its effects.
	Task(ctx context.Context) (context.Context, int)
	// Next chooses what the guest hears of now, among the tasks that are done, in the order in which they were; 0 is one that has no number.
	// It returns TaskNone to go on without any, and TaskLater to ask again when others are done.
	Next(done []int) int
	// Pause is the Sleep of a guest that waits for tasks too: it ends early, woken, by a token from wake, and says so.
	Pause(ctx context.Context, d time.Duration, wake <-chan struct{}) (woken bool, err error)
	// Fact notes what the guest is told and nothing else here decides, under a name, and returns what it is to be told.
	Fact(name string, value []byte) []byte
}

// What a Conductor says beside the number of a task.
const (
	TaskNone  = -1
	TaskLater = -2
)

// A Clock tells time and lets it pass.
type Clock interface {
	Now() time.Time
	Sleep(ctx context.Context, d time.Duration) error // ends early with ctx's error
}

// Random gives bytes that cannot be foreseen.
type Random interface {
	Rand(p []byte)
}

// A Fetcher makes HTTP requests to what the plugin's egress list allows.
type Fetcher interface {
	// Fetch sends r, whose Scheme, Host and Target make the URL. Redirects are not followed: the caller
	// follows by calling again, so that each hop is checked. Not being allowed has Kind Forbidden.
	Fetch(ctx context.Context, r *Request) (*Response, error)
}

// AnyRevision is the revision of a write that is to happen whatever stands there.
const AnyRevision = -1

// KV is a small map of the plugin's own, which outlives its instances, its versions and, where the host has a store on disk, the host. A
// key is 1 to 512 bytes of UTF-8, a value at most MaxKVValue. All may fail with Kind Unavailable when the store cannot be reached.
type KV interface {
	// KVGet returns an entry. There being none has Kind NotFound.
	KVGet(ctx context.Context, key string) (KVEntry, error)
	// KVPut sets a value and returns its revision. It has Kind Conflict when the entry's revision is not the one that o asks for,
	// TooLarge when the value or all of the map is over its limit, Invalid for a key that cannot be.
	KVPut(ctx context.Context, key string, value []byte, o KVOptions) (revision int64, err error)
	// KVDelete removes an entry; there being none is no error, unless a revision is asked for, which has Kind Conflict.
	KVDelete(ctx context.Context, key string, revision int64) error
	// KVKeys returns at most MaxKVKeys keys that begin with prefix and come after the key after, sorted by their bytes.
	KVKeys(ctx context.Context, prefix, after string) ([]string, error)
}

// Limits of a plugin's map.
const (
	MaxKVKey   = 512      // bytes
	MaxKVValue = 64 << 10 // bytes
	MaxKVKeys  = 1000     // that one KVKeys returns
)

// A KVEntry is a value with its revision, which is above zero and never that of an earlier value of the key.
type KVEntry struct {
	Value    []byte
	Revision int64
}

// KVOptions say how to put. Use AnyRevision for Revision where nothing is compared.
type KVOptions struct {
	TTL      time.Duration // after which the entry is gone, rounded up to whole seconds; 0 keeps it
	Revision int64         // the entry's now: AnyRevision for whatever there is, 0 for none
}

// A KVStore keeps the maps of all plugins.
type KVStore interface {
	// Map returns the map of a namespace (PluginConfig.KV), which holds at most limit bytes of keys and values.
	Map(namespace string, limit int64) KV
}

// A KVMap is a map that is kept.
type KVMap struct {
	Namespace string
	Written   time.Time // when an entry was last set, or the map made
}

// KVMaps is what a KVStore that outlives its process is too, for whoever deletes the maps of plugins that are gone.
type KVMaps interface {
	// ListMaps yields the maps in any order. An error is the last.
	ListMaps(ctx context.Context) iter.Seq2[KVMap, error]
	// DeleteMap deletes a map with its entries, unless it was written at before or later. That it is not there is no error. Whoever has it
	// open still finds it empty, and makes it anew by writing.
	DeleteMap(ctx context.Context, namespace string, before time.Time) error
}

// Metrics takes a guest's own metrics, which the host exports with the plugin's name beside its own.
type Metrics interface {
	// Metric adds to a counter, sets a gauge or records in a histogram. Kind Invalid says that the name, or the value, makes no metric, and
	// TooLarge that the plugin has too many.
	Metric(ctx context.Context, kind MetricKind, name string, value float64) error
}

// A MetricKind says what becomes of a metric's value.
type MetricKind uint8

// The kinds.
const (
	MetricCounter MetricKind = iota
	MetricGauge
	MetricHistogram
)

// Secrets gives the secrets that the plugin declared.
type Secrets interface {
	Secret(ctx context.Context, name string) (string, bool)
}

// A Logger takes a guest's log lines.
type Logger interface {
	Log(ctx context.Context, level slog.Level, message string)
}

// Spans lets a guest open child spans and see the W3C trace context.
type Spans interface {
	// Span opens a child of the call's span. End it with an error text, or "" for none.
	Span(ctx context.Context, name string) (end func(errorText string))
	// TraceParent returns the W3C traceparent of the call's span, "" when there is none.
	TraceParent() string
}
