package definition

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// readTree turns a file into a tree, and reports why it cannot. It returns nil when there is nothing to look at.
func (r *report) readTree(data []byte) *document.Node {
	root, err := document.Parse(r.file, data, document.Limits{})
	var broken Errors
	errors.As(err, &broken)
	for _, e := range broken {
		if e.Rule == RuleRequired && e.Hint == "" {
			e.Hint = "a definition has apis or functions"
		}
	}
	r.errs = append(r.errs, broken...)
	if root == nil {
		return nil
	}
	if root.Shape != document.Object {
		r.add(place{pos: root.Pos}, RuleWrongType, fmt.Sprintf("the file must be an object with keys such as apis and functions, not %s", root.Shape))
		return nil
	}
	top := *root
	top.Pos = host.Position{File: r.file, Line: 1, Column: 1}
	return &top
}

// A spot is a node together with how it is reached.
type spot struct {
	node *document.Node
	at   place         // of the value
	key  host.Position // of its key; of the value itself in a list
	name string        // for messages: "timeout", item 2 of "targets"
}

// whole is the spot of a file's root.
func whole(n *document.Node) spot {
	return spot{node: n, at: place{pos: n.Pos}, key: n.Pos, name: "the file"}
}

// find walks on along keys and indexes. It stops early where the path leaves the tree.
func (s spot) find(path []string) spot {
	key := s.name
	for _, step := range path {
		switch s.node.Shape {
		case document.Object:
			m := s.node.Member(step)
			if m == nil {
				return s
			}
			key = strconv.Quote(step)
			s = spot{node: m.Value, at: place{m.Value.Pos, KeyPath(s.at.path, step)}, key: m.Pos, name: key}
		case document.List:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(s.node.Items) {
				return s
			}
			item := s.node.Items[i]
			s = spot{node: item, at: place{item.Pos, document.IndexPath(s.at.path, i)}, key: item.Pos, name: "item " + strconv.Itoa(i+1) + " of " + key}
		default:
			return s
		}
	}
	return s
}
