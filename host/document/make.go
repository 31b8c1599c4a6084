package document

import (
	"strconv"

	"github.com/postern/postern/host"
)

// NewText returns a text that says where it comes from.
func NewText(pos host.Position, s string) *Node {
	return &Node{Pos: pos, Shape: Text, Scalar: s, Text: s, size: 1, depth: 1}
}

// NewInteger returns a whole number.
func NewInteger(pos host.Position, i int64) *Node {
	return &Node{Pos: pos, Shape: Integer, Scalar: i, Text: strconv.FormatInt(i, 10), size: 1, depth: 1}
}

// NewBool returns true or false.
func NewBool(pos host.Position, b bool) *Node {
	return &Node{Pos: pos, Shape: Bool, Scalar: b, Text: strconv.FormatBool(b), size: 1, depth: 1}
}

// NewList returns a list, to which Items may be added while it is being made.
func NewList(pos host.Position, items ...*Node) *Node {
	return &Node{Pos: pos, Shape: List, Items: items, size: 1, depth: 1}
}

// NewObject returns an object without members, to be Set while it is being made.
func NewObject(pos host.Position) *Node {
	return &Node{Pos: pos, Shape: Object, size: 1, depth: 1}
}

// Set gives an object that is being made a member, or replaces the one of that key. pos is the key's place.
func (n *Node) Set(key string, pos host.Position, value *Node) {
	if m := n.Member(key); m != nil {
		m.Pos, m.Value = pos, value
		return
	}
	n.Members = append(n.Members, Member{Key: key, Pos: pos, Value: value})
}
