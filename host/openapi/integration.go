package openapi

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/mapping"
)

// integrationKeys are those of x-amazon-apigateway-integration (reference 1.15).
var integrationKeys = []string{
	"type", "uri", "httpMethod", "passthroughBehavior", "contentHandling", "requestParameters", "requestTemplates", "responses", "timeoutInMillis", "tlsConfig",
	"cacheKeyParameters", "cacheNamespace", "connectionType", "connectionId", "credentials", "payloadFormatVersion", "integrationSubtype", "integrationTarget",
	"responseTransferMode", "responseParameters", "description",
}

// integrationTypes are the types, in the words of a definition.
var integrationTypes = []string{"HTTP", "HTTP_PROXY", "AWS", "AWS_PROXY", "MOCK"}

// restIntegration makes the integration of a route of a REST API, with its templates and responses.
func (r *reader) restIntegration(o *operation, n *document.Node, pos host.Position) {
	r.integrationExtras(n)
	kind, ok := r.integrationType(n)
	if !ok {
		return
	}
	at := n.Get("type")
	for _, m := range []string{"payloadFormatVersion", "integrationSubtype"} {
		if v := n.Member(m); v != nil && v.Value.Text != "1.0" {
			r.unsupported(v.Pos, m, document.Quote(v.Value.Text)+" is of HTTP APIs: import the document as one (protocol: http, --protocol http)")
		}
	}
	integration := document.NewObject(pos)
	proxy := strings.HasSuffix(kind, "_PROXY")
	r.target(integration, n, at, kind)
	r.copyText(integration, n, "passthroughBehavior", strings.ToUpper)
	r.copyText(integration, n, "contentHandling", strings.ToUpper)
	r.timeout(integration, n)
	r.texted(integration, "parameters", n, "requestParameters")
	if tls := n.Get("tlsConfig"); r.is(tls, document.Object, "tlsConfig") {
		integration.Set("tlsConfig", tls.Pos, tls)
	}
	o.route.Set("integration", pos, integration)
	if mode := r.textOf(n, "responseTransferMode"); mode == "STREAM" {
		o.route.Set("streaming", n.Pos, document.NewBool(n.Pos, true))
	}
	if proxy {
		r.proxied(o, n, kind)
		return
	}
	if templates := n.Get("requestTemplates"); r.is(templates, document.Object, "requestTemplates") && len(templates.Members) > 0 {
		request := document.NewObject(templates.Pos)
		request.Set("mapping", templates.Pos, r.templates(templates))
		o.route.Set("request", templates.Pos, request)
	}
	o.route.Set("responses", n.Pos, r.responses(n))
}

// integrationType returns the type of an integration in the words of a definition; where there is none, that is an error.
func (r *reader) integrationType(n *document.Node) (kind string, ok bool) {
	at := n.Get("type")
	if at == nil {
		r.wrong(n.Pos, document.RuleRequired, "the integration has no \"type\"", "add type: aws_proxy, for example")
		return "", false
	}
	kind = strings.ToUpper(at.Text)
	if !slices.Contains(integrationTypes, kind) {
		r.wrong(at.Pos, document.RuleInvalidValue, document.Quote(at.Text)+" is no type of an integration", document.Suggest(kind, integrationTypes))
		return "", false
	}
	return kind, true
}

// target sets where requests go: a function by its name where an ARN has one, and the long form otherwise.
func (r *reader) target(integration, n, at *document.Node, kind string) {
	uri := n.Get("uri")
	if uri == nil {
		uri = n.Get("integrationTarget")
	}
	var arn mapping.ARN
	if r.is(uri, document.Text, "uri") {
		uri = document.NewText(uri.Pos, r.pseudo(uri.Text))
		arn, _ = mapping.ParseARN(uri.Text) // what is wrong with it is told in the definition
	}
	if kind == "AWS_PROXY" && arn.Function != "" && !strings.Contains(arn.Function+arn.Qualifier, "{") {
		r.text(integration, "function", uri.Pos, r.functionRef(arn, uri.Pos))
		return
	}
	if arn.Function != "" && !strings.Contains(arn.Function, "{") && r.opts.Unqualified && arn.Qualifier != "" {
		uri.Text = strings.Replace(uri.Text, arn.Function+":"+arn.Qualifier, r.functionRef(arn, uri.Pos), 1)
		uri.Scalar = uri.Text
	}
	if arn.Service != nil && r.region == "" {
		r.region = arn.Service.Region
	}
	r.text(integration, "type", at.Pos, kind)
	if uri != nil && kind != "MOCK" {
		integration.Set("uri", uri.Pos, uri)
	}
	if method := r.textOf(n, "httpMethod"); method != "" && kind != "MOCK" {
		r.text(integration, "method", n.Get("httpMethod").Pos, strings.TrimPrefix(strings.ToUpper(method), "X-AMAZON-APIGATEWAY-")) // x-amazon-apigateway-any-method stands for ANY in some exports
	}
	if v := integration.Get("method"); v != nil && v.Text == "ANY-METHOD" {
		r.text(integration, "method", v.Pos, "ANY")
	}
}

// functionRef is name, or name@qualifier.
func (r *reader) functionRef(arn mapping.ARN, pos host.Position) string {
	switch {
	case arn.Qualifier == "", arn.Qualifier == "$LATEST":
		return arn.Function
	case r.opts.Unqualified:
		r.find(Different, pos, "qualifier", "only a host knows versions and aliases: "+arn.Function+" answers as it is, without "+document.Quote(arn.Qualifier))
		return arn.Function
	}
	return arn.Function + "@" + arn.Qualifier
}

var pseudoParameter = regexp.MustCompile(`\$\{AWS::(Region|AccountId|Partition)\}`)

// pseudo replaces the pseudo parameters that API Gateway replaces on import.
func (r *reader) pseudo(text string) string {
	values := map[string]string{"Region": "us-east-1", "AccountId": "000000000000", "Partition": "aws"}
	for name, value := range map[string]string{"Region": r.opts.Region, "AccountId": r.opts.AccountID, "Partition": r.opts.Partition} {
		if value != "" {
			values[name] = value
		}
	}
	return pseudoParameter.ReplaceAllStringFunc(text, func(m string) string { return values[pseudoParameter.FindStringSubmatch(m)[1]] })
}

// integrationExtras says of the keys of an integration what becomes of those that no definition has.
func (r *reader) integrationExtras(n *document.Node) {
	for _, m := range n.Members {
		switch {
		case m.Key == "cacheKeyParameters" && len(m.Value.Items) > 0:
			r.find(Different, m.Pos, "caching", "responses are not cached: each request goes to the integration")
		case m.Key == "credentials" && strings.Contains(m.Value.Text, ":user/"):
			r.unsupported(m.Pos, "IAM authorization", "the integration is called as the caller, who has no identity of AWS here")
		case m.Key == "credentials" && m.Value.Shape != document.Null:
			r.find(Different, m.Pos, "credentials", "no role is assumed: services are called with the keys of the top level's aws, and functions need none")
		case m.Key == "connectionType" && strings.EqualFold(m.Value.Text, "VPC_LINK"):
			r.find(Different, m.Pos, "VPC link", "there is none: the URI is called from where this host runs")
		case !slices.Contains(integrationKeys, m.Key) && !strings.HasPrefix(m.Key, "x-"):
			r.unsupported(m.Pos, m.Key, "this key of an integration is not known here"+hint(document.Nearest(m.Key, integrationKeys)))
		}
	}
}

// proxied keeps of a proxy's responses what proxies do with them.
func (r *reader) proxied(o *operation, n *document.Node, kind string) {
	if templates := n.Member("requestTemplates"); templates != nil && len(templates.Value.Members) > 0 {
		r.find(Supported, templates.Pos, "templates", "a proxy passes bodies on as they are, on API Gateway too: requestTemplates mean nothing")
	}
	responses := n.Get("responses")
	if kind != "HTTP_PROXY" || !r.is(responses, document.Object, "responses") {
		return
	}
	rules := r.responses(n)
	rules.Items = slices.DeleteFunc(rules.Items, func(rule *document.Node) bool { return rule.Get("parameters") == nil })
	for _, rule := range rules.Items {
		rule.Members = slices.DeleteFunc(rule.Members, func(m document.Member) bool {
			return m.Key == "status" || m.Key == "mapping" || m.Key == "contentHandling"
		})
	}
	if len(rules.Items) > 0 {
		o.route.Set("responses", responses.Pos, rules)
	}
}

// responses makes rules of responses: the pattern default comes last, since it stands for all others.
func (r *reader) responses(n *document.Node) *document.Node {
	list := document.NewList(n.Pos)
	responses := n.Get("responses")
	if !r.is(responses, document.Object, "responses") {
		return list
	}
	list.Pos = responses.Pos
	var others []*document.Node
	for _, m := range responses.Members {
		from := r.deref(m.Value)
		if !r.is(from, document.Object, m.Key) {
			continue
		}
		rule := document.NewObject(m.Pos)
		if m.Key != "default" && m.Key != "" {
			r.text(rule, "match", m.Pos, m.Key)
		}
		r.status(rule, "status", from)
		r.texted(rule, "parameters", from, "responseParameters")
		r.copyText(rule, from, "contentHandling", strings.ToUpper)
		if templates := from.Get("responseTemplates"); r.is(templates, document.Object, "responseTemplates") && len(templates.Members) > 0 {
			rule.Set("mapping", templates.Pos, r.templates(templates))
		}
		if rule.Get("match") == nil {
			others = append(others, rule)
		} else {
			list.Items = append(list.Items, rule)
		}
	}
	list.Items = append(list.Items, others...)
	return list
}

// status sets a status, which is written as text or as a number.
func (r *reader) status(into *document.Node, key string, from *document.Node) {
	m := from.Member("statusCode")
	if m == nil || !r.is(m.Value, document.Text, "statusCode") {
		return
	}
	status, err := strconv.Atoi(m.Value.Text)
	if err != nil {
		r.wrong(m.Value.Pos, document.RuleInvalidValue, document.Quote(m.Value.Text)+" is no status", "write three digits, such as 200")
		return
	}
	into.Set(key, m.Pos, document.NewInteger(m.Value.Pos, int64(status)))
}

// passes is a template that passes the body on.
const passes = "$input.body"

// templates makes mappings of templates by media type. One that is empty or null is how exports write that the body is passed on (reference 1.4.3:
// "empty template ... to disable").
func (r *reader) templates(n *document.Node) *document.Node {
	all := document.NewObject(n.Pos)
	for _, m := range n.Members {
		if m.Value.Shape == document.Null || r.is(m.Value, document.Text, m.Key) {
			text := m.Value.Text
			if text == "" || m.Value.Shape == document.Null {
				text = passes
			}
			template := document.NewObject(m.Pos)
			template.Set("template", m.Pos, document.NewText(m.Value.Pos, text))
			all.Set(m.Key, m.Pos, template)
		}
	}
	return all
}

// texted sets what from has at its key, an object of texts, if it has something; numbers, true and false become text.
func (r *reader) texted(into *document.Node, key string, from *document.Node, fromKey string) {
	n := from.Get(fromKey)
	if !r.is(n, document.Object, fromKey) || len(n.Members) == 0 {
		return
	}
	all := document.NewObject(n.Pos)
	for _, m := range n.Members {
		if r.is(m.Value, document.Text, m.Key) { // Set would look through all of them, for each
			all.Members = append(all.Members, document.Member{Key: m.Key, Pos: m.Pos, Value: document.NewText(m.Value.Pos, m.Value.Text)})
		}
	}
	into.Set(key, n.Pos, all)
}

func (r *reader) copyText(into, from *document.Node, key string, change func(string) string) {
	if m := from.Member(key); m != nil && r.is(m.Value, document.Text, key) {
		into.Set(key, m.Pos, document.NewText(m.Value.Pos, change(m.Value.Text)))
	}
}

// timeout sets the timeout, which is written in milliseconds.
func (r *reader) timeout(into, from *document.Node) {
	m := from.Member("timeoutInMillis")
	if m == nil || !r.is(m.Value, document.Text, m.Key) {
		return
	}
	ms, err := strconv.Atoi(m.Value.Text)
	if err != nil || ms <= 0 {
		r.wrong(m.Value.Pos, document.RuleInvalidValue, "timeoutInMillis must be a whole number of milliseconds, not "+document.Quote(m.Value.Text), "")
		return
	}
	r.text(into, "timeout", m.Pos, strconv.Itoa(ms)+"ms")
}
