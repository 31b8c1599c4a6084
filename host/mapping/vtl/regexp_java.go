package vtl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// plainPattern returns the text that a pattern without operators matches.
func plainPattern(pattern string) (string, bool) {
	if !strings.ContainsAny(pattern, `\.[]{}()*+-?^$|&`) {
		return pattern, true
	}
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch c {
		case '\\':
			i++
			if i >= len(pattern) || isLetter(pattern[i]) || isDigit(pattern[i]) || pattern[i] >= 0x80 {
				return "", false
			}
			b.WriteByte(pattern[i])
		case '.', '[', '{', '(', ')', '*', '+', '?', '^', '$', '|':
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// A translator turns Java's syntax into that of regexp2, and refuses what means something else there.
type translator struct {
	in    string
	at    int
	out   []byte
	atom  int    // where the last thing that may be repeated begins in out
	open  []int  // where the open groups begin
	dot   []bool // by open group: whether . takes line ends (?s)
	multi []bool // by open group: whether ^ and $ are at lines (?m)
}

const (
	lineEnds    = `\n\r\u0085\u2028\u2029`
	anyButLines = `[^` + lineEnds + `]`
	lastLineEnd = `(?!(?<=\r)\n)(?=(?:\r\n|[` + lineEnds + `])?\z)`
)

func translateRegexp(pattern string) (string, error) {
	t := &translator{in: pattern, dot: []bool{false}, multi: []bool{false}}
	repeatable := false
	for t.at < len(t.in) {
		var err error
		if c := t.in[t.at]; strings.IndexByte("*+?{", c) >= 0 {
			switch {
			case repeatable:
			case c == '{': // of nothing, which Java allows
				t.atom = len(t.out)
				t.out = append(t.out, "(?:)"...)
			default:
				return "", fmt.Errorf("nothing to repeat before %q", c)
			}
			repeatable, err = false, t.quantifier()
		} else {
			repeatable, err = t.element(c)
		}
		if err != nil {
			return "", err
		}
	}
	return string(t.out), nil
}

// element translates what is no quantifier, and reports whether one may follow.
func (t *translator) element(c byte) (bool, error) {
	start := len(t.out)
	switch c {
	case '(':
		t.open = append(t.open, start)
		return false, t.group()
	case ')':
		if len(t.open) == 0 {
			return false, errors.New("a ) that closes nothing")
		}
		top := len(t.open) - 1
		t.atom, t.open = t.open[top], t.open[:top]
		t.dot, t.multi = t.dot[:top+1], t.multi[:top+1]
		t.copy(1)
		return true, nil
	case '|':
		t.copy(1)
		return false, nil
	}
	t.atom = start
	switch c {
	case '\\':
		return true, t.escape(false)
	case '[':
		return true, t.set()
	}
	t.single(c)
	return true, nil
}

func (t *translator) copy(n int) {
	t.out = append(t.out, t.in[t.at:t.at+n]...)
	t.at += n
}

func (t *translator) single(c byte) {
	multi := t.multi[len(t.multi)-1]
	switch {
	case c == '.' && !t.dot[len(t.dot)-1]:
		t.out = append(t.out, anyButLines...)
	case c == '$' && !multi:
		t.out = append(t.out, lastLineEnd...)
	default:
		_, size := utf8.DecodeRuneInString(t.in[t.at:])
		t.copy(size)
		return
	}
	t.at++
}

// quantifier copies *, +, ? and {n,m}, with a lazy ?. A possessive + is an atomic group.
func (t *translator) quantifier() error {
	if t.in[t.at] == '{' {
		end := strings.IndexByte(t.in[t.at:], '}')
		if end < 0 || !isRepetition(t.in[t.at+1:t.at+end]) {
			return errors.New("{ is no repetition")
		}
		t.copy(end + 1)
	} else {
		t.copy(1)
	}
	if t.at < len(t.in) {
		switch t.in[t.at] {
		case '?':
			t.copy(1)
		case '+':
			t.at++
			t.out = append(slices.Insert(t.out, t.atom, []byte("(?>")...), ')')
		}
	}
	return nil
}

func isRepetition(s string) bool {
	low, high, ranged := strings.Cut(s, ",")
	return digits(low) == len(low) && low != "" && len(low) < 5 && (!ranged || digits(high) == len(high) && len(high) < 5)
}

func (t *translator) group() error {
	rest := t.in[t.at:]
	t.dot, t.multi = append(t.dot, t.dot[len(t.dot)-1]), append(t.multi, t.multi[len(t.multi)-1])
	if !strings.HasPrefix(rest, "(?") {
		t.copy(1)
		return nil
	}
	for _, open := range [...]string{"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"} {
		if strings.HasPrefix(rest, open) {
			t.copy(len(open))
			return nil
		}
	}
	if strings.HasPrefix(rest, "(?<") {
		end := strings.IndexByte(rest, '>')
		if end < 4 {
			return errors.New("a group's name is not closed")
		}
		t.copy(end + 1)
		return nil
	}
	return t.flags(rest)
}

// flags reads (?ims) and (?ims:, on and off.
func (t *translator) flags(rest string) error {
	on := true
	for i := 2; i < len(rest); i++ {
		top := len(t.dot) - 1
		switch rest[i] {
		case '-':
			on = false
		case 'i':
		case 's':
			t.dot[top] = on
		case 'm':
			t.multi[top] = on
		case ')': // for the rest of the group around it
			t.open = t.open[:len(t.open)-1]
			if i == 2 { // (?) has no flags
				t.at += 3
				return nil
			}
			t.dot[top-1], t.multi[top-1] = t.dot[top], t.multi[top]
			t.dot, t.multi = t.dot[:top], t.multi[:top]
			t.copy(i + 1)
			return nil
		case ':':
			t.copy(i + 1)
			return nil
		default:
			return fmt.Errorf("the flag %q is not supported", rest[i])
		}
	}
	return errors.New("a group is not closed")
}

// set copies [...], of which Java has more than others: sets in sets, and && between them.
func (t *translator) set() error {
	t.copy(1)
	if t.at < len(t.in) && t.in[t.at] == '^' {
		t.copy(1)
	}
	for first := true; t.at < len(t.in); first = false {
		switch c := t.in[t.at]; {
		case c == ']' && !first:
			t.copy(1)
			return nil
		case c == '[':
			return errors.New("a set in a set is not supported")
		case strings.HasPrefix(t.in[t.at:], "&&"):
			return errors.New("&& in a set is not supported")
		case c == '\\':
			if err := t.escape(true); err != nil {
				return err
			}
		default:
			t.copy(1)
		}
	}
	return errors.New("a set is not closed")
}
