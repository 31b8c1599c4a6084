package definition

import (
	"iter"
	"strings"

	"github.com/postern/postern/host"
)

// MaxText is the most that a file of text may have that a definition refers to, in bytes (API Gateway's quota of mapping templates,
// which is less than that of models).
const MaxText = 300 << 10

// A TextFile is a template or a model that a definition refers to by a path.
type TextFile struct {
	Ref      string
	Path     string         // of the reference in the definition
	Pos      host.Position  // of the reference
	Template *host.Template // this, or
	Model    *host.Model
}

// Set puts the content of the file where it belongs.
func (f TextFile) Set(content []byte) {
	if f.Template != nil {
		f.Template.Text = string(content)
	} else {
		f.Model.Schema = content
	}
}

// Content returns what was set.
func (f TextFile) Content() []byte {
	if f.Template != nil {
		return []byte(f.Template.Text)
	}
	return f.Model.Schema
}

// Problem is an error at the reference.
func (f TextFile) Problem(rule, message, hint string) *Error {
	return &Error{Pos: f.Pos, Path: f.Path, Rule: rule, Message: message, Hint: hint}
}

// TextFiles yields every template and model of a snapshot that one definition made and that stands in a file.
func TextFiles(s *host.Snapshot) iter.Seq[TextFile] {
	return func(yield func(TextFile) bool) {
		for t := range Templates(s) {
			if t.Ref != "" && !yield(TextFile{t.Ref, t.Path, t.Pos, t.Template, nil}) {
				return
			}
		}
		for _, a := range s.APIs {
			if a.REST == nil {
				continue
			}
			for _, m := range a.REST.Models {
				at := KeyPath(KeyPath("apis", a.Name)+".models", m.Name)
				if m.Ref != "" && !yield(TextFile{m.Ref, at, m.Pos, nil, m}) {
					return
				}
			}
		}
	}
}

// A TemplateUse is a place of a definition where a mapping template stands.
type TemplateUse struct {
	*host.Template
	Phase host.Phase // PhaseMapRequest or PhaseMapResponse
	Path  string
}

// Templates yields every mapping template of a snapshot that one definition made, with its place.
func Templates(s *host.Snapshot) iter.Seq[TemplateUse] {
	return func(yield func(TemplateUse) bool) {
		for _, a := range s.APIs {
			for _, r := range a.Routes {
				for _, use := range templatesOf(r, KeyPath(KeyPath("apis", a.Name)+".routes", r.Key)) {
					if !yield(use) {
						return
					}
				}
			}
		}
	}
}

// templatesOf are those of a route, which stands at a path.
func templatesOf(r *host.Route, at string) []TemplateUse {
	var all []TemplateUse
	add := func(mappings []host.Mapping, phase host.Phase, at string) {
		for i := range mappings {
			if t := mappings[i].Template; t != nil {
				all = append(all, TemplateUse{t, phase, KeyPath(at, mappings[i].MediaType)})
			}
		}
	}
	add(r.Mappings, host.PhaseMapRequest, at+requestMapping)
	for n, rule := range r.Responses {
		add(rule.Mappings, host.PhaseMapResponse, at+responseMapping(n))
	}
	return all
}

// Secrets yields every secret of a snapshot that one definition made, with its place: those of plugins, and those of the access to AWS
// services, each once.
func Secrets(s *host.Snapshot) iter.Seq2[*host.Secret, string] {
	return func(yield func(*host.Secret, string) bool) {
		for use := range Uses(s) {
			if !use.secrets(yield) {
				return
			}
		}
		for _, access := range accesses(s) {
			for _, secret := range []*host.Secret{&access.AccessKeyID, &access.SecretAccessKey, &access.SessionToken} {
				if set := secret.File != "" || secret.Env != "" || secret.Store != ""; set && !yield(secret, KeyPath("aws", secret.Name)) {
					return
				}
			}
		}
	}
}

// secrets yields those of the plugin.
func (u Use) secrets(yield func(*host.Secret, string) bool) bool {
	for i := range u.Plugin.Secrets {
		secret := &u.Plugin.Secrets[i]
		if !yield(secret, KeyPath(strings.TrimSuffix(u.Path, ".plugin")+".secrets", secret.Name)) {
			return false
		}
	}
	return true
}

// accesses are the distinct ways to services that routes have, in their order.
func accesses(s *host.Snapshot) []*host.ServiceAccess {
	var all []*host.ServiceAccess
	seen := map[*host.ServiceAccess]bool{nil: true}
	for _, a := range s.APIs {
		for _, r := range a.Routes {
			if call := r.Integration.Service; call != nil && !seen[call.Access] {
				seen[call.Access] = true
				all = append(all, call.Access)
			}
		}
	}
	return all
}
