package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

const (
	invoke      = "execute-api:Invoke"
	maxResource = 512 // characters (reference 1.3, "ARN")
)

// A Policy is what an authorizer allows and denies.
type Policy struct{ Statements []Statement }

// A Statement allows or denies what one of its resource patterns matches. Statements about other actions than execute-api:Invoke
// are not kept.
type Statement struct {
	Deny      bool
	Resources []string // with * for any characters and ? for one
}

// allows evaluates the policy: an explicit deny wins, and what nobody allows is denied.
func (p *Policy) allows(arn string) (allowed, explicitDeny bool) {
	for _, s := range p.Statements {
		for _, r := range s.Resources {
			switch {
			case !wildcard(r, arn):
			case s.Deny:
				return false, true
			default:
				allowed = true
			}
		}
	}
	return allowed, false
}

func parsePolicy(raw json.RawMessage) (*Policy, error) {
	document, err := parseObject(raw)
	if err != nil {
		return nil, fmt.Errorf("policyDocument: %w", err)
	}
	var list []json.RawMessage
	if one := document["Statement"]; json.Unmarshal(one, &list) != nil {
		list = []json.RawMessage{one} // IAM takes a single statement without a list
	}
	if len(list) == 0 {
		return nil, errors.New("policyDocument has no Statement")
	}
	p := &Policy{}
	for i, raw := range list {
		s, covers, err := parseStatement(raw)
		if err != nil {
			return nil, fmt.Errorf("policyDocument.Statement[%d]: %w", i, err)
		}
		if covers {
			p.Statements = append(p.Statements, s)
		}
	}
	return p, nil
}

// parseStatement reads a statement and whether it is about invoking.
func parseStatement(raw json.RawMessage) (s Statement, covers bool, err error) {
	fields, err := parseObject(raw)
	if err != nil {
		return s, false, err
	}
	for k := range fields {
		switch k {
		case "Sid", "Effect", "Action", "Resource":
		default: // to leave out a Condition or a NotResource would allow more than was meant
			return s, false, fmt.Errorf("%s is not supported", k)
		}
	}
	switch effect, _ := parseString(fields["Effect"]); effect {
	case "Allow":
	case "Deny":
		s.Deny = true
	default:
		return s, false, errors.New("Effect is neither Allow nor Deny")
	}
	actions, ok := parseList(fields["Action"])
	if !ok {
		return s, false, errors.New("Action is neither a string nor a list of strings")
	}
	if s.Resources, ok = parseList(fields["Resource"]); !ok {
		return s, false, errors.New("Resource is neither a string nor a list of strings")
	}
	for _, r := range s.Resources {
		if len(r) > maxResource {
			return s, false, fmt.Errorf("a Resource has more than %d characters", maxResource)
		}
	}
	for _, a := range actions { // actions have no case
		covers = covers || wildcard(strings.ToLower(a), strings.ToLower(invoke))
	}
	return s, covers, nil
}

// parseList reads a string or a list of at least one.
func parseList(raw json.RawMessage) ([]string, bool) {
	if s, ok := parseString(raw); ok {
		return []string{s}, true
	}
	var elements []json.RawMessage
	if raw == nil || json.Unmarshal(raw, &elements) != nil || len(elements) == 0 {
		return nil, false
	}
	list := make([]string, len(elements))
	for i, e := range elements {
		var ok bool
		if list[i], ok = parseString(e); !ok {
			return nil, false
		}
	}
	return list, true
}

// wildcard reports whether the whole of s fits the pattern, in time at most the product of their lengths: only
// the last asterisk is ever tried again.
func wildcard(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
