package project

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/mapping/parameter"
	"github.com/postern/postern/host/mapping/template"
	"github.com/postern/postern/host/rest"
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
			l.bad[t.Name] = true
			l.fail(templateProblem(t.Template, t.Path, err))
		}
	}
	for _, a := range snapshot.APIs {
		l.rest(a, missing)
		if a.REST == nil {
			l.edits(a)
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

// rest compiles what an API of the protocol rest has besides: models together, since they may refer to each other, gateway responses, and
// the expressions that select responses.
func (l *loader) rest(a *host.API, missing map[host.Position]bool) {
	if a.REST == nil {
		return
	}
	at := definition.KeyPath("apis", a.Name)
	if !slices.ContainsFunc(a.REST.Models, func(m *host.Model) bool { return missing[m.Pos] || l.told[m.Pos] }) {
		_, err := rest.CompileModels(a)
		l.compiled(err, a.Pos, at+".models", RuleModel)
	}
	_, err := rest.CompileGateway(a)
	l.compiled(err, a.Pos, at+".gatewayResponses", definition.RuleInvalidValue)
	for _, r := range a.Routes {
		l.restRoute(r, definition.KeyPath(at+".routes", r.Key))
	}
}

// restRoute compiles what a route of a rest API has besides.
func (l *loader) restRoute(r *host.Route, at string) {
	if !r.Integration.Proxy {
		_, err := rest.CompileSelector(r)
		l.compiled(err, r.Pos, at+".responses", definition.RuleInvalidValue)
	}
	_, err := parameter.CompileRequest(r.Integration.Parameters, r.REST.Parameters)
	l.compiled(err, r.Pos, at+".integration.parameters", definition.RuleInvalidValue)
	for i := range r.Responses {
		_, err := parameter.CompileResponse(r.Responses[i].Parameters)
		l.compiled(err, r.Responses[i].Pos, document.IndexPath(at+".responses", i)+".parameters", definition.RuleInvalidValue)
	}
}

// edits compiles the parameter mappings of an http API. Those of a subtype are values for its action.
func (l *loader) edits(a *host.API) {
	for _, r := range a.Routes {
		at := definition.KeyPath(definition.KeyPath("apis", a.Name)+".routes", r.Key)
		var err error
		if r.Integration.Service == nil {
			_, err = parameter.CompileHTTPRequest(r.Integration.Parameters)
		} else {
			_, err = parameter.CompileValues(r.Integration.Parameters)
		}
		l.compiled(err, r.Pos, at+".integration.parameters", definition.RuleInvalidValue)
		for i := range r.Responses {
			_, err := parameter.CompileHTTPResponse(r.Responses[i].Parameters)
			l.compiled(err, r.Responses[i].Pos, document.IndexPath(at+".responses", i)+".parameters", definition.RuleInvalidValue)
		}
	}
}

// compiled reports the errors of something that was compiled, at their own places or at pos.
func (l *loader) compiled(err error, pos host.Position, at, rule string) {
	if err != nil {
		l.fail(flatten(err, &definition.Error{Pos: pos, Path: at, Rule: rule})...)
	}
}

// checkTexts says what is wrong with the texts that stand in a definition itself: templates, models, expressions and parameters. Files are not read.
func checkTexts(snapshot *host.Snapshot) definition.Errors {
	l := &loader{told: map[host.Position]bool{}, bad: map[string]bool{}, inputs: map[string]bool{}}
	for f := range definition.TextFiles(snapshot) {
		l.told[f.Pos] = true
	}
	l.texts(snapshot)
	return l.errs
}
