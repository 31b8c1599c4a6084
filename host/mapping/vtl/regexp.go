package vtl

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dlclark/regexp2/v2"
)

const (
	maxPattern       = 4 << 10  // bytes
	maxBacktracking  = 64 << 10 // frames, of one match
	maxCachedRegexps = 256      // of one template
)

// A regexpCache keeps a template's compiled patterns, up to a number: a template may make patterns from its input.
type regexpCache struct {
	compiled sync.Map // pattern and timeout -> *regexp2.Regexp
	count    atomic.Int32
}

type regexpKey struct {
	pattern string
	timeout time.Duration
}

func (c *regexpCache) get(pattern string, timeout time.Duration) (*regexp2.Regexp, error) {
	key := regexpKey{pattern, timeout}
	if re, ok := c.compiled.Load(key); ok {
		return re.(*regexp2.Regexp), nil
	}
	if len(pattern) > maxPattern {
		return nil, limitError("bytes of a regular expression", maxPattern)
	}
	translated, err := translateRegexp(pattern)
	if err != nil {
		return nil, fmt.Errorf("regular expression %s: %w", quoted(pattern), err)
	}
	re, err := regexp2.Compile(translated, regexp2.OptionMaintainCaptureOrder(), regexp2.OptionMaxBacktrackingStackSize(maxBacktracking))
	if err != nil {
		return nil, fmt.Errorf("regular expression %s: %w", quoted(pattern), err)
	}
	re.MatchTimeout = timeout
	if c.count.Add(1) <= maxCachedRegexps {
		c.compiled.Store(key, re)
	}
	return re, nil
}

// regexpMethod has the methods of String that take a regular expression.
func (r *run) regexpMethod(s, name string, args []any) (any, bool, error) {
	switch {
	case name == "matches" && takes(args, "s"):
		ok, err := r.matches(s, args[0].(string))
		return ok, true, err
	case (name == "replaceAll" || name == "replaceFirst") && takes(args, "ss"):
		count := math.MaxInt
		if name == "replaceFirst" {
			count = 1
		}
		v, err := r.replaceRegexp(s, args[0].(string), args[1].(string), count)
		return v, true, err
	case name == "split" && (takes(args, "s") || takes(args, "si")):
		limit := 0
		if len(args) == 2 {
			limit = int(args[1].(int32))
		}
		items, err := r.split(s, args[0].(string), limit)
		if err != nil {
			return nil, true, err
		}
		return &array{items: items}, true, nil
	}
	return nil, false, nil
}

// matches is true when the pattern matches the whole of s.
func (r *run) matches(s, pattern string) (bool, error) {
	if text, ok := plainPattern(pattern); ok {
		return s == text, nil
	}
	if _, err := r.template.regexps.get(pattern, r.limits.Regexp); err != nil {
		return false, err // which is not to say what stands around it
	}
	re, err := r.template.regexps.get(`\A(?:`+pattern+`)\z`, r.limits.Regexp)
	if err != nil {
		return false, err
	}
	ok, err := re.MatchString(s)
	return ok, r.matchError(err)
}

// matchError says which limit a match passed. The engine's own words have all of the text in them, which may be a client's body.
func (r *run) matchError(err error) error {
	if err == nil {
		return nil
	}
	if timeErr := r.checkTime(); timeErr != nil {
		return timeErr
	}
	if errors.Is(err, regexp2.ErrBacktrackingStackLimit) {
		return limitError("frames of a regular expression", maxBacktracking)
	}
	return limitError("milliseconds of a regular expression", int(r.limits.Regexp.Milliseconds()))
}

// A match is where a pattern matched: the byte offsets of its groups, -1 where one did not take part.
type match struct{ groups [][2]int }

// findAll returns up to count matches.
func (r *run) findAll(s, pattern string, count int) ([]match, error) {
	if text, ok := plainPattern(pattern); ok && text != "" {
		return r.findPlain(s, text, count)
	}
	re, err := r.template.regexps.get(pattern, r.limits.Regexp)
	if err != nil {
		return nil, err
	}
	if len(s) > (r.limits.Memory-r.memory)/5 { // it works on runes
		return nil, limitError("bytes of memory", r.limits.Memory)
	}
	var all []match
	m, err := re.FindStringMatch(s)
	for ; m != nil && err == nil && len(all) < count; m, err = re.FindNextMatch(m) {
		found := match{}
		groups := m.Groups()
		if err := r.chargeItems(int64(1 + len(groups))); err != nil {
			return nil, err
		}
		for i := range groups {
			if len(groups[i].Captures) == 0 {
				found.groups = append(found.groups, [2]int{-1, -1})
				continue
			}
			at, length := groups[i].ByteRange()
			found.groups = append(found.groups, [2]int{at, at + length})
		}
		all = append(all, found)
	}
	return all, r.matchError(err)
}

func (r *run) findPlain(s, text string, count int) ([]match, error) {
	var all []match
	for at := 0; len(all) < count; {
		i := strings.Index(s[at:], text)
		if i < 0 {
			break
		}
		if err := r.chargeItems(3); err != nil {
			return nil, err
		}
		all = append(all, match{groups: [][2]int{{at + i, at + i + len(text)}}})
		at += i + len(text)
	}
	return all, nil
}

func (r *run) replaceRegexp(s, pattern, replacement string, count int) (string, error) {
	all, err := r.findAll(s, pattern, count)
	if err != nil || len(all) == 0 {
		return s, err
	}
	var b []byte
	at := 0
	for _, m := range all {
		b = append(b, s[at:m.groups[0][0]]...)
		if b, err = appendReplacement(b, s, replacement, m); err != nil {
			return "", err
		}
		at = m.groups[0][1]
		if len(b) > r.limits.Memory-r.memory {
			return "", limitError("bytes of memory", r.limits.Memory)
		}
		if err := r.tick(); err != nil {
			return "", err
		}
	}
	b = append(b, s[at:]...)
	return string(b), r.charge(len(b))
}

// appendReplacement writes a replacement in Java's syntax: \x is x, $1 a group, ${name} is not supported.
func appendReplacement(b []byte, s, replacement string, m match) ([]byte, error) {
	for i := 0; i < len(replacement); i++ {
		c := replacement[i]
		switch {
		case c == '\\':
			if i++; i >= len(replacement) {
				return nil, errors.New("the replacement ends in a backslash")
			}
			b = append(b, replacement[i])
		case c == '$':
			i++
			if i >= len(replacement) || !isDigit(replacement[i]) {
				return nil, errors.New("$ in a replacement needs a group's number")
			}
			group := int(replacement[i] - '0')
			if group >= len(m.groups) {
				return nil, fmt.Errorf("there is no group %d", group)
			}
			for i+1 < len(replacement) && isDigit(replacement[i+1]) {
				longer := group*10 + int(replacement[i+1]-'0')
				if longer >= len(m.groups) {
					break
				}
				group = longer
				i++
			}
			if g := m.groups[group]; g[0] >= 0 {
				b = append(b, s[g[0]:g[1]]...)
			}
		default:
			b = append(b, c)
		}
	}
	return b, nil
}

// split is Java's: with limit 0 empty strings at the end go, and a match of no width at the start makes no first one.
func (r *run) split(s, pattern string, limit int) ([]any, error) {
	all, err := r.findAll(s, pattern, math.MaxInt)
	if err != nil {
		return nil, err
	}
	if s == "" {
		return []any{""}, nil
	}
	if err := r.chargeItems(int64(len(all) + 1)); err != nil {
		return nil, err
	}
	var items []any
	at := 0
	for _, m := range all {
		from, to := m.groups[0][0], m.groups[0][1]
		if limit > 0 && len(items) == limit-1 {
			break
		}
		if to == 0 {
			continue
		}
		items = append(items, s[at:from])
		at = to
	}
	items = append(items, s[at:])
	if limit == 0 {
		for len(items) > 1 && items[len(items)-1] == "" {
			items = items[:len(items)-1]
		}
		if len(items) == 1 && len(all) > 0 && items[0] == "" {
			items = nil
		}
	}
	return items, r.charge(len(s))
}
