package jsonpath

import (
	"strconv"
	"strings"
)

// A decimal is a number of any size: 0.digits times ten to the power of exponent.
type decimal struct {
	negative bool
	digits   string // with no zeros at either end; "" for 0
	exponent int64
}

// parseDecimal reads the text of a number as Java's BigDecimal does; false for what is none.
func parseDecimal(text string) (decimal, bool) {
	var d decimal
	if text != "" && (text[0] == '-' || text[0] == '+') {
		d.negative = text[0] == '-'
		text = text[1:]
	}
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		exponent, err := strconv.ParseInt(text[at+1:], 10, 32)
		if err != nil {
			return decimal{}, false
		}
		d.exponent, text = exponent, text[:at]
	}
	whole, fraction, _ := strings.Cut(text, ".")
	digits := whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return decimal{}, false
	}
	d.exponent += int64(len(whole))
	trimmed := strings.TrimLeft(digits, "0")
	d.exponent -= int64(len(digits) - len(trimmed))
	if d.digits = strings.TrimRight(trimmed, "0"); d.digits == "" {
		return decimal{}, true
	}
	return d, true
}

// compareDecimals compares two numbers exactly; false where one is none.
func compareDecimals(a, b string) (int, bool) {
	x, ok := parseDecimal(a)
	if !ok {
		return 0, false
	}
	y, ok := parseDecimal(b)
	if !ok {
		return 0, false
	}
	return x.compare(y), true
}

func (d decimal) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	}
	return 1
}

func (d decimal) compare(other decimal) int {
	sign := d.sign()
	if s := other.sign(); sign != s || sign == 0 {
		return sign - s
	}
	if d.exponent != other.exponent {
		if d.exponent < other.exponent {
			return -sign
		}
		return sign
	}
	return sign * strings.Compare(d.digits, other.digits)
}
