package rest

import (
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
)

const defaultMediaType = "application/json" // of templates that a request does not choose, and of answers (reference 1.4.3)

// ChooseMediaType returns the index of the media type that a request's Accept fields choose: the first that they name or cover, those with a
// higher weight before others (RFC 9110, section 12.5.1); else application/json, else $default, else the first (reference 1.4.3). It is -1 for no types at all.
// Parameters but q do not count.
func ChooseMediaType(accept []string, types []string) int {
	find := func(want func(string) bool) int {
		return slices.IndexFunc(types, func(t string) bool { return want(bareType(t)) })
	}
	standard := find(func(t string) bool { return t == defaultMediaType })
	for _, w := range weighted(accept) {
		if w.quality == 0 {
			break // they come last
		}
		wanted := bareType(w.value)
		if wanted == "*/*" {
			break // whatever is the default
		}
		major, wild := strings.CutSuffix(wanted, "*")
		if wild && standard >= 0 && strings.HasPrefix(defaultMediaType, major) {
			return standard
		}
		if i := find(func(t string) bool {
			return t == wanted || wild && strings.HasSuffix(major, "/") && strings.HasPrefix(t, major)
		}); i >= 0 {
			return i
		}
	}
	if standard >= 0 {
		return standard
	}
	if i := find(func(t string) bool { return t == mapping.DefaultMediaType }); i >= 0 {
		return i
	}
	return min(0, len(types)-1)
}

// ChooseMapping returns the mapping that makes the body of a response, chosen by the request's Accept (ChooseMediaType), or nil for a body that passes
// through: there is no mapping, or the chosen one is a template without any text, which is how definitions say that one type is not mapped
// (reference 1.4.3).
func ChooseMapping(rule *host.ResponseRule, request *host.Request) *host.Mapping {
	if len(rule.Mappings) == 0 {
		return nil
	}
	types := make([]string, len(rule.Mappings))
	for i := range rule.Mappings {
		types[i] = rule.Mappings[i].MediaType
	}
	m := &rule.Mappings[ChooseMediaType(request.Header.Values("Accept"), types)]
	if m.Template != nil && m.Template.Text == "" {
		return nil
	}
	return m
}

// An Answer is what the response to a client is made of, where the integration is no proxy.
type Answer struct {
	Selection Selection
	Body      []byte        // of the mapping, or the integration's
	Mapping   *host.Mapping // that made Body; nil for a body that passed
	Mapped    host.Header   // what the method's response mappings made
	Type      string        // of Body, where its mapping said so (host.MapOutput)
	Override  host.Override // of both mappings, those of the response's last
}

// Response makes the response. It has the header fields that mappings set and no other: nothing of the integration's (reference 1.4.3). Its Content-Type is the one
// that an override or a mapping set, else the one that the body's mapping said, else the mapping's media type, else application/json. An override's
// status counts when an answer may have it. Names that the gateway keeps for itself are not treated here: the
// caller remaps them (RemapResponse).
func (a *Answer) Response() *host.Response {
	status := a.Selection.Status
	if s := a.Override.Status; s >= minStatus && s <= maxStatus {
		status = s
	}
	h := replaced(a.Mapped.Clone(), a.Override.Header)
	if !h.Has("Content-Type") {
		h = append(host.Header{{Name: "Content-Type", Value: a.contentType()}}, h...)
	}
	return buffered(status, h, a.Body)
}

func (a *Answer) contentType() string {
	switch {
	case a.Type != "":
		return a.Type
	case a.Mapping != nil && a.Mapping.MediaType != mapping.DefaultMediaType && a.Mapping.MediaType != "":
		return a.Mapping.MediaType
	}
	return defaultMediaType
}

// replaced returns h with an override's fields in the place of those of the same name.
func replaced(h, override host.Header) host.Header {
	for _, f := range override {
		h.Del(f.Name)
	}
	return append(h, override...)
}

// bareType returns a media type in lower case, without its parameters.
func bareType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}
