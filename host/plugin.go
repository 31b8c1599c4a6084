package host

import (
	"encoding/json"
	"log/slog"
	"time"
)

// Isolation says what an instance may carry from one call to the next.
type Isolation string

// The isolations.
const (
	IsolationPooled Isolation = "pooled" // all that it has
	IsolationReset  Isolation = "reset"  // nothing: its memory and globals are put back to what they were before its first call
	IsolationFresh  Isolation = "fresh"  // nothing: each call has an instance of its own
)

// An OnError says what a caller gets when a plugin crashes, is late, or is not called because it keeps crashing.
type OnError struct {
	Mode   OnErrorMode
	Status int    // of OnErrorAnswer
	Body   string // of OnErrorAnswer
	Pos    Position
}

// An OnErrorMode is one of the ways to go on after a plugin failed.
type OnErrorMode string

// The modes.
const (
	OnErrorClosed OnErrorMode = "fail_closed" // the request fails; "" is this too
	OnErrorOpen   OnErrorMode = "fail_open"   // as if the plugin was not there; for filters and mappings alone
	OnErrorAnswer OnErrorMode = "answer"      // with Status and Body
)

// A PluginConfig is a plugin as a definition has it: which code, and what it may do.
type PluginConfig struct {
	Name      string  // for people, spans and logs: the function's or authorizer's name, or the mapping's path
	Ref       string  // as written: a path
	Runtime   string  // RuntimeWasm or RuntimeJS; "" until it is resolved
	ABI       string  // "" detects the carrier
	Source    *Source // resolved by host/project; nil before
	Env       map[string]string
	Secrets   []Secret
	Config    json.RawMessage // for the plugin alone; nil for none
	Limits    Limits
	Isolation Isolation
	OnError   OnError
	KV        string   // the namespace of its map: plugins that say the same share it
	Egress    []string // scheme://host[:port] that Fetch may reach
	Pos       Position // of the reference
}

// Limits bound one plugin. The keys in the user's file are in brackets.
type Limits struct {
	Timeout     Setting[time.Duration] // of one call, in wall time [timeout]
	Memory      Setting[int64]         // bytes an instance may grow to; 0 for js, where it cannot be capped [memory]
	Concurrency Setting[int]           // instances at most [concurrency]
	MaxResult   Setting[int64]         // bytes of a result that is buffered: its meta, and the body of a mapping or script [maxResult]

	// Of one call, but for KVBytes. A zero Setting's Value is the default.
	Fuel        Setting[int64] // units of work of a Wasm guest: about one for an instruction; none for js [limits.fuel]
	HostCalls   Setting[int64] // calls of host functions, without those that moved bytes of a body [limits.hostCalls]
	Fetches     Setting[int64] // requests [limits.fetches]
	FetchBytes  Setting[int64] // bytes of the bodies of requests and responses together [limits.fetchBytes]
	LogLines    Setting[int64] // lines that are logged [limits.logLines]
	LogBytes    Setting[int64] // bytes of them [limits.logBytes]
	Headers     Setting[int64] // fields that a result may have [limits.headers]
	HeaderBytes Setting[int64] // bytes of their names and values [limits.headerBytes]
	KVBytes     Setting[int64] // bytes of the plugin's map [limits.kvBytes]
}

// A Secret is a value that a plugin may read by name. It never prints.
type Secret struct {
	Name  string
	File  string // where it comes from: a file of the project
	Env   string // or an environment variable of the host
	Store string // or the host's store, by this name
	Value SecretValue
	Pos   Position
}

// A SecretValue hides itself from every formatter, encoder and log.
type SecretValue string

const redacted = "[secret]"

// String returns "[secret]".
func (SecretValue) String() string { return redacted }

// GoString returns "[secret]".
func (SecretValue) GoString() string { return redacted }

// MarshalText returns "[secret]".
func (SecretValue) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns "[secret]".
func (SecretValue) LogValue() slog.Value { return slog.StringValue(redacted) }

// Reveal returns the value itself, for the guest that declared it.
func (v SecretValue) Reveal() string { return string(v) }
