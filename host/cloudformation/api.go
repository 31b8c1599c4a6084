package cloudformation

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// extension begins the keys of API Gateway in OpenAPI documents.
const extension = "x-amazon-apigateway-"

// anyMethod is the key of an operation for every method.
const anyMethod = extension + "any-method"

// An api is one while it is read: an OpenAPI document, and what such have no words for.
type api struct {
	id       string
	res      *resource
	name     string // in the definition
	protocol host.Protocol
	doc      *document.Node
	stages   *document.Node
	unread   bool // the document is not there
	managed  bool // the paths are the template's own, not those of a document in it
	findings []openapi.Finding
}

// newAPI makes an API of a resource. Its document is empty.
func (t *template) newAPI(r *resource, protocol host.Protocol) *api {
	a := &api{id: r.id, res: r, protocol: protocol, managed: true}
	a.name = t.apiName(r)
	a.doc = document.NewObject(r.pos)
	a.doc.Set("openapi", r.pos, document.NewText(r.pos, "3.0.1"))
	a.stages = document.NewObject(r.pos)
	r.used = true
	t.apiList = append(t.apiList, a)
	t.apiByID[a.id] = a
	return a
}

// in makes an API the one whose findings are found, and returns what ends that.
func (t *template) in(a *api) func() {
	before := t.api
	t.api = a
	return func() { t.api = before }
}

// apiName is the name of an API in the definition, which becomes part of a host name: that of the property Name, or the one in the template.
func (t *template) apiName(r *resource) string {
	base := hostLabel(t.textOr(r, "Name", r.id))
	if base == "" {
		base = "api"
	}
	name := base
	for i := 2; ; i++ {
		taken := false
		for _, a := range t.apiList {
			taken = taken || a.name == name
		}
		if !taken {
			return name
		}
		name = fmt.Sprintf("%.58s-%d", base, i)
	}
}

var notInLabel = regexp.MustCompile(`[^a-z0-9]+`)

// hostLabel writes HelloWorldApi as hello-world-api.
func hostLabel(s string) string {
	var b strings.Builder
	before := ' '
	for _, c := range s {
		if unicode.IsUpper(c) && (unicode.IsLower(before) || unicode.IsDigit(before)) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(c))
		before = c
	}
	label := strings.Trim(notInLabel.ReplaceAllString(b.String(), "-"), "-")
	if len(label) > 63 {
		label = strings.TrimRight(label[:63], "-")
	}
	return label
}

// child returns the object at a key, and makes one where there is none.
func (t *template) child(n *document.Node, key string, pos host.Position) *document.Node {
	if v := n.Get(key); t.is(v, document.Object, key) {
		return v
	}
	v := document.NewObject(pos)
	n.Set(key, pos, v)
	return v
}

// schemes is where a document has its security schemes.
func (t *template) schemes(a *api, pos host.Position) *document.Node {
	if a.doc.Get("swagger") != nil {
		return t.child(a.doc, "securityDefinitions", pos)
	}
	return t.child(t.child(a.doc, "components", pos), "securitySchemes", pos)
}

// schemas is where a document has its models, and what begins a reference to one.
func (t *template) schemas(a *api, pos host.Position) (at *document.Node, ref string) {
	if a.doc.Get("swagger") != nil {
		return t.child(a.doc, "definitions", pos), "#/definitions/"
	}
	return t.child(t.child(a.doc, "components", pos), "schemas", pos), "#/components/schemas/"
}

// operation adds an operation to the document, and returns it; nil where there is one already.
func (t *template) operation(a *api, path, method string, pos host.Position) *document.Node {
	key := strings.ToLower(method)
	if key == "any" || key == anyMethod {
		key = anyMethod
	}
	if !strings.HasPrefix(path, "/") {
		t.wrong(pos, document.RuleInvalidValue, "the path "+document.Quote(path)+" does not begin with a slash", "")
		return nil
	}
	item := t.child(t.child(a.doc, "paths", pos), path, pos)
	if item.Get(key) != nil {
		t.wrong(pos, document.RuleConflict, strings.ToUpper(method)+" "+path+" stands twice", "remove one of them")
		return nil
	}
	op := document.NewObject(pos)
	item.Set(key, pos, op)
	return op
}

// set gives a node a text.
func set(n *document.Node, key string, pos host.Position, value string) {
	n.Set(key, pos, document.NewText(pos, value))
}

// invocation is the address by which API Gateway calls a function.
func (t *template) invocation(arn string) string {
	return "arn:" + t.opts.Partition + ":apigateway:" + t.opts.Region + ":lambda:path/2015-03-31/functions/" + arn + "/invocations"
}

// apiOf returns the API that a property of a resource names, and reports one that is not there.
func (t *template) apiOf(r *resource, property string) *api {
	v := t.text(r, property)
	if v == nil {
		if r.props.Get(property) == nil {
			t.wrong(r.pos, document.RuleRequired, r.id+" has no "+property, "")
		}
		return nil
	}
	a := t.apiByID[v.Text]
	if a == nil {
		t.find(openapi.Unsupported, v.Pos, r.kind, r.id+" belongs to the API "+document.Quote(v.Text)+", which this template does not have")
		r.used = true
	}
	return a
}

// A note says what becomes of a property; the zero value, that it is read or makes no difference.
type note struct {
	verdict openapi.Verdict
	subject string
	message string
}

// Notes on properties that many resources have.
var (
	plain    = note{}
	tracing  = note{openapi.Different, "tracing", "traces are set up for the whole host, by the variables of OpenTelemetry"}
	logs     = note{openapi.Different, "logs", "access logs are set up for the whole host"}
	policy   = note{openapi.Unsupported, "resource policy", "who may call is not checked by a policy here: allow addresses at a firewall, or callers by an authorizer"}
	endpoint = note{openapi.Different, "endpoint type", "there is one type: the API answers at the listeners of this host"}
	keysNote = note{openapi.Unsupported, "API keys", "keys and usage plans are not checked here"}
	caching  = note{openapi.Different, "caching", "responses are not cached: each request goes to the integration"}
	domain   = note{openapi.Unsupported, "domain", "write the domain below domains of the definition, and give the host its certificate"}
	throttle = note{openapi.Unsupported, "throttling", "requests are not throttled by stage or route here"}
)

// notes says what becomes of the properties of a resource. Values that are false or empty ask for nothing.
func (t *template) notes(r *resource, known map[string]note) {
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	for _, m := range r.props.Members {
		n, ok := known[m.Key]
		switch {
		case ok && n == plain:
		case t.asksNothing(m.Value):
		case !ok:
			t.find(openapi.Unsupported, m.Pos, m.Key, "this property of "+r.kind+" is not known here"+hint(document.Suggest(m.Key, names)))
		default:
			t.find(n.verdict, m.Pos, n.subject, n.message)
		}
	}
}

// asksNothing reports whether a value that is not used is false or empty. What it refers to does not matter then.
func (t *template) asksNothing(v *document.Node) bool {
	quiet := t.quiet
	t.quiet = true
	defer func() { t.quiet = quiet }()
	return asksNothing(t.eval(v))
}

func asksNothing(v *document.Node) bool {
	return v == nil || v.Shape < document.List && (v.Text == "" || v.Shape == document.Null || strings.EqualFold(v.Text, "false")) || v.Shape >= document.List && len(v.Items)+len(v.Members) == 0
}

func hint(s string) string {
	if s == "" || len(s) > 200 {
		return ""
	}
	return ": " + s
}

// rename evaluates nothing: it copies members of an object under the names that OpenAPI has for them, and returns those that have none.
func rename(into, from *document.Node, names map[string]string) (others []document.Member) {
	for _, m := range members(from) {
		if name, ok := names[m.Key]; ok {
			into.Set(name, m.Pos, m.Value)
		} else {
			others = append(others, m)
		}
	}
	return others
}
