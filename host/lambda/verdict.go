package lambda

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/postern/postern/host"
)

// A Verdict is what an authorizer answered (reference 1.7, "Output").
type Verdict struct {
	Simple      bool    // {isAuthorized, context}: Authorized holds for every route
	Authorized  bool    // of a simple verdict
	Policy      *Policy // of any other; it is evaluated against each request's ARN
	PrincipalID string
	Context     map[string]any // nil for none; numbers are json.Number, so that none loses digits

	UsageIdentifierKey string // the API key that a caller of a rest API has; "" for none
}

// Strings returns the context as rest APIs hand it on: all values are text (reference 1.7, "Other"), and what is null is not there.
func (v *Verdict) Strings() map[string]any { return stringified(v.Context) }

func stringified(context map[string]any) map[string]any {
	all := make(map[string]any, len(context)+1)
	for k, v := range context {
		if v != nil {
			all[k] = fmt.Sprint(v)
		}
	}
	return all
}

// Allows reports whether a request to arn is allowed, and when not, whether a statement denies it explicitly.
func (v *Verdict) Allows(arn string) (allowed, explicitDeny bool) {
	if v.Simple {
		return v.Authorized, false
	}
	return v.Policy.allows(arn)
}

// ParseAuthorizerResult reads an authorizer's answer. Format 1.0 takes a policy; 2.0 takes a simple answer as well. Answers that are neither
// have Kind Internal and Code AuthorizerConfiguration, as does anything in a policy that would go unheeded, such as a condition.
func ParseAuthorizerResult(meta []byte, format string) (*Verdict, error) {
	v, err := parseVerdict(meta, format)
	if err != nil {
		return nil, &host.Error{Op: "authorizer result", Kind: host.Internal, Code: host.AuthorizerConfiguration, Err: err}
	}
	return v, nil
}

func parseVerdict(meta []byte, format string) (*Verdict, error) {
	if format != Format1 && format != Format2 {
		return nil, fmt.Errorf("there is no payload format %q", format)
	}
	fields, err := parseObject(meta)
	if err != nil {
		return nil, err
	}
	v := &Verdict{}
	if v.Context, err = parseContext(fields["context"], format); err != nil {
		return nil, err
	}
	if answer, ok := fields["isAuthorized"]; ok && format == Format2 {
		v.Simple = true
		if v.Authorized, ok = parseBool(answer); !ok {
			return nil, errors.New("isAuthorized is not true or false")
		}
		if principal, ok := fields["principalId"]; ok && !isNull(principal) {
			if v.PrincipalID, ok = parseString(principal); !ok {
				return nil, errors.New("principalId is not a string")
			}
		}
		return v, nil
	}
	document, ok := fields["policyDocument"]
	switch {
	case !ok && format == Format2:
		return nil, errors.New("neither isAuthorized nor policyDocument")
	case !ok:
		return nil, errors.New("no policyDocument, which format 1.0 needs")
	}
	if v.PrincipalID, ok = parseString(fields["principalId"]); !ok || v.PrincipalID == "" {
		return nil, errors.New("principalId is missing or no string")
	}
	if key, ok := fields["usageIdentifierKey"]; ok && !isNull(key) {
		if v.UsageIdentifierKey, ok = parseString(key); !ok {
			return nil, errors.New("usageIdentifierKey is not a string")
		}
	}
	v.Policy, err = parsePolicy(document)
	return v, err
}

// parseContext reads the context. In format 1.0 it is flat (reference 1.7, "Output").
func parseContext(raw json.RawMessage, format string) (map[string]any, error) {
	if raw == nil || isNull(raw) {
		return nil, nil
	}
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		return nil, errors.New("context is not an object")
	}
	if format == Format1 {
		for k, v := range m {
			switch v.(type) {
			case map[string]any, []any:
				return nil, fmt.Errorf("context.%s is not a string, number or boolean", k)
			}
		}
	}
	return m, nil
}

// parseObject reads a JSON object's members, which keep their case.
func parseObject(b []byte) (map[string]json.RawMessage, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, errors.New("there is no result")
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		if !json.Valid(b) {
			return nil, fmt.Errorf("the result is not JSON: %w", err)
		}
		return nil, errors.New("the result is not an object")
	}
	if m == nil {
		return nil, errors.New("the result is null")
	}
	return m, nil
}

// The readers below take values out of JSON that is known to be valid.

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

func parseBool(raw json.RawMessage) (value, ok bool) {
	switch string(bytes.TrimSpace(raw)) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

func parseString(raw json.RawMessage) (string, bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw[1 : len(raw)-1]), true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}
