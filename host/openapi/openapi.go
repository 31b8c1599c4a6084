// Package openapi turns OpenAPI documents into definitions of APIs, and back: 3.0, 3.1 and Swagger 2.0, with API Gateway's extensions or without.
//
// Read goes through a document once and makes the nodes that postern.yaml would have had, each with its place in the document, so that whatever is
// wrong with them later is told there. It says of each operation whether it runs as on API Gateway, differs, or does not run:
// nothing that changes what the API does is passed over. What is checked in any definition is not checked here a second time.
//
// The reader is no validator of OpenAPI: API Gateway takes documents that validators refuse (paths such as /{proxy+}), and what it exports must be read as it comes.
package openapi

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/mapping"
)

// MaxBytes is the largest document that is read (API Gateway developer guide, "Quotas": 6 MB).
const MaxBytes = 6 << 20

// Limits are those that documents are parsed with: theirs are larger than definitions.
func Limits() document.Limits {
	return document.Limits{Bytes: MaxBytes, Tokens: 2_000_000, Nodes: 1_000_000, Depth: 128}
}

// What becomes of a document's base path (API Gateway developer guide, "Set the OpenAPI basePath property").
const (
	BasePathIgnore  = "ignore"  // it is dropped; the default
	BasePathPrepend = "prepend" // all of it stands before each path
	BasePathSplit   = "split"   // its first segment is dropped, the others stand before each path
)

// Options say how a document is read.
type Options struct {
	Protocol         host.Protocol // what the API becomes, host.ProtocolREST or host.ProtocolHTTP; "" is what Detect says
	BasePath         string        // one of the BasePath constants; "" is BasePathIgnore
	AllowUnsupported bool          // what does not run is reported and left out, and is no error

	// Server is the URL that the operations of a document without extensions are sent to; "" for the servers that it names.
	Server string

	// Unqualified drops the aliases and versions of functions, which only a host knows: the function of the name answers.
	Unqualified bool

	// Region, AccountID and Partition stand where a document has ${AWS::Region}, ${AWS::AccountId} and ${AWS::Partition}. The defaults are us-east-1,
	// 000000000000 and aws.
	Region, AccountID, Partition string
}

// A Result is what a document says.
type Result struct {
	API   *document.Node // an API of a definition; every node has its place in the document
	Name  string         // for the API: info.title, as far as a name can hold it
	Stage string         // the stage that the document was exported from, or ""

	Functions []string // that routes and authorizers name, sorted
	Region    string   // of the first AWS service that a route calls; "" where none does
	Plain     bool     // the document has no extension of API Gateway
	Report    *Report
}

// Detect returns the protocol that a document is of: http for what only HTTP APIs have, and their exports, rest otherwise.
func Detect(root *document.Node) host.Protocol {
	if root.Get(extension+"cors") != nil || root.Get(extension+"importexport-version") != nil || anywhere(root, httpOnly) {
		return host.ProtocolHTTP
	}
	return host.ProtocolREST
}

// Is reports whether a document says that it is OpenAPI or Swagger.
func Is(root *document.Node) bool {
	for _, key := range []string{"openapi", "swagger"} {
		if v := root.Get(key); v != nil && v.Shape != document.Object && v.Shape != document.List {
			return true
		}
	}
	return false
}

// Read reads a document. The error is document.Errors with everything that is wrong or, without AllowUnsupported, not supported, in the order of the document; the
// Result, which is not nil, then holds what could be made out, and the report is whole.
func Read(root *document.Node, opts Options) (*Result, error) {
	opts.Protocol = cmp.Or(opts.Protocol, Detect(root))
	opts.BasePath = cmp.Or(opts.BasePath, BasePathIgnore)
	r := &reader{root: root, opts: opts, report: &Report{}, modelNames: map[string]string{}, taken: map[string]bool{}, byRef: map[string]string{}, routes: map[string]bool{}}
	r.api = document.NewObject(root.Pos)
	r.report.API = r.name()
	r.text(r.api, "protocol", root.Pos, string(opts.Protocol))
	if r.recognize() && r.bounded(root) {
		r.amazon = anywhere(root, func(m *document.Member, _ *document.Node) bool { return strings.HasPrefix(m.Key, extension) })
		r.read()
		r.report.sort()
	}
	result := &Result{API: r.api, Name: r.report.API, Stage: r.stage, Functions: named(r.api), Region: r.region, Plain: !r.amazon, Report: r.report}
	if !opts.AllowUnsupported {
		r.errs = append(r.errs, r.report.unsupported()...)
	}
	if len(r.errs) == 0 {
		return result, nil
	}
	return result, r.errs.Finish(root.Pos.File, nil)
}

// extension begins the keys of API Gateway.
const extension = "x-amazon-apigateway-"

// own is the key of what Postern has and OpenAPI has not: the keys of an API or a route of a definition, as they are.
const own = "x-postern"

// A version is one of OpenAPI.
type version int

const (
	swagger2 version = iota
	openapi30
	openapi31
)

// A reader reads one document.
type reader struct {
	root    *document.Node
	opts    Options
	version version
	amazon  bool // the document has extensions of API Gateway
	api     *document.Node
	stage   string
	report  *Report
	op      *Operation // whose findings are found; nil for the API's
	errs    document.Errors

	prefix      string // of every path
	authorizers map[string]*scheme
	modelNames  map[string]string          // model names by the names of schemas
	taken       map[string]bool            // model names
	byRef       map[string]string          // inline schemas that became models
	servers     map[*document.Node]*server // of plain documents, by where they stand
	region      string                     // of the first service that is called
	routes      map[string]bool            // that there are, by key
	followed    int                        // values that references have led to
}

// recognize reports whether the document is of a version that is known.
func (r *reader) recognize() bool {
	if r.root.Shape != document.Object {
		r.wrong(r.root.Pos, document.RuleWrongType, "an OpenAPI document is an object, not "+r.root.Shape.String(), "")
		return false
	}
	v := r.root.Get("openapi")
	if v == nil {
		v = r.root.Get("swagger")
	}
	switch {
	case v == nil:
		r.wrong(r.root.Pos, document.RuleRequired, `this is no OpenAPI document: it has neither "openapi" nor "swagger"`, `add openapi: "3.0.1", or swagger: "2.0"`)
		return false
	case v == r.root.Get("swagger") && (v.Text == "2.0" || v.Text == "2"):
		r.version = swagger2
	case strings.HasPrefix(v.Text, "3.0"):
		r.version = openapi30
	case strings.HasPrefix(v.Text, "3.1"):
		r.version = openapi31
	default:
		r.wrong(v.Pos, document.RuleUnsupported, "the version "+document.Quote(v.Text)+" of OpenAPI is not read", "the versions are 2.0, 3.0 and 3.1")
		return false
	}
	return true
}

// maxMembers bounds the members of one object, among which others are looked for one by one. API Gateway has 300 resources and 400 models unless more is asked for.
const maxMembers = 3000

// bounded reports whether no object of the document has more members than any API would.
func (r *reader) bounded(n *document.Node) bool {
	if len(n.Members) > maxMembers {
		r.wrong(n.Pos, document.RuleTooLarge, fmt.Sprintf("the object has %d keys, more than %d", len(n.Members), maxMembers), "divide the API into several")
		return false
	}
	for i := range n.Members {
		if !r.bounded(n.Members[i].Value) {
			return false
		}
	}
	for _, item := range n.Items {
		if !r.bounded(item) {
			return false
		}
	}
	return true
}

func (r *reader) read() {
	r.topLevel()
	r.basePath()
	r.models()
	r.securitySchemes()
	r.paths()
	r.settings()
	r.overlay(r.api, r.root, apiByName)
	slices.SortStableFunc(r.report.Findings, func(a, b Finding) int { return cmp.Or(a.Pos.Line-b.Pos.Line, a.Pos.Column-b.Pos.Column) })
}

// name is info.title as the name of an API, which is part of a host's name.
func (r *reader) name() string {
	title := r.root.Get("info").Get("title")
	if title == nil || title.Shape == document.Object || title.Shape == document.List {
		return defaultName
	}
	name := notInName.ReplaceAllString(strings.ToLower(title.Text), "-")
	if len(name) > maxName {
		name = name[:maxName]
	}
	return cmp.Or(strings.Trim(name, "-"), defaultName)
}

const (
	maxName     = 63 // of a label of a host's name (RFC 1035, section 2.3.4)
	defaultName = "api"
)

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// overlay puts what Postern alone has, which is written as in a definition, over what was read.
func (r *reader) overlay(into, from *document.Node, byName []string) {
	extra := from.Get(own)
	if !r.is(extra, document.Object, own) {
		return
	}
	for _, key := range []string{"protocol", "routes", "openapi"} {
		if m := extra.Member(key); m != nil {
			r.wrong(m.Pos, document.RuleConflict, own+" has "+document.Quote(key)+", which the document itself says", "remove it; what a route has besides stands below "+own+" of its operation")
			return
		}
	}
	overlay(into, extra, byName)
}

// named are the functions that routes and authorizers of an API name, sorted.
func named(api *document.Node) []string {
	names := map[string]bool{}
	add := func(n *document.Node) {
		if ref := n.Get("function"); ref != nil {
			name, _, _ := strings.Cut(ref.Text, "@")
			names[name] = true
		} else if uri := n.Get("uri"); uri != nil {
			arn, _ := mapping.ParseARN(uri.Text) // what is wrong with it is told in the definition
			names[arn.Function] = arn.Function != "" && !strings.Contains(arn.Function, "{")
		}
	}
	if routes := api.Get("routes"); routes != nil {
		for _, m := range routes.Members {
			add(m.Value.Get("integration"))
		}
	}
	if authorizers := api.Get("authorizers"); authorizers != nil {
		for _, m := range authorizers.Members {
			add(m.Value)
		}
	}
	maps.DeleteFunc(names, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(names))
}

// topLevel names the keys of API Gateway that have no counterpart, and those that nobody knows.
func (r *reader) topLevel() {
	known := []string{
		"api-key-source", "binary-media-types", "cors", "documentation", "endpoint-configuration", "gateway-responses", "importexport-version",
		"minimum-compression-size", "policy", "request-validator", "request-validators", "tag-value",
	}
	r.extensions(r.root, known)
	if m := r.root.Member(extension + "policy"); m != nil {
		r.find(Unsupported, m.Pos, "resource policy", "who may call is not checked by a policy here: allow addresses at a firewall, or callers by an authorizer")
	}
	if m := r.root.Member(extension + "endpoint-configuration"); m != nil {
		r.find(Different, m.Pos, "endpoint type", "there is one type: the API answers at the listeners of this host")
	}
}

// extensions reports keys of API Gateway that are not known where they stand.
func (r *reader) extensions(n *document.Node, known []string) {
	if n == nil {
		return
	}
	for _, m := range n.Members {
		if name, ok := strings.CutPrefix(m.Key, extension); ok && !slices.Contains(known, name) {
			r.unsupported(m.Pos, m.Key, "this extension is not known here"+hint(document.Nearest(name, known)))
		}
	}
}

// hint asks whether a key that is known was meant.
func hint(nearest string) string {
	if nearest == "" {
		return ""
	}
	return ": did you mean " + document.Quote(nearest) + "?"
}

// find adds a finding about the operation that is read, or about the API.
func (r *reader) find(v Verdict, pos host.Position, subject, message string) {
	f := Finding{v, subject, message, pos}
	if r.op != nil {
		r.op.Findings = append(r.op.Findings, f)
	} else {
		r.report.Findings = append(r.report.Findings, f)
	}
}

// unsupported is a finding for which an operation is left out.
func (r *reader) unsupported(pos host.Position, subject, message string) {
	r.find(Unsupported, pos, subject, message)
	if r.op != nil {
		r.op.LeftOut = true
	}
}

// wrong adds an error about the document itself.
func (r *reader) wrong(pos host.Position, rule, message, hint string) {
	r.errs = append(r.errs, &document.Error{Pos: pos, Rule: rule, Message: message, Hint: hint})
}

// suggest is document.Suggest for errors that will be shown: it takes time.
func (r *reader) suggest(name string, known []string) string {
	if len(r.errs) > 2*document.MaxErrors {
		return ""
	}
	return document.Suggest(name, known)
}

// suggestKey is suggest for the keys of an object.
func (r *reader) suggestKey(name string, of *document.Node) string {
	if of == nil || len(r.errs) > 2*document.MaxErrors {
		return ""
	}
	known := make([]string, 0, len(of.Members))
	for _, m := range of.Members {
		known = append(known, m.Key)
	}
	return r.suggest(name, known)
}

// is reports whether n is there and has the shape; another is an error.
func (r *reader) is(n *document.Node, shape document.Shape, what string) bool {
	switch {
	case n == nil || n.Shape == document.Null:
		return false
	case n.Shape == shape, shape == document.Text && n.Shape != document.Object && n.Shape != document.List: // numbers are often written for text
		return true
	}
	r.wrong(n.Pos, document.RuleWrongType, fmt.Sprintf("%s must be %s, not %s", document.Quote(what), shape, n.Shape), intrinsic(n))
	return false
}

// textOf returns the text at a key, or "".
func (r *reader) textOf(n *document.Node, key string) string {
	if v := n.Get(key); r.is(v, document.Text, key) {
		return v.Text
	}
	return ""
}

func (r *reader) text(into *document.Node, key string, pos host.Position, value string) {
	into.Set(key, pos, document.NewText(pos, value))
}

// anywhere reports whether a member for which f holds stands anywhere; of is the object that has it. Documents are bounded where they are parsed.
func anywhere(n *document.Node, f func(m *document.Member, of *document.Node) bool) bool {
	if n == nil {
		return false
	}
	for i := range n.Members {
		if f(&n.Members[i], n) || anywhere(n.Members[i].Value, f) {
			return true
		}
	}
	return slices.ContainsFunc(n.Items, func(item *document.Node) bool { return anywhere(item, f) })
}

// httpOnly holds for what only HTTP APIs have.
func httpOnly(m *document.Member, _ *document.Node) bool {
	switch m.Key {
	case "payloadFormatVersion":
		return m.Value.Text == "2.0"
	case "integrationSubtype":
		return true
	case "type":
		return m.Value.Text == "jwt"
	case "x-amazon-apigateway-integrations":
		return true
	}
	return false
}
