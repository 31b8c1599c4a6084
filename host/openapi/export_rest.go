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

// restIntegration writes the integration of a route of a REST API, or returns nil where API Gateway has none like it.
func (e *exporter) restIntegration(r *exportedRoute) *document.Node {
	from := r.node.Get("integration")
	n := document.NewObject(r.pos)
	mapped := r.node.Get("request").Get("mapping") != nil || r.node.Get("responses") != nil
	kind := strings.ToUpper(textOf(from, "type"))
	proxy := !mapped
	if kind != "" {
		proxy = strings.HasSuffix(kind, "_PROXY")
	}
	suffix := ""
	if proxy {
		suffix = "_proxy"
	}
	switch {
	case from.Get("mock") != nil:
		return e.staticMock(r, from.Member("mock"), mapped)
	case from.Get("upstream") != nil:
		e.find(Unsupported, from.Member("upstream").Pos, "integration", "API Gateway has no upstreams: it cannot serve the operation until it has an integration with a URI")
		return nil
	case from.Get("function") != nil:
		e.function(n, from.Member("function"), "aws"+suffix, r)
	case from.Get("http") != nil:
		e.uri(n, from.Member("http"), "http"+suffix)
		text(n, "httpMethod", r.pos, httpMethod(from))
	case kind == "MOCK":
		text(n, "type", from.Member("type").Pos, "mock")
	case strings.HasPrefix(kind, "AWS"):
		e.aws(n, from, kind, r)
	case strings.HasPrefix(kind, "HTTP"):
		e.uri(n, from.Member("uri"), strings.ToLower(kind))
		text(n, "httpMethod", r.pos, httpMethod(from))
	}
	e.integrationSettings(n, from)
	if !proxy {
		e.templates(n, "requestTemplates", r.node.Get("request").Member("mapping"))
	}
	if !proxy || mapped {
		e.restRules(n, r, proxy)
	}
	return n
}

func textOf(n *document.Node, key string) string {
	if v := n.Get(key); v != nil {
		return v.Text
	}
	return ""
}

// httpMethod is the method that is sent; ANY is the client's.
func httpMethod(from *document.Node) string {
	for _, key := range []string{"method", "httpMethod"} {
		if m := textOf(from, key); m != "" {
			return m
		}
	}
	return "ANY"
}

// function writes a call of a function by its name. API Gateway calls functions by POST.
func (e *exporter) function(n *document.Node, ref *document.Member, kind string, r *exportedRoute) {
	text(n, "type", ref.Pos, kind)
	streaming := e.protocol == host.ProtocolREST && kind == "aws_proxy" && isTrue(r.node.Get("streaming"))
	text(n, "uri", ref.Pos, e.invocationARN(ref.Value.Text, streaming))
	text(n, "httpMethod", ref.Pos, "POST")
	if streaming {
		text(n, "responseTransferMode", ref.Pos, "STREAM")
	}
}

func isTrue(n *document.Node) bool { return n != nil && n.Scalar == true }

// aws writes a function or a service by its ARN.
func (e *exporter) aws(n, from *document.Node, kind string, r *exportedRoute) {
	uri := from.Member("uri")
	if uri == nil {
		return // no definition has that
	}
	text(n, "type", r.pos, strings.ToLower(kind))
	text(n, "uri", uri.Pos, uri.Value.Text)
	method := httpMethod(from)
	if arn, err := mapping.ParseARN(uri.Value.Text); err == nil && arn.Service == nil {
		method = "POST"
	} else if e.protocol == host.ProtocolREST {
		e.find(Different, uri.Pos, "credentials", "API Gateway calls a service in the name of an IAM role: add credentials with the ARN of one to the integration")
	}
	text(n, "httpMethod", uri.Pos, method)
}

// uri writes where requests go that leave AWS.
func (e *exporter) uri(n *document.Node, uri *document.Member, kind string) {
	if uri == nil {
		return
	}
	text(n, "type", uri.Pos, kind)
	n.Set("uri", uri.Pos, uri.Value)
	if !strings.HasPrefix(uri.Value.Text, "http://") && !strings.HasPrefix(uri.Value.Text, "https://") {
		e.find(Unsupported, uri.Value.Pos, "URI", "API Gateway wants a URI that begins with http:// or https://, also where a stage variable follows")
	}
}

// The longest time that an integration may take (API Gateway developer guide, "Quotas"), in milliseconds.
const (
	maxRESTTimeout = 29000
	maxHTTPTimeout = 30000
)

// integrationSettings writes what integrations of every type have.
func (e *exporter) integrationSettings(n, from *document.Node) {
	for _, m := range from.Members {
		switch m.Key {
		case "passthroughBehavior":
			text(n, m.Key, m.Pos, strings.ToLower(m.Value.Text))
		case "contentHandling", "tlsConfig":
			n.Set(m.Key, m.Pos, m.Value)
		case "parameters":
			n.Set("requestParameters", m.Pos, m.Value)
		case "timeout":
			e.timeout(n, &m)
		}
	}
}

func (e *exporter) timeout(n *document.Node, from *document.Member) {
	d, ok := durationOf(from.Value)
	if !ok || d%1e6 != 0 {
		return
	}
	most := int64(maxRESTTimeout)
	if e.protocol == host.ProtocolHTTP {
		most = maxHTTPTimeout
	}
	if ms := d / 1e6; ms < 50 || ms > most {
		e.find(Different, from.Pos, "timeout", "API Gateway takes 50 to "+strconv.FormatInt(most, 10)+" ms, unless a quota was raised")
	}
	n.Set("timeoutInMillis", from.Pos, document.NewInteger(from.Value.Pos, d/1e6))
}

// templates writes the templates of a mapping; API Gateway has no plugins.
func (e *exporter) templates(n *document.Node, key string, from *document.Member) {
	if from == nil {
		return
	}
	all := document.NewObject(from.Pos)
	for _, m := range from.Value.Members {
		if t := m.Value.Member("template"); t != nil {
			all.Set(m.Key, m.Pos, t.Value)
		} else {
			e.find(Unsupported, m.Pos, "mapping", "the mapping of "+m.Key+" is a plugin, and API Gateway passes such bodies on as they are: write a template, or call a function")
		}
	}
	if len(all.Members) > 0 {
		n.Set(key, from.Pos, all)
	}
}

// restRules writes what becomes of responses, and notes what they answer.
func (e *exporter) restRules(n *document.Node, r *exportedRoute, proxy bool) {
	from := r.node.Member("responses")
	responses := document.NewObject(r.pos)
	n.Set("responses", r.pos, responses)
	if from == nil {
		return
	}
	for _, rule := range from.Value.Items {
		pattern := textOf(rule, "match")
		if pattern == "" {
			pattern = "default"
		}
		if responses.Get(pattern) != nil {
			continue // the first of a pattern is chosen
		}
		to := document.NewObject(rule.Pos)
		status := textOf(rule, "status")
		if status == "" {
			status = "200"
			if literalStatus.MatchString(pattern) && !callsFunction(n) {
				status = pattern
			} else if !proxy && !callsFunction(n) {
				e.find(Different, rule.Pos, "status", "API Gateway answers 200 where a response has no status, and not that of the integration")
			}
		}
		text(to, "statusCode", rule.Pos, status)
		for _, m := range rule.Members {
			switch m.Key {
			case "contentHandling":
				to.Set(m.Key, m.Pos, m.Value)
			case "parameters":
				to.Set("responseParameters", m.Pos, m.Value)
				r.declare(status, m.Value)
			case "mapping":
				e.templates(to, "responseTemplates", &m)
			}
		}
		r.declare(status, nil)
		responses.Set(pattern, rule.Pos, to)
	}
	slices.SortStableFunc(responses.Members, func(a, b document.Member) int { // as it is tried last
		return strings.Compare(strconv.FormatBool(a.Key == "default"), strconv.FormatBool(b.Key == "default"))
	})
	slices.Sort(r.statuses)
}

// declare notes a status and the header fields that are set in it.
func (r *exportedRoute) declare(status string, parameters *document.Node) {
	if r.headers == nil {
		r.headers = map[string][]string{}
	}
	if !slices.Contains(r.statuses, status) {
		r.statuses = append(r.statuses, status)
	}
	if parameters == nil {
		return
	}
	for _, m := range parameters.Members {
		name, ok := strings.CutPrefix(m.Key, "method.response.header.")
		if ok && !slices.ContainsFunc(r.headers[status], func(h string) bool { return strings.EqualFold(h, name) }) {
			r.headers[status] = append(r.headers[status], name)
		}
	}
}

// callsFunction reports whether an integration of a document is a function's.
func callsFunction(n *document.Node) bool {
	arn, err := mapping.ParseARN(textOf(n, "uri"))
	return err == nil && arn.Service == nil
}

// staticMock writes a fixed answer as a mock of API Gateway. What else stands beside it, no mock of API Gateway does.
func (e *exporter) staticMock(r *exportedRoute, from *document.Member, mapped bool) *document.Node {
	body := textOf(from.Value, "body")
	if mapped {
		e.find(Unsupported, from.Pos, "integration", "API Gateway has no mocks that are mapped: write type: MOCK, with a request mapping that says the status")
		return nil
	}
	status := "200"
	if s := textOf(from.Value, "status"); s != "" {
		status = s
	}
	parameters, mediaType := document.NewObject(from.Pos), "application/json"
	if headers := from.Value.Get("headers"); headers != nil {
		for _, h := range headers.Members {
			if strings.EqualFold(h.Key, "content-type") {
				mediaType, _, _ = strings.Cut(h.Value.Text, ";")
			}
			text(parameters, "method.response.header."+h.Key, h.Pos, "'"+h.Value.Text+"'")
		}
	}
	request, templates := document.NewObject(from.Pos), document.NewObject(from.Pos)
	text(request, "application/json", from.Pos, `{"statusCode": `+status+`}`)
	text(templates, strings.TrimSpace(mediaType), from.Pos, literalTemplate(body))
	response, responses := document.NewObject(from.Pos), document.NewObject(from.Pos)
	text(response, "statusCode", from.Pos, status)
	if len(parameters.Members) > 0 {
		response.Set("responseParameters", from.Pos, parameters)
	}
	response.Set("responseTemplates", from.Pos, templates)
	responses.Set("default", from.Pos, response)
	r.declare(status, parameters)
	n := document.NewObject(from.Pos)
	text(n, "type", from.Pos, "mock")
	text(n, "passthroughBehavior", from.Pos, "when_no_match")
	n.Set("requestTemplates", from.Pos, request)
	n.Set("responses", from.Pos, responses)
	return n
}

var velocitySign = regexp.MustCompile(`[$#\\]`)

// literalTemplate is a template whose output is the text.
func literalTemplate(body string) string {
	if !velocitySign.MatchString(body) {
		return body
	}
	parts := strings.Split(body, "]]#") // which ends what is not evaluated
	for i := range parts {
		parts[i] = "#[[" + parts[i] + "]]#"
	}
	return strings.Join(parts, "]]$util.urlDecode('%23')")
}
