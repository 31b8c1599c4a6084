package vtl

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxWidth bounds the width and precision of one conversion.
const maxWidth = 10_000

// A conversion is one %... of Java's Formatter.
type conversion struct {
	index     int // of the argument, from 1; 0 for the next, -1 for the one before
	flags     string
	width     int
	precision int // -1 for none
	verb      byte
}

// format is String.format for strings, booleans, characters and numbers: %s %S %b %c %d %x %X %o %e %E %f %n %%.
func (r *run) format(layout string, args []any) (string, error) {
	var b []byte
	next := 0
	for layout != "" {
		plain, rest, found := strings.Cut(layout, "%")
		b = append(b, plain...)
		if !found {
			break
		}
		c, size, err := parseConversion(rest)
		if err != nil {
			return "", err
		}
		layout = rest[size:]
		if b, err = r.appendConversion(b, c, args, &next); err != nil {
			return "", err
		}
		if len(b) > r.limits.Memory-r.memory {
			return "", limitError("bytes of memory", r.limits.Memory)
		}
	}
	return string(b), r.charge(len(b))
}

func parseConversion(s string) (conversion, int, error) {
	c := conversion{precision: -1}
	i := 0
	if n := digits(s); n > 0 && n < len(s) && s[n] == '$' {
		c.index, _ = strconv.Atoi(s[:n])
		i = n + 1
	} else if strings.HasPrefix(s, "<") {
		c.index, i = -1, 1
	}
	for i < len(s) && strings.IndexByte("-#+ 0,(", s[i]) >= 0 {
		if strings.IndexByte(c.flags, s[i]) >= 0 {
			return c, 0, fmt.Errorf("the flag %c comes twice in a format", s[i])
		}
		c.flags += s[i : i+1]
		i++
	}
	if n := digits(s[i:]); n > 0 {
		c.width, _ = strconv.Atoi(s[i : i+n])
		i += n
	}
	if i < len(s) && s[i] == '.' {
		n := digits(s[i+1:])
		if n == 0 {
			return c, 0, fmt.Errorf("%%%s is no conversion", quoted(s))
		}
		c.precision, _ = strconv.Atoi(s[i+1 : i+1+n])
		i += 1 + n
	}
	if i >= len(s) || !isLetter(s[i]) && s[i] != '%' {
		return c, 0, fmt.Errorf("%%%s is no conversion", quoted(s))
	}
	if c.width > maxWidth || c.precision > maxWidth {
		return c, 0, limitError("characters of a conversion", maxWidth)
	}
	c.verb = s[i]
	return c, i + 1, c.check()
}

// check refuses flags that do not go together, or not with the conversion.
func (c *conversion) check() error {
	allowed := "-"
	switch c.verb {
	case 'd':
		allowed = "-+ 0,("
	case 'x', 'X', 'o':
		allowed = "-#+ 0("
	case 'e', 'E':
		allowed = "-#+ 0("
	case 'f':
		allowed = "-#+ 0,("
	case 's', 'S', 'b', 'B', 'c', 'C', 'n', '%':
	default:
		return fmt.Errorf("the conversion %%%c is not supported", c.verb)
	}
	if c.index < 0 && (c.verb == 'n' || c.verb == '%') {
		return fmt.Errorf("%%<%c has no argument", c.verb)
	}
	if c.verb == 'n' && (c.flags != "" || c.width > 0) {
		return errors.New("%n has no flags and no width")
	}
	switch {
	case c.precision >= 0 && strings.IndexByte("cCdxXon%", c.verb) >= 0:
		return fmt.Errorf("%%%c takes no precision", c.verb)
	case strings.Trim(c.flags, allowed) != "":
		return fmt.Errorf("the flags %q do not go with %%%c", c.flags, c.verb)
	case c.has('-') && c.has('0'), c.has('+') && c.has(' '):
		return fmt.Errorf("the flags %q do not go together", c.flags)
	case (c.has('-') || c.has('0')) && c.width == 0:
		return fmt.Errorf("the flags %q need a width", c.flags)
	}
	return nil
}

func (c *conversion) has(flag byte) bool { return strings.IndexByte(c.flags, flag) >= 0 }

func (r *run) appendConversion(b []byte, c conversion, args []any, next *int) ([]byte, error) {
	switch c.verb {
	case 'n':
		return append(b, '\n'), nil
	case '%':
		return c.pad(b, "%"), nil
	}
	at := *next
	switch {
	case c.index > 0:
		at = c.index - 1
	case c.index < 0:
		at--
	default:
		*next++
	}
	if at < 0 || at >= len(args) {
		return nil, fmt.Errorf("a format has no argument for %%%c", c.verb)
	}
	text, err := r.convert(c, args[at])
	if err != nil {
		return nil, err
	}
	if c.verb >= 'A' && c.verb <= 'Z' {
		text = strings.ToUpper(text)
	}
	return c.pad(b, text), nil
}

func (c *conversion) pad(b []byte, text string) []byte {
	missing := max(c.width-unitCount(text), 0)
	if c.has('-') {
		return append(append(b, text...), strings.Repeat(" ", missing)...)
	}
	return append(append(b, strings.Repeat(" ", missing)...), text...)
}

func (r *run) convert(c conversion, v any) (string, error) {
	switch c.verb {
	case 's', 'S':
		text, ok, err := r.text(v)
		if !ok {
			text = "null"
		}
		return c.crop(text), err
	case 'b', 'B':
		yes, isBool := v.(bool)
		return c.crop(strconv.FormatBool(v != nil && (!isBool || yes))), nil
	}
	if v == nil {
		return c.crop("null"), nil
	}
	switch c.verb {
	case 'c', 'C':
		switch v := v.(type) {
		case char:
			return string(rune(v)), nil
		case int32:
			if v >= 0 && v <= utf8.MaxRune {
				return string(v), nil
			}
		}
	case 'd', 'x', 'X', 'o':
		switch v.(type) {
		case int32, int64, *big.Int:
			return c.integer(v)
		}
	case 'e', 'E', 'f':
		if f, ok := plainNumber(v).(float64); ok {
			return c.float(f)
		}
	}
	return "", fmt.Errorf("%%%c does not take this value", c.verb)
}

func (c *conversion) crop(text string) string {
	if c.precision >= 0 && unitCount(text) > c.precision {
		text = text[:byteIndex(text, c.precision)]
	}
	return text
}

func (c *conversion) integer(v any) (string, error) {
	if c.verb == 'd' {
		return c.signed(toBig(v).String(), toBig(v).Sign() < 0), nil
	}
	base := 16
	if c.verb == 'o' {
		base = 8
	}
	prefix := ""
	if c.has('#') {
		prefix = map[int]string{8: "0", 16: "0x"}[base]
	}
	var bits uint64
	switch n := v.(type) {
	case *big.Int:
		return c.signed(prefix+new(big.Int).Abs(n).Text(base), n.Sign() < 0), nil
	case int32:
		bits = uint64(uint32(n))
	case int64:
		bits = uint64(n)
	}
	if strings.ContainsAny(c.flags, "+ (") {
		return "", fmt.Errorf("the flags %q do not go with %%%c", c.flags, c.verb)
	}
	text := strconv.FormatUint(bits, base)
	if missing := c.width - len(prefix) - len(text); c.has('0') && missing > 0 {
		prefix += strings.Repeat("0", missing)
	}
	return prefix + text, nil
}

func (c *conversion) float(f float64) (string, error) {
	precision := c.precision
	if precision < 0 {
		precision = 6
	}
	verb := byte('f')
	if c.verb != 'f' {
		verb = 'e'
	}
	if f != f || f > 1.7976931348623157e308 || f < -1.7976931348623157e308 {
		return floatText(f), nil
	}
	// Java rounds half up from the shortest decimal; this goes through it too.
	text := roundHalfUp(f, verb, precision)
	if c.has('#') && precision == 0 {
		whole, exponent, _ := strings.Cut(text, "e")
		if text = whole + "."; verb == 'e' {
			text += "e" + exponent
		}
	}
	return c.signed(text, strings.HasPrefix(text, "-")), nil
}

// roundHalfUp formats the decimal that prints as f, where strconv would take f's exact binary value.
func roundHalfUp(f float64, verb byte, precision int) string {
	shortest := strconv.FormatFloat(f, 'e', -1, 64)
	exact, ok := new(big.Rat).SetString(shortest)
	if !ok {
		return strconv.FormatFloat(f, verb, precision, 64)
	}
	if verb == 'f' {
		return exact.FloatString(precision)
	}
	mantissa, exponent, _ := strings.Cut(shortest, "e")
	exact.SetString(mantissa)
	text := exact.FloatString(precision)
	n, _ := strconv.Atoi(exponent)
	if strings.HasPrefix(strings.TrimPrefix(text, "-"), "10") { // 9.99 was rounded up
		text = strings.Replace(text, "10", "1", 1)
		n++
	}
	return fmt.Sprintf("%se%+03d", text, n)
}

// signed adds grouping, the sign and zeros.
func (c *conversion) signed(text string, negative bool) string {
	text = strings.TrimPrefix(text, "-")
	if c.has(',') {
		text = grouped(text)
	}
	before, after := "", ""
	switch {
	case negative && c.has('('):
		before, after = "(", ")"
	case negative:
		before = "-"
	case c.has('+'):
		before = "+"
	case c.has(' '):
		before = " "
	}
	if missing := c.width - len(text) - len(before) - len(after); c.has('0') && missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	return before + text + after
}

// grouped puts a comma before each third digit from the point.
func grouped(text string) string {
	whole, fraction, point := strings.Cut(text, ".")
	var b strings.Builder
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(whole[i])
	}
	if point {
		b.WriteString("." + fraction)
	}
	return b.String()
}
