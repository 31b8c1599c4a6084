package jsonpath

import (
	"errors"
	"fmt"

	"github.com/postern/postern/host"
)

// Limits bound what reading a path may cost. A field that is zero has its default.
type Limits struct {
	Steps   int // values looked at, bytes of text compared by the 64; 4,194,304
	Results int // values found, by the path and by those in its filters; 1,048,576
	Depth   int // of the document; 1,024
}

func (l Limits) orDefaults() Limits {
	if l.Steps <= 0 {
		l.Steps = 1 << 22
	}
	if l.Results <= 0 {
		l.Results = 1 << 20
	}
	if l.Depth <= 0 {
		l.Depth = 1 << 10
	}
	return l
}

// ErrMissing is in the chain of what Read returns where a definite path finds nothing. API Gateway shows that as an empty text.
var ErrMissing = errors.New("there is no such place in the document")

// errFilter is of a filter that compares what cannot be compared: it lets nothing through.
var errFilter = errors.New("operands that do not fit the operator")

type stepKind uint8

const (
	stepNames stepKind = iota
	stepWildcard
	stepIndexes
	stepSlice
	stepFilter
	stepScan
	stepFunction
)

// A step is one part of a path.
type step struct {
	kind     stepKind
	names    []string
	indexes  []int
	from, to *int
	filter   condition
	function function
	args     []argument

	// upstream is whether all steps before this one are definite: then it is an error if this one does not fit the value.
	upstream bool
}

// definite reports whether the step leads to one place at most; last, whether it is the path's last step.
func (s *step) definite(last bool) bool {
	switch s.kind {
	case stepNames:
		return len(s.names) == 1 || last
	case stepIndexes:
		return len(s.indexes) == 1
	case stepFunction:
		return true
	}
	return false
}

// A Path is a compiled JSONPath. It may be used by many goroutines at once.
type Path struct {
	text     string
	steps    []step
	definite bool
	root     bool // it begins with $
}

// String returns the path as it was written.
func (p *Path) String() string { return p.text }

// Definite reports whether the path names one place at most, so that Read returns the value itself and not a list.
func (p *Path) Definite() bool { return p.definite }

// newPath works out what follows from the steps.
func newPath(text string, root bool, steps []step) *Path {
	p := &Path{text: text, root: root, steps: steps, definite: true}
	for i := range steps {
		steps[i].upstream = p.definite
		p.definite = p.definite && steps[i].definite(i == len(steps)-1)
	}
	return p
}

// Read evaluates the path on a document of package tree. What it returns are values of the document itself, not copies, but for the list
// that an indefinite path gives, and what functions make. The error is a *host.Error: NotFound with ErrMissing in its chain, TooLarge where
// a limit was passed, Invalid where a step or function does not fit the value.
func (p *Path) Read(doc any, limits Limits) (any, error) {
	limits = limits.orDefaults()
	r := &reading{limits: limits, steps: limits.Steps, results: limits.Results, doc: doc}
	v, err := r.read(p, doc, false)
	if err == nil {
		return v, nil
	}
	kind := host.Invalid
	var passed limitError
	switch {
	case errors.Is(err, ErrMissing):
		kind = host.NotFound
	case errors.As(err, &passed):
		kind = host.TooLarge
	}
	return nil, &host.Error{Op: "read JSONPath " + p.text, Kind: kind, Err: err}
}

type limitError struct {
	what string
	most int
}

func (e limitError) Error() string { return fmt.Sprintf("more than %d %s", e.most, e.what) }

// A reading is one call of Read, with the paths in filters that it takes.
type reading struct {
	limits  Limits
	steps   int // that are left
	results int // that are left
	doc     any
	cache   map[cached]any // results of paths from $ in filters
}

type cached struct {
	path   *Path
	strict bool
}

func (r *reading) charge(steps int) error {
	if r.steps -= steps; r.steps < 0 {
		return limitError{"steps", r.limits.Steps}
	}
	return nil
}
