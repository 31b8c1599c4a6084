package cases

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// A Result is what came of a case.
type Result struct {
	Case       *Case
	NotOffered string    // why the plugin cannot run it at all; "" where it can
	Failures   []Failure // what was wanted and did not come; none where it passed
	Calls      []Seen    // what the plugin did
	Took       time.Duration
}

// Passed reports whether all came as it was wanted.
func (r *Result) Passed() bool { return r.NotOffered == "" && len(r.Failures) == 0 }

// A Failure is one thing that was wanted and did not come.
type Failure struct {
	Pos     host.Position // of the section that wanted it
	Section string        // with the call's number before it; "" for the case as a whole
	Text    string        // one line or more
}

// Seen is what one call did.
type Seen struct {
	Call    int // from 1
	Entry   string
	Meta    []byte // nil beside an error
	Body    []byte
	Err     error
	Logs    []string // LEVEL message
	Effects []byte   // JSON: those that a case compares
	Stats   host.CallStats
	acts    []act
}

// Run runs a case on a plugin of its own. It does not fail: what goes wrong is in the result.
func (s *Subject) Run(ctx context.Context, c *Case) *Result {
	r := &run{subject: s, Result: &Result{Case: c}}
	started := time.Now()
	r.run(ctx)
	r.Took = time.Since(started)
	return r.Result
}

// A run is one case that runs.
type run struct {
	*Result
	subject *Subject
	plugin  host.Plugin
	scene   *scene
	effects host.Effects
	pinned  host.Pinned // by a filter's first half, for the second
}

func (r *run) fail(line int, section, format string, args ...any) {
	r.Failures = append(r.Failures, Failure{host.Position{File: r.Case.File, Line: line}, section, fmt.Sprintf(format, args...)})
}

func (r *run) run(ctx context.Context) {
	first := r.Case.calls[0]
	m, err := r.subject.module(ctx, first.ABI)
	if err != nil {
		r.fail(first.line, "", "the plugin cannot be compiled: %v", err)
		return
	}
	entries, ok := r.entries(m.Info())
	if !ok {
		return
	}
	cfg, ok := r.config(m.Info().Carrier, entries[0])
	if !ok {
		return
	}
	if r.scene, err = newScene(ctx, &r.Case.world, cfg); err != nil {
		r.fail(r.Case.world.section.lineOf("kv"), sectionWorld, "%v", err)
		return
	}
	r.effects = r.scene
	if cfg.Isolation == host.IsolationFresh {
		r.effects = whole{r.scene}
	}
	if r.plugin, err = m.Open(ctx, *cfg); err != nil {
		r.fail(first.line, "", "the plugin cannot start: %s", describe(err))
		return
	}
	defer func() { _ = r.plugin.Close(ctx) }()
	defer r.unpin()
	for i, one := range r.Case.calls {
		r.repeat(ctx, i+1, one, entries[i])
		if ctx.Err() != nil {
			return
		}
	}
	if r.Case.world.section != nil {
		for _, text := range r.scene.unused() {
			r.fail(r.Case.world.section.lineOf("fetches"), sectionWorld, "%s", text)
		}
	}
}

// entries says by what each call calls.
func (r *run) entries(info host.ModuleInfo) ([]string, bool) {
	var list []string
	for i, one := range r.Case.calls {
		entry := one.Entry
		if entry == "" && i > 0 {
			entry = list[0]
		}
		if entry == "" {
			entry = sole(info)
		}
		switch {
		case entry == "":
			r.fail(one.line, "", "the plugin has the entries %s: say which in call.json, as {\"entry\": %q}", strings.Join(info.Entries, ", "), info.Entries[0])
			return nil, false
		case !slices.Contains(info.Entries, entry):
			r.NotOffered = "the plugin has no entry " + entry
			return nil, false
		}
		list = append(list, entry)
	}
	return list, true
}

// sole is the one entry that code has, "" where it has several. A handler of a script may serve as any entry, and is a function first.
func sole(info host.ModuleInfo) string {
	named := slices.DeleteFunc(slices.Clone(info.Entries), func(entry string) bool { return info.Exports != nil && !slices.Contains(info.Exports, entry) })
	switch {
	case len(named) == 1:
		return named[0]
	case len(named) == 0 && slices.Contains(info.Entries, host.EntryHandle):
		return host.EntryHandle
	}
	return ""
}

// config is the configuration that the case's plugin is opened with.
func (r *run) config(carrier, entry string) (*host.PluginConfig, bool) {
	c := r.Case
	cfg, err := c.plugin(r.subject.base, &r.subject.src, c.File)
	if err != nil {
		r.fail(c.calls[0].line, "", "%v", err)
		return nil, false
	}
	if !r.fits(carrier) {
		return nil, false
	}
	if r.subject.src.Runtime == host.RuntimeJS {
		if cfg.Isolation == host.IsolationReset {
			r.NotOffered = "the runtime js cannot reset an instance"
			return nil, false
		}
		for limit, pos := range map[string]host.Position{"memory": cfg.Limits.Memory.Pos, "fuel": cfg.Limits.Fuel.Pos} {
			if !pos.IsZero() {
				r.NotOffered = "the runtime js has no limit of " + limit
				return nil, false
			}
		}
	}
	if carrier == host.ABICGI || carrier == host.ABIStdio {
		cfg.Isolation = host.IsolationFresh // a command runs once
	}
	if errs := (definition.Use{Plugin: cfg, Function: entry == host.EntryHandle}).Settle(""); len(errs) > 0 {
		r.fail(c.calls[0].line, "", "%s", errs[0].Message)
		return nil, false
	}
	return cfg, true
}

// repeat makes a call as often as it is wanted, until one is not as it was wanted.
func (r *run) repeat(ctx context.Context, n int, one *call, entry string) {
	for i := range max(1, one.Repeat) {
		seen := r.call(ctx, one, entry)
		seen.Call = n
		seen.Effects = encodeActs(compared(seen.acts, one.wanted[sectionEffects]))
		if i == 0 {
			r.Calls = append(r.Calls, seen)
		} else {
			r.Calls[len(r.Calls)-1] = seen
		}
		failures := len(r.Failures)
		r.compare(one, &seen)
		if len(r.Failures) > failures {
			if i > 0 {
				r.Failures[failures].Text += fmt.Sprintf("\n(in repetition %d)", i+1)
			}
			return
		}
	}
}

// call makes one call, and takes all of its answer.
func (r *run) call(ctx context.Context, one *call, entry string) Seen {
	seen := Seen{Entry: entry}
	r.scene.pass(one.after)
	size := int64(len(one.body)) * int64(max(1, one.BodyTimes))
	meta, err := one.meta(entry, r.scene.Now(), size)
	if err == nil {
		in := host.Event{Meta: meta, Body: one.stream(entry, meta), Length: size, Function: one.function(entry)}
		var out host.Event
		out, err = r.enter(ctx, entry, in)
		seen.Stats = out.Stats
		if err == nil {
			seen.Meta = out.Meta
			seen.Body, err = readAll(out.Body)
		}
	}
	if seen.Err = err; err != nil {
		seen.Meta, seen.Body = nil, nil
		r.unpin()
	} else {
		switch entry {
		case host.EntryHandle:
			seen.inline()
		case host.EntryFilterRequest, host.EntryFilterResponse:
			seen.result(meta)
		}
	}
	var problems []string
	seen.acts, seen.Logs, problems = r.scene.take()
	for _, text := range problems {
		r.fail(one.line, one.prefix+sectionEffects, "%s", text)
	}
	return seen
}

// enter calls the plugin. Both halves of a filter run on one instance, as in the gateway.
func (r *run) enter(ctx context.Context, entry string, in host.Event) (host.Event, error) {
	if entry != host.EntryFilterResponse {
		r.unpin()
	}
	pinner, ok := r.plugin.(host.Pinner)
	if !ok || entry != host.EntryFilterRequest && entry != host.EntryFilterResponse {
		return r.plugin.Call(ctx, entry, in, r.effects)
	}
	if r.pinned == nil {
		pinned, err := pinner.Pin(ctx)
		if err != nil {
			return host.Event{}, err
		}
		r.pinned = pinned
	}
	return r.pinned.Call(ctx, entry, in, r.effects)
}

func (r *run) unpin() {
	if r.pinned != nil {
		r.pinned.Release()
		r.pinned = nil
	}
}

// stream is the body of a call: none for an authorizer, and for a function that is called by name.
func (one *call) stream(entry string, meta []byte) io.ReadCloser {
	if len(one.body) == 0 && (entry == host.EntryAuthorize || entry == host.EntryHandle && !bytes.Contains(meta, []byte(`"requestContext"`))) {
		return nil
	}
	return io.NopCloser(bytes.NewReader(bytes.Repeat(one.body, max(1, one.BodyTimes))))
}

// function is as what a function is called.
func (one *call) function(entry string) *host.FunctionContext {
	if entry != host.EntryHandle {
		return nil
	}
	def := functionDef{Name: "case", Version: "$LATEST", RequestID: RequestID}
	if one.Function != nil {
		def.Client = one.Function.Client
		for _, set := range []struct {
			to   *string
			from string
		}{{&def.Name, one.Function.Name}, {&def.Version, one.Function.Version}, {&def.RequestID, one.Function.RequestID}} {
			if set.from != "" {
				*set.to = set.from
			}
		}
	}
	return &host.FunctionContext{Name: def.Name, Version: def.Version, ARN: host.FunctionARN(def.Name, ""), RequestID: def.RequestID, Client: def.Client}
}

func readAll(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	data, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if len(data) > maxBody {
		err = &host.Error{Op: "read the answer", Kind: host.TooLarge, Err: fmt.Errorf("the body is over %d MiB", maxBody>>20)}
	}
	if closed := body.Close(); err == nil {
		err = closed
	}
	return data, err
}

// guestType and message of an error: what a want.error is held against.
func typed(err error) (kind, message string) {
	var guest *host.GuestError
	if errors.As(err, &guest) {
		return guest.Type, guest.Message
	}
	return host.KindOf(err).String(), err.Error()
}

// describe tells an error with its stack.
func describe(err error) string {
	kind, message := typed(err)
	text := kind + ": " + message
	var guest *host.GuestError
	if errors.As(err, &guest) && guest.Stack != "" {
		text += "\n" + strings.TrimRight(guest.Stack, "\n")
	}
	return text
}
