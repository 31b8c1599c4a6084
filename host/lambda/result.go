package lambda

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/postern/postern/host"
)

const defaultType = "application/json" // of a result that names none (reference 1.6)

// ParseResult reads a function's answer in a format and makes a response of it: the JSON in meta, and the bytes beside it in body, nil for
// none. Where meta has a body of its own, that one counts; body is closed then, as it is on an error. A body with a method Len, as bytes.Reader
// has, is all there, and the response's Length is known. Anything that is not as the format wants it has Kind Internal and Code
// IntegrationFailure.
func ParseResult(meta []byte, body io.ReadCloser, format string) (*host.Response, error) {
	resp, err := parseResult(meta, body, format)
	if err != nil {
		if body != nil {
			_ = body.Close()
		}
		return nil, &host.Error{Op: "function result", Kind: host.Internal, Code: host.IntegrationFailure, Err: err}
	}
	return resp, nil
}

func parseResult(meta []byte, body io.ReadCloser, format string) (*host.Response, error) {
	if meta = bytes.TrimSpace(meta); len(meta) == 0 {
		meta = []byte("{}")
		if body == nil && format == Format2 {
			meta = []byte("null")
		}
	}
	switch {
	case format == Format1:
		fields, err := parseObject(meta)
		if err != nil {
			return nil, err
		}
		return parseProxy(fields, body, format)
	case format != Format2:
		return nil, fmt.Errorf("there is no payload format %q", format)
	case !json.Valid(meta):
		return nil, errors.New("the result is not JSON")
	}
	var fields map[string]json.RawMessage
	if meta[0] == '{' {
		var err error
		if fields, err = parseObject(meta); err != nil {
			return nil, err
		}
		if _, ok := fields["statusCode"]; ok {
			return parseProxy(fields, body, format)
		}
	}
	beside, err := present(body)
	switch {
	case err != nil:
		return nil, err
	case beside == nil:
		return plain(meta), nil
	case fields == nil:
		return nil, errors.New("bytes beside a result that is not an object")
	default:
		return parseProxy(fields, beside, format)
	}
}

// present returns nil for a body that is at its end from the start, so that a result without statusCode reads the same
// whether a guest has no body or an empty one. It waits for the first byte.
func present(body io.ReadCloser) (io.ReadCloser, error) {
	if body == nil {
		return nil, nil
	}
	if n, ok := lengthOf(body); ok {
		if n > 0 {
			return body, nil
		}
		return nil, body.Close()
	}
	r := bufio.NewReader(body)
	if _, err := r.Peek(1); err == io.EOF {
		return nil, body.Close()
	} else if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{r, body}, nil
}

// plain makes a response of a result without statusCode: the JSON itself, what a string holds, nothing
// for null (reference 1.6, "Response 2.0").
func plain(meta []byte) *host.Response {
	body := bytes.Clone(meta)
	if text, ok := parseString(meta); ok {
		body = []byte(text)
	} else if isNull(meta) {
		body = nil
	}
	return respond(&host.Response{Status: 200}, body)
}

// parseProxy makes a response of a proxy result (reference 1.6, "Response 1.0" and "Response 2.0").
func parseProxy(fields map[string]json.RawMessage, body io.ReadCloser, format string) (*host.Response, error) {
	resp, err := parseHead(fields, format, leaveOut)
	if err != nil {
		return nil, err
	}
	text, inline, err := resultBody(fields)
	if err != nil {
		return nil, err
	}
	if body == nil || inline {
		if body != nil {
			_ = body.Close()
		}
		return respond(resp, text), nil
	}
	return stream(resp, body), nil
}

// parseHead reads a proxy result without its body. rename says by which name a field goes on, if it does.
func parseHead(fields map[string]json.RawMessage, format string, rename func(string) (string, bool)) (*host.Response, error) {
	if format == Format1 {
		if err := checkKeys(fields); err != nil {
			return nil, err
		}
	}
	resp := &host.Response{Status: 200}
	var err error
	if raw := fields["statusCode"]; raw != nil && !isNull(raw) {
		if resp.Status, err = parseStatus(raw); err != nil {
			return nil, err
		}
	}
	resp.Header, err = resultHeader(fields, format, rename)
	return resp, err
}

// parseStatus reads an integer or a numeric string. Informational codes are no answer.
func parseStatus(raw json.RawMessage) (int, error) {
	text := string(bytes.TrimSpace(raw))
	if s, ok := parseString(raw); ok {
		text = s
	}
	code, err := strconv.Atoi(text)
	if err != nil {
		return 0, errors.New("statusCode is not an integer")
	}
	if code < 200 || code > 599 {
		return 0, fmt.Errorf("statusCode %d is not between 200 and 599", code)
	}
	return code, nil
}

// resultBody reads the body within a result, and whether there is one.
func resultBody(fields map[string]json.RawMessage) (text []byte, inline bool, err error) {
	s, encoded, inline, err := bodyText(fields)
	if err != nil || !encoded || !inline {
		return []byte(s), inline, err
	}
	if text, err = base64.StdEncoding.DecodeString(s); err != nil {
		return nil, false, errNotBase64
	}
	return text, true, nil
}

// bodyText reads the body as it stands within a result, whether it is said to be base64, and whether there is one.
func bodyText(fields map[string]json.RawMessage) (text string, encoded, inline bool, err error) {
	if raw := fields["isBase64Encoded"]; raw != nil && !isNull(raw) {
		var ok bool
		if encoded, ok = parseBool(raw); !ok {
			return "", false, false, errors.New("isBase64Encoded is not true or false")
		}
	}
	raw := fields["body"]
	if raw == nil || isNull(raw) {
		return "", false, false, nil
	}
	text, ok := parseString(raw)
	if !ok {
		return "", false, false, errors.New("body is not a string")
	}
	return text, encoded, true, nil
}

// respond sets a body of known length.
func respond(resp *host.Response, body []byte) *host.Response {
	if len(body) == 0 || bodiless(resp.Status) {
		resp.Length = 0
		return resp
	}
	resp.Length = int64(len(body))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return typed(resp)
}

// stream sets a body whose length is unknown unless it tells.
func stream(resp *host.Response, body io.ReadCloser) *host.Response {
	n, known := lengthOf(body)
	if bodiless(resp.Status) || known && n == 0 {
		_ = body.Close()
		return resp
	}
	resp.Length = n
	resp.Body = body
	return typed(resp)
}

// lengthOf returns how many bytes a body has, -1 when it does not tell.
func lengthOf(body io.ReadCloser) (n int64, known bool) {
	if sized, ok := body.(interface{ Len() int }); ok {
		return int64(sized.Len()), true
	}
	return -1, false
}

func typed(resp *host.Response) *host.Response {
	if !resp.Header.Has("Content-Type") {
		resp.Header.Add("Content-Type", defaultType)
	}
	return resp
}

// bodiless reports whether a response has no content by its status (RFC 9110, sections 15.3.5 and 15.4.5).
func bodiless(status int) bool { return status == 204 || status == 304 }
