package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// Bounds of the head of a response, as of a function's result.
const (
	maxHead   = 64 << 10 // bytes
	maxFields = 256
)

// A cgiSink reads a CGI response (RFC 3875, section 6): once its head is whole, what follows is the body, and streams.
type cgiSink struct {
	*call
	head  []byte // until it is whole
	line  int    // where its last line begins
	multi bool   // the result is one of format 1.0
	whole bool
}

func (s *cgiSink) write(p []byte) error {
	if s.whole {
		return s.stream.Out.Write(s.ctx, p)
	}
	// A program may write all of its memory at once: of what may not be a head, no more is kept than shows that.
	taken := min(len(p), maxHead+1-len(s.head))
	s.head = append(s.head, p[:taken]...)
	n, whole := headEnd(s.head, s.line)
	if !whole {
		s.line = n
		if len(s.head) > maxHead {
			return s.refuse(host.Internal, malformed("the response's head is larger than %d bytes", maxHead))
		}
		return nil
	}
	h, err := parseHead(s.head[:n])
	if err != nil {
		return s.refuse(host.Internal, err)
	}
	if s.meta, err = h.meta(s.multi); err != nil {
		return s.refuse(host.Internal, err)
	}
	body := s.head[n:]
	s.whole, s.head = true, nil
	s.begin()
	if err := s.stream.Out.Write(s.ctx, body); err != nil {
		return err
	}
	return s.stream.Out.Write(s.ctx, p[taken:])
}

func (s *cgiSink) end() error {
	if !s.whole {
		if len(s.head) == 0 {
			return s.fail(host.Internal, malformed("the command wrote no response: a CGI response begins with Content-Type, Status or Location"))
		}
		return s.fail(host.Internal, malformed("the response's head has no end: an empty line must follow it; it begins with %.80q", s.head))
	}
	return nil
}

// headEnd returns where the body begins, looking from the beginning of a line on; while the head is not whole, where its last line
// begins. Lines end with a line feed, before which a carriage return may stand (RFC 3875, section 6.2: the server accepts both).
func headEnd(b []byte, from int) (at int, whole bool) {
	for at = from; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return at, false
		}
		line := b[at : at+i]
		at += i + 1
		if len(line) == 0 || len(line) == 1 && line[0] == '\r' {
			return at, true
		}
	}
}

// A head is that of a response.
type head struct {
	status int
	header host.Header
}

// parseHead reads a head with its empty line.
func parseHead(b []byte) (*head, error) {
	if len(b) > maxHead {
		return nil, malformed("the response's head is larger than %d bytes", maxHead)
	}
	h := &head{}
	var status string
	seen := map[string]bool{} // of the fields that RFC 3875 defines
	for line := range strings.SplitSeq(strings.TrimSuffix(string(b), "\n"), "\n") {
		if line = strings.TrimSuffix(line, "\r"); line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		switch {
		case !ok && strings.HasPrefix(line, "HTTP/"):
			return nil, malformed("the response begins with a status line: programs that write HTTP themselves (NPH) are not supported; write Status: 200")
		case !ok:
			return nil, malformed("the response's head has a line without a colon: %.80q", line)
		case !host.IsToken(name) || !host.IsFieldValue(value):
			return nil, malformed("the response's head has a line that is no field: %.80q", line)
		}
		switch key := strings.ToLower(name); key {
		case "status", "content-type", "location":
			if seen[key] {
				return nil, malformed("the response has %s twice", name)
			}
			seen[key] = true
			if key == "status" {
				status = value
				continue
			}
		}
		if h.header.Add(name, value); len(h.header) > maxFields {
			return nil, malformed("the response has more than %d fields", maxFields)
		}
	}
	if len(seen) == 0 {
		return nil, malformed("the response has none of Content-Type, Status and Location")
	}
	return h, h.setStatus(status)
}

// setStatus reads Status (RFC 3875, section 6.3.3). Without it, a Location is a redirect.
func (h *head) setStatus(value string) error {
	switch {
	case value != "":
	case h.header.Get("Location") != "":
		h.status = 302
		return nil
	default:
		h.status = 200
		return nil
	}
	code, _, _ := strings.Cut(value, " ")
	n, err := strconv.Atoi(code)
	if err != nil || len(code) != 3 || n < 200 || n > 599 {
		return malformed("Status must be a number from 200 to 599, and may have a reason behind it: %.80q", value)
	}
	h.status = n
	return nil
}

// meta writes the head as a proxy result. Fields of one name are one list, but for cookies.
func (h *head) meta(multi bool) ([]byte, error) {
	if !h.header.Has("Content-Type") && h.status != 204 && h.status != 304 {
		h.header.Add("Content-Type", "application/octet-stream") // and not the default of functions
	}
	type result struct {
		Status  int                 `json:"statusCode"`
		Headers map[string]string   `json:"headers,omitempty"`
		Multi   map[string][]string `json:"multiValueHeaders,omitempty"`
		Cookies []string            `json:"cookies,omitempty"`
	}
	out := result{Status: h.status}
	values := map[string][]string{}
	for _, f := range h.header {
		name := strings.ToLower(f.Name)
		values[name] = append(values[name], f.Value)
	}
	if multi {
		out.Multi = values
	} else {
		out.Cookies = slices.Clone(values["set-cookie"])
		delete(values, "set-cookie")
		out.Headers = map[string]string{}
		for name, list := range values {
			out.Headers[name] = strings.Join(list, ", ")
		}
	}
	meta, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("the response's head: %w", err)
	}
	return meta, nil
}
