package cases

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/kv"
)

// An act is one effect of a guest's that a case can name. Fields that an act does not have are empty.
type act struct {
	Do       string `json:"do"`
	Method   string `json:"method,omitempty"`
	URL      string `json:"url,omitempty"`
	Body     string `json:"body,omitempty"`
	Key      string `json:"key,omitempty"`
	Value    any    `json:"value,omitempty"` // text of a map's entry, number of a metric
	TTL      string `json:"ttl,omitempty"`
	Name     string `json:"name,omitempty"` // of a span, metric or secret
	Kind     string `json:"kind,omitempty"` // of a metric
	Error    string `json:"error,omitempty"`
	Duration string `json:"duration,omitempty"`
}

// The acts. Those that change something outside of the plugin are always compared, and the others where a case names one of their kind:
// how often a guest looks at its map, or waits, is its language's matter as often as its own.
const (
	doFetch    = "fetch"
	doPut      = "kv.put"
	doDelete   = "kv.delete"
	doMetric   = "metric"
	doGet      = "kv.get"
	doKeys     = "kv.keys"
	doSpan     = "span" // when it ends
	doSecret   = "secret"
	doSleep    = "sleep"
	maxMetrics = 32 // names of one plugin (spec/abi.md)
)

var (
	acts       = []string{doFetch, doPut, doDelete, doMetric, doGet, doKeys, doSpan, doSecret, doSleep}
	alwaysActs = []string{doFetch, doPut, doDelete, doMetric}
	metricName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]{0,62}$`) // spec/abi.md
)

// A scene is a world while a case runs. It is host.Effects, and keeps what is done to it.
type scene struct {
	world *world
	kv    host.KV

	timeout time.Duration

	mu       sync.Mutex
	beside   beside
	now      time.Time
	random   *rand.ChaCha8
	pattern  []byte // instead of random
	acts     []act
	logs     []string
	problems []string
	done     []bool // of the recorded fetches
	metrics  map[string]bool
}

// A whole is a scene whose instances start in it too, as host.Starter wants it. It is for instances that serve one call.
type whole struct{ *scene }

var (
	_ host.Effects   = (*scene)(nil)
	_ host.Countdown = (*scene)(nil)
	_ host.Starter   = whole{}
)

// Start returns the same world.
func (w whole) Start() host.Effects { return w.scene }

// newScene sets a world up.
func newScene(ctx context.Context, w *world, cfg *host.PluginConfig) (*scene, error) {
	s := &scene{world: w, timeout: cfg.Limits.Timeout.Value, now: w.Now, done: make([]bool, len(w.Fetches)), metrics: map[string]bool{}}
	if s.now.IsZero() {
		s.now, _ = time.Parse(time.RFC3339, defaultNow) // a constant that can be read
	}
	seed := w.Random
	if text, ok := strings.CutPrefix(seed, hexPrefix); ok {
		s.pattern, _ = hex.DecodeString(text) // checked when the case was read
	} else if seed == "" {
		seed = defaultSeed
	}
	s.random = rand.NewChaCha8(sha256.Sum256([]byte(seed)))
	s.kv = (&kv.Store{Now: s.Now}).Map(cfg.KV, cfg.Limits.KVBytes.Value)
	for key, value := range w.KV {
		if _, err := s.kv.KVPut(ctx, key, []byte(value), host.KVOptions{Revision: host.AnyRevision}); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// take returns what was done since it was last asked.
func (s *scene) take() (acts []act, logs, problems []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	acts, logs, problems = s.acts, s.logs, s.problems
	s.acts, s.logs, s.problems = nil, nil, nil
	return acts, logs, problems
}

func (s *scene) did(a act) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acts = append(s.acts, a)
}

// Now returns the time, which stands but for Sleep.
func (s *scene) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Sleep moves the clock, and takes no time.
func (s *scene) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(max(0, d))
	s.acts = append(s.acts, act{Do: doSleep, Duration: d.String()})
	return nil
}

// pass moves the clock between calls.
func (s *scene) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// TimeLeft is the whole of the plugin's timeout, as nothing here takes time.
func (s *scene) TimeLeft(time.Duration) time.Duration { return s.timeout }

// Rand fills p from the seed, or with the bytes that the world gives, from the first.
func (s *scene) Rand(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pattern == nil {
		_, _ = s.random.Read(p) // it never fails
		return
	}
	for i := range p {
		p[i] = s.pattern[i%len(s.pattern)]
	}
}

// Secret returns one of the world's.
func (s *scene) Secret(_ context.Context, name string) (string, bool) {
	s.did(act{Do: doSecret, Name: name})
	value, ok := s.world.Secrets[name]
	return value, ok
}

// Log keeps a line.
func (s *scene) Log(_ context.Context, level slog.Level, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs = append(s.logs, level.String()+" "+strings.ReplaceAll(strings.TrimRight(message, "\n"), "\n", `\n`))
}

// Span keeps a span when it ends.
func (s *scene) Span(_ context.Context, name string) func(string) {
	var once sync.Once
	return func(text string) { once.Do(func() { s.did(act{Do: doSpan, Name: name, Error: text}) }) }
}

// TraceParent is always the same.
func (*scene) TraceParent() string { return traceParent }

// Metric keeps what the host would take.
func (s *scene) Metric(_ context.Context, kind host.MetricKind, name string, value float64) error {
	const op = "record a metric"
	kinds := []string{"counter", "gauge", "histogram"}
	switch {
	case int(kind) >= len(kinds):
		return &host.Error{Op: op, Kind: host.Invalid, Err: fmt.Errorf("there is no kind %d", kind)}
	case !metricName.MatchString(name):
		return &host.Error{Op: op, Kind: host.Invalid, Err: fmt.Errorf("%q is no name of a metric", name)}
	case kind == host.MetricCounter && value < 0:
		return &host.Error{Op: op, Kind: host.Invalid, Err: errors.New("a counter only grows")}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.metrics[name] = true; len(s.metrics) > maxMetrics {
		delete(s.metrics, name)
		return &host.Error{Op: op, Kind: host.TooLarge, Err: fmt.Errorf("a plugin has at most %d metrics", maxMetrics)}
	}
	s.acts = append(s.acts, act{Do: doMetric, Name: name, Kind: kinds[kind], Value: value})
	return nil
}

// KVGet reads the world's map.
func (s *scene) KVGet(ctx context.Context, key string) (host.KVEntry, error) {
	s.did(act{Do: doGet, Key: key})
	return s.kv.KVGet(ctx, key)
}

// KVPut writes to it. What is refused is none of the acts.
func (s *scene) KVPut(ctx context.Context, key string, value []byte, o host.KVOptions) (int64, error) {
	revision, err := s.kv.KVPut(ctx, key, value, o)
	if err == nil {
		a := act{Do: doPut, Key: key, Value: text(value)}
		if o.TTL > 0 {
			a.TTL = o.TTL.String()
		}
		s.did(a)
	}
	return revision, err
}

// KVDelete removes from it.
func (s *scene) KVDelete(ctx context.Context, key string, revision int64) error {
	err := s.kv.KVDelete(ctx, key, revision)
	if err == nil {
		s.did(act{Do: doDelete, Key: key})
	}
	return err
}

// KVKeys lists it.
func (s *scene) KVKeys(ctx context.Context, prefix, after string) ([]string, error) {
	s.did(act{Do: doKeys, Key: prefix})
	return s.kv.KVKeys(ctx, prefix, after)
}

// text is a value for people: as it is, or in hexadecimal where it is not UTF-8.
func text(value []byte) string {
	if utf8.Valid(value) {
		return string(value)
	}
	return hexPrefix + hex.EncodeToString(value)
}

// Fetch answers with the first record that fits and was not used yet.
func (s *scene) Fetch(ctx context.Context, r *host.Request) (*host.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = s.written(ctx, r.Body, r.Length); err != nil {
			return nil, &host.Error{Op: "fetch", Kind: host.BadGateway, Err: err}
		}
	}
	if err := context.Cause(ctx); err != nil {
		return nil, &host.Error{Op: "fetch", Kind: host.Timeout, Err: err}
	}
	url := r.Scheme + "://" + r.Host + r.Target
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acts = append(s.acts, act{Do: doFetch, Method: r.Method, URL: url, Body: text(body)})
	var nearly string
	for i := range s.world.Fetches {
		f := &s.world.Fetches[i]
		if s.done[i] || !f.is(r.Method, url) {
			continue
		}
		if nearly = f.differs(r.Header, body); nearly != "" {
			continue
		}
		s.done[i] = true
		return f.answer()
	}
	problem := fmt.Sprintf("it fetched %s %s, which world.json has no record of", r.Method, url)
	if nearly != "" {
		problem = fmt.Sprintf("it fetched %s %s, and world.json's record has %s", r.Method, url, nearly)
	}
	s.problems = append(s.problems, problem)
	return nil, &host.Error{Op: "fetch", Kind: host.BadGateway, Err: errors.New("the case has no record of " + r.Method + " " + url)}
}

// unused lists the recorded fetches that were not made.
func (s *scene) unused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for i, done := range s.done {
		if f := &s.world.Fetches[i]; !done {
			list = append(list, fmt.Sprintf("it did not fetch %s %s, which world.json has as fetch %d", f.method(), f.Request.URL, i+1))
		}
	}
	return list
}

func (f *fetchDef) method() string {
	if f.Request.Method == "" {
		return "GET"
	}
	return strings.ToUpper(f.Request.Method)
}

func (f *fetchDef) is(method, url string) bool {
	return method == f.method() && strings.TrimSuffix(url, "/") == strings.TrimSuffix(f.Request.URL, "/")
}

// differs tells what a request of the same method and URL has not as it was recorded, "" for nothing.
func (f *fetchDef) differs(header host.Header, body []byte) string {
	for _, want := range f.Request.Headers {
		found := false
		for _, got := range header {
			found = found || strings.EqualFold(got.Name, want.Name) && got.Value == want.Value
		}
		if !found {
			return fmt.Sprintf("the header %s: %s", want.Name, want.Value)
		}
	}
	if want := f.Request.Body; want != nil && *want != text(body) {
		return fmt.Sprintf("the body %q, not %q", *want, text(body))
	}
	return ""
}

func (f *fetchDef) answer() (*host.Response, error) {
	if f.Error != "" {
		return nil, &host.Error{Op: "fetch", Kind: fetchErrors[f.Error], Err: errors.New("the case says that this fetch is " + map[string]string{
			"denied": "denied", "timeout": "too late", "failed": "not answered"}[f.Error])}
	}
	body := []byte(f.Response.Body)
	if text, ok := strings.CutPrefix(f.Response.Body, hexPrefix); ok && evenHex.MatchString(text) {
		body, _ = hex.DecodeString(text) // it fits the expression
	}
	status := f.Response.Status
	if status == 0 {
		status = 200
	}
	return &host.Response{Status: status, Header: host.Header(f.Response.Headers), Body: io.NopCloser(bytes.NewReader(body)), Length: int64(len(body))}, nil
}
