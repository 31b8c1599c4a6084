package recording

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

// replayGrace is what a replay may take beyond the time that the call had, since the machine may be a slower one.
const replayGrace = 30 * time.Second

// An Outcome is what a replay came to.
type Outcome struct {
	Meta, Body []byte
	Err        error       // of the guest, where it failed
	Divergence *Divergence // nil where all was the same
}

// PluginConfig is what the plugin was opened with, for code that is to be replayed, with the values of its secrets.
func (p *Plugin) PluginConfig(source *host.Source, secrets map[string]string) host.PluginConfig {
	l := p.Limits
	cfg := host.PluginConfig{Name: p.Name, Ref: p.Ref, Runtime: p.Runtime, ABI: p.ABI, Source: source, Env: p.Env, Config: json.RawMessage(p.Config), Isolation: p.Isolation,
		Limits: host.Limits{
			Timeout: host.Default(time.Duration(l.Timeout) + replayGrace), Memory: host.Default(l.Memory), MaxResult: host.Default(l.MaxResult), Concurrency: host.Default(1),
			Fuel: host.Default(l.Fuel), HostCalls: host.Default(l.HostCalls), LogLines: host.Default(l.LogLines), LogBytes: host.Default(l.LogBytes),
		}}
	for _, name := range p.Secrets {
		cfg.Secrets = append(cfg.Secrets, host.Secret{Name: name, Value: host.SecretValue(secrets[name])})
	}
	return cfg
}

// PluginOf describes a plugin for a recording.
func PluginOf(cfg *host.PluginConfig, info host.ModuleInfo) Plugin {
	l := &cfg.Limits
	p := Plugin{Name: cfg.Name, Ref: cfg.Ref, Runtime: cfg.Runtime, ABI: cfg.ABI, Carrier: info.Carrier, Isolation: cfg.Isolation, Config: Text(cfg.Config), Env: cfg.Env,
		Limits: Limits{Timeout: Duration(l.Timeout.Value), Memory: l.Memory.Value, MaxResult: l.MaxResult.Value, Fuel: l.Fuel.Value, HostCalls: l.HostCalls.Value,
			LogLines: l.LogLines.Value, LogBytes: l.LogBytes.Value}}
	if cfg.Source != nil {
		p.Digest, p.Runtime = cfg.Source.Digest, cmp.Or(cfg.Runtime, cfg.Source.Runtime)
	}
	for _, s := range cfg.Secrets {
		p.Secrets = append(p.Secrets, s.Name)
	}
	return p
}

// Replay makes the recorded call again, by an instance of m of its own, and closes what it opened. Its errors are of what keeps it from being made: Kind
// Unsupported for a recording that is cut, Invalid for a secret that is missing, and what opening the plugin fails with. What the guest
// fails with is in the Outcome.
func Replay(ctx context.Context, m host.Module, doc *Recording, secrets map[string]string) (*Outcome, error) {
	if err := doc.replayable(secrets); err != nil {
		return nil, err
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := newReplayer(doc, secrets, cancel)
	cfg := doc.Plugin.PluginConfig(nil, secrets)
	cfg.Config = json.RawMessage(r.shown(doc.Plugin.Config))
	p, err := m.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	out := r.call(inner, p)
	// What the call goes on with behind its answer belongs to it.
	closing, stop := context.WithTimeout(inner, time.Duration(doc.Plugin.Limits.Timeout)+replayGrace)
	defer stop()
	err = p.Close(closing)
	cancel(nil)
	r.bodies.Wait()
	if off := r.left(); off != nil { // the call was ended, and what came of it says nothing
		return &Outcome{Divergence: off}, nil
	}
	if out.Divergence = r.verdict(out); out.Divergence == nil && err != nil {
		return nil, err
	}
	return out, nil
}

// replayable says why a recording cannot be replayed.
func (doc *Recording) replayable(secrets map[string]string) error {
	const op = "replay"
	if len(doc.Cut) > 0 {
		return &host.Error{Op: op, Kind: host.Unsupported, Err: fmt.Errorf("it cannot be exact: %s", strings.Join(doc.cuts(), "; "))}
	}
	var missing []string
	for _, name := range doc.secrets() {
		if _, ok := secrets[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return &host.Error{Op: op, Kind: host.Invalid, Err: fmt.Errorf("a recording has no values of secrets, and these are not given: %s", strings.Join(missing, ", "))}
	}
	return nil
}

func (doc *Recording) cuts() []string {
	reasons := make([]string, len(doc.Cut))
	for i, reason := range doc.Cut {
		reasons[i] = string(reason)
	}
	return reasons
}

// secrets are the names of those that the guest read, sorted.
func (doc *Recording) secrets() []string {
	var names []string
	for _, list := range [][]*Entry{doc.Start, doc.Effects} {
		for _, e := range list {
			if e.Do == doSecret && e.Got.Found {
				names = append(names, string(e.Ask.Name))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// call makes the call, and reads its answer.
func (r *Replayer) call(ctx context.Context, p host.Plugin) *Outcome {
	c := &r.doc.Call
	in := host.Event{Meta: r.shown(c.Meta)}
	if f := c.Function; f != nil {
		in.Function = &host.FunctionContext{Name: f.Name, Version: f.Version, ARN: f.ARN, RequestID: f.RequestID, Client: json.RawMessage(r.shown(f.Client))}
	}
	if c.Body != nil {
		shown := *c.Body
		shown.Data = r.shown(c.Body.Data)
		in.Body, in.Length = r.body(&shown), c.Body.Length
	}
	out := &Outcome{}
	ev, err := p.Call(ctx, c.Entry, in, r)
	out.Meta, out.Err = ev.Meta, err
	if err == nil && ev.Body != nil {
		out.Body, err = io.ReadAll(ev.Body)
		out.Err = errors.Join(err, ev.Body.Close())
	}
	return out
}

// left is where the call left the recording, nil where it did not.
func (r *Replayer) left() *Divergence {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.off
}

// verdict compares what the call ended with.
func (r *Replayer) verdict(out *Outcome) *Divergence {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range []*replaySide{r.start, r.replaySide} {
		if s.at < len(s.main) {
			return &Divergence{fmt.Sprintf("%s %d", s.what, s.at+1), s.main[s.at].asked(), "(the call ended)"}
		}
	}
	then := &r.doc.Result
	now := Result{Failure: failureOf(out.Err), Meta: Text(bytes.Clone(out.Meta)), Body: &Body{Data: bytes.Clone(out.Body)}}
	r.cover.hide(&now)
	want, got := then.failure(), now.failure()
	switch {
	case want != got:
		return &Divergence{"the result", want, got}
	case then.Failure == nil && !bytes.Equal(then.Meta, now.Meta):
		return &Divergence{"the result's meta", excerpt(then.Meta, now.Meta), excerpt(now.Meta, then.Meta)}
	case then.Failure == nil && !bytes.Equal(then.body(), now.body()):
		return &Divergence{"the result's body", excerpt(then.body(), now.body()), excerpt(now.body(), then.body())}
	}
	return nil
}

func (r *Result) body() []byte {
	if r.Body == nil {
		return nil
	}
	return r.Body.Data
}

// failure is the result's error in one line: what a body broke off with is one too.
func (r *Result) failure() string {
	f := r.Failure
	if f == nil && r.Body != nil {
		f = r.Body.Failure
	}
	if f == nil {
		return "(no error)"
	}
	text := string(f.Text)
	if f.Type != "" {
		text = f.Type + ": " + text
	}
	return f.Kind + ": " + text
}
