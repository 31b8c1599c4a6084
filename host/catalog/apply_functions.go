package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// applyFunctions makes versions of what is new, and points live at what the definition has.
func (r *attempt) applyFunctions(ctx context.Context) error {
	for _, f := range r.snapshot.Functions {
		if err := r.applyFunction(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (r *attempt) applyFunction(ctx context.Context, f *host.Function) error {
	doc, err := r.t.functionDoc(ctx, f.Name)
	if err != nil {
		return err
	}
	v := &versionDoc{Project: r.name, Code: r.bundle.Code[codeKey(f.Plugin.Ref)], Config: configOf(f, r.catalog.opts.Scripts)}
	if err := v.Config.canonical(); err != nil {
		return err
	}
	d := Difference{Action: actionUpdate, Kind: "function", Name: f.Name}
	var newest versionRef
	if n := doc.newest(); n != nil {
		newest = *n
	} else {
		d.Action = actionCreate
	}
	last, live := newest.Number, 0
	if alias := doc.alias(host.AliasLive); alias != nil {
		if live = alias.Version; alias.Second != 0 {
			d.Detail = append(d.Detail, fmt.Sprintf("alias live: version %d no longer gets a share of %v", alias.Second, alias.Weight))
		}
	}
	if doc.Project != r.name {
		if doc.Project = r.name; last != 0 {
			d.Detail = append(d.Detail, "it belongs to the project "+r.name)
		}
	}
	v, err = r.t.addVersion(ctx, f.Name, doc, v, true)
	if err != nil {
		return err
	}
	if v.Number != last {
		r.functions = append(r.functions, f.Name)
		d.After = "version " + strconv.Itoa(v.Number)
		if last != 0 {
			d.Before = "version " + strconv.Itoa(last)
			was, err := r.functionFacets(ctx, f.Name, &newest)
			if err != nil {
				return err
			}
			is, err := r.functionFacets(ctx, f.Name, doc.ref(v.Number))
			if err != nil {
				return err
			}
			d.Detail = append(d.Detail, differ(was, is)...)
		}
	}
	if live != v.Number && (live != last || last == v.Number) { // else it follows from the new version
		d.Detail = append(d.Detail, fmt.Sprintf("alias live: version %d -> %d", live, v.Number))
	}
	if d.After != "" || len(d.Detail) > 0 {
		r.plan.add(d)
	}
	return nil
}

// functionFacets are those of a version that is kept.
func (r *attempt) functionFacets(ctx context.Context, name string, ref *versionRef) (facets, error) {
	v, err := r.t.version(ctx, name, ref)
	if err != nil {
		return nil, err
	}
	f, err := definition.ParseFunction(name, v.Config.text(), r.catalog.opts.Scripts)
	if err != nil {
		return nil, nil // a configuration that this version of Postern refuses has no details
	}
	f.Plugin.Source = r.catalog.source(name, f.Plugin.ABI, v.Code)
	_ = definition.Use{Plugin: &f.Plugin, Function: true}.Settle(r.catalog.opts.Scripts) // as above
	all := functionFacets(f)
	all.add("", "config schema", fmt.Sprintf("%.6s", v.Code.ConfigSchema))
	return all, nil
}

// configOf is what a definition says of a function, without what it leaves to the defaults: scripts is what runs scripts then.
func configOf(f *host.Function, scripts string) FunctionConfig {
	p := &f.Plugin
	c := FunctionConfig{ABI: p.ABI, Env: p.Env, Egress: p.Egress, Config: p.Config, URL: f.URL}
	c.Timeout = written(p.Limits.Timeout, time.Duration.String)
	c.Memory = written(p.Limits.Memory, sizeText)
	c.MaxResult = written(p.Limits.MaxResult, sizeText)
	if n := p.Limits.Concurrency; !n.Pos.IsZero() {
		c.Concurrency = n.Value
	}
	if p.Isolation != defaultIsolation(p) {
		c.Isolation = string(p.Isolation)
	}
	if p.Runtime == host.RuntimeQuickJS && p.Runtime != scripts {
		c.Runtime = p.Runtime
	}
	if p.KV != definition.FunctionMap(f.Name) {
		c.KV = p.KV
	}
	c.Limits, c.OnError = limitsOf(&p.Limits), onErrorOf(p.OnError)
	for _, s := range p.Secrets {
		if c.Secrets == nil {
			c.Secrets = map[string]SecretRef{}
		}
		c.Secrets[s.Name] = SecretRef{Env: s.Env, File: s.File, Store: s.Store}
	}
	if a := f.Async; a.DeadLetter != "" || !a.Retries.Pos.IsZero() || !a.MaxAge.Pos.IsZero() {
		c.Async = &AsyncConfig{DeadLetter: a.DeadLetter, MaxAge: written(a.MaxAge, time.Duration.String)}
		if !a.Retries.Pos.IsZero() {
			retries := a.Retries.Value
			c.Async.Retries = &retries
		}
	}
	return c
}

// limitsOf is what is written under limits, nil for nothing.
func limitsOf(l *host.Limits) *LimitsConfig {
	c := LimitsConfig{
		Fuel:        writtenNumber(l.Fuel),
		HostCalls:   writtenNumber(l.HostCalls),
		Fetches:     writtenNumber(l.Fetches),
		FetchBytes:  written(l.FetchBytes, sizeText),
		LogLines:    writtenNumber(l.LogLines),
		LogBytes:    written(l.LogBytes, sizeText),
		Headers:     writtenNumber(l.Headers),
		HeaderBytes: written(l.HeaderBytes, sizeText),
		KVBytes:     written(l.KVBytes, sizeText),
	}
	if c == (LimitsConfig{}) {
		return nil
	}
	return &c
}

// onErrorOf is what is written under onError, nil for nothing.
func onErrorOf(e host.OnError) json.RawMessage {
	if e.Pos.IsZero() {
		return nil
	}
	var value any = e.Mode
	if e.Mode == host.OnErrorAnswer {
		answer := map[string]any{"status": e.Status}
		if e.Body != "" {
			answer["body"] = e.Body
		}
		value = answer
	}
	text, _ := json.Marshal(value) // text and a number, which cannot fail
	return text
}

// writtenNumber is a setting's value, 0 for a default.
func writtenNumber(s host.Setting[int64]) int64 {
	if s.Pos.IsZero() {
		return 0
	}
	return s.Value
}

// written is a setting's text, "" for a default.
func written[T any](s host.Setting[T], text func(T) string) string {
	if s.Pos.IsZero() {
		return ""
	}
	return text(s.Value)
}

// defaultIsolation is what a function has that says nothing about it.
func defaultIsolation(p *host.PluginConfig) host.Isolation {
	if p.ABI == host.ABICGI || p.ABI == host.ABIStdio {
		return host.IsolationFresh
	}
	return definition.DefaultIsolation(p.Runtime)
}
