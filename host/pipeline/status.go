package pipeline

import (
	"cmp"
	"slices"
	"time"

	"github.com/postern/postern/host"
)

// A PluginStatus is how one plugin is now: one code with one configuration, whatever it serves and however many pools it has. It has no
// text of the guest's, which belongs into the log.
type PluginStatus struct {
	Name    string `json:"name"` // the function's or authorizer's, or the path of a mapping or filter
	Kind    string `json:"kind"` // function, authorizer, mapping or filter
	Runtime string `json:"runtime"`
	Carrier string `json:"carrier"`
	Digest  string `json:"digest"` // SHA-256 of the code
	KV      string `json:"kv"`     // the namespace of its map

	State        string    `json:"state"`               // BreakerClosed, BreakerOpen or BreakerHalfOpen
	RetryAt      time.Time `json:"retryAt,omitzero"`    // when an open breaker lets a call try again
	CrashesInRow int64     `json:"crashesInRow"`        // since the last call that went well
	Crashes      int64     `json:"crashes"`             // since it was opened
	Calls        int64     `json:"calls"`               // since it was opened, without those that the breaker refused
	Refused      int64     `json:"refused"`             // by the breaker, since it was opened
	LastCrash    *Crash    `json:"lastCrash,omitempty"` // nil for none

	Pool PoolStatus `json:"pool"`
}

// A Crash is one crash of a guest.
type Crash struct {
	Type  string    `json:"type"` // one of host.Guest…
	Time  time.Time `json:"time"`
	Limit string    `json:"limit,omitempty"` // the limit that it passed, as the user's file names it
}

// PoolStatus counts the instances of a plugin, in all its pools.
type PoolStatus struct {
	Idle    int   `json:"idle"`    // that wait for a call
	Busy    int   `json:"busy"`    // in a call
	Waiting int   `json:"waiting"` // callers that wait for an instance
	Memory  int64 `json:"memory"`  // bytes of all instances; 0 when unknown
}

// Plugins returns the status of every plugin that is open, sorted by name, kind and code.
func (s *Shared) Plugins() []PluginStatus {
	byBreaker := map[*breaker]*PluginStatus{}
	for _, p := range s.plugins.values() {
		status := byBreaker[p.breaker]
		if status == nil {
			status = &PluginStatus{Name: p.cfg.Name, Kind: p.kind, Runtime: runtimeOf(p.cfg), Carrier: p.info.Carrier,
				Digest: p.cfg.Source.Digest, KV: p.cfg.KV}
			p.breaker.describe(status)
			byBreaker[p.breaker] = status
		}
		if inspector, ok := p.Plugin.(host.Inspector); ok {
			pool := inspector.Pool()
			status.Pool.Idle += pool.Idle
			status.Pool.Busy += pool.Busy
			status.Pool.Waiting += pool.Waiting
			status.Pool.Memory += pool.Memory
		}
	}
	all := make([]PluginStatus, 0, len(byBreaker))
	for _, status := range byBreaker {
		all = append(all, *status)
	}
	slices.SortFunc(all, func(a, b PluginStatus) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.KV, b.KV))
	})
	return all
}

// kindOf says what a plugin that is called by an entry is.
func kindOf(entry string) string {
	switch entry {
	case host.EntryHandle:
		return "function"
	case host.EntryAuthorize:
		return "authorizer"
	case host.EntryMapRequest, host.EntryMapResponse:
		return "mapping"
	}
	return "filter"
}
