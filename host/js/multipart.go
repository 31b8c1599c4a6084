package js

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	"github.com/dop251/goja"
)

// maxParts bounds the parts of one form that a script parses: each costs far more than the bytes it came in.
const maxParts = 10_000

// parseMultipart(bytes, contentType) is the parts of a multipart/form-data body (RFC 7578), each as [name, filename or
// null, type, bytes].
func (in *instance) parseMultipart(fc goja.FunctionCall) goja.Value {
	_, params, err := mime.ParseMediaType(fc.Argument(1).String())
	if err != nil || params["boundary"] == "" {
		in.throw("The Content-Type of the form has no boundary")
	}
	r := multipart.NewReader(bytes.NewReader(in.needBytes(fc.Argument(0))), params["boundary"])
	list := []any{}
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return in.rt.ToValue(list)
		}
		if err != nil {
			in.throw("The form is malformed: " + err.Error())
		}
		if len(list) == maxParts {
			in.throw("The form has more than 10,000 parts")
		}
		name, filename, ok := disposition(part.Header.Get("Content-Disposition"))
		if !ok {
			in.throw("The form is malformed: a part has no name")
		}
		body, err := io.ReadAll(part)
		if err != nil {
			in.throw("The form is malformed: " + err.Error())
		}
		media, shown := part.Header.Get("Content-Type"), goja.Null()
		if filename != nil {
			shown = in.rt.ToValue(*filename)
			if media == "" {
				media = "text/plain"
			}
		}
		list = append(list, in.rt.NewArray(name, shown, media, in.bytes(body)))
	}
}

// disposition reads the name and the file name, nil when there is none, of a part. Browsers escape both as HTML says
// (section 4.10.21.8), not as RFC 2045's quoted strings: `"` is %22, and a backslash is itself.
func disposition(field string) (name string, filename *string, ok bool) {
	kind, rest, _ := strings.Cut(field, ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "form-data") {
		return "", nil, false
	}
	for rest != "" {
		key, after, found := strings.Cut(rest, "=")
		if !found {
			return name, filename, ok
		}
		var value string
		if after, quoted := strings.CutPrefix(strings.TrimLeft(after, " \t"), `"`); quoted {
			if value, rest, found = strings.Cut(after, `"`); !found {
				return "", nil, false
			}
			_, rest, _ = strings.Cut(rest, ";")
		} else {
			value, rest, _ = strings.Cut(after, ";")
			value = strings.TrimSpace(value)
		}
		value = strings.ToValidUTF8(strings.NewReplacer("%22", `"`, "%0A", "\n", "%0a", "\n", "%0D", "\r", "%0d", "\r").Replace(value), "\ufffd")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "name":
			name, ok = value, true
		case "filename":
			filename = &value
		}
	}
	return name, filename, ok
}
