package openapi

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// ExportOptions say how a document is written.
type ExportOptions struct {
	Name    string // of the API: info.title
	Version string // of OpenAPI: "3.0", the default, "3.1" or "2.0"

	// Text returns the text of a template or model that the API refers to by its path, as it is written there. nil refuses such references.
	Text func(ref string) ([]byte, error)

	// Region and AccountID stand in the ARNs of functions. The defaults are us-east-1 and 000000000000.
	Region, AccountID string
}

// Export writes one API of a definition as an OpenAPI document with API Gateway's extensions. api is the node that stands at apis.NAME, without
// a document that it is made of. The document holds all of it: Read makes the same API of it again, where code that is a plugin lies where it lay.
// What API Gateway has no word for stands below x-postern, and the report, whose places are the definition's, says what API Gateway makes of it.
//
// What goes below x-postern is found out by reading what was written: it is what is missing then. The error is document.Errors: a file that
// cannot be read, or an API that no definition could have.
func Export(api *document.Node, opts ExportOptions) (*document.Node, *Report, error) {
	e := &exporter{opts: opts, report: &Report{API: opts.Name}, protocol: host.ProtocolHTTP}
	e.opts.Region, e.opts.AccountID = cmp.Or(opts.Region, "us-east-1"), cmp.Or(opts.AccountID, "000000000000")
	if p := api.Get("protocol"); p != nil {
		e.protocol = host.Protocol(p.Text)
	}
	if err := e.recognize(api); err != nil {
		return nil, nil, err
	}
	e.api = e.whole(api)
	e.document()
	if len(e.errs) == 0 {
		e.complete()
	}
	if len(e.errs) > 0 {
		return nil, nil, e.errs
	}
	return e.root, e.report, nil
}

// An exporter writes one document.
type exporter struct {
	opts     ExportOptions
	version  version
	protocol host.Protocol
	api      *document.Node // with the texts of its files in it
	root     *document.Node
	report   *Report
	op       *Operation                // whose findings are found; nil for the API's
	routes   map[string]*document.Node // operations by route key
	hoisted  map[string]string         // names of definitions within models, by "MODEL/definitions/NAME"
	usable   map[string]bool           // operations with an integration that API Gateway has, by route key
	errs     document.Errors
}

// recognize settles the version, and refuses what is no HTTP or REST API.
func (e *exporter) recognize(api *document.Node) error {
	refuse := func(pos host.Position, message, hint string) error {
		return document.Errors{{Pos: pos, Rule: document.RuleUnsupported, Message: message, Hint: hint}}
	}
	switch e.opts.Version {
	case "2.0":
		e.version = swagger2
	case "", "3.0":
		e.version = openapi30
	case "3.1":
		e.version = openapi31
	default:
		return refuse(api.Pos, "the version "+document.Quote(e.opts.Version)+" of OpenAPI is not written", "the versions are 2.0, 3.0 and 3.1")
	}
	if e.protocol != host.ProtocolHTTP && e.protocol != host.ProtocolREST {
		return refuse(api.Pos, "OpenAPI has no words for an API of the protocol "+string(e.protocol), "export an API of the protocol http or rest")
	}
	if m := api.Member("openapi"); m != nil {
		return refuse(m.Pos, "the document that the API is made of was not read", "")
	}
	return nil
}

// document writes all that OpenAPI and API Gateway have words for.
func (e *exporter) document() {
	pos := e.api.Pos
	e.root = document.NewObject(pos)
	switch e.version {
	case swagger2:
		text(e.root, "swagger", pos, "2.0")
	case openapi30:
		text(e.root, "openapi", pos, "3.0.1")
	case openapi31:
		text(e.root, "openapi", pos, "3.1.0")
	}
	info := document.NewObject(pos)
	text(info, "title", pos, e.opts.Name)
	text(info, "version", pos, "1.0")
	e.root.Set("info", pos, info)
	e.paths()
	e.components()
	e.settings()
	order(e.root, "openapi", "swagger", "info", "paths", "components", "securityDefinitions", "definitions")
	e.aboutVersion()
}

// aboutVersion says which versions API Gateway takes (API Gateway developer guide, "Import a REST API", "Import an HTTP API").
func (e *exporter) aboutVersion() {
	switch {
	case e.version == openapi31:
		e.find(Different, e.api.Pos, "version", "API Gateway imports OpenAPI 3.0 and not 3.1: for it, export as 3.0")
	case e.version == swagger2 && e.protocol == host.ProtocolHTTP:
		e.find(Different, e.api.Pos, "version", "API Gateway imports HTTP APIs from OpenAPI 3.0 and not from Swagger 2.0: for it, export as 3.0")
	}
}

// paths writes an operation for each route.
func (e *exporter) paths() {
	routes := e.api.Member("routes")
	paths := document.NewObject(e.api.Pos)
	e.root.Set("paths", paths.Pos, paths)
	e.routes, e.usable = map[string]*document.Node{}, map[string]bool{}
	if routes == nil {
		return
	}
	for _, m := range routes.Value.Members {
		method, path, ok := strings.Cut(m.Key, " ")
		if m.Key == host.DefaultRoute && e.protocol == host.ProtocolHTTP {
			method, path, ok = "ANY", defaultPath, true
		}
		if !ok || !strings.HasPrefix(path, "/") {
			e.wrong(m.Pos, document.RuleInvalidValue, document.Quote(m.Key)+" is no method and path")
			continue
		}
		if n := m.Value.Get("integration"); n == nil || n.Shape != document.Object {
			e.wrong(m.Pos, document.RuleRequired, document.Quote(m.Key)+" has no integration")
			continue
		}
		key := strings.ToLower(method)
		if method == "ANY" {
			key = anyMethod
		}
		item := paths.Get(path)
		if item == nil {
			item = document.NewObject(m.Pos)
			paths.Set(path, m.Pos, item)
		}
		e.op = &Operation{Key: m.Key, Pos: m.Pos}
		e.report.Operations = append(e.report.Operations, e.op)
		e.routes[m.Key] = e.operation(&exportedRoute{key: m.Key, path: path, pos: m.Pos, node: m.Value})
		item.Set(key, m.Pos, e.routes[m.Key])
		e.op = nil
	}
}

// An exportedRoute is a route while its operation is written.
type exportedRoute struct {
	key, path string
	pos       host.Position
	node      *document.Node // of the definition
	out       *document.Node // the operation
	statuses  []string       // that its responses answer, each once
	headers   map[string][]string
}

func (e *exporter) operation(r *exportedRoute) *document.Node {
	r.out = document.NewObject(r.pos)
	if r.path == defaultPath && e.protocol == host.ProtocolHTTP {
		r.out.Set("isDefaultRoute", r.pos, document.NewBool(r.pos, true))
	}
	var integration *document.Node
	if e.protocol == host.ProtocolREST {
		integration = e.restIntegration(r)
		e.restRequest(r)
		e.restResponses(r)
	} else {
		integration = e.httpIntegration(r)
		e.pathParameters(r)
		e.httpResponses(r)
	}
	if name := r.node.Member("authorizer"); name != nil {
		requirement := document.NewObject(name.Pos)
		requirement.Set(name.Value.Text, name.Pos, document.NewList(name.Pos))
		r.out.Set("security", name.Pos, document.NewList(name.Pos, requirement))
	}
	e.validator(r)
	if integration != nil {
		e.usable[r.key] = true
		r.out.Set(extension+"integration", r.pos, integration)
	} else if m := r.node.Member("integration"); m != nil { // the reader looks for one
		extra := document.NewObject(m.Pos)
		extra.Set("integration", m.Pos, m.Value)
		r.out.Set(own, m.Pos, extra)
	}
	order(r.out, "consumes", "produces", "parameters", "requestBody", "responses", "security")
	return r.out
}

// settings writes what belongs to the API as a whole.
func (e *exporter) settings() {
	for _, m := range e.api.Members {
		switch m.Key {
		case "binaryMediaTypes":
			e.root.Set(extension+"binary-media-types", m.Pos, m.Value)
		case "minimumCompressionSize":
			if size, ok := bytesOf(m.Value); ok {
				e.root.Set(extension+"minimum-compression-size", m.Pos, document.NewInteger(m.Value.Pos, size))
			}
		case "gatewayResponses":
			e.gatewayResponses(&m)
		case "cors":
			e.cors(&m)
		}
	}
	if e.protocol == host.ProtocolHTTP { // as API Gateway's own exports of HTTP APIs have it
		text(e.root, extension+"importexport-version", e.api.Pos, "1.0")
	}
}

func (e *exporter) gatewayResponses(from *document.Member) {
	all := document.NewObject(from.Pos)
	for _, m := range from.Value.Members {
		g := document.NewObject(m.Pos)
		for _, key := range []struct{ ours, theirs string }{{"statusCode", "statusCode"}, {"parameters", "responseParameters"}, {"templates", "responseTemplates"}} {
			if v := m.Value.Member(key.ours); v != nil {
				g.Set(key.theirs, v.Pos, v.Value)
			}
		}
		all.Set(m.Key, m.Pos, g)
	}
	e.root.Set(extension+"gateway-responses", from.Pos, all)
}

// maxCORSAge is the longest that a document may ask browsers to keep an answer (API Gateway API reference, "Cors"), in nanoseconds.
const maxCORSAge = 86400e9

// cors writes what an HTTP API answers other origins.
func (e *exporter) cors(from *document.Member) {
	cors := document.NewObject(from.Pos)
	for _, m := range from.Value.Members {
		if m.Key != "maxAge" {
			cors.Set(m.Key, m.Pos, m.Value)
		} else if d, ok := durationOf(m.Value); ok && d%1e9 == 0 && d <= maxCORSAge {
			cors.Set(m.Key, m.Pos, document.NewInteger(m.Value.Pos, d/1e9))
		}
	}
	e.root.Set(extension+"cors", from.Pos, cors)
}

func text(into *document.Node, key string, pos host.Position, value string) {
	into.Set(key, pos, document.NewText(pos, value))
}

// find adds a finding about the operation that is written, or about the API.
func (e *exporter) find(v Verdict, pos host.Position, subject, message string) {
	f := Finding{v, subject, message, pos}
	if e.op != nil {
		e.op.Findings = append(e.op.Findings, f)
	} else {
		e.report.Findings = append(e.report.Findings, f)
	}
}

func (e *exporter) wrong(pos host.Position, rule, message string) {
	e.errs = append(e.errs, &document.Error{Pos: pos, Rule: rule, Message: message})
}

// functionARN is the ARN of a function, written name or name@qualifier.
func (e *exporter) functionARN(ref string) string {
	name, qualifier, qualified := strings.Cut(ref, "@")
	arn := fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", e.opts.Region, e.opts.AccountID, name)
	if qualified {
		arn += ":" + qualifier
	}
	return arn
}

// invocationARN is the URI by which API Gateway calls a function (API Gateway developer guide, "x-amazon-apigateway-integration object").
func (e *exporter) invocationARN(ref string, streaming bool) string {
	path := "2015-03-31/functions/%s/invocations"
	if streaming {
		path = "2021-11-15/functions/%s/response-streaming-invocations"
	}
	return fmt.Sprintf("arn:aws:apigateway:%s:lambda:path/", e.opts.Region) + fmt.Sprintf(path, e.functionARN(ref))
}

var literalStatus = regexp.MustCompile(`^[1-5][0-9][0-9]$`)
