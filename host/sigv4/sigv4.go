// Package sigv4 verifies requests that are signed with AWS Signature Version 4 in their Authorization header, as Amazon's IAM User
// Guide describes it ("Create a signed AWS API request"). What a request must look like to get the same signature is what Amazon's
// SDKs send; where the guide and the SDK for Go differ, which is in the path alone, the SDK's way holds: a path is taken as
// it was sent, and neither "." nor ".." nor "//" in it are removed.
//
// Not accepted, with an error that says so: presigned URLs, the asymmetric signatures of version 4A, chunked (streaming) signatures,
// and session tokens. Any region is accepted, for a host has none; it is a part of the key, so it must only be the one that was signed.
package sigv4

import (
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

const (
	algorithm   = "AWS4-HMAC-SHA256"
	terminator  = "aws4_request"
	dateLayout  = "20060102T150405Z"
	dayLayout   = "20060102"
	unsigned    = "UNSIGNED-PAYLOAD"
	dateHeader  = "X-Amz-Date"
	hashHeader  = "X-Amz-Content-Sha256"
	tokenHeader = "X-Amz-Security-Token"

	// maxAuthorization bounds the Authorization header, in bytes. A signature with a hundred signed headers has 2,500.
	maxAuthorization = 8 << 10
)

// A Code is Amazon's name of a reason to refuse a signature: what its SDKs expect in X-Amzn-Errortype, beside status 403.
type Code string

// The codes.
const (
	MissingToken       Code = "MissingAuthenticationTokenException" // the request is not signed
	Incomplete         Code = "IncompleteSignatureException"        // the header is malformed, or leaves out what it must have
	InvalidSignature   Code = "InvalidSignatureException"           // it does not match, is too old or too new, or was used already
	UnrecognizedClient Code = "UnrecognizedClientException"         // the access key is not known, has expired or was revoked
	ExpiredToken       Code = "ExpiredTokenException"               // the request has a session token, which hosts do not issue
)

// A Refusal is why a signature is refused. Its text is meant for the client, and holds nothing that the client did not send.
type Refusal struct {
	Code   Code
	Reason string
}

// Error returns the reason.
func (r *Refusal) Error() string { return r.Reason }

// Refuse returns an error of Kind Unauthenticated with a Refusal in its chain.
func Refuse(code Code, reason string) error {
	return &host.Error{Op: "signature", Kind: host.Unauthenticated, Err: &Refusal{code, reason}}
}

// CodeOf returns the code of the Refusal in err's chain, and "" where there is none.
func CodeOf(err error) Code {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

// A Signature is what a request says of its signature. Nothing of it is proven before Verify.
type Signature struct {
	KeyID   string // of the access key
	Date    time.Time
	Region  string
	Service string
	Headers []string // signed, in lower case and order

	sum []byte
}

// Signed reports whether a request claims to be signed, well or not: whether Parse should be asked.
func Signed(r *http.Request) bool {
	values := r.Header.Values("Authorization")
	for _, value := range values {
		if strings.HasPrefix(value, "AWS4-") {
			return true
		}
	}
	return len(values) == 0 && strings.Contains(r.URL.RawQuery, "X-Amz-Algorithm=")
}

// Parse reads the signature of a request. Its errors have a Refusal.
func Parse(r *http.Request) (*Signature, error) {
	values := r.Header.Values("Authorization")
	switch {
	case len(values) == 0 && strings.Contains(r.URL.RawQuery, "X-Amz-Algorithm="):
		return nil, Refuse(Incomplete, "presigned URLs are not accepted: sign the Authorization header")
	case len(values) == 0:
		return nil, Refuse(MissingToken, "the request has no Authorization header")
	case len(values) > 1:
		return nil, Refuse(Incomplete, "the request has more than one Authorization header")
	case len(values[0]) > maxAuthorization:
		return nil, Refuse(Incomplete, "the Authorization header is too long")
	}
	name, parameters, _ := strings.Cut(values[0], " ")
	if name != algorithm {
		return nil, Refuse(Incomplete, "the algorithm must be "+algorithm)
	}
	fields, err := split(parameters)
	if err != nil {
		return nil, err
	}
	s := &Signature{}
	if s.sum, err = hex.DecodeString(fields[2]); err != nil || len(s.sum) != 32 || strings.ToLower(fields[2]) != fields[2] {
		return nil, Refuse(Incomplete, "Signature must be 64 hexadecimal digits in lower case")
	}
	if err := s.parseHeaders(r, fields[1]); err != nil {
		return nil, err
	}
	return s, s.parseScope(r, fields[0])
}

// split returns the values of Credential, SignedHeaders and Signature, which may stand in any order.
func split(parameters string) (fields [3]string, err error) {
	names := [3]string{"Credential", "SignedHeaders", "Signature"}
	for part := range strings.SplitSeq(parameters, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		i := slices.Index(names[:], name)
		if i < 0 || fields[i] != "" {
			return fields, Refuse(Incomplete, "the Authorization header must have Credential, SignedHeaders and Signature, each once")
		}
		fields[i] = value
	}
	for i, value := range fields {
		if value == "" {
			return fields, Refuse(Incomplete, "the Authorization header has no "+names[i])
		}
	}
	return fields, nil
}

// parseHeaders reads SignedHeaders and checks that nothing that gives the request another meaning is left out.
func (s *Signature) parseHeaders(r *http.Request, list string) error {
	s.Headers = strings.Split(list, ";")
	if list != strings.ToLower(list) || !slices.IsSorted(s.Headers) || len(slices.Compact(slices.Clone(s.Headers))) != len(s.Headers) {
		return Refuse(Incomplete, "SignedHeaders must be in lower case, sorted, each once")
	}
	for _, name := range [...]string{"host", strings.ToLower(dateHeader)} {
		if !slices.Contains(s.Headers, name) {
			return Refuse(Incomplete, "SignedHeaders must have "+name)
		}
	}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(s.Headers, lower) {
			return Refuse(InvalidSignature, "SignedHeaders must have "+lower+", which the request has")
		}
	}
	for _, name := range s.Headers {
		if _, there := headerValues(r, name); !there {
			return Refuse(InvalidSignature, "a signed header did not arrive: "+name)
		}
	}
	return nil
}

// parseScope reads "KEY/20260102/region/service/aws4_request" and the date.
func (s *Signature) parseScope(r *http.Request, credential string) error {
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || slices.Contains(scope, "") || scope[4] != terminator {
		return Refuse(Incomplete, "Credential must be KEY/DATE/REGION/SERVICE/"+terminator)
	}
	s.KeyID, s.Region, s.Service = scope[0], scope[2], scope[3]
	dates := r.Header.Values(dateHeader)
	if len(dates) != 1 {
		return Refuse(Incomplete, "the request must have one "+dateHeader)
	}
	date, err := time.Parse(dateLayout, dates[0])
	if err != nil {
		return Refuse(Incomplete, dateHeader+" must look like "+dateLayout)
	}
	if s.Date = date; date.Format(dayLayout) != scope[1] {
		return Refuse(InvalidSignature, "the date in Credential is not that of "+dateHeader)
	}
	if r.Header.Get(tokenHeader) != "" {
		return Refuse(ExpiredToken, "the request has a session token, and access keys of this host have none: unset AWS_SESSION_TOKEN")
	}
	return nil
}
