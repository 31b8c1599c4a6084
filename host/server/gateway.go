package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/jetstream"
	"github.com/postern/postern/host/pipeline"
	"github.com/postern/postern/host/telemetry"
)

var _ admin.Gateway = (*control)(nil)

// Status tells what serves now.
func (c *control) Status() admin.Status { return c.server.Status() }

// storePatience is how long the store may take to say that it is well.
const storePatience = 2 * time.Second

// StoreHealth tells whether the state can be reached.
func (c *control) StoreHealth(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	return c.state.Health(ctx)
}

// Parts tells of each stage and function what should serve and what does. A function whose code could not be opened behind the start
// serves nothing.
func (c *control) Parts() []admin.Part {
	c.serving.mu.Lock()
	parts := slices.Clone(c.serving.parts)
	c.serving.mu.Unlock()
	p, err := c.server.acquire()
	if err != nil {
		return parts
	}
	defer p.Release()
	for f, reason := range p.Failures() {
		for i := range parts {
			if t := &parts[i]; t.Function == f.Name && t.Desired == f.Version && t.Reason == "" {
				t.Applied, t.Reason = 0, reason.Error()
			}
		}
	}
	return parts
}

// Plugins tells how the open plugins are.
func (c *control) Plugins() []admin.Plugin { return c.server.shared.Plugins() }

// Wait waits until this host has tried a revision of the state.
func (c *control) Wait(ctx context.Context, revision uint64) error {
	return c.serving.wait(ctx, revision)
}

// Invoke calls a function by name. A version that nothing points at is opened for the call, and kept open a while.
func (c *control) Invoke(ctx context.Context, call admin.Call) (*admin.CallResult, error) {
	asked := pipeline.Call{Function: call.Function, Qualifier: call.Qualifier, Payload: call.Payload, ClientContext: call.ClientContext, RequestID: call.RequestID}
	p, err := c.server.acquire()
	if err != nil {
		return nil, err
	}
	result, err := p.Invoke(ctx, asked)
	p.Release()
	if number, atoi := strconv.Atoi(call.Qualifier); errors.Is(err, host.NotFound) && atoi == nil {
		if p, err = c.pinned.acquire(ctx, c, call.Function, number); err != nil {
			return nil, err
		}
		defer p.Release()
		result, err = p.Invoke(ctx, asked)
	}
	if err != nil {
		return nil, err
	}
	return callResult(result), nil
}

// callResult writes a result as Lambda does (Lambda developer guide, "Lambda function handler errors").
func callResult(r *pipeline.CallResult) *admin.CallResult {
	out := &admin.CallResult{RequestID: r.RequestID, Version: r.Version, Payload: r.Payload, Duration: r.Duration, Memory: r.Memory}
	if r.Err != nil {
		out.Error, out.Payload = "Unhandled", pipeline.FailurePayload(r.Err)
	}
	version := "$LATEST"
	if r.Version > 0 {
		version = strconv.Itoa(r.Version)
	}
	milliseconds := float64(r.Duration.Microseconds()) / 1000
	const mib = 1 << 20
	out.Log = fmt.Appendf(nil, "START RequestId: %s Version: %s\n%sEND RequestId: %s\nREPORT RequestId: %s\tDuration: %.2f ms\tMax Memory Used: %d MB\n",
		r.RequestID, version, r.Log, r.RequestID, r.RequestID, milliseconds, (r.Memory+mib-1)/mib)
	return out
}

// DeadLetters yields the events of a function that were given up, oldest first.
func (c *control) DeadLetters(ctx context.Context, function string) iter.Seq2[admin.DeadLetter, error] {
	return func(yield func(admin.DeadLetter, error) bool) {
		for query := (jetstream.Query{Topic: function, Limit: 100}); ; {
			records, next, err := c.events.Dead().Read(ctx, query)
			if err != nil {
				yield(admin.DeadLetter{}, err)
				return
			}
			for _, r := range records {
				var letter admin.DeadLetter
				if err := json.Unmarshal(r.Data, &letter); err != nil {
					err = &host.Error{Op: "read a dead letter", Kind: host.Internal, Err: err}
					yield(admin.DeadLetter{Sequence: r.Sequence}, err)
					return
				}
				letter.Sequence, letter.Time = r.Sequence, r.Time
				if !yield(letter, nil) {
					return
				}
			}
			if next == 0 || len(records) == 0 {
				return
			}
			query.After = next
		}
	}
}

// Logs yields the lines that fit.
func (c *control) Logs(ctx context.Context, filter admin.LogFilter) iter.Seq[admin.LogLine] {
	tail := c.server.cfg.Telemetry.Tail
	return func(yield func(admin.LogLine) bool) {
		var before []admin.LogLine
		var last uint64
		for _, r := range tail.Last(1000) {
			last = r.Seq
			if fits(&filter, &r) {
				before = append(before, line(&r))
			}
		}
		for _, l := range before[max(0, len(before)-filter.Last):] {
			if !yield(l) {
				return
			}
		}
		if !filter.Follow {
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(c.readers, cancel)()
		dropped := 0
		for r := range tail.Subscribe(ctx, 1000) {
			if r.Seq <= last {
				continue
			}
			dropped += r.Dropped
			if !fits(&filter, &r) {
				continue
			}
			l := line(&r)
			l.Dropped, dropped = dropped, 0
			if !yield(l) {
				return
			}
		}
	}
}

func line(r *telemetry.Record) admin.LogLine {
	return admin.LogLine{Time: r.Time, Level: strings.ToLower(r.Level.String()), Message: r.Message, Fields: r.Attrs}
}

// fits reports whether a line is among those that a reader wants.
func fits(f *admin.LogFilter, r *telemetry.Record) bool {
	for key, wanted := range map[string]string{"api": f.API, "stage": f.Stage, "route": f.Route, "function": f.Function} {
		if wanted != "" && r.Attrs[key] != wanted {
			return false
		}
	}
	if f.Level != "" {
		var lowest slog.Level
		if lowest.UnmarshalText([]byte(f.Level)) == nil && r.Level < lowest {
			return false
		}
	}
	return f.Status == "" || statusFits(f.Status, r.Attrs["status"])
}

// statusFits reports whether a status is "404", of "4xx", or in "400-499".
func statusFits(wanted string, logged any) bool {
	status, ok := logged.(int64)
	if !ok {
		return false
	}
	text := strconv.FormatInt(status, 10)
	low, high, ranged := strings.Cut(wanted, "-")
	switch {
	case ranged:
		return low <= text && text <= high && len(low) == 3 && len(high) == 3
	case strings.HasSuffix(strings.ToLower(wanted), "xx"):
		return text[:1] == wanted[:1]
	}
	return text == wanted
}
