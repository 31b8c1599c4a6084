package project

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/mapping/schema"
	"github.com/postern/postern/host/mapping/template"
)

// The rules that templates and models can break.
const (
	RuleTemplate = "template" // a mapping template does not compile
	RuleModel    = "model"    // a model is no JSON Schema that can be used
)

// texts reads the templates and models that stand in files, and says what is wrong with them and with those of the definition itself.
func (l *loader) texts(snapshot *host.Snapshot) {
	missing := map[host.Position]bool{}
	for f := range definition.TextFiles(snapshot) {
		if !l.textFile(f) {
			missing[f.Pos] = true
		}
	}
	compiled := map[string]bool{} // files in a phase, each once
	for t := range definition.Templates(snapshot) {
		once := t.Phase.String() + " " + t.Name
		if missing[t.Pos] || l.told[t.Pos] || compiled[once] {
			continue
		}
		compiled[once] = t.Ref != ""
		if _, err := template.Compile(t.Template, t.Phase, template.Options{}); err != nil {
			l.fail(templateProblem(t.Template, t.Path, err))
		}
	}
	for _, a := range snapshot.APIs {
		if a.REST != nil {
			l.models(a, missing)
		}
	}
}

// textFile reads a file, and reports whether it could.
func (l *loader) textFile(f definition.TextFile) bool {
	if l.told[f.Pos] || !filepath.IsLocal(filepath.FromSlash(f.Ref)) {
		return false // the definition's own error
	}
	l.input(path.Clean(f.Ref))
	data, err := l.read(f.Ref, definition.MaxText)
	if err != nil {
		e := l.unreadable(f.Ref, err)
		l.fail(f.Problem(e.Rule, e.Message, e.Hint))
		return false
	}
	name := path.Clean(f.Ref)
	if f.Model == nil {
		f.Set(data)
		return true
	}
	var wrong document.Errors
	if _, err := document.Parse(name, data, document.Limits{}); errors.As(err, &wrong) {
		l.fail(wrong...)
		return false
	}
	f.Set(data)
	return true
}

// templateProblem says where a template is wrong: in its file, or in the definition at the text.
func templateProblem(t *host.Template, at string, err error) *definition.Error {
	out := &definition.Error{Pos: t.Pos, Path: at, Rule: RuleTemplate, Message: err.Error()}
	var typed *host.Error
	if !errors.As(err, &typed) || typed.Pos.IsZero() {
		return out
	}
	if typed.Err != nil {
		out.Message = typed.Err.Error()
	}
	if t.Ref != "" {
		out.Pos = typed.Pos
		out.Pos.Line, out.Pos.Column = max(1, out.Pos.Line), max(1, out.Pos.Column)
	} else if typed.Pos.Line > 0 {
		out.Message = fmt.Sprintf("line %d, column %d of the template: %s", typed.Pos.Line, typed.Pos.Column, out.Message)
	}
	return out
}

// models compiles the models of an API together, since they may refer to each other.
func (l *loader) models(a *host.API, missing map[host.Position]bool) {
	byName := map[string]*host.Model{}
	texts := map[string][]byte{}
	for _, m := range a.REST.Models {
		if missing[m.Pos] || l.told[m.Pos] {
			return // what is told of them is enough
		}
		byName[m.Name], texts[m.Name] = m, m.Schema
	}
	_, err := schema.Compile(texts, schema.Limits{})
	for _, e := range flatten(err, &definition.Error{Rule: RuleModel, Path: definition.KeyPath("apis", a.Name) + ".models"}) {
		name, reason, named := strings.Cut(strings.TrimPrefix(e.Message, "model "), ": ")
		if m := byName[name]; named && m != nil {
			e.Pos, e.Path, e.Message = m.Pos, definition.KeyPath(e.Path, name), fmt.Sprintf("the model %s cannot be used: %s", name, reason)
		} else {
			e.Pos = a.Pos
		}
		l.fail(e)
	}
}
