package web

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strings"
)

// MaxParts bounds the parts of one form that a script parses: each costs far more than the bytes it came in.
const MaxParts = 10_000

// A Part is one of a form. Filename is nil for what is no file.
type Part struct {
	Name     string
	Filename *string
	Type     string
	Body     []byte
}

// Multipart reads the parts of a multipart/form-data body (RFC 7578). Its error is an *Exception.
func Multipart(body []byte, contentType string) ([]Part, error) {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" {
		return nil, typeError("The Content-Type of the form has no boundary")
	}
	r := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	var list []Part
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, typeError("The form is malformed: " + err.Error())
		}
		if len(list) == MaxParts {
			return nil, typeError("The form has more than 10,000 parts")
		}
		name, filename, ok := disposition(part.Header.Get("Content-Disposition"))
		if !ok {
			return nil, typeError("The form is malformed: a part has no name")
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, typeError("The form is malformed: " + err.Error())
		}
		media := part.Header.Get("Content-Type")
		if filename != nil && media == "" {
			media = "text/plain"
		}
		list = append(list, Part{name, filename, media, content})
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
