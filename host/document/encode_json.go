package document

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
)

// JSON writes a tree as JSON (RFC 8259), indented by two and with a newline at its end. Members keep their order, and numbers the
// way in which they were written where JSON has that way. What Parse reads of it equals the tree but for the places; bytes of a text
// that are not UTF-8 become U+FFFD.
func JSON(n *Node) []byte {
	var w jsonWriter
	w.value(n, "\n")
	w.WriteByte('\n')
	return w.Bytes()
}

type jsonWriter struct{ bytes.Buffer }

// value writes a value; newline is what begins a line at its depth.
func (w *jsonWriter) value(n *Node, newline string) {
	deeper := newline + "  "
	switch {
	case n == nil || n.Shape == Null:
		w.WriteString("null")
	case n.Shape == List && len(n.Items) == 0:
		w.WriteString("[]")
	case n.Shape == Object && len(n.Members) == 0:
		w.WriteString("{}")
	case n.Shape == List:
		for i, item := range n.Items {
			w.separate('[', i, deeper)
			w.value(item, deeper)
		}
		w.WriteString(newline + "]")
	case n.Shape == Object:
		for i := range n.Members {
			w.separate('{', i, deeper)
			w.text(n.Members[i].Key)
			w.WriteString(": ")
			w.value(n.Members[i].Value, deeper)
		}
		w.WriteString(newline + "}")
	case n.Shape == Text:
		w.text(n.text())
	default:
		w.WriteString(n.literal())
	}
}

// separate writes what stands before the item or member of that index.
func (w *jsonWriter) separate(open byte, i int, newline string) {
	if i == 0 {
		w.WriteByte(open)
	} else {
		w.WriteByte(',')
	}
	w.WriteString(newline)
}

func (w *jsonWriter) text(s string) { w.WriteString(quoteJSON(s)) }

// quoteJSON quotes text; < > and & stay what they are, as nothing here goes into HTML.
func quoteJSON(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return strconv.Quote(s) // a string is always encoded
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// text is the value of a text.
func (n *Node) text() string {
	if s, ok := n.Scalar.(string); ok {
		return s
	}
	return n.Text
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// literal writes true, false or a number, such that it is read as the same shape again.
func (n *Node) literal() string {
	switch v := n.Scalar.(type) {
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		if f, err := strconv.ParseFloat(n.Text, 64); err == nil && f == v && jsonNumber.MatchString(n.Text) && isFraction(n.Text) {
			return n.Text
		}
		s := strconv.FormatFloat(v, 'g', -1, 64)
		switch {
		case !jsonNumber.MatchString(s): // an infinity, which no document holds
			return "null"
		case !isFraction(s):
			s += ".0"
		}
		return s
	}
	return "null"
}

// isFraction reports whether a number is read as one that may have a fraction.
func isFraction(s string) bool { return bytes.ContainsAny([]byte(s), ".eE") }
