package template

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/jsonpath"
	"github.com/postern/postern/host/mapping/tree"
	"github.com/postern/postern/host/mapping/vtl"
)

// Options are what a template cannot learn from an exchange, and the limits of one run. The zero value has Amazon's limits.
type Options struct {
	Canary bool // the API serves a stage as its canary: $context.isCanaryRequest is true

	VTL   vtl.Limits      // of the engine: output, time, memory, loops
	JSON  tree.Limits     // of the body as JSON, of what $util.parseJson reads, and of what $input.json writes
	Path  jsonpath.Limits // of one JSONPath
	Found int             // items in the lists that the JSONPaths of one run make; 1,048,576

	Overrides     int // values that one run may override; 200, as a plugin's limits.headers
	OverrideBytes int // of their names and values; 64 KiB, as a plugin's limits.headerBytes
}

func (o Options) withDefaults() Options {
	set := func(field *int, value int) {
		if *field <= 0 {
			*field = value
		}
	}
	if o.VTL.Elapsed <= 0 {
		o.VTL.Elapsed = defaultElapsed
	}
	set(&o.Found, 1<<20)
	set(&o.Overrides, host.DefaultHeaders)
	set(&o.OverrideBytes, host.DefaultHeaderBytes)
	return o
}

const (
	op             = "mapping template"
	defaultElapsed = 5 * time.Second
)

// A Template is one mapping template of a route, ready to run. It is safe for concurrent use.
type Template struct {
	program  *vtl.Template
	response bool
	opts     Options
	paths    paths
}

var _ host.Mapper = (*Template)(nil)

// Compile reads a template whose text is there. phase is host.PhaseMapRequest or host.PhaseMapResponse. The error has Kind Invalid and
// the place in the template.
func Compile(t *host.Template, phase host.Phase, opts Options) (*Template, error) {
	if phase != host.PhaseMapRequest && phase != host.PhaseMapResponse {
		return nil, &host.Error{Op: op, Kind: host.Internal, Pos: t.Pos, Err: fmt.Errorf("templates do not run in the phase %s", phase)}
	}
	name := t.Name
	if name == "" {
		name = cmp.Or(t.Ref, "template")
	}
	program, err := vtl.Parse(name, t.Text)
	if err != nil {
		return nil, err
	}
	return &Template{program: program, response: phase == host.PhaseMapResponse, opts: opts.withDefaults()}, nil
}

// Map runs the template. The output has what this run overrode, and not what an earlier template did, which it gets in the input.
//
// Errors have Kind Internal, Code APIConfigurationError and the place in the template, with a *host.LimitError in the chain where a limit
// was passed. Two are others: a request's body that is no JSON although the template asks for some of it is Invalid, a 400 with a
// *host.Disclosure; and a context that ended is Timeout.
func (t *Template) Map(ctx context.Context, in *host.MapInput) (*host.MapOutput, error) {
	if in.Binary {
		return nil, t.configuration(host.Position{File: t.program.Name()}, errors.New("the body is binary, and a template reads text"))
	}
	r := newRun(t, in)
	text, err := t.program.Execute(ctx, vtl.Variables{"input": &r.input, "util": vtl.Escaper{JSON: t.opts.JSON}, "context": &r.context, "stageVariables": &r.stage}, t.opts.VTL)
	if err != nil {
		return nil, t.failure(ctx, err)
	}
	out := &host.MapOutput{Body: []byte(text)}
	if err := r.overrides.read(out); err != nil {
		return nil, t.configuration(host.Position{File: t.program.Name()}, err)
	}
	return out, nil
}

func (t *Template) configuration(pos host.Position, err error) error {
	return &host.Error{Op: op, Kind: host.Internal, Code: host.APIConfigurationError, Pos: pos, Err: err}
}

// failure says whose fault the end of a run was. Kinds further down the chain are of what the template read, not of the exchange: they
// go, so that nobody takes them for the client's.
func (t *Template) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, host.Timeout) {
		return err
	}
	pos, cause := host.Position{File: t.program.Name()}, err
	var e *host.Error
	if errors.As(err, &e) {
		pos = e.Pos
		if e.Err != nil {
			cause = e.Err
		}
	}
	if errors.Is(err, host.Timeout) { // the template's own time, and not the request's
		cause = &host.LimitError{Limit: "time", Value: t.opts.VTL.Elapsed.String(), Origin: "template"}
	}
	var body *bodyError
	if errors.As(err, &body) && !t.response {
		told := &host.Disclosure{Message: "Invalid JSON in request body", Err: plain(cause)}
		return &host.Error{Op: op, Kind: host.Invalid, Code: host.Default4XX, Pos: pos, Err: told}
	}
	var limit *host.LimitError
	if !errors.As(cause, &limit) {
		cause = plain(cause)
	}
	return t.configuration(pos, cause)
}

// plain is an error's text alone, without the middle of a long one: a path may be what a client sent.
func plain(err error) error {
	const most = 400
	text := err.Error()
	if len(text) > most {
		text = text[:most/2] + " … " + text[len(text)-most/2:]
	}
	return errors.New(strings.ToValidUTF8(text, ""))
}

// A run is what one execution has. Its parts point at each other, so that it is one piece of memory.
type run struct {
	template  *Template
	in        *host.MapInput
	input     input
	context   variables
	stage     record
	overrides overrides
}

func newRun(t *Template, in *host.MapInput) *run {
	r := &run{template: t, in: in}
	r.input.run = r
	r.input.found = t.opts.Found
	r.context.run = r
	r.stage.build, r.stage.one = r.stageVariables, r.stageVariable
	r.overrides.begin(r)
	return r
}

func (r *run) stageVariable(name string) (any, bool) {
	if s := r.in.Exchange.Match.Stage; s != nil {
		if v, ok := s.Variables[name]; ok {
			return v, true
		}
	}
	return nil, false
}

func (r *run) stageVariables() *tree.Map {
	m := &tree.Map{}
	if s := r.in.Exchange.Match.Stage; s != nil {
		for _, name := range sortedKeys(s.Variables) {
			m.Put(name, s.Variables[name])
		}
	}
	return m
}
