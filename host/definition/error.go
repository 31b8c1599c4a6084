package definition

import (
	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// The rules that a definition can break; those of a document are among them. They are stable: programs read them from
// `postern validate -o json`.
const (
	RuleSyntax           = document.RuleSyntax
	RuleDuplicateKey     = document.RuleDuplicateKey
	RuleUnknownKey       = document.RuleUnknownKey
	RuleUnsupported      = document.RuleUnsupported
	RuleWrongType        = document.RuleWrongType
	RuleRequired         = document.RuleRequired
	RuleInvalidValue     = document.RuleInvalidValue
	RuleUnknownReference = document.RuleUnknownReference
	RuleConflict         = document.RuleConflict
	RuleNeedsHost        = document.RuleNeedsHost
	RuleTooLarge         = document.RuleTooLarge
)

// An Error is one thing that is wrong with a definition, and Errors is everything.
type (
	Error  = document.Error
	Errors = document.Errors
)

// SourceLine returns a line of a file without its end, counted from 1, and "" where there is none.
func SourceLine(data []byte, line int) string { return document.SourceLine(data, line) }

// Nearest returns the name that a third of wrong letters, and at least one, could have made, or "".
func Nearest(name string, known []string) string { return document.Nearest(name, known) }

// KeyPath appends a key to a path: apis.orders, routes["GET /x"].
func KeyPath(path, key string) string { return document.KeyPath(path, key) }

func quote(s string) string { return document.Quote(s) }

// A report collects errors while a definition is read.
type report struct {
	file string
	errs Errors
	seen map[place]bool // where the schema found something already

	refused []string // paths of what is unsupported: nothing is said about what is in it

	texts         map[string][]byte // of the documents that APIs are made of, by file
	documentBytes int               // that these have together, each as often as it is read
}

// full reports whether what is added will not be shown; hints that cost time are not worth it then.
func (r *report) full() bool { return len(r.errs) > 2*document.MaxErrors }

// A place is where a value stands: in the file, and in the tree of values.
type place struct {
	pos  host.Position
	path string
}

func (p *place) setPlace(at place) { *p = at }

func (p *place) at() place { return *p }

// written reports whether the file has the value.
func (p *place) written() bool { return p.pos.Line > 0 }

// add appends an error and returns it, so that a hint can be added.
func (r *report) add(at place, rule, message string) *Error {
	e := &Error{Pos: at.pos, Path: at.path, Rule: rule, Message: message}
	if !r.seen[at] {
		r.errs = append(r.errs, e)
	}
	return e
}

// suggest returns the hint for a name that is not one of known: the nearest, or all of them.
func (r *report) suggest(name string, known []string) string {
	if r.full() {
		return ""
	}
	return document.Suggest(name, known)
}

// finish returns the errors in the order of the file, with the lines that they are about.
func (r *report) finish(data []byte) error {
	r.lines()
	return r.errs.Finish(r.file, data)
}
