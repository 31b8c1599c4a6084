package openapi

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/mapping"
)

// asREST is what helps where a document has what HTTP APIs have not.
const asREST = "import the document as a REST API (protocol: rest, --protocol rest)"

// httpOperation makes a route of an HTTP API.
func (r *reader) httpOperation(o *operation) {
	r.defaultRoute(o)
	m := o.node.Member(extension + "integration")
	switch {
	case m != nil && m.Value.Shape != document.Null:
		if n := r.deref(m.Value); r.is(n, document.Object, m.Key) {
			r.httpIntegration(o, n, m.Pos)
		}
	case o.node.Get(own).Get("integration") != nil:
	case r.amazon:
		r.unsupported(o.pos, "integration", "the operation has no "+extension+"integration: nothing could answer, and could not on API Gateway either")
	default:
		r.plainIntegration(o)
	}
	if m := o.node.Member(extension + "request-validator"); m != nil {
		r.find(Different, m.Pos, "validation", "HTTP APIs validate no requests, not on API Gateway either: if they must be, "+asREST)
	}
}

// defaultRoute holds the path and the flag of the default route to each other (API Gateway developer guide, "x-amazon-apigateway-any-method object").
func (r *reader) defaultRoute(o *operation) {
	isDefault := o.path == defaultPath
	if flag := o.node.Get("isDefaultRoute"); r.is(flag, document.Bool, "isDefaultRoute") && flag.Scalar == true && !isDefault {
		r.unsupported(flag.Pos, "default route", "isDefaultRoute is true, but the default route is that of the path "+defaultPath+": write it as the path")
	}
	if isDefault && o.method != "ANY" {
		r.unsupported(o.pos, "default route", "the default route takes every method: write "+anyMethod+" below "+defaultPath)
	}
}

// httpIntegration makes the integration of a route of an HTTP API, with what it maps of responses.
func (r *reader) httpIntegration(o *operation, n *document.Node, pos host.Position) {
	kind, ok := r.integrationType(n)
	switch uri := n.Member("uri"); {
	case !ok:
		return
	case !strings.HasSuffix(kind, "_PROXY"):
		r.unsupported(n.Get("type").Pos, "integration", "HTTP APIs have no integrations of type "+kind+", not on API Gateway either: "+asREST)
		return
	case kind == "HTTP_PROXY" && uri != nil && strings.HasPrefix(uri.Value.Text, "arn:"):
		r.unsupported(uri.Pos, "VPC link", "the URI is the ARN of a listener or a service, which API Gateway alone can reach: write the address that it has from here, http://… or https://…")
		return
	}
	r.integrationExtras(n)
	r.onlyREST(n)
	integration := document.NewObject(pos)
	if subtype := n.Member("integrationSubtype"); subtype != nil && r.is(subtype.Value, document.Text, subtype.Key) {
		r.text(integration, "type", n.Get("type").Pos, kind)
		r.text(integration, "subtype", subtype.Pos, subtype.Value.Text)
		if uri := n.Member("uri"); uri != nil {
			integration.Set("uri", uri.Pos, uri.Value) // the definition says that one of them is too many
		}
		r.serviceRegion(n.Get("requestParameters"))
	} else {
		r.target(integration, n, n.Get("type"), kind)
		if kind == "AWS_PROXY" {
			r.text(integration, "payloadFormatVersion", pos, r.payloadFormat(n, "payloadFormatVersion"))
		}
	}
	r.timeout(integration, n)
	r.httpParameters(integration, n)
	r.httpTLS(n)
	o.route.Set("integration", pos, integration)
	if rules := r.httpResponses(n); len(rules.Items) > 0 {
		o.route.Set("responses", rules.Pos, rules)
	}
}

// onlyREST reports what integrations of REST APIs have, and what API Gateway passes over in an HTTP API.
func (r *reader) onlyREST(n *document.Node) {
	for _, m := range n.Members {
		dropped := false
		switch m.Key {
		case "requestTemplates":
			dropped = len(m.Value.Members) > 0
		case "contentHandling":
			dropped = m.Value.Shape != document.Null
		case "responseTransferMode":
			dropped = m.Value.Text == "STREAM"
		case "responses":
			dropped = anywhere(m.Value, func(m *document.Member, _ *document.Node) bool {
				return m.Key == "responseTemplates" || strings.HasPrefix(m.Key, "method.response.")
			})
		}
		if dropped {
			r.find(Different, m.Pos, m.Key, "it means nothing in an HTTP API, not on API Gateway either: if it must work, "+asREST)
		}
	}
}

// httpParameters sets what is mapped of requests, and the parameters of a subtype.
func (r *reader) httpParameters(integration, n *document.Node) {
	parameters := n.Get("requestParameters")
	if parameters == nil {
		return
	}
	for _, m := range parameters.Members {
		if strings.HasPrefix(m.Key, "integration.request.") {
			r.unsupported(m.Pos, "parameters", document.Quote(m.Key)+" is how REST APIs write it: "+asREST)
			return
		}
	}
	r.texted(integration, "parameters", n, "requestParameters")
}

// serviceRegion notes the region of a service that is called by a subtype, as far as its parameters say.
func (r *reader) serviceRegion(parameters *document.Node) {
	if r.region != "" {
		return
	}
	r.region = cmp.Or(r.opts.Region, "us-east-1")
	if parameters == nil {
		return
	}
	for _, m := range parameters.Members {
		for _, part := range strings.FieldsFunc(m.Value.Text, func(c rune) bool { return strings.ContainsRune(":/.", c) }) {
			if mapping.IsRegion(part) {
				r.region = part
				return
			}
		}
	}
}

// httpTLS says what becomes of what a document asks of certificates.
func (r *reader) httpTLS(n *document.Node) {
	tls := n.Get("tlsConfig")
	if !r.is(tls, document.Object, "tlsConfig") {
		return
	}
	for _, m := range tls.Members {
		switch m.Key {
		case "serverNameToVerify":
			uri, err := url.Parse(r.textOf(n, "uri"))
			if err == nil && strings.EqualFold(uri.Hostname(), m.Value.Text) {
				continue // which is what is verified
			}
			r.unsupported(m.Pos, "TLS", "the certificate has another name than the host of the URI: define an upstream with tls: {serverName: …}, and beside the document a route to it")
		case "insecureSkipVerification":
			if m.Value.Scalar != false {
				r.unsupported(m.Pos, "TLS", "in HTTP APIs certificates are always verified: "+asREST)
			}
		default:
			r.unsupported(m.Pos, m.Key, "this key of tlsConfig is not known here"+hint(document.Nearest(m.Key, []string{"serverNameToVerify"})))
		}
	}
}

// httpResponses makes a rule of what is mapped of the responses of each status: {"200": {"overwrite:header.x": "…"}}. It takes the forms too that
// stand in templates of CloudFormation, and those that wrap the mappings as integrations of REST APIs do.
func (r *reader) httpResponses(n *document.Node) *document.Node {
	rules := document.NewList(n.Pos)
	for _, key := range []string{"responseParameters", "responses"} {
		statuses := n.Get(key)
		if !r.is(statuses, document.Object, key) {
			continue
		}
		rules.Pos = statuses.Pos
		for i := range statuses.Members {
			m := &statuses.Members[i]
			mapped := wrapped(r.deref(m.Value))
			if key == "responses" && !isMapped(mapped) {
				continue // onlyREST has told of what it drops
			}
			if parameters := r.mappings(mapped); len(parameters.Members) > 0 {
				rule := document.NewObject(m.Pos)
				r.text(rule, "match", m.Pos, m.Key)
				rule.Set("parameters", m.Pos, parameters)
				rules.Items = append(rules.Items, rule)
			}
		}
	}
	return rules
}

// wrapped takes mappings out of the object that they may be wrapped in.
func wrapped(n *document.Node) *document.Node {
	for _, key := range []string{"responseParameters", "ResponseParameters"} {
		if inner := n.Get(key); inner != nil {
			return inner
		}
	}
	return n
}

// isMapped reports whether these are mappings of an HTTP API.
func isMapped(n *document.Node) bool {
	return n != nil && slices.ContainsFunc(n.Members, func(m document.Member) bool {
		operation, _, ok := strings.Cut(m.Key, ":")
		return ok && slices.Contains([]string{"append", "overwrite", "remove"}, operation)
	})
}

// mappings are those of one status: an object of sources by target, or a list of pairs.
func (r *reader) mappings(n *document.Node) *document.Node {
	if n == nil {
		return document.NewObject(host.Position{})
	}
	all := document.NewObject(n.Pos)
	add := func(pos host.Position, target string, source *document.Node) {
		if r.is(source, document.Text, target) {
			r.text(all, target, pos, source.Text)
		}
	}
	if n.Shape != document.List {
		if r.is(n, document.Object, "responseParameters") {
			for _, m := range n.Members {
				add(m.Pos, m.Key, m.Value)
			}
		}
		return all
	}
	for _, pair := range n.Items {
		if !r.is(pair, document.Object, "responseParameters") {
			continue
		}
		target, source := either(pair, "Destination", "destination"), either(pair, "Source", "source")
		if target == nil || source == nil {
			r.wrong(pair.Pos, document.RuleRequired, "a mapping has a destination and a source", "")
		} else if r.is(target, document.Text, "destination") {
			add(target.Pos, target.Text, source)
		}
	}
	return all
}

func either(n *document.Node, keys ...string) *document.Node {
	for _, key := range keys {
		if v := n.Get(key); v != nil {
			return v
		}
	}
	return nil
}

// restOnly is what documents of REST APIs have at the top, and what HTTP APIs do instead.
var restOnly = []struct{ key, subject, instead string }{
	{"gateway-responses", "gateway responses", "the gateway's own answers are those of HTTP APIs"},
	{"request-validators", "validation", "no request is validated"},
	{"request-validator", "validation", "no request is validated"},
	{"binary-media-types", "binary media types", "bodies reach functions as text where they are text, and encoded where not"},
	{"minimum-compression-size", "compression", "responses are not compressed here"},
	{"api-key-source", "API keys", "there are none"},
}

// httpSettings makes what belongs to an HTTP API as a whole.
func (r *reader) httpSettings() {
	if m := r.root.Member(extension + "cors"); m != nil && r.is(m.Value, document.Object, m.Key) {
		r.api.Set("cors", m.Pos, r.cors(m.Value))
	}
	for _, o := range restOnly {
		if m := r.root.Member(extension + o.key); m != nil && m.Value.Shape != document.Null {
			r.find(Different, m.Pos, o.subject, extension+o.key+" means nothing in an HTTP API, not on API Gateway either: "+o.instead+". If it must work, "+asREST)
		}
	}
	if servers := r.root.Get("servers"); servers != nil {
		for _, s := range servers.Items {
			if off := s.Get(extension + "endpoint-configuration").Member("disableExecuteApiEndpoint"); off != nil && off.Value.Scalar == true {
				r.find(Different, off.Pos, "default endpoint", "the API answers below its own host until defaultEndpoint: false stands beside it, with a domain that leads to it")
			}
		}
	}
}

// cors makes the settings of cross-origin resource sharing.
func (r *reader) cors(n *document.Node) *document.Node {
	cors := document.NewObject(n.Pos)
	credentials := n.Get("allowCredentials")
	withCredentials := r.is(credentials, document.Bool, "allowCredentials") && credentials.Scalar == true
	for _, m := range n.Members {
		switch m.Key {
		case "allowOrigins", "allowMethods", "allowHeaders", "exposeHeaders":
			if r.is(m.Value, document.List, m.Key) {
				cors.Set(m.Key, m.Pos, r.corsList(&m, withCredentials))
			}
		case "allowCredentials":
			if withCredentials {
				cors.Set(m.Key, m.Pos, m.Value)
			}
		case "maxAge":
			r.maxAge(cors, &m)
		default:
			if !strings.HasPrefix(m.Key, "x-") {
				known := []string{"allowOrigins", "allowMethods", "allowHeaders", "exposeHeaders", "maxAge", "allowCredentials"}
				r.find(Unsupported, m.Pos, "CORS", document.Quote(m.Key)+" is not known here"+hint(document.Nearest(m.Key, known)))
			}
		}
	}
	return cors
}

// corsList returns a list without the wildcards that are none beside credentials (Fetch standard, section 3.2.5): browsers look for a field or a method
// of that name. As an origin, API Gateway does not take it either.
func (r *reader) corsList(m *document.Member, withCredentials bool) *document.Node {
	list := document.NewList(m.Value.Pos)
	for _, item := range m.Value.Items {
		if !r.is(item, document.Text, m.Key) {
			continue
		}
		text := item.Text
		if withCredentials && text == "*" && m.Key != "allowOrigins" {
			r.find(Different, item.Pos, "CORS", "with allowCredentials browsers do not take * in "+m.Key+" for a wildcard, and it is left out: list what is meant")
			continue
		}
		if m.Key == "allowMethods" {
			text = strings.ToUpper(text)
		}
		list.Items = append(list.Items, document.NewText(item.Pos, text))
	}
	return list
}

// maxAge is written in seconds; -1 keeps browsers from keeping anything.
func (r *reader) maxAge(cors *document.Node, m *document.Member) {
	if !r.is(m.Value, document.Text, m.Key) {
		return
	}
	seconds, err := strconv.Atoi(m.Value.Text)
	switch {
	case err != nil || seconds < -1 || seconds > 86400:
		r.wrong(m.Value.Pos, document.RuleInvalidValue, "maxAge must be a whole number of seconds up to 86400, not "+document.Quote(m.Value.Text), "")
	case seconds < 0:
		r.find(Different, m.Pos, "CORS", "maxAge -1 is not sent: browsers keep the answer to a preflight for the few seconds that they keep it without")
	default:
		r.text(cors, m.Key, m.Pos, strconv.Itoa(seconds)+"s")
	}
}
