package cloudformation

import (
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// sub evaluates Fn::Sub: a text, or a list of a text and an object with values of its own.
func (t *template) sub(v *document.Node) *document.Node {
	text, own := v, map[string]*document.Node{}
	if v != nil && v.Shape == document.List {
		if len(v.Items) == 0 || len(v.Items) > 2 {
			t.arguments(v, "Fn::Sub", 2, 2) // says what is wrong
			return unknown(v.Pos, "Fn::Sub")
		}
		text = v.Items[0]
		if len(v.Items) == 2 && t.is(v.Items[1], document.Object, "Fn::Sub") {
			for _, m := range v.Items[1].Members {
				own[m.Key] = t.eval(m.Value)
			}
		}
	}
	if text = t.eval(text); !t.is(text, document.Text, "Fn::Sub") {
		return unknown(v.Pos, "Fn::Sub")
	}
	return t.substitute(text, own)
}

// substitute replaces each ${name} of a text; ${!name} stands for ${name} itself.
func (t *template) substitute(text *document.Node, own map[string]*document.Node) *document.Node {
	var b strings.Builder
	rest := text.Text
	for {
		before, after, found := strings.Cut(rest, "${")
		b.WriteString(before)
		if !found {
			break
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			b.WriteString("${" + after)
			break
		}
		value := "${" + strings.TrimPrefix(name, "!") + "}"
		if !strings.HasPrefix(name, "!") {
			value = t.variable(text.Pos, strings.TrimSpace(name), own)
		}
		if !t.spend(text.Pos, 1, len(value)) {
			break
		}
		b.WriteString(value)
		rest = tail
	}
	t.spend(text.Pos, 0, len(text.Text))
	return document.NewText(text.Pos, b.String())
}

// variable is the value of a name in Fn::Sub: of the expression's own, or as Ref and Fn::GetAtt have it.
func (t *template) variable(pos host.Position, name string, own map[string]*document.Node) string {
	value, isOwn := own[name]
	switch id, attribute, dotted := strings.Cut(name, "."); {
	case isOwn:
	case dotted:
		value = t.attribute(document.NewText(pos, id), attribute, name)
	default:
		value = t.ref(document.NewText(pos, name))
	}
	if value == nil { // AWS::NoValue
		return ""
	}
	if !t.is(value, document.Text, "${"+name+"}") {
		return ""
	}
	return value.Text
}
