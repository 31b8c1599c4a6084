package openapi

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/mapping"
)

// A scheme is a security scheme, as far as operations need to know it.
type scheme struct {
	authorizer bool   // it became an authorizer of the API
	apiKey     bool   // API Gateway wants an API key, which does not say who calls
	missing    string // why it cannot be checked here; "" where authorizer, apiKey or passed
	passed     bool   // API Gateway does not check it either
	subject    string // of the finding
}

// securitySchemes makes authorizers of the document's schemes.
func (r *reader) securitySchemes() {
	r.authorizers = map[string]*scheme{}
	all, key := r.root.Get("securityDefinitions"), "securityDefinitions"
	if r.version != swagger2 {
		all, key = r.root.Get("components").Get("securitySchemes"), "securitySchemes"
	}
	if !r.is(all, document.Object, key) {
		return
	}
	authorizers := document.NewObject(all.Pos)
	for i := range all.Members {
		m := &all.Members[i]
		if n := r.deref(m.Value); r.is(n, document.Object, m.Key) {
			r.authorizers[m.Key] = r.scheme(m, n, authorizers)
		}
	}
	if len(authorizers.Members) > 0 {
		r.api.Set("authorizers", all.Pos, authorizers)
	}
}

func (r *reader) scheme(m *document.Member, n, authorizers *document.Node) *scheme {
	r.extensions(n, []string{"authtype", "authorizer"})
	if auth := r.deref(n.Get(extension + "authorizer")); r.is(auth, document.Object, extension+"authorizer") {
		return r.authorizer(m, n, auth, authorizers)
	}
	kind, authType := r.textOf(n, "type"), strings.ToLower(r.textOf(n, extension+"authtype"))
	switch {
	case authType == "awssigv4":
		return &scheme{subject: "IAM authorization", missing: "requests signed by AWS keys are not checked here: write an authorizer, a plugin or a function"}
	case authType == "cognito_user_pools":
		return &scheme{subject: "Cognito", missing: "tokens of user pools are not checked here: write an authorizer, a plugin or a function"}
	case authType != "" && authType != "oauth2":
		return &scheme{subject: "authorizer", missing: "the authorizer is not described by an " + extension + "authorizer"}
	case kind == "apiKey" && r.amazon && strings.EqualFold(r.textOf(n, "name"), "x-api-key"):
		return &scheme{apiKey: true}
	}
	return &scheme{passed: true, subject: kind}
}

// authorizer makes an authorizer of its description.
func (r *reader) authorizer(m *document.Member, n, auth, authorizers *document.Node) *scheme {
	kind := strings.ToLower(r.textOf(auth, "type"))
	switch kind {
	case "token", "request":
	case "cognito_user_pools":
		return &scheme{subject: "Cognito", missing: "tokens of user pools are not checked here: write an authorizer, a plugin or a function"}
	case "jwt":
		return &scheme{subject: "JWT authorizer", missing: "tokens are not checked by an issuer's keys here: write an authorizer, a plugin or a function"}
	default:
		r.wrong(auth.Pos, document.RuleInvalidValue, "the type of the authorizer "+document.Quote(m.Key)+" must be token or request, not "+document.Quote(kind), "")
		return &scheme{subject: "authorizer", missing: "its type is not known"}
	}
	out := document.NewObject(m.Pos)
	uri := auth.Get("authorizerUri")
	if !r.is(uri, document.Text, "authorizerUri") {
		if uri == nil {
			r.wrong(auth.Pos, document.RuleRequired, "the authorizer "+document.Quote(m.Key)+" has no \"authorizerUri\"", "")
		}
		return &scheme{subject: "authorizer", missing: "nothing says which function it is"}
	}
	arn, err := mapping.ParseARN(r.pseudo(uri.Text))
	switch {
	case err != nil || arn.Function == "":
		return &scheme{subject: "authorizer", missing: "authorizerUri is not the ARN of a function: " + document.Quote(uri.Text)}
	case strings.Contains(arn.Function+arn.Qualifier, "{"):
		return &scheme{subject: "authorizer", missing: "its function is named by a stage variable: write the name of the function into authorizerUri"}
	}
	r.text(out, "function", uri.Pos, r.functionRef(arn, uri.Pos))
	if auth.Get("authorizerCredentials") != nil {
		r.find(Different, auth.Member("authorizerCredentials").Pos, "credentials", "no role is assumed: the function needs none")
	}
	if missing := r.identity(out, n, auth, kind); missing != "" {
		return &scheme{subject: "authorizer", missing: missing}
	}
	if ttl := auth.Get("authorizerResultTtlInSeconds"); r.is(ttl, document.Text, "authorizerResultTtlInSeconds") {
		if seconds, err := strconv.Atoi(ttl.Text); err != nil || seconds < 0 {
			r.wrong(ttl.Pos, document.RuleInvalidValue, "authorizerResultTtlInSeconds must be a whole number of seconds, not "+document.Quote(ttl.Text), "")
		} else if seconds == 0 || out.Get("identitySources") != nil || kind == "token" && r.opts.Protocol == host.ProtocolREST {
			r.text(out, "resultTTL", ttl.Pos, ttl.Text+"s")
		}
	}
	authorizers.Set(m.Key, m.Pos, out)
	return &scheme{authorizer: true}
}

// identity sets how an authorizer learns who calls, and says why it cannot.
func (r *reader) identity(out, n, auth *document.Node, kind string) (missing string) {
	var sources []string
	at := auth.Pos
	if list := auth.Get("identitySource"); list != nil && list.Shape == document.List {
		sources, at = r.texts(list, "identitySource"), list.Pos
	} else if r.is(list, document.Text, "identitySource") {
		at = list.Pos
		for _, source := range strings.Split(list.Text, ",") {
			if source = strings.TrimSpace(source); source != "" {
				sources = append(sources, source)
			}
		}
	}
	rest := r.opts.Protocol == host.ProtocolREST
	if name := r.textOf(n, "name"); rest && kind == "token" && len(sources) == 0 && name != "" {
		sources = []string{"method.request.header." + name}
	}
	if rest {
		r.text(out, "type", at, kind)
		if v := auth.Get("identityValidationExpression"); v != nil && kind == "token" {
			r.copyText(out, auth, "identityValidationExpression", func(s string) string { return s })
		}
	} else {
		r.text(out, "payloadFormatVersion", at, r.payloadFormat(auth, "authorizerPayloadFormatVersion"))
	}
	if len(sources) == 0 {
		return ""
	}
	list := document.NewList(at)
	for _, source := range sources {
		if !identitySource.MatchString(source) {
			return "its identity source " + document.Quote(source) + " is none that Postern can read"
		}
		list.Items = append(list.Items, document.NewText(at, source))
	}
	out.Set("identitySources", at, list)
	return ""
}

// identitySource is how sources are written, of REST APIs and of HTTP APIs.
var identitySource = regexp.MustCompile(`^(method\.request\.(header|querystring)\.|\$request\.(header|querystring)\.|\$?context\.|\$?stageVariables\.)[^\s]+$`)

// payloadFormat is the format that a key asks for, which is 1.0 where a document does not say (API Gateway developer guide, "Integration payload format").
func (r *reader) payloadFormat(n *document.Node, key string) string {
	switch v := r.textOf(n, key); v {
	case "2.0", "2":
		return "2.0"
	case "", "1.0", "1":
	default:
		r.wrong(n.Get(key).Pos, document.RuleInvalidValue, key+" must be 1.0 or 2.0, not "+document.Quote(v), "")
	}
	return "1.0"
}

// maxSchemes is how many security schemes an operation may name: the document's stand for each that has none of its own.
const maxSchemes = 50

// security settles who may call an operation: its own requirements, or those of the document.
func (r *reader) security(o *operation) {
	if auth := o.node.Get(extension + "auth"); r.is(auth, document.Object, extension+"auth") {
		if kind := r.textOf(auth, "type"); strings.EqualFold(kind, "AWS_IAM") {
			r.unsupported(auth.Pos, "IAM authorization", "requests signed by AWS keys are not checked here: write an authorizer, a plugin or a function")
		}
	}
	m := o.node.Member("security")
	if m == nil {
		m = r.root.Member("security")
	}
	if m == nil || !r.is(m.Value, document.List, "security") || len(m.Value.Items) == 0 {
		return
	}
	if slices.ContainsFunc(m.Value.Items, func(n *document.Node) bool { return n.Shape == document.Object && len(n.Members) == 0 }) && !r.amazon {
		return // one of the alternatives asks for nothing
	}
	var names []string
	for _, requirement := range m.Value.Items {
		if !r.is(requirement, document.Object, "security") {
			continue
		}
		for i := range requirement.Members {
			if name := requirement.Members[i].Key; !slices.Contains(names, name) {
				if names = append(names, name); len(names) > maxSchemes {
					r.wrong(m.Value.Pos, document.RuleTooLarge, fmt.Sprintf("an operation names at most %d security schemes", maxSchemes), "")
					return
				}
				r.requirement(o, &requirement.Members[i])
			}
		}
	}
}

// requirement applies one scheme to an operation.
func (r *reader) requirement(o *operation, m *document.Member) {
	s := r.authorizers[m.Key]
	switch {
	case s == nil:
		var known []string
		for name := range r.authorizers {
			known = append(known, name)
		}
		r.wrong(m.Pos, document.RuleUnknownReference, "there is no security scheme "+document.Quote(m.Key), r.suggest(m.Key, known))
	case s.authorizer && o.route.Get("authorizer") != nil:
		r.unsupported(m.Pos, "authorizer", "an operation has one authorizer, and this one has "+document.Quote(o.route.Get("authorizer").Text)+" already")
	case s.authorizer:
		r.text(o.route, "authorizer", m.Pos, m.Key)
	case s.apiKey: // a key does not say who calls (API Gateway developer guide, "API key best practices"): without it the operation can run
		r.find(Unsupported, m.Pos, "API keys", "keys and usage plans are not checked here")
	case s.passed && r.amazon:
		r.find(Different, m.Pos, "security", "the scheme "+document.Quote(m.Key)+" is not checked, nor is it on API Gateway without an "+extension+"authorizer")
	case s.passed:
		r.find(Different, m.Pos, "security", "the scheme "+document.Quote(m.Key)+" is not checked here: what it asks for goes on to the upstream, which must check it; or write an authorizer")
	default:
		r.unsupported(m.Pos, s.subject, s.missing)
	}
	if s != nil && s.authorizer {
		r.scopes(m)
	}
}

// scopes reports scopes, which no authorizer of a function gets.
func (r *reader) scopes(m *document.Member) {
	if m.Value.Shape == document.List && len(m.Value.Items) > 0 {
		r.unsupported(m.Pos, "scopes", "scopes are checked with tokens of Cognito or an issuer, not by the authorizer "+document.Quote(m.Key))
	}
}
