package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// pin finds what references to the host mean now, and keeps that in the bundle: greet@live stays the code that it is today.
func (r *attempt) pin(ctx context.Context) (definition.Errors, error) {
	var errs definition.Errors
	for use := range definition.Uses(r.snapshot) {
		ref := use.Plugin.Ref
		if !definition.IsUploaded(ref) {
			continue
		}
		delete(r.bundle.Code, ref) // whatever was sent under it
		code, err := r.uploaded(ctx, ref)
		switch {
		case err == nil:
			r.bundle.Code[ref] = code
		case errors.Is(err, host.NotFound), errors.Is(err, host.Invalid):
			errs = append(errs, use.Problem(definition.RuleUnknownReference, fmt.Sprintf("%s: %v", ref, err), "upload it first"))
		default:
			return nil, err
		}
	}
	return errs, nil
}

func (r *attempt) uploaded(ctx context.Context, ref string) (Code, error) {
	if digest, ok := strings.CutPrefix(ref, "sha256:"); ok {
		if !digestPattern.MatchString(digest) {
			return Code{}, refuse(host.Invalid, "", "it must have 64 lower-case hexadecimal digits")
		}
		code, err := r.catalog.inspect(ctx, digest)
		if errors.Is(err, host.NotFound) {
			return Code{}, refuse(host.NotFound, "", "there is no blob with this digest")
		}
		return code, err
	}
	name, qualifier, _ := strings.Cut(ref, "@")
	doc, err := read[functionDoc](ctx, &r.t.state, kindFunction, name)
	if err != nil {
		return Code{}, err
	}
	number, err := doc.number(name, qualifier)
	if err != nil {
		return Code{}, err
	}
	v, err := r.t.version(ctx, name, doc.ref(number))
	if err != nil {
		return Code{}, err
	}
	return v.Code, nil
}

// lookAtCode finds references whose blobs are not there, or are not what was said of them.
func (r *attempt) lookAtCode(ctx context.Context) (definition.Errors, error) {
	known := map[string]Code{}
	if r.before != nil {
		known = r.before.bundle.Code
	}
	var errs definition.Errors
	looked := map[string]error{}
	for use := range definition.Uses(r.snapshot) {
		ref := codeKey(use.Plugin.Ref)
		code, ok := r.bundle.Code[ref]
		if !ok {
			continue // told by resolve
		}
		problem, done := looked[ref]
		if !done {
			problem = r.t.checkCode(ctx, strconv.Quote(ref), &code, known[ref])
			if problem != nil && host.KindOf(problem) != host.Invalid {
				return nil, problem
			}
			looked[ref], r.bundle.Code[ref] = problem, code
		}
		if problem != nil {
			errs = append(errs, use.Problem(RuleMissingCode, problem.Error(), ""))
		}
	}
	return errs, nil
}

// lookAtFunctions finds references to functions, versions and aliases that neither the definition nor the host has.
func (r *attempt) lookAtFunctions(ctx context.Context) (definition.Errors, error) {
	own := map[string]bool{}
	for _, f := range r.snapshot.Functions {
		own[f.Name] = true
	}
	known := slices.Concat(r.t.names(kindFunction), slices.Collect(maps.Keys(own)))
	var errs definition.Errors
	look := func(f reference, pos host.Position, at string) error {
		if own[f.Name] && (f.Qualifier == "" || f.Qualifier == host.AliasLive) {
			return nil
		}
		err := r.t.reachable(ctx, f)
		if err == nil || !errors.Is(err, host.NotFound) {
			return err
		}
		e := &definition.Error{Pos: pos, Path: at, Rule: definition.RuleUnknownReference, Message: err.Error(), Hint: "upload it first, or define it under functions"}
		if !r.t.has(kindFunction, f.Name) && !own[f.Name] {
			e.Message = fmt.Sprintf("there is no function %q, neither in the definition nor on the host", f.Name)
			if near := definition.Nearest(f.Name, known); near != "" {
				e.Hint = fmt.Sprintf("did you mean %q?", near)
			}
		}
		errs = append(errs, e)
		return nil
	}
	for _, a := range r.snapshot.APIs {
		for _, auth := range a.Authorizers {
			if auth.Function == "" {
				continue
			}
			at := definition.KeyPath(definition.KeyPath("apis", a.Name)+".authorizers", auth.Name) + ".function"
			if err := look(reference{auth.Function, auth.Qualifier}, auth.Pos, at); err != nil {
				return nil, err
			}
		}
		for _, route := range a.Routes {
			c := &route.Integration
			if c.Type != host.IntegrationFunction {
				continue
			}
			at := definition.KeyPath(definition.KeyPath("apis", a.Name)+".routes", route.Key) + ".integration.function"
			if err := look(reference{c.Function, c.Qualifier}, c.Pos, at); err != nil {
				return nil, err
			}
		}
	}
	for _, f := range r.snapshot.Functions {
		if f.Async.DeadLetter != "" {
			if err := look(reference{Name: f.Async.DeadLetter}, f.Pos, definition.KeyPath("functions", f.Name)+".async.deadLetter"); err != nil {
				return nil, err
			}
		}
	}
	return errs, nil
}

// lookAtSecrets finds secrets that have no value, and values that nothing asks for.
func (r *attempt) lookAtSecrets(ctx context.Context) (definition.Errors, error) {
	var errs definition.Errors
	asked := map[string]bool{}
	for s, at := range definition.Secrets(r.snapshot) {
		e := &definition.Error{Pos: s.Pos, Path: at, Rule: RuleMissingSecret}
		switch _, set := r.catalog.opts.Env(s.Env); {
		case s.File != "":
			asked[path.Clean(s.File)] = true
			if !r.hasSecret(s.File) {
				e.Message, e.Hint = fmt.Sprintf("the value of the file %s, which holds the secret %s, was not sent", s.File, s.Name), "apply it from the project's folder"
			}
		case s.Env != "" && !set:
			e.Message = fmt.Sprintf("the environment variable %s, which the secret %s is read from, is not set where the host runs", s.Env, s.Name)
			e.Hint = "set it for the host, or keep the secret in its store: {store: NAME}"
		case s.Store != "":
			_, rev, err := r.catalog.readSecret(ctx, s.Store)
			if err != nil {
				return nil, err
			}
			if rev == 0 {
				e.Message, e.Hint = fmt.Sprintf("the store has no secret %q", s.Store), "put it there first"
			}
		}
		if e.Message != "" {
			errs = append(errs, e)
		}
	}
	for _, u := range r.snapshot.Upstreams {
		key := u.TLS.KeyFile
		if key.Value == "" {
			continue
		}
		asked[path.Clean(key.Value)] = true
		if !r.hasSecret(key.Value) {
			errs = append(errs, &definition.Error{Pos: key.Pos, Path: definition.KeyPath("upstreams", u.Name) + ".tls.key", Rule: RuleMissingSecret,
				Message: fmt.Sprintf("the private key %s was not sent", key.Value), Hint: "apply it from the project's folder"})
		}
	}
	for _, file := range sortedKeys(r.in.Secrets) {
		if !asked[file] {
			errs = append(errs, r.bundle.superfluous("secrets", file))
		}
	}
	return errs, nil
}

func (r *attempt) hasSecret(file string) bool {
	file = path.Clean(file)
	if _, sent := r.in.Secrets[file]; sent {
		return true
	}
	_, kept := r.project.Secrets[file]
	return kept
}

// lookAtStages finds variables over a limit, and a stage to deploy that no API has.
func (r *attempt) lookAtStages() definition.Errors {
	var errs definition.Errors
	for _, a := range r.snapshot.APIs {
		for _, s := range a.Stages {
			if err := checkVariables(s.Variables); err != nil {
				at := definition.KeyPath(definition.KeyPath("apis", a.Name)+".stages", s.Name)
				errs = append(errs, &definition.Error{Pos: s.Pos, Path: at, Rule: definition.RuleTooLarge, Message: err.Error()})
			}
		}
	}
	return errs
}
