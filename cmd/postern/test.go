package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/cases"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/spec"
)

// errCases says that cases failed. What failed has been told.
var errCases = errors.New("cases failed")

// A tester is the command test.
type tester struct {
	std      *streams
	settings *settings

	run         string
	update      bool
	verbose     bool
	conformance bool
	runtime     string
	format      string
}

func newTest(std *streams) *cobra.Command {
	t := &tester{std: std, settings: newSettings()}
	cmd := &cobra.Command{
		Use:   "test [PATH] [CASE…]",
		Short: "Run test cases on plugins",
		Long: `Runs *.txtar cases on plugins, in the engine that serves them and without a network: the clock stands, random bytes come from a seed, fetches
are recorded, and the map is in memory. spec/cases.md says how a case is written.

PATH is a project's folder (the default is the one that you are in), a plugin's folder, which is built, or a .wasm, .js or .ts file. Cases
are those in tests/ of a plugin's folder, or, of a file orders.ts, tests/orders.txtar, tests/orders.*.txtar and tests/orders/*.txtar beside it; or
the files and folders that are named. With --conformance, they are those that every guest of Postern's ABI has to pass.

A plugin of a project has the environment, configuration, limits and isolation of its definition, where a case does not say otherwise. It
never has its secrets.`,
		Example: `  postern test
  postern test functions/orders -v
  postern test dist/orders.wasm tests/refund.txtar
  postern test --conformance guest.wasm`,
		RunE: t.command,
	}
	f := cmd.Flags()
	f.StringVar(&t.run, "run", "", "run those cases alone whose file or name a `regexp` matches")
	f.BoolVar(&t.update, "update", false, "write what came into the want sections of the cases")
	f.BoolVarP(&t.verbose, "verbose", "v", false, "show what each call answered, logged and did")
	f.BoolVar(&t.conformance, "conformance", false, "run the conformance cases")
	f.StringVar(&t.runtime, "runtime", "", "run scripts on js or quickjs, whatever their definition says")
	f.StringVarP(&t.format, "output", "o", formatText, "text or json")
	t.settings.addDocument()
	t.settings.addBuild(cmd)
	return cmd
}

func (t *tester) command(cmd *cobra.Command, args []string) error {
	if err := checkFormat(t.format); err != nil {
		return err
	}
	if err := t.settings.resolve(); err != nil {
		return err
	}
	only, err := regexp.Compile(t.run)
	if err != nil {
		return usageErrorf("--run: %v", err)
	}
	if t.conformance && (t.update || len(args) != 1) {
		return usageErrorf("--conformance wants one guest, and does not go with --update or cases")
	}
	if err := checkScriptRuntime(t.runtime); err != nil {
		return err
	}
	subjects, err := t.subjects(cmd.Context(), args)
	if err != nil {
		return err
	}
	if err := t.parse(subjects, only); err != nil {
		return err
	}
	return t.all(cmd.Context(), subjects)
}

// A testSubject is a plugin with its cases.
type testSubject struct {
	name  string
	src   *host.Source
	base  *host.PluginConfig // nil for one of no project
	files []string
	read  func(file string) ([]byte, error)
	cases []*cases.Case
}

// parse reads all cases first: nothing runs while one of them cannot be meant.
func (t *tester) parse(subjects []*testSubject, only *regexp.Regexp) error {
	var broken definition.Errors
	found := 0
	for _, s := range subjects {
		for _, file := range s.files {
			data, err := s.read(file)
			if err != nil {
				return err
			}
			c, err := cases.Parse(file, data)
			var errs definition.Errors
			switch {
			case errors.As(err, &errs):
				broken = append(broken, errs...)
			case err != nil:
				return err
			case only.MatchString(c.File) || only.MatchString(c.Name):
				s.cases = append(s.cases, c)
			}
			found++
		}
	}
	if len(broken) > 0 {
		t.std.dir = "."
		return broken
	}
	for _, s := range subjects {
		if len(s.cases) > 0 {
			return nil
		}
	}
	if found > 0 {
		return usageErrorf("--run %q matches none of %s", t.run, count(found, "case"))
	}
	return noCases(subjects)
}

// all runs the cases of all subjects, tells what came, and fails if one did.
func (t *tester) all(ctx context.Context, subjects []*testSubject) (err error) {
	engine := &cases.Engine{CacheDir: t.settings.cacheDir}
	defer func() { err = errors.Join(err, engine.Close(context.WithoutCancel(ctx))) }()
	report := &testReport{Cases: []testCase{}}
	for _, s := range subjects {
		if len(s.cases) == 0 {
			continue
		}
		if err := t.one(ctx, engine, s, report); err != nil {
			return err
		}
	}
	if err := t.finish(report); err != nil {
		return err
	}
	if report.Failed > 0 {
		return &toldError{errCases}
	}
	return nil
}

// one runs the cases of one plugin.
func (t *tester) one(ctx context.Context, engine *cases.Engine, s *testSubject, report *testReport) (err error) {
	subject, err := engine.Subject(ctx, s.src, s.base)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, subject.Close(context.WithoutCancel(ctx))) }()
	for _, c := range s.cases {
		result := subject.Run(ctx, c)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		updated := false
		if t.update && !result.Passed() {
			if updated, result, err = t.rewrite(ctx, subject, result); err != nil {
				return err
			}
		}
		t.tell(report, s, result, updated)
	}
	return nil
}

// rewrite writes what came into the case, and runs it again: what still fails is nothing that a want section says.
func (t *tester) rewrite(ctx context.Context, subject *cases.Subject, result *cases.Result) (bool, *cases.Result, error) {
	file := result.Case.File
	before, err := os.ReadFile(file)
	if err != nil {
		return false, result, err
	}
	after := result.Update()
	if bytes.Equal(before, after) {
		return false, result, nil
	}
	if err := os.WriteFile(file, after, 0o644); err != nil {
		return false, result, err
	}
	c, err := cases.Parse(file, after)
	if err != nil {
		return true, result, err
	}
	return true, subject.Run(ctx, c), nil
}

// checkScriptRuntime refuses a --runtime that is none for scripts.
func checkScriptRuntime(name string) error {
	if name != "" && name != host.RuntimeJS && name != host.RuntimeQuickJS {
		return usageErrorf("--runtime: %q is neither %s nor %s", name, host.RuntimeJS, host.RuntimeQuickJS)
	}
	return nil
}

// onRuntime is code that runs on the runtime that was asked for, if it is a script.
func onRuntime(src *host.Source, name string) *host.Source {
	if name == "" || src.Runtime == host.RuntimeWasm {
		return src
	}
	other := *src
	other.Runtime = name
	return &other
}

// conformanceFiles are the cases that the program brings along.
func conformanceFiles() ([]string, error) {
	entries, err := spec.Conformance.ReadDir("conformance")
	if err != nil {
		return nil, err
	}
	files := make([]string, len(entries))
	for i, e := range entries {
		files[i] = "conformance/" + e.Name()
	}
	return files, nil
}

// caseName is a case's file without what they all have.
func caseName(file string) string {
	return strings.TrimSuffix(filepath.ToSlash(file), ".txtar")
}
