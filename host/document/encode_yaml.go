package document

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// YAML writes a tree as YAML for people to read and edit: members keep their order, text of several lines is a block, quotes stand only
// where the text would be read as something else, and small objects and lists stand on one line. What Parse reads of it equals the
// tree but for the places; bytes of a text that are not UTF-8 become U+FFFD.
func YAML(n *Node) []byte {
	var w yamlWriter
	switch {
	case n == nil:
		w.WriteString("null\n")
	case n.isEmpty() || n.Shape < List:
		w.scalar(n, 0)
	case n.Shape == List:
		w.list(n, 0)
	default:
		w.object(n, 0)
	}
	return w.Bytes()
}

// flowWidth is how long a line with an object or list in it may become.
const flowWidth = 100

type yamlWriter struct{ bytes.Buffer }

// isEmpty reports whether the value is an object or list without anything in it.
func (n *Node) isEmpty() bool { return n.Shape >= List && len(n.Items) == 0 && len(n.Members) == 0 }

func (w *yamlWriter) indent(depth int) { w.WriteString(strings.Repeat("  ", depth)) }

// object writes the members, each on a line of its own. The cursor is where the first key stands.
func (w *yamlWriter) object(n *Node, depth int) {
	for i := range n.Members {
		if i > 0 {
			w.indent(depth)
		}
		m := &n.Members[i]
		key := yamlText(m.Key, false)
		w.WriteString(key + ":")
		w.value(m.Value, depth, 2*depth+utf8.RuneCountInString(key)+1)
	}
}

func (w *yamlWriter) list(n *Node, depth int) {
	for i, item := range n.Items {
		if i > 0 {
			w.indent(depth)
		}
		w.WriteByte('-')
		switch flow, ok := flowed(item, flowWidth-2*depth-2); {
		case ok:
			w.WriteString(" " + flow + "\n")
		case item.Shape == List:
			w.WriteByte(' ')
			w.list(item, depth+1)
		case item.Shape == Object:
			w.WriteByte(' ')
			w.object(item, depth+1)
		default:
			w.WriteByte(' ')
			w.scalar(item, depth)
		}
	}
}

// value writes what stands behind a key, which ends at that column.
func (w *yamlWriter) value(n *Node, depth, column int) {
	if flow, ok := flowed(n, flowWidth-column-1); ok {
		w.WriteString(" " + flow + "\n")
		return
	}
	if n == nil || n.Shape < List {
		w.WriteByte(' ')
		w.scalar(n, depth)
		return
	}
	w.WriteByte('\n')
	w.indent(depth + 1)
	if n.Shape == List {
		w.list(n, depth+1)
	} else {
		w.object(n, depth+1)
	}
}

// scalar writes a value that is not split over items, with the end of its line. depth is that of the object or list that it stands in.
func (w *yamlWriter) scalar(n *Node, depth int) {
	if n != nil && n.Shape == Text {
		if s := strings.ToValidUTF8(n.text(), "\uFFFD"); isBlock(s) {
			w.block(s, depth+1)
			return
		}
	}
	w.WriteString(inFlow(n, false) + "\n")
}

// isBlock reports whether text reads better as a block, and can be one: a block has no escapes. Lines of spaces alone, and spaces at
// the end, are lost to what reads or edits it.
func isBlock(s string) bool {
	text := strings.TrimRight(s, "\n")
	if !strings.Contains(text, "\n") || text[0] == '\n' || strings.HasSuffix(text, " ") || strings.HasSuffix(text, "\t") {
		return false
	}
	if (text[0] == ' ' || text[0] == '\t') && strings.HasSuffix(s, "\n\n") {
		return false // the YAML library does not read it
	}
	for line := range strings.SplitSeq(s, "\n") {
		if line != "" && strings.Trim(line, " \t") == "" {
			return false
		}
	}
	for _, c := range text {
		if c != '\n' && c != '\t' && !isPrintable(c) {
			return false
		}
	}
	return true
}

func (w *yamlWriter) block(s string, depth int) {
	w.WriteByte('|')
	if s[0] == ' ' || s[0] == '\t' {
		w.WriteByte('2')
	}
	switch {
	case strings.HasSuffix(s, "\n\n"):
		w.WriteByte('+')
	case !strings.HasSuffix(s, "\n"):
		w.WriteByte('-')
	}
	w.WriteByte('\n')
	for line := range strings.SplitSeq(strings.TrimSuffix(s, "\n"), "\n") {
		if line != "" {
			w.indent(depth)
		}
		w.WriteString(line + "\n")
	}
}

// flowed writes a small object or list on one line: one of scalars, or an object of one such value.
func flowed(n *Node, width int) (string, bool) {
	if n == nil || n.Shape < List {
		return "", false
	}
	small := len(n.Members) == 1 && n.Members[0].Value.Shape >= List && isLeaf(n.Members[0].Value)
	if len(n.Items)+len(n.Members) > flowWidth || !small && !isLeaf(n) {
		return "", false
	}
	s := inFlow(n, true)
	return s, utf8.RuneCountInString(s) <= width || n.isEmpty()
}

// isLeaf reports whether a list or object holds nothing but scalars of one line and what is empty.
func isLeaf(n *Node) bool {
	leaf := func(v *Node) bool {
		return v == nil || v.isEmpty() || v.Shape < List && (v.Shape != Text || len(v.text()) <= flowWidth && !strings.Contains(v.text(), "\n"))
	}
	for _, item := range n.Items {
		if !leaf(item) {
			return false
		}
	}
	for i := range n.Members {
		if !leaf(n.Members[i].Value) {
			return false
		}
	}
	return true
}

// inFlow writes a value on one line; within says that it stands in { } or [ ].
func inFlow(n *Node, within bool) string {
	switch {
	case n == nil || n.Shape == Null:
		return "null"
	case n.Shape == Text:
		return yamlText(n.text(), within)
	case n.Shape == List:
		items := make([]string, len(n.Items))
		for i, item := range n.Items {
			items[i] = inFlow(item, true)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case n.Shape == Object:
		members := make([]string, len(n.Members))
		for i := range n.Members {
			members[i] = yamlText(n.Members[i].Key, true) + ": " + inFlow(n.Members[i].Value, true)
		}
		return "{" + strings.Join(members, ", ") + "}"
	}
	s := n.literal()
	if e := strings.IndexAny(s, "eE"); n.Shape == Number && e > 0 && !strings.Contains(s, ".") {
		s = s[:e] + ".0" + s[e:] // YAML 1.1 asks for a point
	}
	return s
}

// yamlText writes text on one line: as it is, or in quotes where YAML would make something else of it.
func yamlText(s string, within bool) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	printable := true
	for _, c := range s {
		printable = printable && isPrintable(c)
	}
	switch {
	case !printable:
		return quoteYAML(s)
	case isPlain(s) && !(within && strings.ContainsAny(s, ",:[]{}")):
		return s
	case strings.ContainsAny(s, `"\`):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return `"` + s + `"`
}

// notText matches what YAML 1.1 or 1.2 may take for a number, a time or a date.
var notText = regexp.MustCompile(`^[-+.]?[0-9][0-9a-fA-FxXoObB_.,:+\-tTzZ ]*$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$`)

// words are read as true, false and null by one reader of YAML or another.
var words = map[string]bool{"y": true, "n": true, "yes": true, "no": true, "on": true, "off": true, "true": true, "false": true, "null": true, "~": true}

// isPlain reports whether text is read as itself without quotes. It refuses more than YAML does.
func isPlain(s string) bool {
	if s == "" || words[strings.ToLower(s)] || notText.MatchString(s) || len(s) > 1000 {
		return false
	}
	first, _ := utf8.DecodeRuneInString(s)
	if !unicode.IsLetter(first) && !unicode.IsDigit(first) && !strings.ContainsRune(`./$^(\_`, first) || strings.HasPrefix(s, "...") {
		return false
	}
	return !strings.HasSuffix(s, " ") && !strings.HasSuffix(s, ":") && !strings.Contains(s, ": ") && !strings.Contains(s, " #") && !strings.Contains(s, "<<")
}

// isPrintable reports whether a character may stand in YAML as it is. Spaces other than the common one would not be seen.
func isPrintable(c rune) bool {
	return c == ' ' || c > ' ' && c < 0x7f || c > 0x9f && unicode.IsGraphic(c) && !unicode.IsSpace(c) && !unicode.Is(unicode.Zs, c)
}

// quoteYAML quotes text with escapes.
func quoteYAML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\r':
			b.WriteString(`\r`)
		case isPrintable(c):
			b.WriteRune(c)
		case c <= 0xffff:
			b.WriteString(`\u` + hex(c, 4))
		default:
			b.WriteString(`\U` + hex(c, 8))
		}
	}
	b.WriteByte('"')
	return b.String()
}

func hex(c rune, digits int) string {
	s := strconv.FormatInt(int64(c), 16)
	return strings.Repeat("0", digits-len(s)) + s
}
