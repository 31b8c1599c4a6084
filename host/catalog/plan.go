package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// The actions of a Difference.
const (
	actionCreate = "create"
	actionUpdate = "update"
	actionDelete = "delete"
	actionDeploy = "deploy"
)

// planOrder is the order of kinds in a plan: what others stand on comes first.
var planOrder = []string{"project", "secret", "upstream", "function", "api", "deployment", "stage", "domain"}

func (p *Plan) add(d Difference) { p.Changes = append(p.Changes, d) }

func (p *Plan) warn(format string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
}

// sort brings the changes into the order of kind and name.
func (p *Plan) sort() {
	if p.Changes == nil {
		p.Changes = []Difference{} // an empty list in JSON
	}
	for _, list := range [][]Difference{p.Changes, p.Orphans} {
		slices.SortStableFunc(list, func(a, b Difference) int {
			return cmp.Or(slices.Index(planOrder, a.Kind)-slices.Index(planOrder, b.Kind), strings.Compare(a.Name, b.Name))
		})
	}
	slices.Sort(p.Warnings)
}

// A facet is one setting of a definition, as people read it.
type facet struct {
	scope string // "route POST /orders"; "" for the whole
	name  string // "timeout"
	text  string // "10s"
}

// facets is a list of them, in the order in which they are shown.
type facets []facet

// add appends a setting. One without text is a default that nobody needs to read.
func (f *facets) add(scope, name, text string) {
	if text != "" {
		*f = append(*f, facet{scope, name, text})
	}
}

// maxDetails bounds the lines of one difference; a generated definition may have changed everywhere.
const maxDetails = 200

// differ says line by line what is between two lists: scopes that came and went, and settings that have another text.
func differ(before, after facets) []string {
	was, is := before.index(), after.index()
	var lines []string
	told := map[string]bool{}
	for _, f := range after {
		old, had := was.texts[facet{scope: f.scope, name: f.name}]
		switch {
		case f.scope != "" && !was.scopes[f.scope]:
			if !told[f.scope] {
				told[f.scope] = true
				lines = append(lines, f.scope+": added")
			}
		case !had:
			lines = append(lines, line(f.scope, f.name, "(none)", f.text))
		case old != f.text:
			lines = append(lines, line(f.scope, f.name, old, f.text))
		}
	}
	for _, f := range before {
		_, has := is.texts[facet{scope: f.scope, name: f.name}]
		switch {
		case f.scope != "" && !is.scopes[f.scope]:
			if !told[f.scope] {
				told[f.scope] = true
				lines = append(lines, f.scope+": removed")
			}
		case !has:
			lines = append(lines, line(f.scope, f.name, f.text, "(none)"))
		}
	}
	if more := len(lines) - maxDetails; more > 0 {
		lines = append(lines[:maxDetails], fmt.Sprintf("and %d more", more))
	}
	return lines
}

type facetIndex struct {
	scopes map[string]bool
	texts  map[facet]string // by scope and name
}

func (f facets) index() facetIndex {
	x := facetIndex{map[string]bool{}, make(map[facet]string, len(f))}
	for _, one := range f {
		x.scopes[one.scope] = true
		x.texts[facet{scope: one.scope, name: one.name}] = one.text
	}
	return x
}

// line is "route POST /orders: timeout 10s -> 5s".
func line(scope, name, before, after string) string {
	text := name + " " + brief(before) + " -> " + brief(after)
	if scope != "" {
		text = scope + ": " + text
	}
	return text
}

// brief shortens a value, and keeps it on its line.
func brief(text string) string {
	const most = 80
	text = strings.Map(func(r rune) rune {
		if isControl(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
