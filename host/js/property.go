package js

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// goja takes \p{…} in a regular expression for letters, and never matches it. Patterns are rewritten before it sees them: each
// property becomes the characters that have it.

// maxExpansion bounds what the properties of one pattern become, in bytes: \p{L} alone takes 8 KiB.
const maxExpansion = 1 << 20

var errExpansion = errors.New(`the \p{…} of this regular expression stand for too many characters`)

// expandProperties rewrites the \p{…} and \P{…} of a pattern that has the flag u.
func expandProperties(pattern string) (string, error) {
	var out strings.Builder
	class := false
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '\\' && i+1 < len(pattern):
			i++
			if next := pattern[i]; next != 'p' && next != 'P' {
				out.WriteByte(c)
				c = next
				break
			}
			n := strings.IndexByte(pattern[i:], '}')
			if n < 0 || i+1 >= len(pattern) || pattern[i+1] != '{' {
				return "", errors.New("Invalid property name")
			}
			set, err := property(pattern[i+2 : i+n])
			if err != nil {
				return "", err
			}
			if pattern[i] == 'P' {
				set = set.complement()
			}
			if set.write(&out, class); out.Len() > maxExpansion {
				return "", errExpansion
			}
			i += n
			continue
		}
		out.WriteByte(c)
	}
	return out.String(), nil
}

// A runeSet is ranges of characters, in order, each by its first and last.
type runeSet [][2]rune

func (s runeSet) write(out *strings.Builder, class bool) {
	if !class {
		out.WriteByte('[')
		defer out.WriteByte(']')
	}
	for _, r := range s {
		fmt.Fprintf(out, `\u{%x}`, r[0])
		if r[1] > r[0] {
			fmt.Fprintf(out, `-\u{%x}`, r[1])
		}
	}
}

func (s runeSet) complement() runeSet {
	var out runeSet
	next := rune(0)
	for _, r := range s {
		if r[0] > next {
			out = append(out, [2]rune{next, r[0] - 1})
		}
		next = r[1] + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, [2]rune{next, unicode.MaxRune})
	}
	return out
}

// union is the characters of all tables.
func union(tables ...*unicode.RangeTable) runeSet {
	var all runeSet
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			all = append(all, [2]rune{lo, hi})
			return
		}
		for c := lo; c <= hi; c += stride {
			all = append(all, [2]rune{c, c})
		}
	}
	for _, t := range tables {
		for _, r := range t.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	return all.joined()
}

// joined puts the ranges in order, and makes one of those that touch.
func (s runeSet) joined() runeSet {
	slices.SortFunc(s, func(a, b [2]rune) int { return cmp.Compare(a[0], b[0]) })
	out := s[:0]
	for _, r := range s {
		if n := len(out); n > 0 && r[0] <= out[n-1][1]+1 {
			out[n-1][1] = max(out[n-1][1], r[1])
			continue
		}
		out = append(out, r)
	}
	return out
}

func (s runeSet) without(tables ...*unicode.RangeTable) runeSet {
	not := append(s.complement(), union(tables...)...)
	return not.joined().complement()
}

// property is the characters of what stands in \p{…} (ECMA-262, section 22.2.1.4): a general category, a script, or a binary property.
func property(text string) (runeSet, error) {
	name, value, pair := strings.Cut(text, "=")
	if pair {
		switch name {
		case "General_Category", "gc":
			if t := category(value); t != nil {
				return union(t), nil
			}
		case "Script", "sc":
			if t := unicode.Scripts[scriptName(value)]; t != nil {
				return union(t), nil
			}
		}
		return nil, fmt.Errorf(`\p{%s} is not supported in regular expressions here; write the characters out`, text)
	}
	if t := category(name); t != nil {
		return union(t), nil
	}
	if ranges := emojiRanges(name); ranges != nil {
		var set runeSet
		for i := 0; i < len(ranges); i += 2 {
			set = append(set, [2]rune{ranges[i], ranges[i+1]})
		}
		return set, nil
	}
	if set := derived(name); set != nil {
		return set, nil
	}
	if t := unicode.Properties[name]; t != nil && !strings.HasPrefix(name, "Other_") {
		return union(t), nil
	}
	return nil, fmt.Errorf(`\p{%s} is not supported in regular expressions here; write the characters out`, text)
}

func category(name string) *unicode.RangeTable {
	if long, ok := unicode.CategoryAliases[name]; ok {
		name = long
	}
	return unicode.Categories[name]
}

// scriptName turns the four letters of the scripts that people write most into the name; other scripts go by their names.
func scriptName(name string) string {
	switch name {
	case "Arab":
		return "Arabic"
	case "Cyrl":
		return "Cyrillic"
	case "Grek":
		return "Greek"
	case "Hang":
		return "Hangul"
	case "Hani":
		return "Han"
	case "Hebr":
		return "Hebrew"
	case "Hira":
		return "Hiragana"
	case "Kana":
		return "Katakana"
	case "Latn":
		return "Latin"
	case "Zyyy":
		return "Common"
	case "Zinh":
		return "Inherited"
	}
	return name
}

// derived is the properties that Unicode derives from others (DerivedCoreProperties.txt).
func derived(name string) runeSet {
	switch name {
	case "Any":
		return runeSet{{0, unicode.MaxRune}}
	case "ASCII":
		return runeSet{{0, unicode.MaxASCII}}
	case "Assigned":
		return union(unicode.Categories["Cn"]).complement()
	case "Alphabetic", "Alpha":
		return union(unicode.L, unicode.Nl, unicode.Other_Alphabetic)
	case "Lowercase", "Lower":
		return union(unicode.Ll, unicode.Other_Lowercase)
	case "Uppercase", "Upper":
		return union(unicode.Lu, unicode.Other_Uppercase)
	case "Cased":
		return union(unicode.Ll, unicode.Lu, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
	case "Math":
		return union(unicode.Sm, unicode.Other_Math)
	case "ID_Start", "IDS":
		return union(unicode.L, unicode.Nl, unicode.Other_ID_Start).without(unicode.Pattern_Syntax, unicode.Pattern_White_Space)
	case "ID_Continue", "IDC":
		return union(unicode.L, unicode.Nl, unicode.Other_ID_Start, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc, unicode.Other_ID_Continue).
			without(unicode.Pattern_Syntax, unicode.Pattern_White_Space)
	case "space":
		return union(unicode.White_Space)
	}
	return nil
}
