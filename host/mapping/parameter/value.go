package parameter

import (
	"bytes"
	"errors"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
	"github.com/postern/postern/host/mapping/jsonpath"
	"github.com/postern/postern/host/mapping/tree"
)

// A reader has what the mappings of one exchange read, and reads its body at most once.
type reader struct {
	x      *host.Exchange
	header host.Header // of the request, or of the integration's response
	answer bool        // it is the response's
	body   func() ([]byte, error)
	broken error // what a body is that begins as JSON and is none

	text    []byte
	read    bool
	tried   bool // to decode it
	decoded any
	isJSON  bool
}

// values returns what a source has: none where it is missing or empty, several only for a query parameter with all its values.
func (r *reader) values(s *source) ([]string, error) {
	switch s.kind {
	case literal:
		return some(s.name), nil
	case fromPath:
		value, _ := r.x.Match.Param(s.name)
		return some(host.Unescape(value)), nil
	case fromQuery, fromEveryQuery:
		return r.query(s), nil
	case fromHeader, fromEveryHeader:
		return r.field(s), nil
	case fromContext:
		value, _ := mapping.RESTContextValue(r.x, s.name)
		return some(value), nil
	case fromStage:
		if stage := r.x.Match.Stage; stage != nil {
			return some(stage.Variables[s.name]), nil
		}
		return nil, nil
	}
	value, err := r.fromBody(s)
	return some(value), err
}

// some is a value, or none for the empty one: a mapping without a value is not made (reference 1.4.4 [LS]).
func some(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// query returns the last value of a parameter, or all of them.
func (r *reader) query(s *source) []string {
	var values []string
	for name, value := range host.QueryParams(strings.ReplaceAll(r.x.Request.Query(), ";", "&")) { // reference 1.3, "Query" [REC]
		if name == s.name {
			values = append(values, value)
		}
	}
	if len(values) > 1 && s.kind == fromQuery {
		return some(values[len(values)-1])
	}
	return values
}

// field returns the last value of a header field, or all of them joined. Names have no case, since the host does not keep it.
func (r *reader) field(s *source) []string {
	if !r.answer && strings.EqualFold(s.name, "Host") && r.x.Request.Host != "" && !r.header.Has("Host") {
		return some(r.x.Request.Host)
	}
	values := r.header.Values(s.name)
	switch {
	case len(values) == 0:
		return nil
	case s.kind == fromEveryHeader:
		return some(strings.Join(values, ","))
	}
	return some(values[len(values)-1])
}

// fromBody returns the whole body, or what a path finds in it: text as it is, all else as JSON.
func (r *reader) fromBody(s *source) (string, error) {
	if err := r.load(s.path != nil); err != nil {
		return "", err
	}
	if s.path == nil {
		return string(r.text), nil
	}
	if !r.isJSON {
		return "", nil
	}
	value, err := s.path.Read(r.decoded, jsonpath.Limits{})
	if errors.Is(err, jsonpath.ErrMissing) || errors.Is(err, host.Invalid) {
		value, err = s.text.read(r.decoded)
	}
	if err != nil || value == nil {
		return "", err
	}
	return textOf(value)
}

// textOf is a value as a mapping puts it: text as it is, all else as JSON.
func textOf(value any) (string, error) {
	if text, ok := value.(string); ok {
		return text, nil
	}
	data, err := tree.Encode(value, tree.Limits{})
	return string(data), err
}

// loadHTTP is load for http APIs: a body that is no JSON within the bytes that a path looks into has nothing to find.
func (r *reader) loadHTTP(decode bool) error {
	if !r.read {
		var err error
		if r.text, err = r.body(); err != nil {
			return err
		}
		r.read = true
	}
	if !decode || r.tried || len(r.text) > maxPathBody {
		return nil
	}
	r.tried = true
	if value, err := tree.Decode(r.text, tree.Limits{}); err == nil {
		r.decoded, r.isJSON = value, true
	}
	return nil
}

// read looks into the JSON that errorMessage is; nil where it is none, or has nothing there.
func (m *message) read(doc any) (any, error) {
	object, ok := doc.(*tree.Map)
	if m == nil || !ok {
		return nil, nil
	}
	value, _ := object.Get("errorMessage")
	text, ok := value.(string)
	if !ok {
		return nil, nil
	}
	inner, err := tree.Decode([]byte(text), tree.Limits{})
	if err != nil {
		return nil, nil // it is only text
	}
	found, err := m.inner.Read(inner, jsonpath.Limits{})
	if errors.Is(err, jsonpath.ErrMissing) || errors.Is(err, host.Invalid) {
		return nil, nil
	}
	return found, err
}

// load reads the body, and decodes it where a path goes into it. An empty body is {} (reference 1.4.4 [LS]). One that begins as JSON and is none is
// an error; any other that is none has nothing to find.
func (r *reader) load(decode bool) error {
	if !r.read {
		text, err := r.body()
		if err != nil {
			return err
		}
		if r.text, r.read = text, true; len(bytes.TrimSpace(text)) == 0 {
			r.text = []byte("{}")
		}
	}
	if !decode || r.tried {
		return nil
	}
	r.tried = true
	value, err := tree.Decode(r.text, tree.Limits{})
	if err == nil {
		r.decoded, r.isJSON = value, true
		return nil
	}
	if first := bytes.TrimSpace(r.text)[0]; strings.IndexByte("{[\"'", first) >= 0 || errors.Is(err, host.TooLarge) {
		return r.broken
	}
	return nil
}
