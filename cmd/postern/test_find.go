package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/project"
	"github.com/postern/postern/spec"
)

// subjects finds the plugins that arguments mean, with their cases, and builds those that have any.
func (t *tester) subjects(ctx context.Context, args []string) ([]*testSubject, error) {
	where := "."
	if len(args) > 0 {
		where = args[0]
	}
	info, err := os.Stat(where)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usageErrorf("there is no file or folder %s", where)
	}
	if err != nil {
		return nil, err
	}
	if isProject(where, info) && !t.conformance {
		if len(args) > 1 {
			return nil, usageErrorf("cases are named for one plugin, and %s is a project", where)
		}
		return t.projectSubjects(ctx, where)
	}
	s, err := t.lone(where, info.IsDir(), args)
	if err != nil {
		return nil, err
	}
	options := t.settings.projectOptions(t.std)
	source, warnings, err := project.LoadSource(ctx, where, "", options)
	if err != nil {
		return nil, err
	}
	t.std.warn(warnings...)
	s.src = onRuntime(source, t.runtime)
	return []*testSubject{s}, nil
}

// lone finds the cases of a plugin that belongs to no project. They are looked for before it is built, which may take a while.
func (t *tester) lone(where string, dir bool, args []string) (*testSubject, error) {
	s := &testSubject{name: filepath.ToSlash(where), read: os.ReadFile}
	var err error
	switch {
	case t.conformance:
		s.read = spec.Conformance.ReadFile
		s.files, err = conformanceFiles()
	case len(args) > 1:
		s.files, err = namedCases(args[1:])
	default:
		s.files, err = casesOf(where, dir)
	}
	if err == nil && len(s.files) == 0 {
		err = noCases([]*testSubject{s})
	}
	return s, err
}

// isProject reports whether a path is a project: its folder, its definition, or an OpenAPI document.
func isProject(dir string, info fs.FileInfo) bool {
	if !info.IsDir() {
		return slices.Contains(definitionEndings, filepath.Ext(dir))
	}
	return slices.ContainsFunc([]string{"postern.yaml", "postern.yml"}, func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	})
}

// projectSubjects are the plugins of a project that have cases. Secrets are not looked at: a case brings its own.
func (t *tester) projectSubjects(ctx context.Context, dir string) ([]*testSubject, error) {
	if err := checkDir(dir, t.std); err != nil {
		return nil, err
	}
	options := t.settings.projectOptions(t.std)
	options.Env = func(string) (string, bool) { return "", true } // a case has no secret of the environment
	loaded, err := project.Load(ctx, dir, options)
	if err != nil {
		return nil, err
	}
	t.std.warn(loaded.Warnings...)
	var subjects []*testSubject
	seen := map[string]bool{}
	for _, plugin := range loaded.Snapshot.Plugins() {
		ref := path.Clean(plugin.Ref)
		if plugin.Source == nil || seen[ref] {
			continue
		}
		seen[ref] = true
		code := filepath.Join(t.std.dir, filepath.FromSlash(ref))
		info, err := os.Stat(code)
		if err != nil {
			return nil, err
		}
		files, err := casesOf(code, info.IsDir())
		if err != nil {
			return nil, err
		}
		base := *plugin
		src := onRuntime(plugin.Source, t.runtime)
		if src != plugin.Source {
			base.Runtime = src.Runtime
		}
		subjects = append(subjects, &testSubject{name: ref, src: src, base: &base, files: files, read: os.ReadFile})
	}
	slices.SortFunc(subjects, func(a, b *testSubject) int { return strings.Compare(a.name, b.name) })
	if len(subjects) == 0 {
		return nil, usageErrorf("the project in %s refers to no plugin", dir)
	}
	return subjects, nil
}

// casesOf finds the cases that belong to a plugin's code.
func casesOf(code string, dir bool) ([]string, error) {
	if dir {
		return matching(filepath.Join(code, "tests", "*.txtar"))
	}
	tests := filepath.Join(filepath.Dir(code), "tests")
	name := strings.TrimSuffix(filepath.Base(code), filepath.Ext(code))
	return matching(filepath.Join(tests, name+".txtar"), filepath.Join(tests, name+".*.txtar"), filepath.Join(tests, name, "*.txtar"))
}

func namedCases(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, usageErrorf("there is no case %s", arg)
		}
		if !info.IsDir() {
			files = append(files, arg)
			continue
		}
		found, err := matching(filepath.Join(arg, "*.txtar"))
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return files, nil
}

func matching(patterns ...string) ([]string, error) {
	var files []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, usageErrorf("%s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	return files, nil
}

// noCases says where cases would be found.
func noCases(subjects []*testSubject) error {
	names := make([]string, len(subjects))
	for i, s := range subjects {
		names[i] = s.name
	}
	return &usageError{&definition.Error{Message: "there are no cases for " + strings.Join(names, ", "),
		Hint: "write one: tests/NAME.txtar in a plugin's folder, or beside a file NAME.ts; see spec/cases.md"}}
}
