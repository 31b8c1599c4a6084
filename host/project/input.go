package project

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/definition"
)

// maxName is how many characters a project's name may have on a host.
const maxName = 64

var noName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// Name is what a host calls a project that says nothing else: its folder's name, with hyphens for what a name cannot have, or that of the
// API of a document that is run as it is.
func (p *Project) Name() string {
	if p.name != "" {
		return p.name
	}
	name := strings.Trim(noName.ReplaceAllString(filepath.Base(p.Dir), "-"), "-")
	if name = name[:min(len(name), maxName)]; name == "" {
		return "project"
	}
	return name
}

// Input is what a host needs of a loaded project to apply it: its definition, and what all references came to. Code is there by its
// digest; Blobs has the contents. The values of secrets that come from files are in it, and nowhere else.
func (p *Project) Input() catalog.Input {
	in := catalog.Input{
		Bundle:  catalog.Bundle{File: p.File, Text: string(p.Text), Code: map[string]catalog.Code{}, Files: map[string]string{}, Unqualified: p.unqualified && len(p.documents) > 0},
		Secrets: map[string]string{},
	}
	for _, u := range p.Snapshot.Upstreams {
		for file, data := range map[string][]byte{u.TLS.CAFile.Value: u.TLS.CA, u.TLS.CertFile.Value: u.TLS.Cert} {
			if file != "" {
				in.Bundle.Files[path.Clean(file)] = string(data)
			}
		}
		if file := u.TLS.KeyFile.Value; file != "" {
			in.Secrets[path.Clean(file)] = u.TLS.Key.Reveal()
		}
	}
	for s := range definition.Secrets(p.Snapshot) {
		if s.File != "" {
			in.Secrets[path.Clean(s.File)] = s.Value.Reveal()
		}
	}
	for file, text := range p.documents {
		in.Bundle.Files[file] = string(text)
	}
	for f := range definition.TextFiles(p.Snapshot) {
		in.Bundle.Files[path.Clean(f.Ref)] = string(f.Content())
	}
	for u := range definition.Uses(p.Snapshot) {
		if u.Plugin.Source != nil {
			in.Bundle.Code[path.Clean(u.Plugin.Ref)] = CodeOf(u.Plugin.Source)
		}
	}
	return in
}

// CodeOf describes a source as a host keeps it. Its code is there, not to be loaded.
func CodeOf(s *host.Source) catalog.Code {
	code := catalog.Code{Runtime: s.Runtime, Digest: s.Digest, Exports: s.Exports, Size: int64(len(s.Code))}
	if len(s.SourceMap) > 0 {
		code.SourceMap = digestOf(s.SourceMap)
	}
	if len(s.ConfigSchema) > 0 {
		code.ConfigSchema = digestOf(s.ConfigSchema)
	}
	return code
}

// Contents yields the blobs of a source by their digests: its code, and its source map and the schema of its configuration where it has them.
func Contents(s *host.Source) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		if !yield(s.Digest, s.Code) {
			return
		}
		for _, content := range [][]byte{s.SourceMap, s.ConfigSchema} {
			if len(content) > 0 && !yield(digestOf(content), content) {
				return
			}
		}
	}
}

// Blobs yields the contents that Input names by their digests, each once, sorted by the references that lead to them.
func (p *Project) Blobs() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		var told []string
		for _, a := range p.Artifacts() {
			for digest, content := range Contents(a.Source) {
				if slices.Contains(told, digest) {
					continue
				}
				told = append(told, digest)
				if !yield(digest, content) {
					return
				}
			}
		}
	}
}

func digestOf(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}
