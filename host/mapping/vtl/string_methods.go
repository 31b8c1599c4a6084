package vtl

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Java counts a string's UTF-16 units. These functions do as well, and take the short way for ASCII.

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func units(s string) []uint16 { return utf16.Encode([]rune(s)) }

func unitCount(s string) int {
	n := 0
	for _, c := range s {
		if n++; c > 0xffff {
			n++
		}
	}
	return n
}

// cut is s.substring(from, to). Half of a character outside of the basic plane becomes U+FFFD.
func cut(s string, from, to int) (string, error) {
	if isASCII(s) {
		if from < 0 || to > len(s) || from > to {
			return "", outOfBounds(from, len(s))
		}
		return s[from:to], nil
	}
	u := units(s)
	if from < 0 || to > len(u) || from > to {
		return "", outOfBounds(from, len(u))
	}
	return string(utf16.Decode(u[from:to])), nil
}

// unitIndex turns a byte offset into one of units; -1 stays.
func unitIndex(s string, at int) int32 {
	if at < 0 {
		return -1
	}
	return int32(unitCount(s[:at]))
}

func byteIndex(s string, unit int) int {
	n := 0
	for i, c := range s {
		if n >= unit {
			return i
		}
		if n++; c > 0xffff {
			n++
		}
	}
	return len(s)
}

// indexFrom is s.indexOf(sub, from).
func indexFrom(s, sub string, from int) int32 {
	if from > unitCount(s) {
		if sub == "" {
			return int32(unitCount(s))
		}
		return -1
	}
	start := byteIndex(s, max(from, 0))
	i := strings.Index(s[start:], sub)
	if i < 0 {
		return -1
	}
	return unitIndex(s, start+i)
}

// lastIndexFrom is s.lastIndexOf(sub, from).
func lastIndexFrom(s, sub string, from int) int32 {
	if from < 0 {
		return -1
	}
	end := min(byteIndex(s, from)+len(sub), len(s))
	return unitIndex(s, strings.LastIndex(s[:end], sub))
}

func equalFold(a, b string) bool {
	x, y := units(a), units(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if foldUnit(x[i]) != foldUnit(y[i]) {
			return false
		}
	}
	return true
}

func foldUnit(u uint16) rune { return unicode.ToLower(unicode.ToUpper(rune(u))) }

func compareText(a, b string, fold bool) int32 {
	x, y := units(a), units(b)
	for i := range min(len(x), len(y)) {
		c, d := rune(x[i]), rune(y[i])
		if fold {
			c, d = foldUnit(x[i]), foldUnit(y[i])
		}
		if c != d {
			return c - d
		}
	}
	return int32(len(x) - len(y))
}

func isTrimmed(c rune) bool { return c <= ' ' }

func (r *run) stringMethod(s, name string, args []any) (any, bool, error) {
	for _, a := range args {
		if a == nil && name != "equals" && name != "equalsIgnoreCase" && name != "join" && name != "format" && name != "valueOf" {
			if hasStringMethod(name, args) {
				return nil, true, errNull
			}
			return nil, false, nil
		}
	}
	if v, ok := stringQuestion(s, name, args); ok {
		return v, true, nil
	}
	if v, ok, err := stringPart(s, name, args); ok || err != nil {
		return v, ok, err
	}
	if v, ok, err := r.stringChange(s, name, args); ok || err != nil {
		return v, ok, err
	}
	return r.stringStatic(name, args)
}

// hasStringMethod reports whether null would have been taken by a method of this name.
func hasStringMethod(name string, args []any) bool {
	switch name {
	case "contains", "matches", "concat", "startsWith", "endsWith", "compareTo", "compareToIgnoreCase", "contentEquals":
		return len(args) == 1
	case "replaceAll", "replaceFirst", "replace":
		return takes(args, "ss")
	case "indexOf", "lastIndexOf", "split":
		return len(args) == 1 || takes(args, "si")
	}
	return false
}

// stringQuestion answers what gives a number or a boolean.
func stringQuestion(s, name string, args []any) (any, bool) {
	text := func(i int) string { t, _ := args[i].(string); return t }
	switch {
	case len(args) == 0:
		switch name {
		case "length":
			return int32(unitCount(s)), true
		case "isEmpty":
			return s == "", true
		case "isBlank":
			return strings.TrimSpace(s) == "", true
		}
	case takes(args, "o") && name == "equals":
		return args[0] == any(s), true
	case takes(args, "s"):
		switch name {
		case "equalsIgnoreCase":
			return args[0] != nil && equalFold(s, text(0)), true
		case "contentEquals":
			return s == text(0), true
		case "contains":
			return strings.Contains(s, text(0)), true
		case "startsWith":
			return strings.HasPrefix(s, text(0)), true
		case "endsWith":
			return strings.HasSuffix(s, text(0)), true
		case "compareTo":
			return compareText(s, text(0), false), true
		case "compareToIgnoreCase":
			return compareText(s, text(0), true), true
		case "indexOf":
			return indexFrom(s, text(0), 0), true
		case "lastIndexOf":
			return lastIndexFrom(s, text(0), unitCount(s)), true
		}
	case takes(args, "si"):
		from := int(args[1].(int32))
		switch name {
		case "indexOf":
			return indexFrom(s, text(0), from), true
		case "lastIndexOf":
			return lastIndexFrom(s, text(0), from), true
		case "startsWith":
			return from >= 0 && from <= unitCount(s) && strings.HasPrefix(s[byteIndex(s, from):], text(0)), true
		}
	case takes(args, "i") && (name == "indexOf" || name == "lastIndexOf"):
		c := string(rune(args[0].(int32)))
		if name == "indexOf" {
			return indexFrom(s, c, 0), true
		}
		return lastIndexFrom(s, c, unitCount(s)), true
	case takes(args, "ii") && name == "indexOf":
		return indexFrom(s, string(rune(args[0].(int32))), int(args[1].(int32))), true
	}
	return nil, false
}

// stringPart takes something out of a string.
func stringPart(s, name string, args []any) (any, bool, error) {
	switch {
	case takes(args, "i"):
		i := int(args[0].(int32))
		switch name {
		case "substring":
			v, err := cut(s, i, unitCount(s))
			return v, true, err
		case "charAt":
			u := units(s)
			if i < 0 || i >= len(u) {
				return nil, true, outOfBounds(i, len(u))
			}
			return char(u[i]), true, nil
		case "codePointAt":
			if n := unitCount(s); i < 0 || i >= n {
				return nil, true, outOfBounds(i, n)
			}
			c, _ := utf8.DecodeRuneInString(s[byteIndex(s, i):])
			return c, true, nil
		}
	case takes(args, "ii") && (name == "substring" || name == "subSequence"):
		v, err := cut(s, int(args[0].(int32)), int(args[1].(int32)))
		return v, true, err
	case len(args) == 0:
		switch name {
		case "trim":
			return strings.TrimFunc(s, isTrimmed), true, nil
		case "strip":
			return strings.TrimSpace(s), true, nil
		case "stripLeading":
			return strings.TrimLeftFunc(s, unicode.IsSpace), true, nil
		case "stripTrailing":
			return strings.TrimRightFunc(s, unicode.IsSpace), true, nil
		case "intern":
			return s, true, nil
		}
	}
	return nil, false, nil
}

// stringChange makes another string.
func (r *run) stringChange(s, name string, args []any) (any, bool, error) {
	switch {
	case len(args) == 0 && (name == "toLowerCase" || name == "toUpperCase"):
		if err := r.charge(len(s)); err != nil {
			return nil, true, err
		}
		if name == "toLowerCase" {
			return strings.ToLower(s), true, nil
		}
		return strings.ReplaceAll(strings.ToUpper(s), "ß", "SS"), true, nil
	case name == "concat" && takes(args, "s"):
		err := r.charge(len(s) + len(args[0].(string)))
		if err != nil {
			return nil, true, err
		}
		return s + args[0].(string), true, nil
	case name == "repeat" && takes(args, "i"):
		n := int(args[0].(int32))
		if n < 0 {
			return nil, true, errors.New("count is negative")
		}
		if len(s) > 0 && n > r.limits.Memory/len(s) {
			return nil, true, limitError("bytes of memory", r.limits.Memory)
		}
		if err := r.charge(n * len(s)); err != nil {
			return nil, true, err
		}
		return strings.Repeat(s, n), true, nil
	case name == "replace" && (takes(args, "ss") || takes(args, "cc")):
		from, _, err := r.text(args[0])
		if err != nil {
			return nil, true, err
		}
		to, _, err := r.text(args[1])
		if err != nil {
			return nil, true, err
		}
		v, err := r.replaceText(s, from, to)
		return v, true, err
	}
	return r.regexpMethod(s, name, args)
}

// replaceText is s.replace(from, to), counted before it is made.
func (r *run) replaceText(s, from, to string) (string, error) {
	n := strings.Count(s, from)
	if n == 0 {
		return s, nil
	}
	if grown := len(to) - len(from); grown > 0 && n > r.limits.Memory/grown {
		return "", limitError("bytes of memory", r.limits.Memory)
	}
	if err := r.charge(len(s) + n*(len(to)-len(from))); err != nil {
		return "", err
	}
	return strings.ReplaceAll(s, from, to), nil
}
