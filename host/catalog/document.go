package catalog

import (
	"fmt"
	"path"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	tree "github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// ReadDocument makes a definition of an API of the text of an OpenAPI document, as definition.Options.Document does; file is the
// document's name in places, and unqualified as in Bundle. The report is nil where nothing could be made out.
func ReadDocument(file string, text []byte, ref definition.DocumentRef, unqualified bool) (*definition.Document, *openapi.Report, error) {
	out := &definition.Document{File: file, Text: text}
	root, err := tree.Parse(file, text, openapi.Limits())
	if err != nil {
		return out, nil, err
	}
	result, err := openapi.Read(root, openapi.Options{Protocol: ref.Protocol, AllowUnsupported: ref.AllowUnsupported, BasePath: ref.BasePath, Unqualified: unqualified})
	out.API = result.API
	return out, result.Report, err
}

// parse reads the definition, with the documents that its APIs are made of, and names those. What else it refers to is not looked at.
func (b *Bundle) parse(scripts string) (s *host.Snapshot, documents map[string]bool, err error) {
	documents = map[string]bool{}
	s, err = definition.Parse(b.File, []byte(b.Text), definition.Options{Host: true, Scripts: scripts, Document: func(ref definition.DocumentRef) (*definition.Document, error) {
		file := path.Clean(ref.Ref)
		text, ok := b.Files[file]
		if !ok {
			return nil, &definition.Error{Rule: RuleMissingFile, Message: fmt.Sprintf("the document %q was not sent", ref.Ref), Hint: fmt.Sprintf("files must hold it under %q", file)}
		}
		documents[file] = true
		doc, _, err := ReadDocument(file, []byte(text), ref, b.Unqualified)
		return doc, err
	}})
	return s, documents, err
}

// Definition reads the definition of a bundle. Code, templates and secrets are references that are not resolved. The error is
// definition.Errors, with everything that is wrong.
func (b *Bundle) Definition() (*host.Snapshot, error) {
	s, _, err := b.parse("")
	return s, err
}

// checkFiles bounds the files that are no documents.
func (b *Bundle) checkFiles(documents map[string]bool) error {
	for ref, text := range b.Files {
		if len(text) > maxFile && !documents[ref] {
			return refuse(host.TooLarge, "bundle", "the file %q has %d bytes, and %d are the most", abridged(ref), len(text), maxFile)
		}
	}
	return nil
}

// lines gives errors the lines that they are about.
func (b *Bundle) lines(errs definition.Errors) {
	split := map[string][]string{}
	for _, e := range errs {
		if e.Source != "" || e.Pos.Line == 0 {
			continue
		}
		lines, done := split[e.Pos.File]
		if !done {
			text := b.Files[e.Pos.File]
			if e.Pos.File == b.File {
				text = b.Text
			}
			lines = strings.Split(text, "\n")
			split[e.Pos.File] = lines
		}
		if e.Pos.Line <= len(lines) {
			e.Source = strings.TrimSuffix(lines[e.Pos.Line-1], "\r")
		}
	}
}
