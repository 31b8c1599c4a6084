package rest

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern/postern/host/mapping/vtl"
)

// maxPattern bounds the length of a selection pattern, in bytes.
const maxPattern = 4 << 10

// A pattern is a regular expression of Java's that must match a whole text. It runs on the engine of mapping templates: there is one, with Java's
// semantics and with limits of time and depth, and expressions that look around or refer back are among those that exported APIs have.
type pattern struct {
	expr    string
	literal bool // it has no special character
}

// patternTemplate is one template for all patterns of a Selector, which keeps them compiled.
func patternTemplate() (*vtl.Template, error) {
	return vtl.Parse("selection pattern", `#if($text.matches($expr))1#end`)
}

// compilePattern checks an expression. Package vtl says which of Java's it refuses.
func compilePattern(t *vtl.Template, expr string) (pattern, error) {
	if len(expr) > maxPattern {
		return pattern{}, fmt.Errorf("the expression has more than %d bytes", maxPattern)
	}
	p := pattern{expr, nameRun(expr, " _") == len(expr)}
	if _, err := p.matches(context.Background(), t, ""); err != nil {
		return pattern{}, fmt.Errorf("the expression %q is not taken: %w", expr, innermost(err))
	}
	return p, nil
}

// innermost is what the engine says of the expression, without the template that it stands in here.
func innermost(err error) error {
	for within := errors.Unwrap(err); within != nil; within = errors.Unwrap(err) {
		err = within
	}
	return err
}

func (p pattern) matches(ctx context.Context, t *vtl.Template, text string) (bool, error) {
	if p.literal {
		return p.expr == text, nil
	}
	out, err := t.Execute(ctx, vtl.Variables{"text": text, "expr": p.expr}, vtl.Limits{})
	return out == "1", err
}
