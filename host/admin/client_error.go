package admin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// A NotLive says what of a change does not serve as it should, though the host has tried. The change itself was made.
type NotLive struct {
	Parts []Part
}

// Error returns one line for each part.
func (n *NotLive) Error() string {
	lines := make([]string, len(n.Parts))
	for i, p := range n.Parts {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// String says what should serve, what does, and why they differ.
func (p Part) String() string {
	what, number := "function "+p.Function, "version"
	if p.API != "" {
		what, number = "stage "+p.Stage+" of api "+p.API, "deployment"
		if p.Canary {
			what = "the canary of " + what
		}
	}
	switch {
	case p.Applied == 0:
		what += fmt.Sprintf(": %s %d does not serve, and nothing does", number, p.Desired)
	case p.Applied != p.Desired:
		what += fmt.Sprintf(": %s %d does not serve, and %d still does", number, p.Desired, p.Applied)
	}
	if p.Reason != "" {
		what += ": " + p.Reason
	}
	return what
}

// refused makes an error of an answer that tells a failure.
func (c *Client) refused(ctx context.Context, resp *http.Response) error {
	if resp.Request.Method == http.MethodHead { // its answer has no body to tell more
		return &host.Error{Kind: kindOfStatus(resp.StatusCode), Err: fmt.Errorf("%s answered %s", c.base, resp.Status)}
	}
	if media(resp) != TypeProblem && resp.Header.Get("X-Amzn-Errortype") == "" {
		return c.stranger(ctx, resp)
	}
	data, err := c.readAnswer(ctx, resp)
	if err != nil {
		return err
	}
	if err := lambdaError(resp, data); err != nil && media(resp) != TypeProblem {
		return err
	}
	var p Problem
	if err := json.Unmarshal(data, &p); err != nil || p.Kind == "" {
		return c.stranger(ctx, resp)
	}
	return p.hostError()
}

// hostError is the problem as an error with its Kind, whose chain holds the problem, and a definition's errors with their places.
func (p *Problem) hostError() error {
	if len(p.Errors) == 0 {
		return &host.Error{Kind: host.KindOf(p), Err: p}
	}
	list := make(definition.Errors, len(p.Errors))
	for i, e := range p.Errors {
		list[i] = &definition.Error{Pos: host.Position{File: e.File, Line: e.Line, Column: e.Column}, Path: e.Path, Rule: e.Rule, Message: e.Message, Hint: e.Hint}
	}
	return &host.Error{Kind: host.KindOf(p), Err: &brokenDefinition{list, p}}
}

// A brokenDefinition is a definition's errors, and the problem that told them.
type brokenDefinition struct {
	definition.Errors
	problem *Problem
}

func (b *brokenDefinition) Unwrap() []error { return []error{b.Errors, b.problem} }

// kindOfStatus is the Kind of an answer that has no body, or one of another form.
func kindOfStatus(status int) host.Kind {
	switch status {
	case http.StatusBadRequest:
		return host.Invalid
	case http.StatusPreconditionFailed:
		return host.Conflict
	}
	return host.Kind(max(0, slices.Index(statuses[:], status)))
}

// stranger is the error of an answer that no admin API gives. A Postern without a catalog is told apart.
func (c *Client) stranger(ctx context.Context, resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 512)) // for a guess alone
	e := &host.Error{Kind: host.BadGateway}
	switch {
	case strings.Contains(string(text), "HTTP request to an HTTPS server"):
		e.Err = fmt.Errorf("%s speaks TLS: use https://", c.base)
	case resp.Request.URL.String() != c.base+"/" && c.isPostern(ctx): // which asks that
		e.Kind = host.Unsupported
		e.Err = fmt.Errorf("the Postern at %s cannot be changed: it serves one folder; start it with postern serve --data DIR", c.base)
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		e.Err = fmt.Errorf("%s is no Postern's admin API: it sends its clients on to %s; is that the address?", c.base, resp.Header.Get("Location"))
	default:
		e.Err = fmt.Errorf("%s is no Postern's admin API: it answered %d %s; is this the gateway's own address? The admin API is at the host's --admin, 127.0.0.1:8090 by default",
			c.base, resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	return e
}

// isPostern reports whether a Postern's status is at the root of the address.
func (c *Client) isPostern(ctx context.Context) bool {
	resp, err := c.do(ctx, clientRequest{method: http.MethodGet, path: "/"})
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var s Status
	return c.decode(ctx, resp, &s) == nil && s.Version != ""
}

// unreachable is the error of a request that got no answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return c.broken(ctx, err)
	}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	e := &host.Error{Kind: host.Unavailable}
	switch {
	case errors.As(err, &unknown):
		e.Err = fmt.Errorf("%s shows a certificate of an authority that this machine does not know: name the authority's certificate in PEM with --ca, or once with postern context add --ca (%w)", c.base, err)
	case errors.As(err, &name):
		e.Err = fmt.Errorf("%s shows a certificate for another name: %s", c.base, name.Error())
	case errors.As(err, &invalid):
		e.Err = fmt.Errorf("%s shows a certificate that is not valid: %s", c.base, invalid.Error())
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Err = fmt.Errorf("%s does not speak TLS: use http:// (%w)", c.base, err)
	default:
		e.Err = &unreachableError{c.base, err}
	}
	return e
}

// An unreachableError says what could not be reached, why, and what to look at.
type unreachableError struct {
	base string
	err  error
}

func (u *unreachableError) Error() string {
	return fmt.Sprintf("%s cannot be reached: %s; is the host running, and is this the address of its admin listener (--admin)?", u.base, reachability(u.err))
}

func (u *unreachableError) Unwrap() error { return u.err }

// broken is the error of an answer that broke off, or whose time is over.
func (c *Client) broken(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errClientTimeout):
		return &host.Error{Kind: host.Timeout, Err: fmt.Errorf("%s gave no answer within %s", c.base, c.opts.Timeout)}
	case errors.Is(cause, context.DeadlineExceeded):
		return &host.Error{Kind: host.Timeout, Err: fmt.Errorf("%s gave no answer in time: %w", c.base, cause)}
	case cause != nil:
		return &host.Error{Kind: host.Unavailable, Err: fmt.Errorf("the request to %s was given up: %w", c.base, cause)}
	}
	return &host.Error{Kind: host.Unavailable, Err: fmt.Errorf("the connection to %s broke off: %w", c.base, err)}
}
