package admin

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/jetstream"
	"github.com/postern/postern/host/project"
)

// Config is what the admin API works on. All but Logger must be set, and what says that it may be left out.
type Config struct {
	Catalog *catalog.Catalog
	Store   host.Store
	Blobs   host.Blobs
	Gateway Gateway
	Access  *access.Access     // nil when Open
	Audit   *jetstream.Journal // nil keeps no audit log
	Metrics http.Handler
	Logger  *slog.Logger // nil discards

	Recipients []string // public halves of the sealing key, which backups name and restores compare
	TempDir    string   // where uploads are unpacked; "" is the system's

	// Source makes code of an upload; nil is project.SourceFromUpload, in this process.
	Source func(ctx context.Context, r io.Reader, contentType string, limits project.UploadLimits) (*host.Source, error)

	// Open takes every caller on this machine for its owner: no token is asked for. Requests whose Host is not a name of this machine, or that
	// a web page sent, are refused, so that neither a page nor a name that was bound anew to 127.0.0.1 reaches the API. The listener
	// must be on a loopback address.
	Open bool
	// Loopback says that the listener is on a loopback address: / and /metrics need no token then.
	Loopback bool
}

// A server answers the admin API.
type server struct {
	Config
	log     *slog.Logger
	mux     *http.ServeMux
	refused refusals

	bounds
	pace         pace
	unprovenPace pace // of a body that is read to find out who sent it
	delays       delays
}

// New returns the admin API over a catalog. It is safe for concurrent use.
func New(cfg Config) http.Handler {
	s := &server{Config: cfg, log: cfg.Logger, mux: http.NewServeMux(), bounds: newBounds(),
		pace: pace{grace: 30 * time.Second, rate: 16 << 10}, unprovenPace: pace{grace: 10 * time.Second, rate: 64 << 10},
		delays: delays{write: 30 * time.Second, heartbeat: 15 * time.Second, turn: 30 * time.Second}}
	if s.Source == nil {
		s.Source = project.SourceFromUpload
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	allowed := map[string][]string{}
	for _, op := range operations() {
		s.mux.HandleFunc(op.method+" "+op.path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, &op) })
		allowed[op.path] = append(allowed[op.path], op.method)
		if op.method == http.MethodGet {
			allowed[op.path] = append(allowed[op.path], http.MethodHead)
		}
	}
	for path, methods := range allowed {
		slices.Sort(methods)
		allow := strings.Join(slices.Compact(methods), ", ")
		s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			f := faultf(host.Invalid, http.StatusMethodNotAllowed, "%s is not taken here, but %s", r.Method, allow)
			f.allow = allow
			s.refuseEarly(w, r, f)
		})
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.refuseEarly(w, r, faultf(host.NotFound, 0, "there is nothing at this path; GET /v1/openapi.yaml describes what there is"))
	})
	return s
}

// HTTPServer returns a server for a handler of New, with the limits that it counts on. Bodies and answers have deadlines of their own,
// which move with what comes and goes, so the server has none for them.
func HTTPServer(h http.Handler, logger *slog.Logger) *http.Server {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug)}
	newConnections().bound(s)
	return s
}

// ServeHTTP answers one request.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if r.ContentLength != 0 {
		// Also of a body that nothing reads: net/http reads on for a while before it sends an answer.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.pace.grace)) // a connection that has none is not on a network
	}
	if s.Open {
		if err := localCaller(r); err != nil {
			s.refuseEarly(w, r, err)
			return
		}
	}
	// net/http would answer a path with // or .. by a redirect to another one.
	if p := r.URL.EscapedPath(); p == "" || p[0] != '/' || p != "/" && path.Clean(p) != strings.TrimSuffix(p, "/") {
		s.refuseEarly(w, r, faultf(host.NotFound, 0, "there is nothing at this path: it has an empty segment, or one of dots"))
		return
	}
	s.mux.ServeHTTP(w, r)
}

// refuseEarly refuses what reached no operation.
func (s *server) refuseEarly(w http.ResponseWriter, r *http.Request, err error) {
	c := s.call(w, r, &operation{lambda: strings.HasPrefix(r.URL.Path, lambdaPath)})
	c.writeProblem(c.refuse(err), err)
}
