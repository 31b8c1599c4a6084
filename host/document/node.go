package document

import (
	"regexp"
	"strconv"

	"github.com/postern/postern/host"
)

// A Shape is one of JSON's types.
type Shape uint8

// The shapes.
const (
	Null Shape = iota
	Bool
	Integer
	Number
	Text
	List
	Object
)

var shapeNames = [...]string{"empty", "true or false", "a whole number", "a number", "text", "a list", "an object"}

// String returns the shape in the words of messages: "a list".
func (s Shape) String() string { return shapeNames[s] }

// A Node is a value of a document with its place. Aliases share nodes: a tree is not to be changed.
type Node struct {
	Pos     host.Position
	Shape   Shape
	Scalar  any      // nil, bool, int64, uint64 (above int64), float64 or string
	Text    string   // a scalar as it is written; of text, its value
	Items   []*Node  // of a list
	Members []Member // of an object, in the order of the document; no key stands twice

	size  int // nodes in this tree, aliases expanded
	depth int // levels in it
	bytes int // of its scalars and keys, aliases expanded
}

// A Member is a key of an object with its value.
type Member struct {
	Key   string
	Pos   host.Position // of the key
	Value *Node
}

// Get returns the value of that key, or nil. It may be asked of nil, and of what is no object.
func (n *Node) Get(key string) *Node {
	if m := n.Member(key); m != nil {
		return m.Value
	}
	return nil
}

// Member returns the member of that key, or nil. It may be asked of nil, and of what is no object.
func (n *Node) Member(key string) *Member {
	if n == nil {
		return nil
	}
	for i := range n.Members {
		if n.Members[i].Key == key {
			return &n.Members[i]
		}
	}
	return nil
}

// measure sets size, depth and bytes from the children's, without overflow.
func (n *Node) measure(most, mostBytes int) {
	n.size, n.depth, n.bytes = 1, 1, 0
	grow := func(child *Node) {
		n.size = min(n.size+child.size, most+1)
		n.bytes = min(n.bytes+child.bytes, mostBytes+1)
		n.depth = max(n.depth, child.depth+1)
	}
	for _, item := range n.Items {
		grow(item)
	}
	for i := range n.Members {
		n.bytes = min(n.bytes+len(n.Members[i].Key), mostBytes+1)
		grow(n.Members[i].Value)
	}
}

// Plain returns the value as encoding/json would have decoded it, but for whole numbers, which stay whole.
func (n *Node) Plain() any {
	switch n.Shape {
	case List:
		list := make([]any, len(n.Items))
		for i, item := range n.Items {
			list[i] = item.Plain()
		}
		return list
	case Object:
		object := make(map[string]any, len(n.Members))
		for i := range n.Members {
			object[n.Members[i].Key] = n.Members[i].Value.Plain()
		}
		return object
	default:
		return n.Scalar
	}
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

// IndexPath appends an index to a path: targets[0].
func IndexPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
