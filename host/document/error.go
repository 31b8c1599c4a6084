package document

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// The rules that a document can break, and those of what is read from it. They are stable: programs read them from
// `postern validate -o json`.
const (
	RuleSyntax           = "syntax"            // not YAML, not UTF-8, or more than one document
	RuleDuplicateKey     = "duplicate-key"     // a key that the same object already has
	RuleUnknownKey       = "unknown-key"       // a key that nothing reads
	RuleUnsupported      = "unsupported"       // a key or value that this version of Postern does not run
	RuleWrongType        = "wrong-type"        // text where a list should be, and so on
	RuleRequired         = "required"          // something that must be there is not
	RuleInvalidValue     = "invalid-value"     // the right type, but not a value that is taken
	RuleUnknownReference = "unknown-reference" // a name that nothing in the file defines
	RuleConflict         = "conflict"          // two settings that exclude each other
	RuleNeedsHost        = "needs-host"        // something that only a host with a store knows
	RuleTooLarge         = "too-large"         // over a limit that protects the reader of the file
)

// An Error is one thing that is wrong with a document. The zero values of all fields but Message may stand.
// It has the Kind Invalid.
type Error struct {
	Pos     host.Position
	Path    string // apis.orders.routes["GET /x"].authorizer; "" is the file itself
	Rule    string // one of the Rule constants
	Message string // what is wrong
	Hint    string // what to do about it: did you mean "authorizer"?
	Source  string // the line at Pos, as it is in the file
}

// Error returns "file:line:column: message (rule); hint", leaving out what is not set.
func (e *Error) Error() string {
	var b strings.Builder
	if !e.Pos.IsZero() {
		b.WriteString(e.Pos.String() + ": ")
	}
	b.WriteString(e.Message)
	if e.Rule != "" {
		b.WriteString(" (" + e.Rule + ")")
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the same as a *host.Error, so that errors.Is(err, host.Invalid) holds.
func (e *Error) Unwrap() error {
	return &host.Error{Op: "definition", Kind: host.Invalid, Pos: e.Pos, Err: errors.New(e.Message)}
}

// MarshalJSON writes file, line, column, path, rule, message and hint on one level.
func (e *Error) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		host.Position
		Path    string `json:"path,omitempty"`
		Rule    string `json:"rule,omitempty"`
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
	}{e.Pos, e.Path, e.Rule, e.Message, e.Hint})
}

// Errors is everything that is wrong with a document.
type Errors []*Error

// Error returns one line for each.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes each of them a target for errors.Is and errors.As.
func (es Errors) Unwrap() []error {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e
	}
	return errs
}

// Sort orders by file, line and column, and those at one place by path and message.
func (es Errors) Sort() {
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(strings.Compare(a.Pos.File, b.Pos.File), a.Pos.Line-b.Pos.Line, a.Pos.Column-b.Pos.Column,
			strings.Compare(a.Path, b.Path), strings.Compare(a.Message, b.Message))
	})
}

// SourceLine returns a line of a file without its end, counted from 1, and "" where there is none.
func SourceLine(data []byte, line int) string {
	text := string(data)
	for ; line > 1; line-- {
		_, rest, found := strings.Cut(text, "\n")
		if !found {
			return ""
		}
		text = rest
	}
	text, _, _ = strings.Cut(text, "\n")
	return strings.TrimSuffix(text, "\r")
}

// MaxErrors is how many errors are shown; a document with more is not the kind of document that it seems to be.
const MaxErrors = 200

// Finish sorts the errors, drops repetitions (an alias shows one place many times) and what is beyond MaxErrors, and adds the lines
// of errors in the file. It returns nil for no error.
func (es Errors) Finish(file string, data []byte) error {
	if len(es) == 0 {
		return nil
	}
	es.Sort()
	type identity struct {
		pos     host.Position
		message string
	}
	shown := map[identity]bool{}
	lines := strings.Split(string(data), "\n")
	kept := es[:0]
	for _, e := range es {
		id := identity{e.Pos, e.Message}
		if shown[id] {
			continue
		}
		shown[id] = true
		if e.Source == "" && e.Pos.File == file && e.Pos.Line > 0 && e.Pos.Line <= len(lines) {
			e.Source = strings.TrimSuffix(lines[e.Pos.Line-1], "\r")
		}
		kept = append(kept, e)
	}
	if more := len(kept) - MaxErrors; more > 0 {
		kept = append(kept[:MaxErrors], &Error{Pos: kept[MaxErrors].Pos, Rule: RuleTooLarge, Message: fmt.Sprintf("and %d more errors from here", more)})
	}
	return kept
}
