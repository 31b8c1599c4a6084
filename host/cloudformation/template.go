package cloudformation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// The types of resources that are read.
const (
	typeServerlessAPI      = "AWS::Serverless::Api"
	typeServerlessHTTPAPI  = "AWS::Serverless::HttpApi"
	typeServerlessFunction = "AWS::Serverless::Function"
	typeFunction           = "AWS::Lambda::Function"
	typeAlias              = "AWS::Lambda::Alias"
	typeVersion            = "AWS::Lambda::Version"
	typeRestAPI            = "AWS::ApiGateway::RestApi"
	typeResource           = "AWS::ApiGateway::Resource"
	typeMethod             = "AWS::ApiGateway::Method"
	typeModel              = "AWS::ApiGateway::Model"
	typeValidator          = "AWS::ApiGateway::RequestValidator"
	typeAuthorizer         = "AWS::ApiGateway::Authorizer"
	typeGatewayResponse    = "AWS::ApiGateway::GatewayResponse"
	typeDeployment         = "AWS::ApiGateway::Deployment"
	typeStage              = "AWS::ApiGateway::Stage"
	typeAPIV2              = "AWS::ApiGatewayV2::Api"
	typeRouteV2            = "AWS::ApiGatewayV2::Route"
	typeIntegrationV2      = "AWS::ApiGatewayV2::Integration"
	typeAuthorizerV2       = "AWS::ApiGatewayV2::Authorizer"
	typeStageV2            = "AWS::ApiGatewayV2::Stage"
	typeDeploymentV2       = "AWS::ApiGatewayV2::Deployment"
)

// A resource is one of a template.
type resource struct {
	id        string
	kind      string        // its type
	pos       host.Position // of its name
	props     *document.Node
	metadata  *document.Node
	generated bool // by SAM, not by the template
	used      bool // an API or a function was made of it, or a part of one
}

func (r *resource) isFunction() bool {
	return r.kind == typeFunction || r.kind == typeServerlessFunction
}

// isGateway reports whether a type is part of an API.
func isGateway(kind string) bool {
	return strings.HasPrefix(kind, "AWS::ApiGateway") || kind == typeServerlessAPI || kind == typeServerlessHTTPAPI
}

// A template is one while it is read.
type template struct {
	root   *document.Node
	opts   Options
	result *Result
	errs   document.Errors
	found  map[openapi.Finding]bool

	resources []*resource // in their order
	byID      map[string]*resource
	apiList   []*api
	apiByID   map[string]*api
	api       *api // whose findings are found; nil for those of no API

	conditions  map[string]bool
	names       map[string]string // of functions and models, by their names in the template
	active      map[string]bool   // what is being evaluated
	steps       int
	textSize    int
	depth       int
	including   bool // a file that is included is evaluated
	forFunction bool // the environment of a function is evaluated
	quiet       bool // what is found does not matter
	stopped     bool
}

func newTemplate(root *document.Node, opts Options) *template {
	return &template{
		root: root, opts: opts, result: &Result{}, found: map[openapi.Finding]bool{}, byID: map[string]*resource{}, apiByID: map[string]*api{},
		conditions: map[string]bool{}, names: map[string]string{}, active: map[string]bool{},
	}
}

// maxMembers is how many keys an object may have: members are found by going through them. CloudFormation takes 500 resources and 200 parameters.
const maxMembers = 3000

// isWide reports an object that has more.
func (t *template) isWide(n *document.Node) bool {
	if len(n.Members) > maxMembers {
		t.stop(n.Members[maxMembers].Pos, fmt.Sprintf("an object has more than %d keys", maxMembers))
		return true
	}
	return slices.ContainsFunc(n.Members, func(m document.Member) bool { return t.isWide(m.Value) }) || slices.ContainsFunc(n.Items, t.isWide)
}

// load finds the resources, and reports whether there are any to read.
func (t *template) load() bool {
	if t.root.Shape != document.Object {
		t.wrong(t.root.Pos, document.RuleWrongType, "a template is an object, not "+t.root.Shape.String(), "")
		return false
	}
	if t.isWide(t.root) {
		return false
	}
	for _, section := range []string{"Parameters", "Mappings", "Conditions", "Globals", "Outputs"} {
		if n := t.root.Get(section); n != nil && !t.is(n, document.Object, section) && n.Shape != document.Null {
			return false
		}
	}
	t.macros()
	all := t.root.Get("Resources")
	if all == nil || all.Shape == document.Null {
		t.wrong(t.root.Pos, document.RuleRequired, `this is no template: it has no "Resources"`, "")
		return false
	}
	if !t.is(all, document.Object, "Resources") {
		return false
	}
	for i := range all.Members {
		t.loadResource(&all.Members[i])
	}
	return true
}

func (t *template) loadResource(m *document.Member) {
	if strings.HasPrefix(m.Key, "Fn::") {
		if strings.HasPrefix(m.Key, "Fn::ForEach") {
			t.unsupportedCall(m)
			return
		}
		t.find(openapi.Unsupported, m.Pos, m.Key, "resources that a transform writes are not read: import the processed template, which the console shows")
		return
	}
	if m.Value.Shape != document.Object {
		t.wrong(m.Pos, document.RuleWrongType, "the resource "+document.Quote(m.Key)+" must be an object, not "+m.Value.Shape.String(), "")
		return
	}
	kind := m.Value.Get("Type")
	if !t.is(kind, document.Text, "Type") {
		if kind == nil || kind.Shape == document.Null {
			t.wrong(m.Pos, document.RuleRequired, "the resource "+document.Quote(m.Key)+" has no Type", "")
		}
		return
	}
	props := m.Value.Get("Properties")
	if props == nil || !t.is(props, document.Object, "Properties") {
		props = document.NewObject(m.Value.Pos)
	}
	if c := m.Value.Get("Condition"); t.is(c, document.Text, "Condition") && !t.condition(c) {
		return
	}
	r := &resource{id: m.Key, kind: kind.Text, pos: m.Pos, props: props, metadata: m.Value.Get("Metadata")}
	if global := strings.TrimPrefix(r.kind, "AWS::Serverless::"); global != r.kind {
		r.props = t.withGlobals(r.props, t.root.Get("Globals").Get(global), 0)
	}
	t.resources = append(t.resources, r)
	t.byID[r.id] = r
}

// macros names the transforms of the whole template that are not SAM's.
func (t *template) macros() {
	n := t.root.Get("Transform")
	list := []*document.Node{n}
	if n != nil && n.Shape == document.List {
		list = n.Items
	}
	for _, item := range list {
		switch {
		case item == nil || strings.HasPrefix(item.Text, "AWS::Serverless-") || item.Text == "AWS::LanguageExtensions":
		default:
			name := item.Text
			if item.Shape == document.Object {
				name = cmp.Or(item.Get("Name"), item).Text
			}
			t.find(openapi.Unsupported, item.Pos, "Transform", "the macro "+document.Quote(name)+" is not run: import the processed template, which the console shows")
		}
	}
}

// withGlobals puts what all resources of a type have below their own properties: objects are merged, lists come one after the other, and other values are
// replaced (SAM developer guide, "Globals section").
func (t *template) withGlobals(own, global *document.Node, depth int) *document.Node {
	switch {
	case global == nil || global.Shape == document.Null || depth > maxDepth || !t.spend(global.Pos, 1, 0):
		return own
	case own == nil:
		return global
	case own.Shape == document.List && global.Shape == document.List:
		return document.NewList(own.Pos, slices.Concat(global.Items, own.Items)...)
	case own.Shape == document.Object && global.Shape == document.Object && !isExpression(own) && !isExpression(global):
		merged := document.NewObject(own.Pos)
		for _, m := range global.Members {
			merged.Set(m.Key, m.Pos, t.withGlobals(own.Get(m.Key), m.Value, depth+1))
		}
		for _, m := range own.Members {
			if merged.Get(m.Key) == nil {
				merged.Set(m.Key, m.Pos, m.Value)
			}
		}
		return merged
	}
	return own
}

func isExpression(n *document.Node) bool {
	return len(n.Members) == 1 && (n.Members[0].Key == "Ref" || strings.HasPrefix(n.Members[0].Key, "Fn::"))
}

// of returns the resources of a type.
func (t *template) of(kind string) []*resource {
	var list []*resource
	for _, r := range t.resources {
		if r.kind == kind {
			list = append(list, r)
		}
	}
	return list
}

// get evaluates a property.
func (t *template) get(r *resource, property string) *document.Node {
	return t.eval(r.props.Get(property))
}

// text evaluates a property that is text; nil without one.
func (t *template) text(r *resource, property string) *document.Node {
	if v := t.get(r, property); t.is(v, document.Text, property) {
		return v
	}
	return nil
}

func (t *template) textOr(r *resource, property, other string) string {
	what := r.id + "." + property
	if !t.enter(what, r.pos) {
		return other
	}
	defer t.leave(what)
	if v := t.text(r, property); v != nil {
		return v.Text
	}
	return other
}

// shaped evaluates a property that has a shape; nil without one.
func (t *template) shaped(r *resource, property string, shape document.Shape) *document.Node {
	if v := t.get(r, property); t.is(v, shape, property) {
		return v
	}
	return nil
}
