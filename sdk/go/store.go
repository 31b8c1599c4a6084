package postern

import (
	"encoding/json"
	"fmt"
	"time"
)

// A KVEntry is a value of the plugin's map, with its revision, which is above zero and never that of an earlier value of its key.
type KVEntry struct {
	Value    []byte
	Revision int64
}

// anyRevision is for writes that compare nothing.
const anyRevision = -1

// KVGet returns an entry of the plugin's map, or ErrNotFound. The map outlives the plugin's instances and versions; a key is 1 to 512
// bytes of UTF-8, a value at most 64 KiB.
func KVGet(key string) (KVEntry, error) {
	value, revision, err := kvGet(key)
	return KVEntry{value, revision}, err
}

// KVPut sets an entry, whatever stands there, and returns its revision. It is gone after ttl, in whole seconds; 0 keeps it. What is over a limit
// fails with ErrTooLarge.
func KVPut(key string, value []byte, ttl time.Duration) (revision int64, err error) {
	return kvPut(key, value, milliseconds(ttl), anyRevision)
}

// KVUpdate is KVPut if the entry has that revision, 0 for one that is not there, and fails with ErrConflict otherwise.
func KVUpdate(key string, value []byte, ttl time.Duration, revision int64) (int64, error) {
	return kvPut(key, value, milliseconds(ttl), revision)
}

// KVDelete removes an entry, if it is there.
func KVDelete(key string) error { return kvDelete(key, anyRevision) }

// KVDeleteRevision removes an entry that has that revision, and fails with ErrConflict otherwise.
func KVDeleteRevision(key string, revision int64) error { return kvDelete(key, revision) }

// KVKeys returns up to 1,000 keys that begin with prefix and come after the key after, sorted by their bytes.
func KVKeys(prefix, after string) ([]string, error) {
	list, err := kvKeys(prefix, after)
	if err != nil {
		return nil, err
	}
	var keys []string
	if err := json.Unmarshal(list, &keys); err != nil {
		return nil, fmt.Errorf("the keys: %w", err)
	}
	return keys, nil
}

// milliseconds rounds up, so that what is to end soon does not stay for ever.
func milliseconds(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }

// The kinds of metrics (spec/abi.md, "Host functions").
const (
	metricCounter int32 = iota
	metricGauge
	metricHistogram
)

// Count adds n, which is not below zero, to a counter of the plugin's. A metric's name has letters, digits, _ and ., at most 63, a letter first; a
// plugin has at most 32.
func Count(name string, n float64) error { return metric(metricCounter, name, n) }

// Gauge sets one of the plugin's values that go up and down.
func Gauge(name string, value float64) error { return metric(metricGauge, name, value) }

// Record records a value in a histogram of the plugin's.
func Record(name string, value float64) error { return metric(metricHistogram, name, value) }

// A CallContext is what the host tells of this call beside its event.
type CallContext struct {
	Deadline        time.Time       // when the host ends the call
	FunctionName    string          // of a function, as are those below
	FunctionVersion string          // a number as text, or "$LATEST" outside of a store
	FunctionARN     string          // with the qualifier that the caller gave, if any
	RequestID       string          // of an invocation by name; an HTTP request's is in its event
	Client          json.RawMessage // what a caller by name told of itself; nil for nothing
}

// Context returns the context of this call. The error is ErrNoHost outside of WebAssembly.
func Context() (CallContext, error) {
	b, err := callContext()
	if err != nil {
		return CallContext{}, err
	}
	var raw struct {
		Deadline  int64  `json:"deadline"`
		RequestID string `json:"requestId"`
		Function  struct {
			Name    string `json:"name"`
			Version string `json:"version"`
			ARN     string `json:"arn"`
		} `json:"function"`
		Client json.RawMessage `json:"client"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return CallContext{}, fmt.Errorf("the context: %w", err)
	}
	return CallContext{Deadline: time.UnixMilli(raw.Deadline), FunctionName: raw.Function.Name, FunctionVersion: raw.Function.Version,
		FunctionARN: raw.Function.ARN, RequestID: raw.RequestID, Client: raw.Client}, nil
}
