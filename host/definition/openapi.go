package definition

import (
	"errors"
	"slices"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// documents puts into each API with the key openapi what its document says. What stands in the definition comes first.
func (r *report) documents(root *document.Node, opts Options) *document.Node {
	apis := root.Get("apis")
	if apis == nil || apis.Shape != document.Object {
		return root
	}
	replaced := *apis
	replaced.Members = slices.Clone(apis.Members)
	for i := range replaced.Members {
		m := &replaced.Members[i]
		if ref := m.Value.Member("openapi"); ref != nil {
			m.Value = r.fromDocument(m.Value, ref, KeyPath("apis", m.Key), opts)
		}
	}
	top := *root
	top.Members = slices.Clone(root.Members)
	top.Member("apis").Value = &replaced
	return &top
}

// fromDocument returns an API together with what its document says. Where the document cannot be read, it is the API alone, without
// routes.
func (r *report) fromDocument(api *document.Node, ref *document.Member, path string, opts Options) *document.Node {
	merged := *api
	merged.Members = slices.Clone(api.Members)
	protocol := host.ProtocolREST
	if p := api.Get("protocol"); p == nil {
		rest := &document.Node{Pos: ref.Pos, Shape: document.Text, Scalar: string(protocol), Text: string(protocol)}
		merged.Members = append(merged.Members, document.Member{Key: "protocol", Pos: ref.Pos, Value: rest})
	} else {
		protocol = host.Protocol(p.Text)
	}
	at := place{ref.Value.Pos, KeyPath(path, "openapi")}
	if opts.Document == nil {
		r.refuse(place{ref.Pos, at.path}, "api/openapi")
		return &merged
	}
	b := builder{report: r}
	if ref.Value.Shape != document.Text || !b.projectFile(val[string]{at, ref.Value.Text}) {
		return &merged // the schema says that it must be text
	}
	node, err := opts.Document(ref.Value.Text, protocol)
	var found Errors
	switch {
	case errors.As(err, &found):
		r.errs = append(r.errs, found...)
	case err != nil:
		r.add(at, RuleInvalidValue, "the document "+quote(ref.Value.Text)+" cannot be read: "+err.Error())
	}
	if node == nil {
		return &merged
	}
	for _, m := range node.Members {
		if merged.Member(m.Key) == nil {
			merged.Members = append(merged.Members, m)
		}
	}
	return &merged
}
