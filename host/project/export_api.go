package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// maxExportedText is more than any template or model may have, in bytes; package openapi says of larger ones that they are.
const maxExportedText = 1 << 20

// ExportAPI writes an API of the project in dir as an OpenAPI document of that version: "3.0", "3.1" or "2.0". api may be "" where there is one.
// Errors are as Define's; an API that is not there has Kind Invalid.
func ExportAPI(dir string, opts Options, api, version string) (*document.Node, *openapi.Report, error) {
	p, err := Define(dir, opts)
	if err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(p.Dir)
	if err != nil {
		return nil, nil, &host.Error{Op: opExport, Kind: host.NotFound, Err: err}
	}
	defer root.Close()
	source := apiSource{file: p.File, text: p.Text, document: func(file string) ([]byte, error) { return p.documents[file], nil }, read: func(file string) ([]byte, error) {
		text, err := readStart(root, file, maxExportedText)
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("there is no such file")
		}
		return text, err
	}}
	return source.export(api, version)
}

// ExportBundleAPI is ExportAPI of what was applied to a host.
func ExportBundleAPI(b catalog.Bundle, api, version string) (*document.Node, *openapi.Report, error) {
	file := func(name string) ([]byte, error) {
		text, ok := b.Files[name]
		if !ok {
			return nil, errors.New("it is not among what was applied")
		}
		return []byte(text), nil
	}
	return apiSource{file: b.File, text: []byte(b.Text), unqualified: b.Unqualified, document: file, read: file}.export(api, version)
}

// An apiSource is a definition with the files that it refers to, by their cleaned paths.
type apiSource struct {
	file           string
	text           []byte
	unqualified    bool
	document, read func(file string) ([]byte, error)
}

func (s apiSource) export(api, version string) (*document.Node, *openapi.Report, error) {
	root, err := definition.Tree(s.file, s.text, definition.Options{Host: true, Document: func(ref definition.DocumentRef) (*definition.Document, error) {
		file := path.Clean(ref.Ref)
		text, err := s.document(file)
		if err != nil {
			return nil, err
		}
		doc, _, err := catalog.ReadDocument(file, text, ref, s.unqualified)
		return doc, err
	}})
	if err != nil {
		return nil, nil, err
	}
	m, err := oneAPI(root.Get("apis"), api)
	if err != nil {
		return nil, nil, err
	}
	opts := openapi.ExportOptions{Name: m.Key, Version: version, Text: func(ref string) ([]byte, error) { return s.read(path.Clean(ref)) }}
	if region := root.Get("aws").Get("region"); region != nil {
		opts.Region = region.Text
	}
	exported, report, err := openapi.Export(m.Value, opts)
	var wrong definition.Errors
	if errors.As(err, &wrong) {
		err = wrong.Finish(s.file, s.text)
	}
	return exported, report, err
}

// oneAPI finds the API of that name, or the only one.
func oneAPI(apis *document.Node, name string) (*document.Member, error) {
	refuse := func(format string, args ...any) error {
		return &host.Error{Op: opExport, Kind: host.Invalid, Err: fmt.Errorf(format, args...)}
	}
	if apis == nil || len(apis.Members) == 0 {
		return nil, refuse("the project has no API")
	}
	var names []string
	for _, m := range apis.Members {
		names = append(names, m.Key)
	}
	slices.Sort(names)
	if name == "" && len(names) > 1 {
		return nil, refuse("the project has several APIs, name one with --api: %s", strings.Join(names, ", "))
	}
	if name == "" {
		name = names[0]
	}
	m := apis.Member(name)
	if m == nil {
		return nil, refuse("the project has no API %s; there is %s", quoted(name), strings.Join(names, ", "))
	}
	return m, nil
}
