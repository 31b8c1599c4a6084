package rest

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/tree"
)

// MockStatus returns the statusCode that the request's template of a MOCK integration made, which selects the response (reference 1.4, "MOCK"). The
// text must be an object with an integer of that name. Beside JSON, keys may stand without quotes or in single ones, as in {statusCode: 200}: that
// is what the tools write that make preflight answers. Anything else has Kind Internal and Code APIConfigurationError.
func MockStatus(body []byte) (int, error) {
	status, ok := 0, false
	if v, err := tree.Decode(body, tree.Limits{}); err == nil {
		if m, isMap := v.(*tree.Map); isMap {
			n, _ := m.Get("statusCode")
			code, isInt := n.(int32)
			status, ok = int(code), isInt
		}
	} else if s := (looseObject{text: string(body)}); !errors.Is(err, host.TooLarge) {
		status, ok = s.statusCode()
	}
	if !ok || status < minStatus || status > maxStatus {
		return 0, &host.Error{Op: "mock integration", Kind: host.Internal, Code: host.APIConfigurationError,
			Err: errors.New("unable to parse statusCode: it should be an integer that is defined in the request's template, between 200 and 599")}
	}
	return status, nil
}

// A looseObject reads the members of an object that is nearly JSON.
type looseObject struct {
	text string
	at   int
}

// statusCode returns the last member of that name at the top, as JSON has it. It is false where the text is no object.
func (o *looseObject) statusCode() (status int, ok bool) {
	o.text = strings.TrimSpace(o.text)
	if !strings.HasPrefix(o.text, "{") || !strings.HasSuffix(o.text, "}") {
		return 0, false
	}
	o.text, o.at = o.text[1:len(o.text)-1], 0
	for {
		key := o.key()
		o.space()
		if key == "" || o.at >= len(o.text) || o.text[o.at] != ':' {
			return 0, false
		}
		o.at++
		value, whole := o.value()
		if !whole {
			return 0, false
		}
		if key == "statusCode" {
			n, err := strconv.ParseInt(value, 10, 32)
			if err != nil || value[0] == '+' {
				return 0, false
			}
			status, ok = int(n), true
		}
		if o.at >= len(o.text) {
			return status, ok
		}
		o.at++ // the comma
		if o.space(); o.at == len(o.text) {
			return 0, false
		}
	}
}

func (o *looseObject) space() {
	for o.at < len(o.text) && strings.IndexByte(" \t\r\n", o.text[o.at]) >= 0 {
		o.at++
	}
}

// key reads a name in quotes or without.
func (o *looseObject) key() string {
	o.space()
	rest := o.text[o.at:]
	if rest == "" {
		return ""
	}
	if rest[0] == '"' || rest[0] == '\'' {
		size := quotedSize(rest)
		o.at += size
		if size < 2 {
			return ""
		}
		return rest[1 : size-1]
	}
	size := nameRun(rest, "_$-")
	o.at += size
	return rest[:size]
}

// value reads up to a comma that is not inside of anything, and reports whether all that it opened is closed.
func (o *looseObject) value() (string, bool) {
	start, depth := o.at, 0
	for o.at < len(o.text) {
		switch c := o.text[o.at]; c {
		case '"', '\'':
			size := quotedSize(o.text[o.at:])
			if size == 0 {
				return "", false
			}
			o.at += size - 1
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				return strings.TrimSpace(o.text[start:o.at]), true
			}
		}
		if depth < 0 {
			return "", false
		}
		o.at++
	}
	return strings.TrimSpace(o.text[start:]), depth == 0
}

// quotedSize returns the length of the string that s begins with, quotes included; 0 when it does not end.
func quotedSize(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return 0
}

// ErrorMessage returns the errorMessage of a function's result, by which its responses are selected (reference 1.4.3): "" for none, for null, and for a
// result that is no object or no JSON. What is no string counts as its JSON.
func ErrorMessage(result []byte) string {
	if !bytes.Contains(result, []byte("errorMessage")) { // most results: they need not be read
		return ""
	}
	v, err := tree.Decode(result, tree.Limits{})
	if err != nil {
		return ""
	}
	m, ok := v.(*tree.Map)
	if !ok {
		return ""
	}
	switch message, _ := m.Get("errorMessage"); message := message.(type) {
	case nil:
		return ""
	case string:
		return message
	default:
		return string(tree.Append(nil, message))
	}
}
