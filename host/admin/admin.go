// Package admin is what an operator sees of a running host: health, readiness, metrics, and what is served. It has a
// listener of its own, so that none of it can be reached through the gateway.
package admin

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/pipeline"
)

// Status is the state of a host, as / and /readyz tell it.
type Status struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the definition that serves; empty while none does
	Ready    bool   `json:"ready"`
	Reason   string `json:"reason,omitempty"`  // why it is not ready, or why the last definition was refused
	Loading  int    `json:"loading,omitempty"` // functions whose code is not open yet, or could not be opened: a call to one opens it first
	Store    string `json:"store,omitempty"`   // "ok", or why the store of a host with a catalog cannot be reached
	URLs     []URL  `json:"urls"`
}

// A Plugin tells how an open plugin is.
type Plugin = pipeline.PluginStatus

// PluginHealth tells how all plugins are.
type PluginHealth struct {
	Status  string   `json:"status"`  // "ok", or "degraded" while one that keeps crashing is left alone
	Plugins []Plugin `json:"plugins"` // sorted by name
}

// healthOf returns the health with the status code that tells it: 503 when degraded. A plugin whose back-off has passed is none that is left
// alone: if a balancer sent no call here for it, none would ever try it again.
func healthOf(plugins []Plugin) (PluginHealth, int) {
	health := PluginHealth{"ok", nonNil(plugins)}
	if slices.ContainsFunc(plugins, func(p Plugin) bool { return p.State == pipeline.BreakerOpen }) {
		health.Status = "degraded"
		return health, http.StatusServiceUnavailable
	}
	return health, http.StatusOK
}

// A URL is an address at which something answers.
type URL struct {
	API      string `json:"api,omitempty"`
	Stage    string `json:"stage,omitempty"`
	Function string `json:"function,omitempty"`
	URL      string `json:"url"`
}

// Handler serves /healthz, /healthz/plugins, /readyz, /metrics, and the status at /, without a token. status and plugins are called for each
// request and must be safe for concurrent use. loopback says that the listener is on a loopback address: /healthz/plugins, /metrics and / are refused to a Host that is neither
// an address nor this machine's name then, as web pages send whose name was bound anew to 127.0.0.1.
func Handler(status func() Status, plugins func() []Plugin, metrics http.Handler, loopback bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		now := status()
		code := http.StatusOK
		if !now.Ready {
			code = http.StatusServiceUnavailable
		}
		writeJSON(w, code, map[string]any{"ready": now.Ready, "revision": now.Revision, "reason": now.Reason})
	})
	guarded := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if loopback && !ownName(r.Host) {
				writeJSON(w, http.StatusForbidden, problem(faultf(host.Forbidden, 0, "the Host %.80q is not this machine's", r.Host)))
				return
			}
			h(w, r)
		}
	}
	mux.HandleFunc("GET /healthz/plugins", guarded(func(w http.ResponseWriter, _ *http.Request) {
		health, code := healthOf(plugins())
		writeJSON(w, code, health)
	}))
	mux.HandleFunc("GET /metrics", guarded(metrics.ServeHTTP))
	mux.HandleFunc("GET /{$}", guarded(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, status())
	}))
	return mux
}

func writeJSON(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(value) // the client left, and nobody is there to be told
}
