// Package admin is what an operator sees of a running host: health, readiness, metrics, and what is served. It has a
// listener of its own, so that none of it can be reached through the gateway.
package admin

import (
	"encoding/json"
	"net/http"
)

// Status is the state of a host, as / and /readyz tell it.
type Status struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the definition that serves; empty while none does
	Ready    bool   `json:"ready"`
	Reason   string `json:"reason,omitempty"` // why it is not ready, or why the last definition was refused
	Store    string `json:"store,omitempty"`  // "ok", or why the store of a host with a catalog cannot be reached
	URLs     []URL  `json:"urls"`
}

// A URL is an address at which something answers.
type URL struct {
	API      string `json:"api,omitempty"`
	Stage    string `json:"stage,omitempty"`
	Function string `json:"function,omitempty"`
	URL      string `json:"url"`
}

// Handler serves /healthz, /readyz, /metrics, and the status at /. status is called for each request and must be
// safe for concurrent use.
func Handler(status func() Status, metrics http.Handler) http.Handler {
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
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, status())
	})
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
