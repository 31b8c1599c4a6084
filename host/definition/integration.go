package definition

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
)

// formKeys has the keys that mean something beside each form of an integration; timeout and
// passthroughBehavior mean something beside all but mocks.
var formKeys = map[string][]string{
	"function": {"payloadFormatVersion"},
	"http":     {"method", "httpMethod"},
	"upstream": {"path", "method", "httpMethod"},
	"mock":     nil,
	"type":     {"uri", "method", "httpMethod", "subtype", "payloadFormatVersion"},
}

// integration decodes where a route's requests go.
func (b *builder) integration(a *host.API, r *routeDef) host.IntegrationConfig {
	def := &r.Integration
	c := host.IntegrationConfig{
		Method:          b.integrationMethod(def),
		Passthrough:     def.Passthrough.or(host.PassthroughWhenNoMatch),
		Timeout:         b.duration(def.Timeout, 0, 1),
		Parameters:      b.requestParameters(a, def),
		ContentHandling: def.ContentHandling.Value,
		Insecure:        def.TLSConfig.Insecure.or(false),
	}
	rest := a.Protocol == host.ProtocolREST
	if !rest {
		b.only(host.ProtocolREST, map[string]place{"contentHandling": def.ContentHandling.place, "tlsConfig": def.TLSConfig.place})
	} else {
		c.Proxy = !r.Request.Mapping.written() && !r.Responses.written()
		b.only(host.ProtocolHTTP, map[string]place{"subtype": def.Subtype.place})
		if def.PayloadFormat.written() && def.PayloadFormat.Value != "1.0" {
			b.add(def.PayloadFormat.place, RuleConflict, "functions of REST APIs get the format 1.0 alone").Hint = "remove it"
		}
	}
	switch {
	case def.Function.written():
		c.Type, c.Pos = host.IntegrationFunction, def.Function.pos
		c.PayloadFormat = payloadFormat(a, def)
		b.onlyKeys(def, "function")
		c.Function, c.Qualifier = b.functionRef(def.Function)
	case def.HTTP.written():
		c.Type, c.URI, c.Pos = host.IntegrationHTTP, def.HTTP.Value, def.HTTP.pos
		b.onlyKeys(def, "http")
		b.uri(a, def.HTTP)
	case def.Upstream.written():
		c.Type, c.Upstream, c.Path, c.Pos = host.IntegrationUpstream, def.Upstream.Value, def.Path.Value, def.Upstream.pos
		b.onlyKeys(def, "upstream")
		b.reference(def.Upstream, "upstream", b.upstreams)
		b.stageVariables(a, def.Path)
	case def.Mock.written():
		c.Type, c.Mock, c.Pos = host.IntegrationMock, b.mock(&def.Mock), def.Mock.pos
		b.onlyKeys(def, "mock")
	case def.Type.written():
		b.longForm(a, r, &c)
	}
	if at := def.TLSConfig.place; rest && at.written() && c.Type != host.IntegrationHTTP && c.Type != "" {
		b.add(at, RuleConflict, "tlsConfig is for integrations that go to a URI").Hint = "remove it"
	}
	return c
}

// integrationMethod is "" for the client's.
func (b *builder) integrationMethod(def *integrationDef) string {
	method := def.Method
	if def.HTTPMethod.written() {
		if method.written() {
			b.add(def.HTTPMethod.place, RuleConflict, "the integration has method and httpMethod").Hint = "keep one of them"
		}
		method = def.HTTPMethod
	}
	return strings.TrimPrefix(method.Value, "ANY")
}

// payloadFormat is the format of a function's event.
func payloadFormat(a *host.API, def *integrationDef) string {
	if a.Protocol == host.ProtocolREST {
		return "1.0"
	}
	return def.PayloadFormat.or("2.0")
}

// callsFunction reports whether an integration is a function's, as far as what is written tells.
func (d *integrationDef) callsFunction() bool {
	if d.Function.written() {
		return true
	}
	arn, err := mapping.ParseARN(d.URI.Value)
	return d.Type.written() && d.URI.written() && err == nil && arn.Service == nil
}

// functionRef decodes name, name@alias and name@version.
func (b *builder) functionRef(ref val[string]) (name, qualifier string) {
	name, qualifier, qualified := strings.Cut(ref.Value, "@")
	switch {
	case qualified && !b.hostOnly(ref.place, quote(ref.Value)+" names a version or alias",
		"apply the project to a host (postern apply), or write "+quote(name)):
	case qualified:
		b.qualified(ref.place, name, qualifier)
	case !b.opts.Host:
		b.reference(ref, "function", b.functions)
	case !functionName.MatchString(name) && name != "":
		b.reference(ref, "function", b.functions) // no host has it either
	}
	return name, qualifier
}

// onlyKeys reports keys that mean nothing beside the form that was chosen.
func (b *builder) onlyKeys(def *integrationDef, form string) {
	written := map[string]place{
		"payloadFormatVersion": def.PayloadFormat.place,
		"path":                 def.Path.place,
		"uri":                  def.URI.place,
		"method":               def.Method.place,
		"httpMethod":           def.HTTPMethod.place,
		"subtype":              def.Subtype.place,
	}
	if form == "mock" {
		written["timeout"], written["passthroughBehavior"] = def.Timeout.place, def.Passthrough.place
	}
	for _, key := range slices.Sorted(maps.Keys(written)) {
		at := written[key]
		if !at.written() || slices.Contains(formKeys[form], key) {
			continue
		}
		e := b.add(at, RuleConflict, fmt.Sprintf("%q means nothing beside %q", key, form))
		if e.Hint = "remove it"; key == "uri" && form == "http" {
			e.Hint = "http: has the URI already"
		}
	}
}

// reference checks that something of that name is defined at the top level.
func (b *builder) reference(ref val[string], what string, known map[string]bool) {
	if ref.Value == "" || known[ref.Value] {
		return
	}
	e := b.unknown(ref.place, "there is no "+what+" "+quote(ref.Value), ref.Value, slices.Sorted(maps.Keys(known)))
	if what == "function" && b.opts.FunctionHint != nil {
		e.Hint = b.opts.FunctionHint(ref.Value)
	}
}

var (
	uriStart      = regexp.MustCompile(`^((?:https?|h2c)://|\$\{(stageVariables\.[A-Za-z0-9_]+|listeners\.https?)\})`)
	stageVariable = regexp.MustCompile(`\$\{stageVariables\.([A-Za-z0-9_]+)\}`)
)

// uri checks what can be known of a URI template here. That its parameters are the route's is checked where
// templates are compiled.
func (b *builder) uri(a *host.API, v val[string]) {
	if v.Value == "" {
		return
	}
	lead := uriStart.FindString(v.Value)
	rest := v.Value[len(lead):]
	authority, _, _ := strings.Cut(rest, "/")
	fixed := stageVariable.ReplaceAllString(authority, "x")
	switch {
	case lead == "":
		scheme, rest, _ := strings.Cut(v.Value, "://")
		b.add(v.place, RuleInvalidValue, "the URI "+quote(v.Value)+" must begin with http://, https:// or h2c://, ${stageVariables.x} or ${listeners.http}").
			Hint = schemeHint(targetSchemes, scheme, rest)
	case lead[0] == 'h' && fixed == "":
		b.add(v.place, RuleInvalidValue, "the URI "+quote(v.Value)+" has no host")
	case strings.ContainsFunc(rest, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '#' }):
		b.add(v.place, RuleInvalidValue, "the URI "+quote(v.Value)+" has a character that a URI to send to cannot have").Hint = "remove spaces and fragments"
	case strings.Contains(fixed, "{"):
		b.add(v.place, RuleInvalidValue, "the URI "+quote(v.Value)+" has a parameter before its path").Hint = "a client must not choose the host"
	case strings.Contains(fixed, "@"):
		b.add(v.place, RuleInvalidValue, "the URI has a user or password").Hint = "credentials do not belong into a definition"
	}
	b.stageVariables(a, v)
}

// stageVariables reports a variable that a stage of the API does not set: the route could not work there.
func (b *builder) stageVariables(a *host.API, v val[string]) {
	reported := map[string]bool{}
	for _, m := range stageVariable.FindAllStringSubmatch(v.Value, -1) {
		for _, s := range a.Stages {
			if _, ok := s.Variables[m[1]]; !ok && !reported[m[1]] {
				reported[m[1]] = true
				e := b.unknown(v.place, fmt.Sprintf("the stage %s has no variable %q", s.Name, m[1]), m[1], slices.Sorted(maps.Keys(s.Variables)))
				if hint := b.variableHint(a, s.Name, m[1]); hint != "" && len(s.Variables) == 0 {
					e.Hint = hint
				}
			}
		}
	}
}

// framing are the header fields that follow from how a response is sent, not from a definition.
var framing = []string{"connection", "content-length", "transfer-encoding", "trailer", "upgrade", "keep-alive"}

func (b *builder) mock(def *mockDef) *host.MockResponse {
	m := &host.MockResponse{Status: int(def.Status.or(200)), Body: def.Body.Value}
	for i := range def.Headers.entries {
		e := &def.Headers.entries[i]
		if slices.Contains(framing, strings.ToLower(e.Key)) {
			b.add(e.place, RuleInvalidValue, "Postern sets "+quote(e.Key)+" itself").Hint = "remove it"
		}
		m.Header.Add(e.Key, e.Value.Value)
	}
	if noBody := m.Status == 204 || m.Status == 205 || m.Status == 304; noBody && m.Body != "" {
		b.add(def.Body.place, RuleConflict, fmt.Sprintf("a response with status %d has no body", m.Status)) // RFC 9110, section 6.4.1
	}
	return m
}
