package definition

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// maxDocuments bounds the OpenAPI documents of one definition, in bytes, each counted as often as an API is made of it: four of the
// largest that API Gateway takes.
const maxDocuments = 24 << 20

// A DocumentRef is what an API says of the OpenAPI document that it is made of.
type DocumentRef struct {
	Ref              string        // as it is written: a path in the project
	Protocol         host.Protocol // what the API is: ProtocolREST or ProtocolHTTP
	AllowUnsupported bool          // what does not run here is left out, and is no error
	BasePath         string        // what becomes of the document's base path: "ignore", "prepend", "split", or "" for what is usual
}

// A Document is an OpenAPI document that was read.
type Document struct {
	API  *document.Node // what it says, as a definition of an API, with places in the document; nil where nothing could be made out
	File string         // its name in these places
	Text []byte         // the lines of errors are taken from it
}

// ByName are the keys of an API whose members stand for themselves: what a definition says of one leaves the document's others.
var ByName = []string{"routes", "authorizers", "models", "gatewayResponses"}

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
		merged.Set("protocol", ref.Pos, document.NewText(ref.Pos, string(protocol)))
	} else {
		protocol = host.Protocol(p.Text)
	}
	at := place{ref.Value.Pos, KeyPath(path, "openapi")}
	b := builder{report: r}
	switch {
	case opts.Document == nil:
		r.refuse(place{ref.Pos, at.path}, "api/openapi")
		return &merged
	case protocol != host.ProtocolREST && protocol != host.ProtocolHTTP, ref.Value.Shape != document.Text: // the schema says what it must be
		return &merged
	case !b.projectFile(val[string]{at, ref.Value.Text}):
		return &merged
	}
	from := DocumentRef{Ref: ref.Value.Text, Protocol: protocol}
	if n := api.Get("allowUnsupported"); n != nil {
		from.AllowUnsupported, _ = n.Scalar.(bool)
	}
	if n := api.Get("basePath"); n != nil {
		from.BasePath, _ = n.Scalar.(string)
	}
	if doc := r.readDocument(opts, from, at); doc != nil {
		merge(&merged, doc)
	}
	return &merged
}

// readDocument reads a document, and reports why it cannot; nil when there is nothing to look at.
func (r *report) readDocument(opts Options, ref DocumentRef, at place) *document.Node {
	if r.documentBytes > maxDocuments {
		return nil // which was said of the one before
	}
	doc, err := opts.Document(ref)
	var found Errors
	var one *Error
	switch {
	case errors.As(err, &found):
		allowable(found, cmp.Or(opts.UnsupportedHint, allowHint(ref, at.path)))
		r.errs = append(r.errs, found...)
	case errors.As(err, &one):
		r.add(at, one.Rule, one.Message).Hint = one.Hint
	case err != nil:
		r.add(at, RuleInvalidValue, "the document "+quote(ref.Ref)+" cannot be read: "+err.Error())
	}
	if doc == nil {
		return nil
	}
	if r.texts == nil {
		r.texts = map[string][]byte{}
	}
	r.texts[doc.File] = doc.Text
	if r.documentBytes += len(doc.Text); r.documentBytes > maxDocuments {
		r.add(at, RuleTooLarge, fmt.Sprintf("with this one, the documents that APIs are made of have more than %d bytes together", maxDocuments)).
			Hint = "give some of them a definition of their own"
		return nil
	}
	return doc.API
}

// allowHint is how a definition goes on without what is unsupported in the document of an API.
func allowHint(ref DocumentRef, path string) string {
	api := strings.TrimSuffix(strings.TrimPrefix(path, "apis."), ".openapi")
	return fmt.Sprintf("to do without all that is unsupported, write in postern.yaml: apis: {%s: {openapi: %s, allowUnsupported: true}}", api, ref.Ref)
}

// allowable gives the hint to the first thing of a document that is unsupported.
func allowable(errs Errors, hint string) {
	i := slices.IndexFunc(errs, func(e *Error) bool { return e.Rule == RuleUnsupported && e.Hint == "" })
	if i >= 0 {
		errs[i].Hint = hint
	}
}

// merge adds to an API what it does not have itself.
func merge(api, doc *document.Node) {
	for _, m := range doc.Members {
		own := api.Member(m.Key)
		switch {
		case own == nil:
			api.Members = append(api.Members, m)
		case slices.Contains(ByName, m.Key) && own.Value.Shape == document.Object && m.Value.Shape == document.Object:
			both := *own.Value
			both.Members = slices.Clone(own.Value.Members)
			for _, inner := range m.Value.Members {
				if own.Value.Member(inner.Key) == nil {
					both.Members = append(both.Members, inner)
				}
			}
			own.Value = &both
		}
	}
}

// lines gives the errors that stand in documents the lines that they are about.
func (r *report) lines() {
	split := map[string][]string{}
	for _, e := range r.errs {
		text, known := r.texts[e.Pos.File]
		if !known || e.Source != "" {
			continue
		}
		if split[e.Pos.File] == nil {
			split[e.Pos.File] = strings.Split(string(text), "\n")
		}
		if lines := split[e.Pos.File]; e.Pos.Line > 0 && e.Pos.Line <= len(lines) {
			e.Source = strings.TrimSuffix(lines[e.Pos.Line-1], "\r")
		}
	}
}

// onlyWithDocument reports keys that say how a document is read where there is none.
func (b *builder) onlyWithDocument(def *apiDef) {
	if def.OpenAPI.written() {
		return
	}
	for key, at := range map[string]place{"allowUnsupported": def.AllowUnsupported.place, "basePath": def.BasePath.place} {
		if at.written() {
			b.add(at, RuleConflict, quote(key)+" is for APIs that are made of an OpenAPI document").Hint = "remove it, or add openapi: ./api.json"
		}
	}
}

// variableHint says how a stage of an API that is made of a document gets a variable; "" for other APIs. Documents have no stages.
func (b *builder) variableHint(a *host.API, stage, name string) string {
	if !b.document.written() {
		return ""
	}
	return fmt.Sprintf("set it in postern.yaml: apis: {%s: {openapi: %s, stages: {%s: {variables: {%s: \"...\"}}}}}", a.Name, b.document.Value, stage, name)
}

// seen says where something else stands, as a place in the same file or in another reads it.
func seen(from, at host.Position) string {
	if from.File == at.File {
		return fmt.Sprintf("in line %d", at.Line)
	}
	return fmt.Sprintf("in %s, line %d", at.File, at.Line)
}
