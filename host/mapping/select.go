package mapping

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// DefaultMediaType is the key of a mapping for bodies that no other takes (reference 1.4.1).
const DefaultMediaType = "$default"

// SelectMapping returns the mapping for a body by its Content-Type, whose parameters do not count; none means application/json. It reports false
// when no mapping takes it (reference 1.4.1).
func SelectMapping(mappings []host.Mapping, contentType string) (*host.Mapping, bool) {
	mediaType, _, _ := strings.Cut(contentType, ";")
	if mediaType = strings.TrimSpace(mediaType); mediaType == "" {
		mediaType = "application/json"
	}
	var fallback *host.Mapping
	for i := range mappings {
		switch m := &mappings[i]; {
		case m.MediaType == DefaultMediaType:
			fallback = m
		case strings.EqualFold(m.MediaType, mediaType):
			return m, true
		}
	}
	return fallback, fallback != nil
}

// Passthrough reports whether a body goes to the integration as it is. It is given a route's passthrough behaviour, "" for
// WHEN_NO_MATCH, whether the route has mappings, and whether one of them takes the body. A body that may neither be mapped nor pass has
// Kind Unsupported, which is a 415 (reference 1.4.1).
func Passthrough(behavior string, haveMappings, matched bool) (bool, error) {
	if matched {
		return false, nil
	}
	pass := false
	switch behavior {
	case "", host.PassthroughWhenNoMatch:
		pass = true
	case host.PassthroughWhenNoTemplates:
		pass = !haveMappings
	case host.PassthroughNever:
	default:
		return false, &host.Error{Op: "passthrough", Kind: host.Internal, Code: host.APIConfigurationError, Err: fmt.Errorf("there is no behaviour %q", behavior)}
	}
	if !pass {
		return false, &host.Error{Op: "map request", Kind: host.Unsupported, Code: host.UnsupportedMediaType}
	}
	return true, nil
}

// The status codes that a response can have.
const (
	minStatus = 100
	maxStatus = 599
)

// ResponseRules choose by an integration's status what becomes of its response. They are immutable.
type ResponseRules struct {
	byStatus [maxStatus + 1 - minStatus]*host.ResponseRule
}

// CompileResponseRules tries the rules on every status, so that none is tried for a request. The error has Kind Invalid and
// the position of a rule that is no regular expression; those of Java that RE2 lacks, such as look-arounds, are among them.
func CompileResponseRules(rules []host.ResponseRule) (*ResponseRules, error) {
	rs := &ResponseRules{}
	for i := range rules {
		expr := rules[i].Match
		if expr == "" {
			expr = ".*"
		}
		if _, err := regexp.Compile(expr); err != nil { // by itself: its own parentheses must match
			return nil, &host.Error{Op: "response rule", Kind: host.Invalid, Pos: rules[i].Pos, Err: err}
		}
		re, err := regexp.Compile(`^(?:` + expr + `)$`)
		if err != nil {
			return nil, &host.Error{Op: "response rule", Kind: host.Invalid, Pos: rules[i].Pos, Err: err}
		}
		for at, taken := range rs.byStatus {
			if taken == nil && re.MatchString(strconv.Itoa(at+minStatus)) {
				rs.byStatus[at] = &rules[i]
			}
		}
	}
	return rs, nil
}

// Select returns the first rule whose expression matches the whole status, or nil: the response passes through then.
func (rs *ResponseRules) Select(status int) *host.ResponseRule {
	if status < minStatus || status > maxStatus {
		return nil
	}
	return rs.byStatus[status-minStatus]
}
