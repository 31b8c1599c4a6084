package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// statuses has the HTTP status of each host.Kind.
var statuses = [...]int{
	host.Internal:        http.StatusInternalServerError,
	host.Invalid:         http.StatusUnprocessableEntity, // what cannot even be read is a fault with 400
	host.Unauthenticated: http.StatusUnauthorized,
	host.Forbidden:       http.StatusForbidden,
	host.NotFound:        http.StatusNotFound,
	host.Conflict:        http.StatusConflict,
	host.TooLarge:        http.StatusRequestEntityTooLarge,
	host.Unsupported:     http.StatusUnsupportedMediaType,
	host.Throttled:       http.StatusTooManyRequests,
	host.BadGateway:      http.StatusBadGateway,
	host.Timeout:         http.StatusGatewayTimeout,
	host.Unavailable:     http.StatusServiceUnavailable,
}

// A fault is an error that says more about its response than its Kind does.
type fault struct {
	err        *host.Error
	status     int // 0 is that of the Kind
	retryAfter int // seconds
	challenge  string
	allow      string
	kept       bool
	lambda     string // the exception's name in the Lambda API
}

// Error returns the text of the error below.
func (f *fault) Error() string { return f.err.Error() }

// Unwrap returns the *host.Error below.
func (f *fault) Unwrap() error { return f.err }

// faultf returns an error with a Kind and a text for the client.
func faultf(kind host.Kind, status int, format string, args ...any) *fault {
	return &fault{err: &host.Error{Kind: kind, Err: fmt.Errorf(format, args...)}, status: status}
}

// malformed is what cannot be read: a syntax error of a body, a parameter or a name.
func malformed(format string, args ...any) *fault {
	return faultf(host.Invalid, http.StatusBadRequest, format, args...)
}

// refused is what reads well and cannot be.
func refused(kind host.Kind, format string, args ...any) error {
	return &host.Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// missing is the error of a name that is not there, with the one that was perhaps meant.
func missing(what, name string, known []string) error {
	if near := definition.Nearest(name, known); near != "" && near != name {
		return refused(host.NotFound, "there is no %s %q; did you mean %q?", what, name, near)
	}
	return refused(host.NotFound, "there is no %s %q", what, name)
}

// missingOf is missing for what belongs to something: the API orders has no stage "tset".
func missingOf(owner, what, name string, known []string) error {
	if near := definition.Nearest(name, known); near != "" && near != name {
		return refused(host.NotFound, "%s has no %s %q; did you mean %q?", owner, what, name, near)
	}
	return refused(host.NotFound, "%s has no %s %q", owner, what, name)
}

// problem turns an error into what the client sees of it. It is the only place that does, but for the Lambda API's form.
func problem(err error) *Problem {
	kind := host.KindOf(err)
	switch {
	case kind != host.Internal: // whoever made the error knows better
	case errors.Is(err, context.DeadlineExceeded):
		kind = host.Timeout
	case errors.Is(err, context.Canceled):
		kind = host.Unavailable // the host goes down, or nobody reads this
	}
	p := &Problem{Type: "about:blank", Status: statuses[kind], Kind: kind.String(), Detail: detail(err)}
	var f *fault
	if errors.As(err, &f) {
		if f.status != 0 {
			p.Status = f.status
		}
		p.RetryAfter, p.Kept = f.retryAfter, f.kept
	}
	if p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable {
		p.RetryAfter = max(p.RetryAfter, 1)
	}
	p.Title = http.StatusText(p.Status)
	p.Errors = findings(err)
	if len(p.Errors) > 0 {
		p.Detail = "the definition has " + strconv.Itoa(len(p.Errors)) + " error" + plural(len(p.Errors))
	}
	return p
}

// detail is the text of an error without the operation that stands before it.
func detail(err error) string {
	if f, ok := err.(*fault); ok { //nolint:errorlint // the outermost alone
		err = f.err
	}
	if e, ok := err.(*host.Error); ok && e.Err != nil { //nolint:errorlint // the outermost alone
		if e.Pos.IsZero() {
			return e.Err.Error()
		}
		return e.Pos.String() + ": " + e.Err.Error()
	}
	return err.Error()
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// findings are the errors of a definition in err's chain.
func findings(err error) []ProblemError {
	var list definition.Errors
	var one *definition.Error
	if !errors.As(err, &list) {
		if !errors.As(err, &one) {
			return nil
		}
		list = definition.Errors{one}
	}
	found := make([]ProblemError, len(list))
	for i, e := range list {
		found[i] = ProblemError{e.Pos.File, e.Pos.Line, e.Pos.Column, e.Path, e.Rule, e.Message, e.Hint}
	}
	return found
}

// refuse answers with an error, and logs what is Postern's own fault under an id that the client gets instead of the text.
func (c *call) refuse(err error) *Problem {
	p := problem(err)
	if p.Status == http.StatusInternalServerError {
		p.ID = requestID()
		c.log.ErrorContext(c.r.Context(), "admin request failed", "id", p.ID, "operation", c.op.id, "path", c.r.URL.Path, "error", err)
		p.Detail = "something went wrong inside the host; its log has the reason under the id " + p.ID
	}
	return p
}

// writeProblem sends a problem as the response.
func (c *call) writeProblem(p *Problem, err error) {
	h := c.w.Header()
	var f *fault
	if errors.As(err, &f) {
		if f.challenge != "" {
			h.Set("WWW-Authenticate", f.challenge)
		}
		if f.allow != "" {
			h.Set("Allow", f.allow)
		}
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	unread := p.Status != http.StatusRequestTimeout && c.mayDrain()
	if c.op.lambda {
		c.writeException(p, f)
	} else {
		c.writeJSON(p.Status, TypeProblem, p)
	}
	if unread {
		c.drain()
	}
}
