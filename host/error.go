package host

import (
	"errors"
	"fmt"
	"strings"
)

// A Kind classifies an error by what its receiver should do about it. Tests and callers look at the
// Kind, never at the text.
type Kind uint8

// The kinds of error. Each has one HTTP status; host/pipeline/respond.go maps them.
const (
	Internal        Kind = iota // a defect of Postern's, or of a plugin
	Invalid                     // what came in is malformed
	Unauthenticated             // who is calling is not known
	Forbidden                   // who is calling may not
	NotFound                    // there is no such thing
	Conflict                    // somebody else was first
	TooLarge                    // over a limit of size
	Unsupported                 // a media type or feature that is not handled
	Throttled                   // over a limit of rate
	BadGateway                  // an upstream is down, cut off, or speaks nonsense
	Timeout                     // a deadline passed
	Unavailable                 // Postern cannot take it now
)

var kindNames = [...]string{"internal", "invalid", "unauthenticated", "forbidden", "not found", "conflict",
	"too large", "unsupported", "throttled", "bad gateway", "timeout", "unavailable"}

// String returns the kind in lower-case words.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Error makes a Kind a target for errors.Is: errors.Is(err, host.NotFound).
func (k Kind) Error() string { return k.String() }

// A ResponseType names the gateway response that an error selects, in Amazon's words
// (API Gateway developer guide, "Gateway response types"). Empty: the Kind alone decides.
type ResponseType string

// The response types.
const (
	AccessDenied               ResponseType = "ACCESS_DENIED"
	APIConfigurationError      ResponseType = "API_CONFIGURATION_ERROR"
	AuthorizerConfiguration    ResponseType = "AUTHORIZER_CONFIGURATION_ERROR"
	AuthorizerFailure          ResponseType = "AUTHORIZER_FAILURE"
	BadRequestParameters       ResponseType = "BAD_REQUEST_PARAMETERS"
	BadRequestBody             ResponseType = "BAD_REQUEST_BODY"
	Default4XX                 ResponseType = "DEFAULT_4XX"
	Default5XX                 ResponseType = "DEFAULT_5XX"
	ExpiredToken               ResponseType = "EXPIRED_TOKEN"
	IntegrationFailure         ResponseType = "INTEGRATION_FAILURE"
	IntegrationTimeout         ResponseType = "INTEGRATION_TIMEOUT"
	InvalidAPIKey              ResponseType = "INVALID_API_KEY"
	InvalidSignature           ResponseType = "INVALID_SIGNATURE"
	MissingAuthenticationToken ResponseType = "MISSING_AUTHENTICATION_TOKEN"
	QuotaExceeded              ResponseType = "QUOTA_EXCEEDED"
	RequestTooLarge            ResponseType = "REQUEST_TOO_LARGE"
	ResourceNotFound           ResponseType = "RESOURCE_NOT_FOUND"
	ThrottledResponse          ResponseType = "THROTTLED"
	UnauthorizedResponse       ResponseType = "UNAUTHORIZED"
	UnsupportedMediaType       ResponseType = "UNSUPPORTED_MEDIA_TYPE"
	WAFFiltered                ResponseType = "WAF_FILTERED"
)

// An Error says what was tried (Op), how it failed (Kind), where in the user's files the reason lies (Pos),
// and what is below it (Err). Its text is for logs and spans; clients never see it.
type Error struct {
	Op   string
	Kind Kind
	Code ResponseType
	Pos  Position
	Err  error
}

// Error returns "pos: op: cause", leaving out what is not set.
func (e *Error) Error() string {
	parts := make([]string, 0, 3)
	if !e.Pos.IsZero() {
		parts = append(parts, e.Pos.String())
	}
	if e.Op != "" {
		parts = append(parts, e.Op)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	} else {
		parts = append(parts, e.Kind.String())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is this error's Kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// KindOf returns the Kind of the outermost Error in err's chain, and Internal where there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// The types of a GuestError that the guest did not choose: it crashed, its instance is thrown away, and a plugin that does so again and
// again is left alone for a while.
const (
	GuestTrap    = "trap"    // an instruction, or a host function that was misused
	GuestExit    = "exit"    // by itself
	GuestTimeout = "timeout" // its wall time was over
	GuestFuel    = "fuel"    // its work was too much
	GuestMemory  = "memory"  // it wanted more, or the host had none left
	GuestStack   = "stack"   // it recursed too deep
	GuestResult  = "result"  // what it answered breaks the contract
	GuestLimit   = "limit"   // it passed another limit that ends a call
)

// Crashed reports whether err is of a guest that crashed.
func Crashed(err error) bool {
	var guest *GuestError
	if !errors.As(err, &guest) {
		return false
	}
	switch guest.Type {
	case GuestTrap, GuestExit, GuestTimeout, GuestFuel, GuestMemory, GuestStack, GuestResult, GuestLimit:
		return true
	}
	return false
}

// A LimitError says which of its limits a plugin passed. It stands in the chain of the error that the call failed with.
type LimitError struct {
	Limit  string // its key in the user's file: "timeout", "limits.fuel"
	Value  string // with its unit: "64 MiB"
	Origin string // where it was set: file:line:column, or "default"
	Detail string // what was asked for, or ""
}

// Error names the limit, its value and where it was set.
func (e *LimitError) Error() string {
	text := fmt.Sprintf("limit passed: %s %s (%s)", e.Limit, e.Value, e.Origin)
	if e.Detail != "" {
		text += "; " + e.Detail
	}
	return text
}

// A GuestError is what a guest reported, threw or died of. It never reaches a client.
type GuestError struct {
	Type    string // "Error", "TypeError", or a constant below
	Message string
	Stack   string // in the user's own files and lines where a source map or name section allows
	Pos     Position
	Limit   *LimitError // that it passed; nil for none
}

// Unwrap returns the limit, if the guest passed one.
func (e *GuestError) Unwrap() error {
	if e.Limit == nil {
		return nil
	}
	return e.Limit
}

// Error returns "type: message".
func (e *GuestError) Error() string {
	if e.Type == "" {
		return e.Message
	}
	return e.Type + ": " + e.Message
}
