package cloudformation

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// intrinsics are the names of all expressions, for hints.
var intrinsics = []string{
	"Ref", "Fn::And", "Fn::Base64", "Fn::Equals", "Fn::FindInMap", "Fn::GetAtt", "Fn::If", "Fn::Join", "Fn::Length", "Fn::Not", "Fn::Or", "Fn::Select", "Fn::Split", "Fn::Sub",
	"Fn::ToJsonString", "Fn::Transform",
}

// call evaluates an expression; m is the only member of n.
func (t *template) call(n *document.Node, m *document.Member) *document.Node {
	v := m.Value
	switch m.Key {
	case "Ref":
		return t.ref(v)
	case "Fn::GetAtt":
		return t.getAtt(v)
	case "Fn::Sub":
		return t.sub(v)
	case "Fn::Join":
		return t.join(v)
	case "Fn::Split":
		return t.split(v)
	case "Fn::Select":
		return t.selectItem(v)
	case "Fn::If":
		return t.choose(v)
	case "Fn::FindInMap":
		return t.findInMap(v)
	case "Fn::Base64":
		return t.base64(v)
	case "Fn::Length":
		if list := t.eval(v); t.is(list, document.List, m.Key) {
			return document.NewInteger(n.Pos, int64(len(list.Items)))
		}
	case "Fn::ToJsonString":
		if made := t.eval(v); made != nil {
			return t.made(n.Pos, strings.TrimSpace(string(document.JSON(made))))
		}
	case "Fn::Transform":
		return t.transform(m)
	case "Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals":
		return document.NewBool(n.Pos, t.isMet(n))
	default:
		return t.unsupportedCall(m)
	}
	return unknown(n.Pos, m.Key)
}

// unsupportedCall names an expression that cannot be evaluated here. What stands for its value fits nowhere, so that whatever needs it fails, and is not served without it.
func (t *template) unsupportedCall(m *document.Member) *document.Node {
	switch m.Key {
	case "Fn::ImportValue":
		t.find(openapi.Unsupported, m.Pos, m.Key, "what other stacks export is not known here: make it a parameter, and give its value")
	case "Fn::GetAZs", "Fn::Cidr":
		t.find(openapi.Unsupported, m.Pos, m.Key, "there are no networks of AWS here")
	case "Fn::GetStackOutput":
		t.find(openapi.Unsupported, m.Pos, m.Key, "what other stacks put out is not known here: make it a parameter, and give its value")
	default:
		if strings.HasPrefix(m.Key, "Fn::ForEach") {
			t.find(openapi.Unsupported, m.Pos, m.Key, "loops are not evaluated: import the processed template, which the console shows")
			break
		}
		t.wrong(m.Pos, document.RuleUnknownKey, document.Quote(m.Key)+" is no expression that is known here", document.Suggest(m.Key, intrinsics))
	}
	return unknown(m.Pos, m.Key)
}

// unknown is what stands for a value that is not known: no name, number or address.
func unknown(pos host.Position, what string) *document.Node {
	return document.NewText(pos, "<"+what+" is not known>")
}

// made is a text that an expression made.
func (t *template) made(pos host.Position, s string) *document.Node {
	t.spend(pos, 0, len(s))
	return document.NewText(pos, s)
}

// arguments evaluates the list that an expression has, with so many items.
func (t *template) arguments(v *document.Node, name string, least, most int) []*document.Node {
	if v == nil || v.Shape != document.List || len(v.Items) < least || len(v.Items) > most {
		count := strconv.Itoa(least)
		if most > least {
			count = fmt.Sprintf("%d to %d", least, most)
		}
		at := host.Position{}
		if v != nil {
			at = v.Pos
		}
		t.wrong(at, document.RuleWrongType, name+" needs a list of "+count+" values", "")
		return nil
	}
	args := make([]*document.Node, len(v.Items))
	for i, item := range v.Items {
		if args[i] = t.eval(item); args[i] == nil {
			args[i] = document.NewText(item.Pos, "")
		}
	}
	return args
}

func (t *template) join(v *document.Node) *document.Node {
	args := t.arguments(v, "Fn::Join", 2, 2)
	if args == nil || !t.is(args[0], document.Text, "Fn::Join") {
		return unknown(v.Pos, "Fn::Join")
	}
	list := args[1]
	if !t.is(list, document.List, "Fn::Join") {
		return unknown(v.Pos, "Fn::Join")
	}
	texts, size := make([]string, len(list.Items)), 0
	for i, item := range list.Items {
		if !t.is(item, document.Text, "Fn::Join") {
			return unknown(v.Pos, "Fn::Join")
		}
		texts[i] = item.Text
		size += len(item.Text) + len(args[0].Text)
	}
	if !t.spend(v.Pos, 0, size) {
		return unknown(v.Pos, "Fn::Join")
	}
	return document.NewText(v.Pos, strings.Join(texts, args[0].Text))
}

func (t *template) split(v *document.Node) *document.Node {
	args := t.arguments(v, "Fn::Split", 2, 2)
	if args == nil || !t.is(args[0], document.Text, "Fn::Split") || !t.is(args[1], document.Text, "Fn::Split") {
		return unknown(v.Pos, "Fn::Split")
	}
	if args[0].Text == "" {
		t.wrong(v.Pos, document.RuleInvalidValue, "Fn::Split needs something to split at", "")
		return unknown(v.Pos, "Fn::Split")
	}
	list := document.NewList(v.Pos)
	if t.spend(v.Pos, strings.Count(args[1].Text, args[0].Text), len(args[1].Text)) {
		for part := range strings.SplitSeq(args[1].Text, args[0].Text) {
			list.Items = append(list.Items, document.NewText(v.Pos, part))
		}
	}
	return list
}

func (t *template) selectItem(v *document.Node) *document.Node {
	args := t.arguments(v, "Fn::Select", 2, 2)
	if args == nil || !t.is(args[0], document.Text, "Fn::Select") || !t.is(args[1], document.List, "Fn::Select") {
		return unknown(v.Pos, "Fn::Select")
	}
	i, err := strconv.Atoi(args[0].Text)
	if err != nil || i < 0 || i >= len(args[1].Items) {
		t.wrong(args[0].Pos, document.RuleInvalidValue, fmt.Sprintf("Fn::Select has no item %s: the list has %d, counted from 0", document.Quote(args[0].Text), len(args[1].Items)), "")
		return unknown(v.Pos, "Fn::Select")
	}
	return args[1].Items[i]
}

// choose evaluates Fn::If: only the value that is chosen.
func (t *template) choose(v *document.Node) *document.Node {
	if v == nil || v.Shape != document.List || len(v.Items) != 3 {
		t.arguments(v, "Fn::If", 3, 3) // says what is wrong
		return nil
	}
	if !t.is(v.Items[0], document.Text, "Fn::If") {
		return unknown(v.Pos, "Fn::If")
	}
	if t.condition(v.Items[0]) {
		return t.eval(v.Items[1])
	}
	return t.eval(v.Items[2])
}

func (t *template) findInMap(v *document.Node) *document.Node {
	args := t.arguments(v, "Fn::FindInMap", 3, 4)
	if args == nil {
		return unknown(v.Pos, "Fn::FindInMap")
	}
	at := t.root.Get("Mappings")
	for i, arg := range args[:3] {
		if !t.is(arg, document.Text, "Fn::FindInMap") {
			return unknown(v.Pos, "Fn::FindInMap")
		}
		next := at.Get(arg.Text)
		if next == nil && i > 0 && len(args) == 4 {
			return t.eval(args[3].Get("DefaultValue"))
		}
		if next == nil {
			t.wrong(arg.Pos, document.RuleUnknownReference, "Mappings have no "+document.Quote(arg.Text), document.Suggest(arg.Text, keys(at)))
			return unknown(v.Pos, "Fn::FindInMap")
		}
		at = next
	}
	return at
}

func keys(n *document.Node) []string {
	var names []string
	for _, m := range members(n) {
		names = append(names, m.Key)
	}
	return names
}

func (t *template) base64(v *document.Node) *document.Node {
	text := t.eval(v)
	if !t.is(text, document.Text, "Fn::Base64") {
		return unknown(v.Pos, "Fn::Base64")
	}
	return t.made(v.Pos, base64.StdEncoding.EncodeToString([]byte(text.Text)))
}

// condition evaluates a condition by its name.
func (t *template) condition(name *document.Node) bool {
	conditions := t.root.Get("Conditions")
	n := conditions.Get(name.Text)
	if n == nil {
		t.wrong(name.Pos, document.RuleUnknownReference, "there is no condition "+document.Quote(name.Text), document.Suggest(name.Text, keys(conditions)))
		return false
	}
	if met, known := t.conditions[name.Text]; known {
		return met
	}
	what := "the condition " + name.Text
	if !t.enter(what, name.Pos) {
		return false
	}
	defer t.leave(what)
	met := t.isMet(n)
	t.conditions[name.Text] = met
	return met
}

// isMet evaluates what a condition says.
func (t *template) isMet(n *document.Node) bool {
	t.depth++
	defer func() { t.depth-- }()
	if !t.spend(n.Pos, 1, 0) {
		return false
	}
	if t.depth > maxDepth {
		t.stop(n.Pos, fmt.Sprintf("values refer to each other more than %d deep", maxDepth))
		return false
	}
	if n.Shape != document.Object || len(n.Members) != 1 {
		return t.isTrue(n, "condition")
	}
	v := n.Members[0].Value
	switch key := n.Members[0].Key; key {
	case "Condition":
		return t.is(v, document.Text, key) && t.condition(v)
	case "Fn::Equals":
		args := t.arguments(v, key, 2, 2)
		return args != nil && sameValue(args[0], args[1])
	case "Fn::Not", "Fn::And", "Fn::Or":
		least, most := 2, 10
		if key == "Fn::Not" {
			least, most = 1, 1
		}
		if v == nil || v.Shape != document.List || len(v.Items) < least || len(v.Items) > most {
			t.arguments(v, key, least, most) // says what is wrong
			return false
		}
		switch key {
		case "Fn::Not":
			return !t.isMet(v.Items[0])
		case "Fn::And":
			return !slices.ContainsFunc(v.Items, func(c *document.Node) bool { return !t.isMet(c) })
		}
		return slices.ContainsFunc(v.Items, t.isMet)
	}
	return t.isTrue(t.eval(n), "condition")
}

// sameValue compares values as Fn::Equals does: scalars by their text.
func sameValue(a, b *document.Node) bool {
	if a.Shape < document.List && b.Shape < document.List {
		return a.Text == b.Text
	}
	return string(document.JSON(a)) == string(document.JSON(b))
}
