package openapi

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// methodKeys are the methods that an operation may have, in the order of OpenAPI.
var methodKeys = []string{"get", "put", "post", "delete", "options", "head", "patch"}

// anyMethod is the key of an operation for every method that has none of its own.
const anyMethod = extension + "any-method"

// defaultPath is that of the default route of an HTTP API.
const defaultPath = "/$default"

var pathParameter = regexp.MustCompile(`\{([^{}+]+)\+?\}`)

// An operation is one while it is read.
type operation struct {
	path       string // with the base path
	written    string // the path as the document has it
	method     string // as in a route key: GET or ANY
	node, item *document.Node
	pos        host.Position
	route      *document.Node
}

// paths makes a route of each operation.
func (r *reader) paths() {
	paths := r.root.Get("paths")
	routes := document.NewObject(r.root.Pos)
	r.api.Set("routes", routes.Pos, routes)
	if paths == nil && r.version == openapi31 || !r.is(paths, document.Object, "paths") {
		if paths == nil && r.version != openapi31 {
			r.wrong(r.root.Pos, document.RuleRequired, `the document has no "paths"`, "")
		}
		return
	}
	r.extensions(paths, nil)
	for i := range paths.Members {
		m := &paths.Members[i]
		if strings.HasPrefix(m.Key, "x-") {
			continue
		}
		if !strings.HasPrefix(m.Key, "/") {
			r.wrong(m.Pos, document.RuleInvalidValue, "the path "+document.Quote(m.Key)+" does not begin with a slash", "")
			continue
		}
		if item := r.deref(m.Value); r.is(item, document.Object, m.Key) {
			r.pathItem(m, item, routes)
		}
	}
}

// pathItem makes routes of the operations of a path.
func (r *reader) pathItem(path *document.Member, item, routes *document.Node) {
	for i := range item.Members {
		m := &item.Members[i]
		method := strings.ToUpper(m.Key)
		switch {
		case m.Key == anyMethod:
			method = "ANY"
		case slices.Contains(methodKeys, m.Key):
		case m.Key == "trace", m.Key == "query", m.Key == "additionalOperations":
			r.find(Unsupported, m.Pos, "method", "the operation "+document.Quote(m.Key)+" of "+path.Key+" has a method that API Gateway and Postern do not route")
			continue
		case slices.Contains([]string{"parameters", "summary", "description", "servers", "$ref"}, m.Key):
			continue
		case strings.HasPrefix(m.Key, extension):
			r.find(Unsupported, m.Pos, m.Key, "this extension is not known for a path")
			continue
		case strings.HasPrefix(m.Key, "x-"):
			continue
		default:
			r.wrong(m.Pos, document.RuleUnknownKey, document.Quote(m.Key)+" is no method", document.Suggest(m.Key, slices.Concat(methodKeys, []string{"parameters", anyMethod})))
			continue
		}
		if r.is(m.Value, document.Object, m.Key) {
			r.operation(&operation{path: r.path(path.Key), written: path.Key, method: method, node: m.Value, item: item, pos: m.Pos}, routes)
		}
	}
}

// path is a path of the document as a route key has it.
func (r *reader) path(path string) string {
	if path == defaultPath && r.opts.Protocol == host.ProtocolHTTP {
		return path
	}
	if path = r.prefix + path; len(path) > 1 && r.opts.Protocol == host.ProtocolREST {
		path = strings.TrimRight(path, "/") // REST APIs have no resource that ends in a slash
	}
	if path == "" {
		path = "/"
	}
	return path
}

// operation makes a route.
func (r *reader) operation(o *operation, routes *document.Node) {
	key := o.method + " " + o.path
	if o.path == defaultPath && r.opts.Protocol == host.ProtocolHTTP {
		key = host.DefaultRoute
	}
	r.op = &Operation{Key: key, Pos: o.pos}
	defer func() { r.op = nil }()
	r.report.Operations = append(r.report.Operations, r.op)
	told := len(r.errs)
	o.route = document.NewObject(o.pos)
	r.extensions(o.node, []string{"auth", "integration", "request-validator", "documentation"})
	r.security(o)
	switch {
	case r.opts.Protocol == host.ProtocolHTTP:
		r.httpOperation(o)
	default:
		r.restOperation(o)
	}
	r.overlay(o.route, o.node, routeByName)
	if o.route.Get("integration") == nil && !r.op.LeftOut {
		if len(r.errs) == told { // nothing is wrong with it, but there is nothing of it: null, where a reference leads to
			r.unsupported(o.pos, "integration", "the integration is empty")
		}
		return
	}
	if r.routes[key] {
		r.wrong(o.pos, document.RuleConflict, document.Quote(key)+" stands twice", "remove one of them")
		return
	}
	if !r.op.LeftOut {
		order(o.route, "authorizer", "streaming", "request", "methodResponses", "integration", "responses")
		r.routes[key] = true
		routes.Members = append(routes.Members, document.Member{Key: key, Pos: o.pos, Value: o.route}) // Set would look through all of them
	}
}

// order puts members into the order in which people write them; others come last.
func order(n *document.Node, keys ...string) {
	rank := func(m document.Member) int {
		if at := slices.Index(keys, m.Key); at >= 0 {
			return at
		}
		return len(keys)
	}
	slices.SortStableFunc(n.Members, func(a, b document.Member) int { return rank(a) - rank(b) })
}

// pathParameters are the names in a path.
func pathParameters(path string) []string {
	var names []string
	for _, m := range pathParameter.FindAllStringSubmatch(path, -1) {
		names = append(names, m[1])
	}
	return names
}

// basePath settles what stands before every path, and whether the document was exported from a stage.
func (r *reader) basePath() {
	base, address := "", ""
	if r.version == swagger2 {
		base, address = r.textOf(r.root, "basePath"), r.textOf(r.root, "host")
	} else if servers := r.root.Get("servers"); r.is(servers, document.List, "servers") && len(servers.Items) > 0 {
		base, address = r.serverBase(servers)
	}
	if len(base) > maxServer {
		r.wrong(r.root.Pos, document.RuleTooLarge, fmt.Sprintf("the base path has more than %d bytes", maxServer), "")
		return
	}
	segments := strings.FieldsFunc(base, func(c rune) bool { return c == '/' })
	if executeAPI.MatchString(address) && len(segments) == 1 && stageName.MatchString(segments[0]) {
		r.stage = segments[0]
	}
	switch {
	case len(segments) == 0, r.opts.BasePath == BasePathIgnore:
		return
	case r.opts.BasePath == BasePathSplit:
		segments = segments[1:]
	}
	for _, s := range segments {
		r.prefix += "/" + s
	}
}

var (
	executeAPI = regexp.MustCompile(`\.execute-api\.[a-z0-9-]+\.amazonaws\.com`)
	stageName  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
)

// serverBase is the base path of the servers: of the first with a variable basePath, or else of the first (reference 1.15).
func (r *reader) serverBase(servers *document.Node) (base, address string) {
	for _, s := range servers.Items {
		if v := s.Get("variables").Get("basePath"); v != nil {
			return r.textOf(v, "default"), r.textOf(s, "url")
		}
	}
	text, _ := r.serverURL(servers.Items[0])
	u, err := url.Parse(text)
	if err != nil {
		return "", text
	}
	return u.Path, u.Host
}
