package rest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/vtl"
)

// The status codes that an answer may have: a 1xx is none.
const (
	minStatus = 200
	maxStatus = 599
)

// maxResponseRules bounds the integration responses of a method: each may be tried for each request.
const maxResponseRules = 500

// A Selector chooses, of a method's integration responses, the one for what an integration answered (reference 1.4.3). It is safe for
// concurrent use.
type Selector struct {
	op       string
	pos      host.Position
	engine   *vtl.Template
	rules    []selectorRule
	declared []int // nil declares none

	byStatus [maxStatus + 1 - minStatus]atomic.Pointer[Selection] // what was selected before: the same status always gives the same
}

type selectorRule struct {
	rule     *host.ResponseRule
	match    pattern
	fallback bool // it is a default, and has no match
}

// A Selection is the rule for a response, and the status of what the client gets unless an override changes it.
type Selection struct {
	Rule   *host.ResponseRule
	Status int
}

// CompileSelector reads the responses of a route that is not a proxy. Their expressions are Java's, and match the whole; an empty one is the
// default. Errors have Kind Invalid and the rule's position: an expression that package vtl refuses, a
// status that no answer may have, or more than 500 rules.
func CompileSelector(route *host.Route) (*Selector, error) {
	s := &Selector{op: "responses of " + route.Key, pos: route.Pos}
	if len(route.Responses) > maxResponseRules {
		return nil, &host.Error{Op: s.op, Kind: host.Invalid, Pos: route.Pos, Err: fmt.Errorf("there are more than %d", maxResponseRules)}
	}
	var err error
	if s.engine, err = patternTemplate(); err != nil {
		return nil, err
	}
	for i := range route.Responses {
		rule := &route.Responses[i]
		r := selectorRule{rule: rule, fallback: rule.Match == ""}
		if rule.Status != 0 && (rule.Status < minStatus || rule.Status > maxStatus) {
			err = fmt.Errorf("the status %d is not between %d and %d", rule.Status, minStatus, maxStatus)
		} else if !r.fallback {
			r.match, err = compilePattern(s.engine, rule.Match)
		}
		if err != nil {
			return nil, &host.Error{Op: "response rule", Kind: host.Invalid, Pos: rule.Pos, Err: err}
		}
		s.rules = append(s.rules, r)
	}
	if m := route.REST; m != nil && m.Responses != nil {
		s.declared = make([]int, 0, len(m.Responses))
		for _, r := range m.Responses {
			s.declared = append(s.declared, r.Status)
		}
	}
	return s, nil
}

// ByStatus selects by a status: of HTTP, of a service, or of MOCK (MockStatus). A rule without a status keeps it.
func (s *Selector) ByStatus(ctx context.Context, status int) (Selection, error) {
	if status < minStatus || status > maxStatus {
		return s.selectBy(ctx, strconv.Itoa(status), status)
	}
	known := &s.byStatus[status-minStatus]
	if found := known.Load(); found != nil {
		return *found, nil
	}
	found, err := s.selectBy(ctx, strconv.Itoa(status), status)
	if err == nil {
		known.Store(&found)
	}
	return found, err
}

// ByErrorMessage selects by what ErrorMessage found in a function's result; its status does not count, and is 200. No message is null, which the
// default takes and every expression that matches nothing at all, as .* does and .+ does not.
func (s *Selector) ByErrorMessage(ctx context.Context, message string) (Selection, error) {
	return s.selectBy(ctx, message, 200)
}

// selectBy returns the first rule in the order of definition that matches, or else the first default (reference 1.16). No rule, and one whose status the
// method does not declare, are Kind Internal and Code APIConfigurationError.
func (s *Selector) selectBy(ctx context.Context, text string, status int) (Selection, error) {
	var found *host.ResponseRule
	for i := range s.rules {
		r := &s.rules[i]
		if r.fallback {
			if found == nil {
				found = r.rule
			}
			continue
		}
		ok, err := r.match.matches(ctx, s.engine, text)
		if err != nil {
			return Selection{}, s.wrong(r.rule.Pos, err)
		}
		if ok {
			found = r.rule
			break
		}
	}
	if found == nil {
		return Selection{}, s.wrong(s.pos, errors.New("no match for output mapping and no default endpoint response mapping configured"))
	}
	if found.Status != 0 {
		status = found.Status
	}
	if s.declared != nil && !slices.Contains(s.declared, status) {
		return Selection{}, s.wrong(found.Pos, fmt.Errorf("output mapping refers to an invalid method response: %d", status))
	}
	return Selection{found, status}, nil
}

func (s *Selector) wrong(pos host.Position, err error) error {
	if pos.IsZero() {
		pos = s.pos
	}
	return &host.Error{Op: s.op, Kind: host.Internal, Code: host.APIConfigurationError, Pos: pos, Err: err}
}
