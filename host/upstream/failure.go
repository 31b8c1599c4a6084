package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/postern/postern/host"
)

// A Cause names what went wrong with an upstream. It is fit for the span attribute error.type.
type Cause string

// The causes, with the Kind of the error that carries each.
const (
	CauseRefused        Cause = "connection_refused"        // BadGateway
	CauseUnreachable    Cause = "unreachable"               // BadGateway: no route, or the network is down
	CauseName           Cause = "name_resolution_error"     // BadGateway
	CauseTLS            Cause = "tls_error"                 // BadGateway: the certificate or the handshake
	CauseClosed         Cause = "connection_closed"         // BadGateway: before an answer, however much was sent
	CauseMalformed      Cause = "malformed_response"        // BadGateway
	CauseHeaderTooLarge Cause = "response_header_too_large" // BadGateway
	CauseCutOff         Cause = "body_cut_off"              // BadGateway, of a Read
	CauseLoop           Cause = "loop"                      // BadGateway, of Forward
	CauseConnectTimeout Cause = "connect_timeout"           // Timeout: the time to connect passed
	CauseHeaderTimeout  Cause = "response_header_timeout"   // Timeout: the upstream's time for an answer's head passed
	CauseTimeout        Cause = "timeout"                   // Timeout: the context's deadline passed
	CauseOverflow       Cause = "overflow"                  // Unavailable: every connection or request that a target may have is in use
	CauseBreakerOpen    Cause = "breaker_open"              // Unavailable: the upstream kept failing, and is left alone
	CauseCanceled       Cause = "canceled"                  // Unavailable: whoever asked has gone; also errors.Is(err, context.Canceled)
	CauseInvalidRequest Cause = "invalid_request"           // Invalid: it cannot be sent
	CauseNotAllowed     Cause = "egress_not_allowed"        // Forbidden, of a Fetcher
)

// A Failure is what a *host.Error of this package wraps.
type Failure struct {
	Cause Cause
	Err   error
}

// Error returns the cause's text.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns what is below.
func (f *Failure) Unwrap() error { return f.Err }

// CauseOf returns the Cause of an error of this package, and its Kind in words for any other.
func CauseOf(err error) Cause {
	var f *Failure
	if errors.As(err, &f) {
		return f.Cause
	}
	return Cause(strings.ReplaceAll(host.KindOf(err).String(), " ", "_"))
}

func failed(req *host.Request, kind host.Kind, cause Cause, err error) error {
	e := &host.Error{
		Op:   req.Method + " " + req.Scheme + "://" + req.Host + req.Path(), // a query may hold secrets
		Kind: kind,
		Err:  &Failure{cause, err},
	}
	switch kind {
	case host.BadGateway:
		e.Code = host.IntegrationFailure
	case host.Timeout:
		e.Code = host.IntegrationTimeout
	}
	return e
}

// errLate ends the context of an attempt whose answer's head is not there in time.
var errLate = errors.New("the upstream did not answer in time")

// contextFailure is the error of a context that has ended, nil for one that has not.
func contextFailure(ctx context.Context, req *host.Request) error {
	switch ended := ctx.Err(); {
	case ended == nil:
		return nil
	case errors.Is(context.Cause(ctx), errLate):
		return failed(req, host.Timeout, CauseHeaderTimeout, errLate)
	case errors.Is(ended, context.DeadlineExceeded), errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return failed(req, host.Timeout, CauseTimeout, errors.New("the upstream did not answer in time"))
	default:
		return failed(req, host.Unavailable, CauseCanceled, ended)
	}
}

// classify says what an error of the transport means.
func classify(ctx context.Context, req *host.Request, err error) error {
	if ended := contextFailure(ctx, req); ended != nil {
		return ended
	}
	var own *host.Error
	if errors.As(err, &own) { // of the request's body, or of an address that is not allowed
		return own
	}
	var dns *net.DNSError
	var op *net.OpError
	text := err.Error()
	dialing := errors.As(err, &op) && op.Op == "dial"
	kind, cause := host.BadGateway, CauseMalformed
	switch {
	case errors.As(err, &dns):
		cause = CauseName
	case isTimeout(err) && (dialing || !errors.Is(err, syscall.ETIMEDOUT)): // that of a connection which was made is its end
		kind, cause = host.Timeout, CauseConnectTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		cause = CauseRefused
	case dialing:
		cause = CauseUnreachable
	case isTLS(err):
		cause = CauseTLS
	case strings.Contains(text, "invalid header field") || strings.Contains(text, "invalid method") || strings.Contains(text, "invalid trailer field"):
		kind, cause = host.Invalid, CauseInvalidRequest
	case strings.Contains(text, "headers exceeded") || strings.Contains(text, "header list larger"):
		cause = CauseHeaderTooLarge
	case isClosed(err):
		cause = CauseClosed
	}
	return failed(req, kind, cause, err)
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func isTLS(err error) bool {
	var verify *tls.CertificateVerificationError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	return errors.As(err, &verify) || errors.As(err, &alert) || errors.As(err, &record) ||
		strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "x509: ") ||
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// isClosed knows the ends of a connection. net/http has no exported error for some of them.
func isClosed(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, syscall.ETIMEDOUT} {
		if errors.Is(err, end) {
			return true
		}
	}
	text := err.Error()
	for _, part := range []string{"server closed", "connection lost", "GOAWAY", "stream error", "could not be established", "EOF"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
