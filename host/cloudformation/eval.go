package cloudformation

import (
	"fmt"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// What evaluating a template may cost. A template of 4 MiB that is written by people stays far below.
const (
	maxSteps = 2_000_000 // values that are looked at, each as often as it is
	maxText  = 64 << 20  // bytes of text that are made
	maxDepth = 250       // values within values, through references
)

// eval returns the value of a node: what expressions in it stand for takes their place, and has theirs. It is nil for AWS::NoValue.
func (t *template) eval(n *document.Node) *document.Node {
	if n == nil || !t.spend(n.Pos, 1, 0) {
		return n
	}
	t.depth++
	defer func() { t.depth-- }()
	if t.depth > maxDepth {
		t.stop(n.Pos, fmt.Sprintf("values refer to each other more than %d deep", maxDepth))
		return n
	}
	switch n.Shape {
	case document.List:
		list := document.NewList(n.Pos)
		for _, item := range n.Items {
			if v := t.eval(item); v != nil {
				list.Items = append(list.Items, v)
			}
		}
		return list
	case document.Object:
		return t.evalObject(n)
	}
	return n
}

func (t *template) evalObject(n *document.Node) *document.Node {
	if len(n.Members) == 1 {
		if m := &n.Members[0]; m.Key == "Ref" || strings.HasPrefix(m.Key, "Fn::") {
			return t.call(n, m)
		}
	}
	made := document.NewObject(n.Pos)
	for i := range n.Members {
		m := &n.Members[i]
		switch {
		case m.Key == "Fn" && strings.HasPrefix(m.Value.Text, ":"): // how the YAML library reads {Fn::Sub: x}
			name, _, _ := strings.Cut(m.Value.Text[1:], ":")
			t.wrong(m.Pos, document.RuleSyntax, "within { } a key that has colons needs quotes", "write "+document.Quote("Fn::"+name)+": ...")
		case m.Key == "Fn::Transform":
			for _, included := range members(t.transform(m)) {
				made.Set(included.Key, included.Pos, included.Value)
			}
		case strings.HasPrefix(m.Key, "Fn::ForEach"):
			t.unsupportedCall(m)
		case strings.HasPrefix(m.Key, "Fn::"):
			t.wrong(m.Pos, document.RuleConflict, m.Key+" stands beside other keys", "an expression is an object with one key")
		default:
			if v := t.eval(m.Value); v != nil {
				made.Members = append(made.Members, document.Member{Key: m.Key, Pos: m.Pos, Value: v})
			}
		}
	}
	return made
}

// spend counts what an evaluation costs, and reports whether it may go on.
func (t *template) spend(pos host.Position, steps, text int) bool {
	t.steps, t.textSize = t.steps+steps, t.textSize+text
	switch {
	case t.stopped:
		return false
	case t.steps > maxSteps:
		t.stop(pos, fmt.Sprintf("the template's values expand to more than %d", maxSteps))
	case t.textSize > maxText:
		t.stop(pos, fmt.Sprintf("the template's texts expand to more than %d bytes", maxText))
	}
	return !t.stopped
}

// stop ends the evaluation: whatever comes after would be noise.
func (t *template) stop(pos host.Position, message string) {
	if !t.stopped {
		t.stopped = true
		t.errs = append(t.errs, &document.Error{Pos: pos, Rule: document.RuleTooLarge, Message: message})
	}
}

// enter notes that something is evaluated which other values refer to by name, and reports whether it is not being evaluated already.
func (t *template) enter(what string, pos host.Position) bool {
	if t.active[what] {
		t.wrong(pos, document.RuleConflict, what+" refers to itself, through what it refers to", "")
		return false
	}
	t.active[what] = true
	return true
}

func (t *template) leave(what string) { delete(t.active, what) }

// wrong adds an error about the template itself. After a stop there is nothing more to say.
func (t *template) wrong(pos host.Position, rule, message, hint string) {
	if !t.stopped {
		t.errs = append(t.errs, &document.Error{Pos: pos, Rule: rule, Message: message, Hint: hint})
	}
}

// find adds a finding, once for each place.
func (t *template) find(v openapi.Verdict, pos host.Position, subject, message string) {
	f := openapi.Finding{Verdict: v, Subject: subject, Message: message, Pos: pos}
	if t.stopped || t.quiet || t.found[f] {
		return
	}
	t.found[f] = true
	if t.api != nil {
		t.api.findings = append(t.api.findings, f)
		return
	}
	t.result.Findings = append(t.result.Findings, f)
}

// is reports whether a value is there and has the shape; another is an error. Scalars may stand for text, as they do in CloudFormation.
func (t *template) is(n *document.Node, shape document.Shape, what string) bool {
	switch {
	case n == nil || n.Shape == document.Null:
		return false
	case n.Shape == shape, shape == document.Text && n.Shape < document.List:
		return true
	}
	t.wrong(n.Pos, document.RuleWrongType, fmt.Sprintf("%s must be %s, not %s", document.Quote(what), shape, n.Shape), "")
	return false
}

// isTrue reports whether a value is true, which may be written as text.
func (t *template) isTrue(n *document.Node, what string) bool {
	if n == nil || n.Shape == document.Null {
		return false
	}
	if b, ok := n.Scalar.(bool); ok {
		return b
	}
	switch strings.ToLower(n.Text) {
	case "true":
		return true
	case "false":
		return false
	}
	t.wrong(n.Pos, document.RuleWrongType, document.Quote(what)+" must be true or false", "")
	return false
}
