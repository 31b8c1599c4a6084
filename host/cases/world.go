package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// What a world is where world.json does not say.
const (
	defaultNow  = "2026-01-02T03:04:05Z"
	defaultSeed = "postern"
	traceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" // of W3C Trace Context's own examples, section 3.2.2
)

// A world is what a plugin finds around it.
type world struct {
	worldDef
	section *section // nil for the default world
}

// worldDef is world.json.
type worldDef struct {
	Now     time.Time         `json:"now"`
	Random  string            `json:"random"`
	Env     map[string]string `json:"env"`
	Secrets map[string]string `json:"secrets"`
	Config  json.RawMessage   `json:"config"`
	KV      map[string]string `json:"kv"`
	Limits  json.RawMessage   `json:"limits"`
	Fetches []fetchDef        `json:"fetches"`
}

// A fetchDef is an exchange that was recorded: a request that may be made once, and what comes of it.
type fetchDef struct {
	Request  requestDef   `json:"request"`
	Response *responseDef `json:"response"`
	Error    string       `json:"error"`
}

type requestDef struct {
	Method  string  `json:"method"`
	URL     string  `json:"url"`
	Headers headers `json:"headers"`
	Body    *string `json:"body"`
}

type responseDef struct {
	Status  int     `json:"status"`
	Headers headers `json:"headers"`
	Body    string  `json:"body"`
}

// headers are written as an object, or as a list of pairs where a name comes twice.
type headers host.Header

// UnmarshalJSON takes {"name": "value"} or [["name", "value"]].
func (h *headers) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		var pairs [][]string
		if err := json.Unmarshal(data, &pairs); err != nil {
			return err
		}
		for _, pair := range pairs {
			if len(pair) != 2 {
				return errors.New("each of a list of headers is a name and a value")
			}
			*h = append(*h, host.Field{Name: pair[0], Value: pair[1]})
		}
		return nil
	}
	var fields map[string]string
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		*h = append(*h, host.Field{Name: name, Value: fields[name]})
	}
	return nil
}

// fetchErrors are what a fetch can fail with.
var fetchErrors = map[string]host.Kind{"denied": host.Forbidden, "timeout": host.Timeout, "failed": host.BadGateway}

func (p *parser) checkWorld(c *Case) {
	s := c.world.section
	for i := range c.world.Fetches {
		f := &c.world.Fetches[i]
		what := fmt.Sprintf("%s: fetch %d", s.name, i+1)
		switch _, known := fetchErrors[f.Error]; {
		case f.Request.URL == "":
			p.fail(s.lineOf("fetches"), definition.RuleRequired, what+" has no request.url", "")
		case f.Error == "" && f.Response == nil:
			p.fail(s.lineOf("fetches"), definition.RuleRequired, what+" has neither a response nor an error", "")
		case f.Error != "" && f.Response != nil:
			p.fail(s.lineOf("error"), definition.RuleConflict, what+" has a response and an error", "")
		case f.Error != "" && !known:
			p.fail(s.lineOf("error"), definition.RuleInvalidValue, fmt.Sprintf("%s: the error %q is none of denied, failed, timeout", what, f.Error), "")
		case f.Response != nil && f.Response.Status != 0 && (f.Response.Status < 200 || f.Response.Status > 599):
			p.fail(s.lineOf("status"), definition.RuleInvalidValue, what+": its status must be from 200 to 599", "")
		}
	}
	if hex, ok := strings.CutPrefix(c.world.Random, hexPrefix); ok && !evenHex.MatchString(hex) {
		p.fail(s.lineOf("random"), definition.RuleInvalidValue, fmt.Sprintf("%s: after hex: come bytes in hexadecimal", s.name), "")
	}
}

// hexPrefix marks random bytes that are given one by one, rather than a seed.
const hexPrefix = "hex:"

var evenHex = regexp.MustCompile(`^([0-9a-fA-F]{2})+$`)

// besides are the keys of world.json's limits that stand beside the plugin in a definition, and not below its limits.
var besides = []string{"timeout", "memory", "concurrency", "maxResult"}

// worldLimits has the definition's own reader look at what is set as in a definition, so that a case is as strict.
func (p *parser) worldLimits(c *Case) {
	if c.world.section == nil {
		return
	}
	_, err := c.world.settings()
	var broken definition.Errors
	if err == nil || !errors.As(err, &broken) {
		return
	}
	for _, e := range broken {
		key := strings.Trim(e.Path[strings.LastIndexAny(e.Path, ".[")+1:], `"]`)
		p.fail(c.world.section.lineOf(key), e.Rule, c.world.section.name+": "+e.Message, e.Hint)
	}
}

// settings are the world's own, as a definition would have them. The error is definition.Errors with places that mean nothing.
func (w *world) settings() (*host.PluginConfig, error) {
	own := map[string]any{}
	if len(w.Limits) > 0 {
		var limits map[string]json.RawMessage
		if err := json.Unmarshal(w.Limits, &limits); err != nil {
			return nil, definition.Errors{{Path: "limits", Rule: definition.RuleWrongType, Message: "limits must be an object"}}
		}
		for _, key := range besides {
			if value, ok := limits[key]; ok {
				own[key] = value
				delete(limits, key)
			}
		}
		if len(limits) > 0 {
			own["limits"] = limits
		}
	}
	if len(w.Env) > 0 {
		own["env"] = w.Env
	}
	if len(w.Config) > 0 {
		own["config"] = w.Config
	}
	text, err := json.Marshal(own)
	if err != nil {
		return nil, err
	}
	f, err := definition.ParseFunction("case", text, "")
	if err != nil {
		return nil, err
	}
	return &f.Plugin, nil
}

// fits holds the configuration that the world makes against the plugin's schema. What a definition says has been checked with it.
func (r *run) fits(carrier string) bool {
	w, base := &r.Case.world, r.subject.base
	none := len(w.Config) == 0
	if r.subject.config == nil || carrier == host.ABICGI || carrier == host.ABIStdio || none && base != nil && len(base.Config) > 0 {
		return true
	}
	text, before, at := definition.ReadText(r.Case.File, nil), 0, host.Position{File: r.Case.File, Line: r.Case.calls[0].line}
	if w.section != nil {
		text, before, at = definition.ReadText(r.Case.File, w.section.data), w.section.line, host.Position{}
	}
	errs := text.Config(r.subject.config, "config", at)
	for _, e := range errs {
		r.fail(before+e.Pos.Line, sectionWorld, "%s", e.Message)
	}
	return len(errs) == 0
}

// plugin is the configuration that a case opens the code with. What it does not set is base's, which may be nil.
func (c *Case) plugin(base *host.PluginConfig, src *host.Source, file string) (*host.PluginConfig, error) {
	cfg, err := c.world.settings()
	if err != nil {
		return nil, err
	}
	if base != nil {
		cfg.Name = base.Name
		c.inherit(cfg, base)
	}
	if cfg.Name == "" || base == nil {
		cfg.Name = "plugin"
	}
	cfg.Ref, cfg.Source, cfg.KV = src.Name, src, "case"
	c.place(&cfg.Limits, file)
	first := c.calls[0]
	if first.ABI != "" {
		cfg.ABI = first.ABI
	}
	if cfg.Isolation = host.Isolation(first.Isolation); cfg.Isolation == "" && base != nil {
		cfg.Isolation = base.Isolation
	}
	cfg.Secrets = nil // never the real ones
	for _, name := range slices.Sorted(maps.Keys(c.world.Secrets)) {
		cfg.Secrets = append(cfg.Secrets, host.Secret{Name: name, Value: host.SecretValue(c.world.Secrets[name])})
	}
	return cfg, nil
}

// inherit takes over from a definition what the world leaves open.
func (c *Case) inherit(cfg, base *host.PluginConfig) {
	cfg.ABI, cfg.Runtime, cfg.Egress = base.ABI, base.Runtime, base.Egress
	if c.world.Env == nil {
		cfg.Env = base.Env
	}
	if len(c.world.Config) == 0 {
		cfg.Config = base.Config
	}
	take(&cfg.Limits.Timeout, base.Limits.Timeout)
	take(&cfg.Limits.Concurrency, base.Limits.Concurrency)
	own, given := sizes(&cfg.Limits), sizes(&base.Limits)
	for key, setting := range own {
		take(setting, *given[key])
	}
}

func take[T any](own *host.Setting[T], given host.Setting[T]) {
	if own.Pos.IsZero() && !given.Pos.IsZero() {
		*own = given
	}
}

// place puts the settings that the world makes where they stand in the case's file.
func (c *Case) place(limits *host.Limits, file string) {
	if c.world.section == nil {
		return
	}
	at := func(pos *host.Position, key string) {
		if pos.File == "config" { // as definition.ParseFunction names it
			*pos = host.Position{File: file, Line: c.world.section.lineOf(key)}
		}
	}
	at(&limits.Timeout.Pos, "timeout")
	at(&limits.Concurrency.Pos, "concurrency")
	for key, setting := range sizes(limits) {
		at(&setting.Pos, key)
	}
}

func sizes(l *host.Limits) map[string]*host.Setting[int64] {
	return map[string]*host.Setting[int64]{"memory": &l.Memory, "maxResult": &l.MaxResult, "fuel": &l.Fuel, "hostCalls": &l.HostCalls,
		"fetches": &l.Fetches, "fetchBytes": &l.FetchBytes, "logLines": &l.LogLines, "logBytes": &l.LogBytes, "headers": &l.Headers,
		"headerBytes": &l.HeaderBytes, "kvBytes": &l.KVBytes}
}
