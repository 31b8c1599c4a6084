package project

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/router"
)

// An Explanation says what would become of a request, and why. It is the result of postern explain -o json.
type Explanation struct {
	Method   string `json:"method"`
	URL      string `json:"url"`
	Found    bool   `json:"found"`            // whether a route or a function answers
	Reason   string `json:"reason,omitempty"` // why none does, or what else is to know
	API      string `json:"api,omitempty"`
	Stage    string `json:"stage,omitempty"`
	BasePath string `json:"basePath,omitempty"` // of the URL, before what routes see
	Path     string `json:"path,omitempty"`     // what routes see
	Function string `json:"function,omitempty"` // that answers at its own URL

	Params     map[string]string `json:"params,omitempty"`   // undecoded
	Candidates []Candidate       `json:"candidates"`         // the route that wins, then those that lose
	Phases     []PhaseInfo       `json:"phases"`             // that have work, in order
	Plugins    []Choice          `json:"plugins,omitempty"`  // how the plugins on the way run
	Upstream   []Fact            `json:"upstream,omitempty"` // how the route's upstream is reached
	Limits     []Limit           `json:"limits"`
}

// A Candidate is a route that was considered.
type Candidate struct {
	Route  string        `json:"route"` // its key
	Wins   bool          `json:"wins"`
	Reason string        `json:"reason"`
	Pos    host.Position `json:"position"`
}

// A PhaseInfo is a phase of the route that has work.
type PhaseInfo struct {
	Phase string        `json:"phase"`
	What  string        `json:"what"`
	Pos   host.Position `json:"position,omitzero"`
}

// A Fact is one setting of what a route reaches.
type Fact struct {
	Name  string        `json:"name"` // as in the definition: "balance"
	Value string        `json:"value"`
	Pos   host.Position `json:"position,omitzero"`
}

// A Choice is one setting of a plugin that bounds nothing.
type Choice struct {
	Of    string        `json:"of"`   // "authorizer caller", "function get-order"
	Name  string        `json:"name"` // as in the definition: "isolation"
	Value string        `json:"value"`
	Pos   host.Position `json:"position,omitzero"` // of one that is written, where that is known
}

// A Limit is a bound that holds for the request, and who set it.
type Limit struct {
	Of     string `json:"of"`     // "route", "authorizer caller", "function get-order"
	Name   string `json:"name"`   // as in the definition: "timeout"
	Value  string `json:"value"`  // with its unit
	Origin string `json:"origin"` // file:line:column, or "default"
}

// Explain says what would become of a request of that method to target: a path, which goes to the root API, or a URL.
// domain is the base domain of the host, "" is localhost. It looks at the definition alone, so the snapshot need not be
// resolved. A target that is no URL is an error of Kind Invalid.
func Explain(snapshot *host.Snapshot, method, target, domain string) (*Explanation, error) {
	const op = "explain"
	if domain == "" {
		domain = "localhost"
	}
	u, err := url.Parse(target)
	if err == nil && u.Scheme == "" && !strings.HasPrefix(target, "/") {
		err = fmt.Errorf("%q is neither a path that begins with / nor a URL", target)
	}
	if err == nil && u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		err = fmt.Errorf("%q is no URL of http or https", target)
	}
	if err != nil {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Err: err}
	}
	hosts, err := router.NewHosts(snapshot, domain)
	if err != nil {
		return nil, err
	}
	e := &Explanation{Method: strings.ToUpper(method), URL: target, Candidates: []Candidate{}, Phases: []PhaseInfo{}, Limits: []Limit{}}
	authority := u.Host
	if authority == "" {
		authority = "127.0.0.1" // no API's own host: the root API answers
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	found, ok := hosts.Match(authority, path)
	switch {
	case !ok:
		e.Reason = nothingAnswers(snapshot, u.Host, domain)
	case found.Function != nil:
		e.function(found.Function, path)
	default:
		return e, e.api(snapshot, found)
	}
	return e, nil
}

func nothingAnswers(s *host.Snapshot, authority, domain string) string {
	if authority != "" {
		return "no API, function or domain answers at " + authority + " with this path"
	}
	var at []string
	for _, a := range s.APIs {
		if a.Root {
			return "the API " + a.Name + " has no " + host.DefaultStage + " stage: its paths begin with a stage's name"
		}
		at = append(at, a.Name+".execute-api."+domain)
	}
	return "no API has root: true; name a host: " + strings.Join(at, ", ")
}

func (e *Explanation) function(f *host.Function, path string) {
	e.Found, e.Function, e.Path = true, f.Name, path
	e.phase(host.PhaseIntegrate, "function "+f.Name+" ("+f.Plugin.Ref+")", f.Pos)
	e.pluginLimits("function "+f.Name, &f.Plugin)
}

func (e *Explanation) api(snapshot *host.Snapshot, t router.Target) error {
	e.API, e.Stage, e.BasePath, e.Path = t.API.Name, t.Stage.Name, t.BasePath, t.Path
	table, err := router.NewTable(t.API.Routes)
	if err != nil {
		return err
	}
	if t.API.CORS != nil && e.Method == "OPTIONS" {
		e.Reason = "a CORS preflight, with Origin and Access-Control-Request-Method, is answered by the gateway itself; for other requests: "
	}
	_, params := table.Match(e.Method, e.Path, nil)
	for _, p := range params {
		if e.Params == nil {
			e.Params = map[string]string{}
		}
		e.Params[p.Name] = p.Value
	}
	for _, c := range table.Explain(e.Method, e.Path) {
		e.Candidates = append(e.Candidates, Candidate{Route: c.Route.Key, Wins: c.Wins, Reason: c.Reason, Pos: c.Route.Pos})
		if c.Wins {
			e.Found = true
			e.route(snapshot, t.API, c.Route)
		}
	}
	if !e.Found {
		e.Reason += "no route matches: the answer is 404"
		e.filters("of the API "+t.API.Name, t.API.Filters)
	}
	e.Reason = strings.TrimSuffix(e.Reason, "; for other requests: ")
	return nil
}

func (e *Explanation) phase(p host.Phase, what string, pos host.Position) {
	e.Phases = append(e.Phases, PhaseInfo{Phase: p.String(), What: what, Pos: pos})
}

// route lists the phases as host/pipeline runs them: limit, filter, authorize, map_request, integrate, map_response.
func (e *Explanation) route(snapshot *host.Snapshot, a *host.API, r *host.Route) {
	limit(e, "route", "timeout", r.Timeout, fmt.Sprint(r.Timeout.Value))
	limit(e, "route", "idleTimeout", r.IdleTimeout, orNone(r.IdleTimeout.Value))
	limit(e, "route", "maxDuration", r.MaxDuration, orNone(r.MaxDuration.Value))
	body, what := "none", "bodies of any length"
	if r.MaxBody.Value > 0 {
		body = size(r.MaxBody.Value)
		what = "bodies up to " + body
	}
	if limit(e, "route", "maxBody", r.MaxBody, body); r.Streaming {
		what += ", streaming"
	}
	e.phase(host.PhaseLimit, what, r.MaxBody.Pos)
	e.filters("of the API "+a.Name, a.Filters)
	e.filters("of the route", r.Filters)
	if a := r.Authorizer; a != nil {
		of := "authorizer " + a.Name
		if a.Function != "" {
			e.phase(host.PhaseAuthorize, of+" (function "+a.Function+")", a.Pos)
		} else {
			e.phase(host.PhaseAuthorize, of+" ("+a.Plugin.Ref+")", a.Pos)
			e.pluginLimits(of, &a.Plugin)
		}
		limit(e, of, "resultTTL", a.ResultTTL, fmt.Sprint(a.ResultTTL.Value))
	}
	e.mappings(host.PhaseMapRequest, "", r.Mappings)
	e.integration(snapshot, r)
	for _, rule := range r.Responses {
		what := "any status"
		if rule.Match != "" {
			what = "status " + rule.Match
		}
		if rule.Status != 0 {
			what += " becomes " + strconv.Itoa(rule.Status)
		}
		if len(rule.Mappings) == 0 {
			e.phase(host.PhaseMapResponse, what, rule.Pos)
		}
		e.mappings(host.PhaseMapResponse, what+": ", rule.Mappings)
	}
}

// serviceText names a call of an AWS service.
func serviceText(call *host.ServiceCall) string {
	switch {
	case call.Subtype != "":
		return call.Subtype
	case call.Path != "":
		return call.Service + " /" + call.Path
	}
	return call.Service + " " + call.Action
}

// filters lists them as requests meet them; responses meet them in reverse.
func (e *Explanation) filters(of string, filters []*host.Filter) {
	for _, f := range filters {
		e.phase(host.PhaseFilter, f.Plugin.Ref+", "+of, f.Pos)
		// An instance is one exchange's from half to half, and not only for a call.
		e.boundPlugin("filter "+f.Plugin.Ref, &f.Plugin, " exchanges between the two halves at a time")
	}
}

func (e *Explanation) mappings(p host.Phase, when string, mappings []host.Mapping) {
	for i := range mappings {
		m := &mappings[i]
		if t := m.Template; t != nil {
			e.phase(p, when+m.MediaType+" by "+cmp.Or(t.Ref, "a template"), t.Pos)
			continue
		}
		e.phase(p, when+m.MediaType+" by "+m.Plugin.Ref, m.Plugin.Pos)
		e.pluginLimits("mapping "+m.Plugin.Ref, &m.Plugin)
	}
}

func (e *Explanation) integration(snapshot *host.Snapshot, r *host.Route) {
	in := &r.Integration
	what := string(in.Type)
	switch in.Type {
	case host.IntegrationFunction:
		what += " " + in.Function
	case host.IntegrationHTTP:
		what += " " + strings.TrimSpace(in.Method+" "+in.URI)
	case host.IntegrationUpstream:
		what += " " + in.Upstream
		if in.Path != "" {
			what += " " + in.Path
		}
	case host.IntegrationMock:
		if in.Mock != nil {
			what += " " + strconv.Itoa(in.Mock.Status)
		}
	case host.IntegrationService:
		what += " " + serviceText(in.Service)
	}
	e.phase(host.PhaseIntegrate, what, in.Pos)
	if in.Timeout.Value > 0 {
		limit(e, "integration", "timeout", in.Timeout, fmt.Sprint(in.Timeout.Value))
	}
	for _, f := range snapshot.Functions {
		if in.Type == host.IntegrationFunction && f.Name == in.Function {
			e.pluginLimits("function "+f.Name, &f.Plugin)
		}
	}
	for _, u := range snapshot.Upstreams {
		if in.Type == host.IntegrationUpstream && u.Name == in.Upstream {
			e.upstream(u)
		}
	}
}

func (e *Explanation) pluginLimits(of string, p *host.PluginConfig) { e.boundPlugin(of, p, "") }

// boundPlugin lists how a plugin runs, and its limits; unit follows the number of its concurrency.
func (e *Explanation) boundPlugin(of string, p *host.PluginConfig, unit string) {
	e.choices(of, p)
	l := &p.Limits
	limit(e, of, "timeout", l.Timeout, fmt.Sprint(l.Timeout.Value))
	if l.Memory.Value > 0 {
		limit(e, of, "memory", l.Memory, size(l.Memory.Value))
	}
	if l.Fuel.Value > 0 {
		limit(e, of, "limits.fuel", l.Fuel, strconv.FormatInt(l.Fuel.Value, 10))
	}
	limit(e, of, "concurrency", l.Concurrency, strconv.Itoa(l.Concurrency.Value)+unit)
	limit(e, of, "maxResult", l.MaxResult, size(l.MaxResult.Value))
	if l.HostCalls.Value > 0 { // scripts and commands have none
		limit(e, of, "limits.hostCalls", l.HostCalls, strconv.FormatInt(l.HostCalls.Value, 10))
	}
	limit(e, of, "limits.fetches", l.Fetches, strconv.FormatInt(l.Fetches.Value, 10))
	limit(e, of, "limits.fetchBytes", l.FetchBytes, size(l.FetchBytes.Value))
	limit(e, of, "limits.logLines", l.LogLines, strconv.FormatInt(l.LogLines.Value, 10))
	limit(e, of, "limits.logBytes", l.LogBytes, size(l.LogBytes.Value))
	limit(e, of, "limits.headers", l.Headers, strconv.FormatInt(l.Headers.Value, 10))
	limit(e, of, "limits.headerBytes", l.HeaderBytes, size(l.HeaderBytes.Value))
	limit(e, of, "limits.kvBytes", l.KVBytes, size(l.KVBytes.Value))
}

// choices lists how a plugin runs. What a folder holds is not known before it is built.
func (e *Explanation) choices(of string, p *host.PluginConfig) {
	add := func(name, value string, pos host.Position) {
		e.Plugins = append(e.Plugins, Choice{Of: of, Name: name, Value: value, Pos: pos})
	}
	add("runtime", cmp.Or(p.Runtime, "as its folder needs"), host.Position{})
	add("isolation", cmp.Or(string(p.Isolation), "the runtime's default: "+isolations()), host.Position{})
	onError := string(p.OnError.Mode)
	if p.OnError.Mode == host.OnErrorAnswer {
		onError = strings.TrimSpace(fmt.Sprintf("status %d %s", p.OnError.Status, p.OnError.Body))
	}
	add("onError", onError, p.OnError.Pos)
	add("kv", p.KV, host.Position{})
	add("egress", cmp.Or(strings.Join(p.Egress, ", "), "nowhere"), host.Position{})
}

// isolations lists the defaults of the runtimes.
func isolations() string {
	var all []string
	for _, runtime := range []string{host.RuntimeWasm, host.RuntimeJS, host.RuntimeQuickJS} {
		all = append(all, string(definition.DefaultIsolation(runtime))+" for "+runtime)
	}
	return strings.Join(all, ", ")
}

// orNone writes a duration of which 0 stands for no limit.
func orNone(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	return fmt.Sprint(d)
}

func limit[T any](e *Explanation, of, name string, s host.Setting[T], value string) {
	e.Limits = append(e.Limits, Limit{Of: of, Name: name, Value: value, Origin: s.Origin()})
}

// size writes bytes as the definition does, in the largest unit that divides them.
func size(n int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}
