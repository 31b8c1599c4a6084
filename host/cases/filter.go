package cases

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// A filterEdits is what a filter answers, with the keys that make the head of what goes on (spec/contracts.md, "Filter").
type filterEdits struct {
	Method, Path, Query, Host *string
	StatusCode                *int
	Headers                   *fields
	RemoveHeaders             []string
	SetHeaders, AddHeaders    fields
	Response                  *struct {
		StatusCode int
		Headers    fields
	}
}

type fields [][2]string

// result adds to a filter's answer what comes of its edits, as the key result: runtimes and languages edit in different ways, and
// what counts is what goes on. Names of headers are in lower case, with the values of those that came twice in a list.
func (s *Seen) result(in []byte) {
	var edits filterEdits
	var answer map[string]json.RawMessage
	meta := s.Meta
	if len(meta) == 0 {
		meta = []byte("{}")
	}
	var given struct{ Request, Response map[string]json.RawMessage }
	if json.Unmarshal(meta, &edits) != nil || json.Unmarshal(meta, &answer) != nil || answer == nil || json.Unmarshal(in, &given) != nil {
		return // the comparison shows what there is
	}
	result := map[string]any{}
	head := given.Request
	if s.Entry == host.EntryFilterResponse {
		head = given.Response
	}
	if edits.Response != nil {
		result["statusCode"] = edits.Response.StatusCode
		result["headers"] = edits.Response.Headers.folded()
	} else {
		var old fields
		_ = json.Unmarshal(head["headers"], &old) // the case may have what is none
		result["headers"] = edits.apply(old).folded()
		for key, edit := range map[string]*string{"method": edits.Method, "path": edits.Path, "query": edits.Query, "host": edits.Host} {
			if s.Entry != host.EntryFilterRequest {
				break
			}
			result[key] = head[key]
			if edit != nil {
				result[key] = *edit
			}
		}
		if s.Entry == host.EntryFilterResponse {
			result["statusCode"] = head["statusCode"]
			if edits.StatusCode != nil {
				result["statusCode"] = *edits.StatusCode
			}
		}
	}
	data, err := json.Marshal(result)
	if err != nil {
		return
	}
	answer["result"] = data
	if data, err = json.Marshal(answer); err == nil {
		s.Meta = data
	}
}

// apply makes the new header fields of the old ones.
func (e *filterEdits) apply(old fields) fields {
	list := slices.Clone(old)
	if e.Headers != nil {
		list = slices.Clone(*e.Headers)
	}
	without := func(name string) {
		list = slices.DeleteFunc(list, func(f [2]string) bool { return strings.EqualFold(f[0], name) })
	}
	for _, name := range e.RemoveHeaders {
		without(name)
	}
	for _, f := range e.SetHeaders {
		without(f[0])
	}
	return append(append(list, e.SetHeaders...), e.AddHeaders...)
}

// folded are fields by their names in lower case: a text, or a list of them.
func (f fields) folded() map[string]any {
	out := map[string]any{}
	for _, field := range f {
		name := strings.ToLower(field[0])
		switch before := out[name].(type) {
		case nil:
			out[name] = field[1]
		case string:
			if joined := before + ", " + field[1]; name != "set-cookie" {
				out[name] = joined // as one line (RFC 9110, section 5.3)
			} else {
				out[name] = []string{before, field[1]}
			}
		case []string:
			out[name] = append(before, field[1])
		}
	}
	return out
}
