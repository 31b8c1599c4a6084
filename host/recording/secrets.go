package recording

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// minSecret is how long a secret must be to be looked for, in bytes: a shorter one is found where it is none.
const minSecret = 6

// maxLoose is how long a secret may be that is looked for however JSON writes it, in bytes. Of a longer one, each of the spellings is.
const maxLoose = 8 << 10

// A form is a way of writing a value within a string of JSON: what makes JSON escapes the same characters, but for those that only some escape.
type form struct {
	suffix string // of the name that stands for it; no secret's name has such a colon
	write  func(value string) string
}

// forms are what encoders write: those of JavaScript and most languages, and Go's, which escapes what HTML would take for its own, each also
// with / and with all but ASCII escaped; and all that once more, as a text in JSON that is itself a string in JSON.
func forms() []form {
	list := []form{
		{":json", func(v string) string { return quoted(v, false) }},
		{":json-html", func(v string) string { return quoted(v, true) }},
		{":json-slash", func(v string) string { return strings.ReplaceAll(quoted(v, false), "/", `\/`) }},
		{":json-ascii", func(v string) string { return ascii(quoted(v, false), false) }},
	}
	for _, inner := range slices.Clone(list) {
		list = append(list, form{inner.suffix + "-json", func(v string) string { return quoted(inner.write(v), false) }})
	}
	return list
}

// quoted is a value as a string of JSON, without the quotes around it.
func quoted(value string, html bool) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(html)
	if e.Encode(value) != nil { // never: it is a string
		return value
	}
	text := strings.TrimSuffix(out.String(), "\n")
	text = text[1 : len(text)-1]
	if !html { // as JavaScript, which does not escape these two
		text = strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(text)
	}
	return text
}

// ascii escapes what is not ASCII, or all, in UTF-16 as JSON has it.
func ascii(text string, all bool) string {
	var out strings.Builder
	for _, r := range text {
		switch {
		case r < utf8.RuneSelf && !all:
			out.WriteRune(r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

// A cover is secrets by their names, and what stands in their place.
type cover struct {
	mark      string
	secrets   map[string]string
	spellings []spelling
	loose     []looseSpelling
}

// A spelling is a secret's value as a text may have it, and what stands in its place.
type spelling struct{ text, name []byte }

// A looseSpelling is any that a decoder of JSON reads as the value, where none of the spellings is there. What stands in its place is shown as
// JavaScript writes it.
type looseSpelling struct {
	value []byte
	text  *regexp.Regexp
	name  []byte
}

// newCover looks for how values are written: as they are, and in strings of JSON. The longest spellings come first: one may be within another.
func newCover(mark string, secrets map[string]string) cover {
	c := cover{mark: mark, secrets: secrets}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		value := secrets[name]
		if len(value) < minSecret {
			continue
		}
		c.spellings = append(c.spellings, spelling{[]byte(value), c.name(name)})
		seen := map[string]bool{value: true}
		for _, form := range forms() {
			if text := form.write(value); !seen[text] {
				seen[text] = true
				c.spellings = append(c.spellings, spelling{[]byte(text), c.name(name + form.suffix)})
			}
		}
		if len(value) > maxLoose {
			continue
		}
		c.loose = append(c.loose, looseSpelling{[]byte(value), loosely(value, false), c.name(name + ":json")}, looseSpelling{[]byte(value), loosely(value, true), c.name(name + ":json-json")})
	}
	slices.SortStableFunc(c.spellings, func(a, b spelling) int { return cmp.Compare(len(b.text), len(a.text)) })
	return c
}

// loosely matches a value within a string of JSON, each character as it is or escaped, or within a string in such a string.
func loosely(value string, nested bool) *regexp.Regexp {
	var out strings.Builder
	for _, r := range value {
		ways := []string{string(r), ascii(string(r), true), quoted(string(r), false), `\` + string(r)}
		out.WriteString("(?:")
		for i, way := range ways {
			switch {
			case i == 0 && (r == '"' || r == '\\'), i == 3 && r != '/': // these cannot be so
				continue
			case nested:
				way = quoted(way, false)
			}
			if i > 0 {
				out.WriteByte('|')
			}
			if i == 1 { // hexadecimal digits in either case
				way = "(?i)" + regexp.QuoteMeta(way)
				out.WriteString("(?:" + way + ")")
				continue
			}
			out.WriteString(regexp.QuoteMeta(way))
		}
		out.WriteString(")")
	}
	return regexp.MustCompile(out.String())
}

func (c cover) name(secret string) []byte {
	return []byte("{{secret " + secret + " " + c.mark + "}}")
}

// hide puts names in the place of values in all texts of v, a pointer.
func (c cover) hide(v any) {
	if len(c.spellings) == 0 {
		return
	}
	rewrite(reflect.ValueOf(v), func(text []byte) []byte {
		for _, known := range c.spellings {
			text = bytes.ReplaceAll(text, known.text, known.name)
		}
		if !bytes.ContainsRune(text, '\\') {
			return text
		}
		once := unescaped(text)
		twice := unescaped(once)
		for _, loose := range c.loose { // the patterns take long over texts that nearly match
			if !bytes.Contains(once, loose.value) && !bytes.Contains(twice, loose.value) {
				continue
			}
			text = loose.text.ReplaceAllLiteral(text, loose.name)
		}
		return text
	})
}

// unescaped puts characters in the place of JSON's escapes, wherever these stand.
func unescaped(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		at := bytes.IndexByte(text, '\\')
		if at < 0 || at+1 == len(text) {
			break
		}
		out = append(out, text[:at]...)
		text = text[at:]
		n := 2
		switch c := text[1]; c {
		case 'b', 'f', 'n', 'r', 't':
			out = append(out, "\b\f\n\r\t"[strings.IndexByte("bfnrt", c)])
		case 'u':
			r, size := unicodeEscape(text)
			if second, more := unicodeEscape(text[size:]); utf16.IsSurrogate(r) && more > 0 {
				r, size = utf16.DecodeRune(r, second), size+more
			}
			if n = size; size == 0 {
				n, r = 2, 'u'
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
		text = text[n:]
	}
	return append(out, text...)
}

// unicodeEscape reads an escape of four hexadecimal digits. The size is 0 where there is none.
func unicodeEscape(text []byte) (r rune, size int) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, 0
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return 0, 0
	}
	return rune(n), 6
}

// show is the opposite of hide.
func (c cover) show(v any) {
	if c.mark == "" {
		return
	}
	rewrite(reflect.ValueOf(v), func(text []byte) []byte {
		if !bytes.Contains(text, []byte(c.mark)) {
			return text
		}
		for name, value := range c.secrets {
			text = bytes.ReplaceAll(text, c.name(name), []byte(value))
			for _, form := range forms() {
				text = bytes.ReplaceAll(text, c.name(name+form.suffix), []byte(form.write(value)))
			}
		}
		return text
	})
}

var textType = reflect.TypeFor[Text]()

// rewrite changes every Text that can be reached.
func rewrite(v reflect.Value, change func([]byte) []byte) {
	switch {
	case v.Type() == textType:
		if v.Len() > 0 {
			v.SetBytes(change(v.Bytes()))
		}
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			rewrite(v.Elem(), change)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				rewrite(f, change)
			}
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8, v.Kind() == reflect.Array:
		for i := range v.Len() {
			rewrite(v.Index(i), change)
		}
	}
}
