package vtl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/tree"
)

// MaxTemplate is the longest template, in bytes (reference 1.5).
const MaxTemplate = 300 << 10

const op = "mapping template"

// A Dialect says what is written for what has no value.
type Dialect uint8

const (
	// Amazon writes nothing for null, unset and missing values, and == takes them for "" (reference 1.5).
	Amazon Dialect = iota
	// Velocity writes the reference as it stands in the template.
	Velocity
)

// A Template is immutable, and safe for concurrent use.
type Template struct {
	name    string
	src     string
	dialect Dialect
	body    node
	macros  map[string]*macro
	regexps *regexpCache
}

// Parse compiles a template for API Gateway's dialect. Errors have Kind Invalid and the place in the template, under the given name.
func Parse(name, text string) (*Template, error) { return ParseDialect(name, text, Amazon) }

// ParseDialect is Parse for a choice of dialect.
func ParseDialect(name, text string, dialect Dialect) (*Template, error) {
	t := &Template{name: name, src: text, dialect: dialect, regexps: &regexpCache{}}
	if len(text) > MaxTemplate {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Pos: host.Position{File: name},
			Err: fmt.Errorf("the template has %d bytes; at most %d are allowed", len(text), MaxTemplate)}
	}
	c := &compiler{known: &macroNames{seen: map[string]bool{}}, place: func(at int) int { return at }}
	body, err := c.source(text, 0)
	if err != nil {
		var e *syntaxError
		if !errors.As(err, &e) {
			return nil, &host.Error{Op: op, Kind: host.Invalid, Pos: host.Position{File: name}, Err: err}
		}
		return nil, &host.Error{Op: op, Kind: host.Invalid, Pos: t.position(e.at), Err: err}
	}
	t.body, t.macros = body, c.added
	return t, nil
}

// Name returns the name that the template was parsed under.
func (t *Template) Name() string { return t.name }

func (t *Template) position(at int) host.Position {
	before := t.src[:min(at, len(t.src))]
	line := strings.LastIndexByte(before, '\n') + 1
	return host.Position{File: t.name, Line: 1 + strings.Count(before, "\n"), Column: 1 + utf8.RuneCountInString(before[line:])}
}

// Variables are what a template sees as $name. Values are nil, string, bool, int32, int64, *big.Int, float64, *tree.Map, *tree.List and
// Object; ints are taken as Java's by their size. The template may change the maps and lists that it gets, but not this map.
type Variables map[string]any

// Text is what a template writes for a value, and "" for nil. The error is of a limit, which only values that the template built can pass.
func Text(v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	r := &run{ctx: context.Background(), template: &Template{regexps: &regexpCache{}}, limits: Limits{}.withDefaults(), seen: map[string]bool{}}
	text, _, err := r.text(fromHost(v))
	return text, err
}

// An Object is a value whose members the host makes: $input, $util, $context. It is used by one run at a time.
type Object interface {
	// Get returns $object.name, $object["name"] and $object.get("name"); false where there is no such property.
	Get(name string) (any, bool)
	// Call returns $object.name(args...); false where there is no such method for these arguments. An error ends the run.
	Call(ctx context.Context, name string, args []any) (any, bool, error)
}

// A Setter is an Object that #set and put may change. False means that it cannot be set, which a template does not notice. An error ends
// the run.
type Setter interface {
	Set(name string, value any) (bool, error)
}

// A Viewer is an Object that is a map to the template where it has neither property nor method itself: it prints as one, #foreach goes
// over its values, and keySet, entrySet and the others are those of the map.
type Viewer interface {
	Map() *tree.Map
}

// A run is one execution.
type run struct {
	ctx      context.Context
	template *Template
	dialect  Dialect
	limits   Limits
	out      []byte
	macros   map[string]*macro
	added    map[string]*macro // by #evaluate
	seen     map[string]bool

	ticks     int
	nextCheck int // of the time, by ticks
	loops     int
	memory    int
	depth     int
	calls     int // of macros in each other
	captures  int
}

// Execute runs the template and returns what it writes. Errors have Kind Internal and Code APIConfigurationError, with a *host.LimitError in the
// chain where a limit was passed, or Kind Timeout; all have the place in the template.
func (t *Template) Execute(ctx context.Context, vars Variables, limits Limits) (string, error) {
	limits = limits.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, limits.Elapsed)
	defer cancel()
	r := &run{ctx: ctx, template: t, dialect: t.dialect, limits: limits, macros: t.macros, seen: map[string]bool{},
		out: make([]byte, 0, min(len(t.src), limits.Output))}
	if err := r.checkTime(); err != nil {
		return "", r.fail(0, err)
	}
	scope := make(globals, len(vars)+4)
	for name, v := range vars {
		scope[name] = fromHost(v)
	}
	if err := t.body.render(r, scope); err != nil && !stopsAt(err, t, true) {
		if s, ok := err.(*stop); ok {
			err = errors.New(s.Error())
		}
		return "", r.fail(0, err)
	}
	return string(r.out), nil
}

func (r *run) macro(name string) *macro {
	if m := r.macros[name]; m != nil {
		return m
	}
	return r.added[name]
}

func (r *run) hasMacro(name string) bool { return r.macro(name) != nil }

// missing is what a reference without a value is in a joined text.
func (r *run) missing(literal string) string {
	if r.dialect == Amazon {
		return ""
	}
	return literal
}

// quoted shows a piece of a template in an error.
func quoted(s string) string {
	const most = 24
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
