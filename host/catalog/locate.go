package catalog

import (
	"bytes"
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// uploadedConfig stands for the place of what was uploaded with a function's code, or by `postern function config`: nobody has that as a file.
const uploadedConfig = "the function's configuration"

// locate gives the settings of a function the places that a user knows. These are in the project's file as it was applied last, where that says of
// the function what the version does. They are not kept with the version, since an edit above moves them and makes no new version.
func (s *state) locate(ctx context.Context, f *host.Function, v *versionDoc) {
	p := &f.Plugin
	in := s.inProject(ctx, f.Name, v)
	if in == nil {
		replacePlaces(&p.Limits, host.Position{File: uploadedConfig})
		return
	}
	f.Pos, f.Async, p.Pos, p.OnError.Pos = in.Pos, in.Async, in.Plugin.Pos, in.Plugin.OnError.Pos
	placeLimits(&p.Limits, &in.Plugin.Limits) // and not the values: of other code, for another runtime, they may be others
	for i := range p.Secrets {                // of both, by name
		p.Secrets[i].Pos = in.Plugin.Secrets[i].Pos
	}
}

// inProject returns a function as the file of its project has it, nil where that has none or says something else than the version does. It
// must not be changed.
func (s *state) inProject(ctx context.Context, name string, v *versionDoc) *host.Function {
	if v.Project == "" || !s.has(kindProject, v.Project) {
		return nil
	}
	doc, err := read[projectDoc](ctx, s, kindProject, v.Project)
	if err != nil {
		return nil
	}
	parsed, err := s.bundle(ctx, doc.Bundle)
	if err != nil {
		return nil // places are no reason to fail
	}
	list := parsed.snapshot.Functions
	i, ok := slices.BinarySearchFunc(list, name, func(f *host.Function, name string) int { return strings.Compare(f.Name, name) })
	if !ok {
		return nil
	}
	config := configOf(list[i], s.catalog.opts.Scripts)
	if err := config.canonical(); err != nil || !bytes.Equal(config.text(), v.Config.text()) {
		return nil
	}
	return list[i]
}

// placeLimits gives limits the places of others.
func placeLimits(l, as *host.Limits) {
	to, from := reflect.ValueOf(l).Elem(), reflect.ValueOf(as).Elem()
	for i := range to.NumField() {
		to.Field(i).FieldByName("Pos").Set(from.Field(i).FieldByName("Pos"))
	}
}

// replacePlaces sets the place of every limit that was written.
func replacePlaces(l *host.Limits, at host.Position) {
	for i, limits := 0, reflect.ValueOf(l).Elem(); i < limits.NumField(); i++ {
		if pos, ok := limits.Field(i).FieldByName("Pos").Addr().Interface().(*host.Position); ok && !pos.IsZero() {
			*pos = at
		}
	}
}
