package definition

import (
	"regexp"
	"strconv"

	"github.com/postern/postern/host"
)

// A shape is one of JSON's types.
type shape uint8

const (
	shapeNull shape = iota
	shapeBool
	shapeInteger
	shapeNumber
	shapeText
	shapeList
	shapeObject
)

var shapeNames = [...]string{"empty", "true or false", "a whole number", "a number", "text", "a list", "an object"}

// String returns the shape in the words of the messages.
func (s shape) String() string { return shapeNames[s] }

// A node is a value of the file with its place. Aliases share nodes.
type node struct {
	pos     host.Position
	shape   shape
	scalar  any    // nil, bool, int64, uint64, float64 or string
	text    string // a scalar as it is written
	items   []*node
	members []member
	size    int // nodes in this tree, aliases expanded
	depth   int // levels in it
}

// A member is a key of an object with its value.
type member struct {
	key string
	pos host.Position // of the key
	val *node
}

// get returns the member of that name, or nil.
func (n *node) get(key string) *member {
	for i := range n.members {
		if n.members[i].key == key {
			return &n.members[i]
		}
	}
	return nil
}

// measure sets size and depth from the children's, without overflow.
func (n *node) measure() {
	n.size, n.depth = 1, 1
	grow := func(child *node) {
		n.size = min(n.size+child.size, maxNodes+1)
		n.depth = max(n.depth, child.depth+1)
	}
	for _, item := range n.items {
		grow(item)
	}
	for i := range n.members {
		grow(n.members[i].val)
	}
}

// plain returns the value as encoding/json would have decoded it, but for whole numbers, which stay whole.
func (n *node) plain() any {
	switch n.shape {
	case shapeList:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = item.plain()
		}
		return list
	case shapeObject:
		object := make(map[string]any, len(n.members))
		for i := range n.members {
			object[n.members[i].key] = n.members[i].val.plain()
		}
		return object
	default:
		return n.scalar
	}
}

// A spot is a node together with how it is reached.
type spot struct {
	node *node
	at   place         // of the value
	key  host.Position // of its key; of the value itself in a list
	name string        // for messages: "timeout", item 2 of "targets"
}

// whole is the spot of a file's root.
func (n *node) whole() spot {
	return spot{node: n, at: place{pos: n.pos}, key: n.pos, name: "the file"}
}

// find walks on along keys and indexes. It stops early where the path leaves the tree.
func (s spot) find(path []string) spot {
	key := s.name
	for _, step := range path {
		switch s.node.shape {
		case shapeObject:
			m := s.node.get(step)
			if m == nil {
				return s
			}
			key = strconv.Quote(step)
			s = spot{node: m.val, at: place{m.val.pos, KeyPath(s.at.path, step)}, key: m.pos, name: key}
		case shapeList:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(s.node.items) {
				return s
			}
			item := s.node.items[i]
			s = spot{node: item, at: place{item.pos, indexPath(s.at.path, i)}, key: item.pos, name: "item " + strconv.Itoa(i+1) + " of " + key}
		default:
			return s
		}
	}
	return s
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_$-]+$`)

// KeyPath appends a key to a path: apis.orders, routes["GET /x"].
func KeyPath(path, key string) string {
	switch {
	case !plainKey.MatchString(key):
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	default:
		return path + "." + key
	}
}

// indexPath appends an index to a path: targets[0].
func indexPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
