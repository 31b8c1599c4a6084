package document

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// A treeBuilder makes nodes of the YAML library's syntax tree. Anchors, aliases and merge keys work as YAML 1.1
// has them; what aliases expand to is bounded by Limits.Nodes and Limits.Depth.
type treeBuilder struct {
	*reader
	anchors map[string]*Node // nil while the anchor's own value is read
	refused bool             // a bound was passed; the tree is of no use
}

// node converts n, whose key (or list) stands at the place. A value that is left out stands there too.
func (b *treeBuilder) node(n ast.Node, key place) *Node {
	switch n := n.(type) {
	case *ast.AnchorNode:
		return b.anchor(n, key)
	case *ast.AliasNode:
		return b.alias(n, key)
	case *ast.TagNode:
		return b.tagged(n, key.path)
	case *ast.MappingNode:
		return b.object(n.Values, place{b.atToken(start(n)).pos, key.path}, n.IsFlowStyle)
	case *ast.MappingValueNode:
		return b.object([]*ast.MappingValueNode{n}, place{b.atToken(start(n)).pos, key.path}, false)
	case *ast.SequenceNode:
		return b.list(n, key.path)
	}
	return b.scalar(n, key)
}

func (b *treeBuilder) scalar(n ast.Node, key place) *Node {
	if n == nil {
		return &Node{Pos: key.pos, size: 1, depth: 1}
	}
	t := n.GetToken()
	s := &Node{Pos: b.atToken(t).pos, Text: t.Value, size: 1, depth: 1}
	switch n := n.(type) {
	case *ast.NullNode:
		if t.Type == token.ImplicitNullType {
			s.Pos = key.pos
		}
	case *ast.BoolNode:
		s.Shape, s.Scalar = Bool, n.Value
	case *ast.IntegerNode:
		s.Shape, s.Scalar = Integer, n.Value
		if u, ok := n.Value.(uint64); ok && u <= 1<<63-1 {
			s.Scalar = int64(u)
		}
	case *ast.FloatNode:
		s.Shape, s.Scalar = Number, n.Value
	case *ast.StringNode:
		s.Shape, s.Scalar = Text, n.Value
	case *ast.LiteralNode:
		s.Shape, s.Scalar, s.Text = Text, n.Value.Value, n.Value.Value
	case *ast.InfinityNode, *ast.NanNode:
		b.add(place{s.Pos, key.path}, RuleInvalidValue, s.Text+" is not a number that JSON can hold")
	default:
		b.add(place{s.Pos, key.path}, RuleSyntax, "this form of YAML is not supported here")
	}
	s.bytes = len(s.Text)
	return s
}

func (b *treeBuilder) list(n *ast.SequenceNode, path string) *Node {
	list := &Node{Pos: b.atToken(n.GetToken()).pos, Shape: List}
	for i, v := range n.Values {
		if !n.IsFlowStyle {
			b.checkTagged(v, list.Pos.Column, true)
		}
		list.Items = append(list.Items, b.node(v, place{list.Pos, IndexPath(path, i)}))
	}
	return b.bounded(list, path)
}

func (b *treeBuilder) object(values []*ast.MappingValueNode, at place, flow bool) *Node {
	object := &Node{Pos: at.pos, Shape: Object}
	lines := make(map[string]int, len(values))
	var merged []*Node
	for _, v := range values {
		keyAt := place{b.atToken(start(v.Key)).pos, at.path}
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			merged = append(merged, b.mergeSources(b.node(v.Value, keyAt), keyAt)...)
			continue
		}
		key, ok := keyText(v.Key)
		if !ok {
			b.add(keyAt, RuleSyntax, "a key must be text before a colon")
			continue
		}
		keyAt.path = KeyPath(at.path, key)
		if line, twice := lines[key]; twice {
			b.add(keyAt, RuleDuplicateKey, fmt.Sprintf("%s is already set in line %d", Quote(key), line)).Hint = "remove one of them"
			continue
		}
		lines[key] = keyAt.pos.Line
		if !flow {
			b.checkTagged(v.Value, keyAt.pos.Column, false)
		}
		object.Members = append(object.Members, Member{key, keyAt.pos, b.node(v.Value, keyAt)})
	}
	for _, source := range merged {
		for _, m := range source.Members {
			if _, own := lines[m.Key]; !own { // the object's own keys win, then the first source's
				lines[m.Key] = m.Pos.Line
				object.Members = append(object.Members, m)
			}
		}
	}
	return b.bounded(object, at.path)
}

// mergeSources returns the objects that a merge key names: one, or a list of them.
func (b *treeBuilder) mergeSources(n *Node, key place) []*Node {
	sources := []*Node{n}
	if n.Shape == List {
		sources = n.Items
	}
	for _, s := range sources {
		if s.Shape != Object {
			b.add(place{s.Pos, key.path}, RuleWrongType, "<< merges objects, not "+s.Shape.String())
			return nil
		}
	}
	return sources
}

// keyText returns a scalar key as it is written.
func keyText(key ast.MapKeyNode) (string, bool) {
	switch k := key.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return k.GetToken().Value, true
	}
	return "", false
}

func (b *treeBuilder) anchor(n *ast.AnchorNode, key place) *Node {
	name := n.Name.GetToken().Value
	b.anchors[name] = nil
	val := b.node(n.Value, key)
	b.anchors[name] = val
	return val
}

func (b *treeBuilder) alias(n *ast.AliasNode, key place) *Node {
	at, name := place{b.atToken(n.GetToken()).pos, key.path}, n.Value.GetToken().Value
	val, defined := b.anchors[name]
	switch {
	case val != nil:
		return val
	case defined:
		b.add(at, RuleConflict, "*"+name+" stands within &"+name+" itself")
	default:
		known := make([]string, 0, len(b.anchors))
		for anchor := range b.anchors {
			known = append(known, anchor)
		}
		b.add(at, RuleUnknownReference, "no anchor &"+name+" stands before this alias").Hint = b.suggest(name, known)
	}
	b.refused = true // whatever else is said about this value would be noise
	return &Node{Pos: at.pos, size: 1, depth: 1}
}

// tagged returns the object that a tag makes of its value. That the tag is known was checked before.
func (b *treeBuilder) tagged(n *ast.TagNode, path string) *Node {
	pos := b.atToken(n.GetToken()).pos
	key, _ := b.tags(n.GetToken().Value)
	value := b.node(n.Value, place{pos, KeyPath(path, key)})
	return b.bounded(&Node{Pos: pos, Shape: Object, Members: []Member{{key, pos, value}}}, path)
}

// checkTagged refuses a tag without a value, for which the parser takes the next key or item of what the tag stands in. The
// value of a key, or an item of a list, begins at that column.
func (b *treeBuilder) checkTagged(v ast.Node, column int, list bool) {
	if anchor, ok := v.(*ast.AnchorNode); ok {
		v = anchor.Value
	}
	tag, ok := v.(*ast.TagNode)
	if !ok || tag.Value == nil {
		return
	}
	tagAt, valueAt := b.atToken(tag.GetToken()), b.atToken(start(tag.Value))
	if _, block := tag.Value.(*ast.SequenceNode); block && !list {
		column-- // a list may stand at the column of its key
	}
	if valueAt.pos.Line > tagAt.pos.Line && valueAt.pos.Column <= column {
		b.add(tagAt, RuleSyntax, "the tag "+Quote(tag.GetToken().Value)+" has no value").Hint = "indent its value further than what it stands in"
		b.refused = true
	}
}

// bounded measures a list or object, and empties it when it is larger than any honest file: every tree that
// is passed on is within the bounds, however its aliases multiply.
func (b *treeBuilder) bounded(n *Node, path string) *Node {
	n.measure(b.limits.Nodes, 4*b.limits.Bytes)
	if n.size <= b.limits.Nodes && n.depth <= b.limits.Depth && n.bytes <= 4*b.limits.Bytes {
		return n
	}
	if !b.refused {
		message := fmt.Sprintf("aliases expand to more than %d values, or nest more than %d deep", b.limits.Nodes, b.limits.Depth)
		if n.bytes > 4*b.limits.Bytes {
			message = fmt.Sprintf("aliases expand to more than %d bytes", 4*b.limits.Bytes)
		}
		b.add(place{n.Pos, path}, RuleTooLarge, message)
	}
	b.refused = true
	return &Node{Pos: n.Pos, size: 1, depth: 1}
}

// start returns the token that a value begins with; an object without braces begins with its first key.
func start(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return start(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return start(n.Key)
	}
	return n.GetToken()
}
