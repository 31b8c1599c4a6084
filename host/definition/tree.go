package definition

import (
	"slices"

	"github.com/postern/postern/host/document"
)

// Tree returns a definition as it is written, in which an API that is made of a document has what the document says instead of the keys that are
// about it. The error is Errors; what else Parse checks is not looked at.
func Tree(name string, data []byte, opts Options) (*document.Node, error) {
	r := &report{file: name}
	root := r.readTree(data)
	if root == nil {
		return nil, r.finish(data)
	}
	root = r.documents(root, opts)
	if apis := root.Get("apis"); apis != nil {
		for i := range apis.Members { // documents has made a copy of this list
			m := &apis.Members[i]
			if m.Value.Member("openapi") != nil {
				plain := *m.Value
				plain.Members = slices.DeleteFunc(slices.Clone(plain.Members), func(m document.Member) bool {
					return m.Key == "openapi" || m.Key == "allowUnsupported" || m.Key == "basePath"
				})
				m.Value = &plain
			}
		}
	}
	return root, r.finish(data)
}
