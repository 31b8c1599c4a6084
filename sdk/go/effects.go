package postern

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// The errors of host functions, for errors.Is. Their texts say more.
var (
	ErrClosed   = errors.New("nobody reads on")
	ErrNotFound = errors.New("not found")
	ErrTooLarge = errors.New("over a limit of size")
	ErrDenied   = errors.New("not allowed")
	ErrTimeout  = errors.New("the call's time is over")
	ErrInvalid  = errors.New("an argument makes no sense")
	ErrBusy     = errors.New("too many are open")
	ErrConflict = errors.New("the entry has another revision")
	ErrNoHost   = errors.New("there is no Postern host outside WebAssembly")
)

// Config decodes the plugin's configuration, the config: beside it in the definition, into v. Without one, v stays
// as it is.
func Config(v any) error {
	b := config()
	if len(b) == 0 {
		return nil
	}
	return json.Unmarshal(b, v)
}

// Secret returns a secret that the definition declares for this plugin, or ErrNotFound.
func Secret(name string) (string, error) { return secret(name) }

// TraceParent returns the W3C traceparent of this call's span, empty when nothing is traced. Fetch does not send it
// by itself.
func TraceParent() string { return traceParent() }

// Log writes a line to the host's log.
func Log(level slog.Level, message string) { logLine(int32(level), message) }

// LogHandler returns a handler for slog, which writes each record as one line: the message, then key=value.
func LogHandler(level slog.Leveler) slog.Handler {
	if level == nil {
		level = slog.LevelInfo
	}
	w := &logWriter{}
	text := slog.NewTextHandler(&w.line, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
			return slog.Attr{} // the host has them
		}
		return a
	}})
	return &logHandler{text, w}
}

type logWriter struct {
	mu   sync.Mutex // for go test, where goroutines are many
	line strings.Builder
}

type logHandler struct {
	slog.Handler
	w *logWriter
}

// Handle writes a record.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.w.line.Reset()
	if err := h.Handler.Handle(ctx, r); err != nil {
		return err
	}
	Log(r.Level, strings.TrimSpace(r.Message+" "+h.w.line.String()))
	return nil
}

// WithAttrs returns a handler whose lines have attrs too.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.Handler.WithAttrs(attrs), h.w}
}

// WithGroup returns a handler whose keys begin with name.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{h.Handler.WithGroup(name), h.w}
}

// A Span is a part of the call's trace.
type Span struct{ id int32 }

// StartSpan opens a child of this call's span. What is not ended by the end of the call, the host ends as failed.
func StartSpan(name string) Span { return Span{startSpan(name)} }

// End ends the span; err, if not nil, marks it as failed.
func (s Span) End(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	endSpan(s.id, text)
}

// A FetchRequest is an HTTP request to a server outside.
type FetchRequest struct {
	Method  string      `json:"method,omitempty"` // empty is GET
	URL     string      `json:"url"`
	Headers [][2]string `json:"headers,omitempty"` // name and value, in order
	Body    []byte      `json:"-"`
}

// A FetchResponse is the answer. Its Body must be closed; the host closes it at the end of the call.
type FetchResponse struct {
	Status  int           `json:"status"`
	Headers [][2]string   `json:"headers"`
	Body    io.ReadCloser `json:"-"`
}

// Header returns the first value of a header, in any case.
func (r *FetchResponse) Header(name string) string {
	for _, h := range r.Headers {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

// Fetch makes a request to what the definition's egress list allows, and waits for the head of the response. Redirects are
// not followed. It fails with ErrDenied where the list does not allow it, ErrTimeout at the end of the call's time, and with
// other errors when the server cannot be reached.
func Fetch(r *FetchRequest) (*FetchResponse, error) {
	meta, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	handle, head, err := fetch(meta, r.Body)
	if err != nil {
		return nil, err
	}
	res := &FetchResponse{Body: &fetchBody{handle: handle}}
	if err := json.Unmarshal(head, res); err != nil {
		return nil, errors.Join(err, res.Body.Close())
	}
	return res, nil
}

type fetchBody struct {
	handle int32
	closed bool
}

func (b *fetchBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	return readFetch(b.handle, p)
}

func (b *fetchBody) Close() error {
	if !b.closed {
		b.closed = true
		closeFetch(b.handle)
	}
	return nil
}
