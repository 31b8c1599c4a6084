package parameter

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
)

// An operation is what a mapping of an http API does to its target.
type operation string

const (
	appendTo  operation = "append"
	overwrite operation = "overwrite"
	remove    operation = "remove"
)

// The targets that are no header field and no query parameter.
const (
	pathTarget   = "path"
	statusTarget = "statuscode"
)

// Edits are the parameter mappings of an http API, of a request or of one rule's responses (reference 1.4.5). They are immutable; nil has none.
type Edits struct{ list []edit }

type edit struct {
	op    operation
	place host.ParameterPlace // InHeader or InQuery; "" of path and status
	name  string
	value *text // nil of remove
	pos   host.Position
}

// reservedFields cannot be mapped (reference 1.4.5).
var reservedFields = []string{"authorization", "connection", "content-encoding", "content-length", "content-location", "forwarded", "keep-alive", "origin",
	"proxy-authenticate", "proxy-authorization", "te", "trailers", "transfer-encoding", "upgrade", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via"}

// IsReserved reports whether no mapping of an http API may set a header field.
func IsReserved(name string) bool {
	name = strings.ToLower(name)
	for _, prefix := range []string{"access-control-", "apigw-", "x-amz-", "x-amzn-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return host.IsConnectionField(name) || slices.Contains(reservedFields, name)
}

// CompileHTTPRequest reads mappings whose targets are append:, overwrite: or remove: with header.NAME or querystring.NAME, and overwrite:path.
// Errors are joined, each of Kind Invalid with its place.
func CompileHTTPRequest(mappings []host.ParameterMapping) (*Edits, error) {
	return compileHTTP(mappings, false)
}

// CompileHTTPResponse reads those of a response: with header.NAME, and overwrite:statuscode.
func CompileHTTPResponse(mappings []host.ParameterMapping) (*Edits, error) {
	return compileHTTP(mappings, true)
}

func compileHTTP(mappings []host.ParameterMapping, response bool) (*Edits, error) {
	out := &Edits{}
	var errs []error
	for _, m := range mappings {
		e, err := parseEdit(m, response)
		if err != nil {
			errs = append(errs, invalid(m, err))
			continue
		}
		out.list = append(out.list, e)
	}
	return out, errors.Join(errs...)
}

func parseEdit(m host.ParameterMapping, response bool) (edit, error) {
	op, target, _ := strings.Cut(m.Target, ":")
	e := edit{op: operation(op), pos: m.Pos}
	place, name, named := strings.Cut(target, ".")
	switch {
	case e.op != appendTo && e.op != overwrite && e.op != remove:
		return e, fmt.Errorf("%q is none of append, overwrite and remove", op)
	case !named && e.op == overwrite && (target == pathTarget && !response || target == statusTarget && response):
		e.name = target
	case host.ParameterPlace(place) == host.InHeader && named:
		if e.place, e.name = host.InHeader, name; !host.IsToken(name) {
			return e, fmt.Errorf("%q is no name of a header field", name)
		} else if IsReserved(name) {
			return e, fmt.Errorf("the header field %s cannot be mapped: the gateway keeps it for itself", name)
		}
	case host.ParameterPlace(place) == host.InQuery && named && name != "" && !response:
		e.place, e.name = host.InQuery, name
	default:
		return e, fmt.Errorf("%q cannot be a target of %s here", target, op)
	}
	var err error
	switch {
	case e.op == remove && m.Source != "" && m.Source != "''":
		err = errors.New("what is removed takes no value: write ''")
	case e.op != remove:
		if e.value, err = parseText(m.Source, response); err == nil {
			err = e.check()
		}
	}
	return e, err
}

// check refuses what can be known to be wrong before there is a request.
func (e *edit) check() error {
	text, fixed := e.value.fixed()
	var err error
	switch {
	case e.place == host.InHeader && e.value.hasControl():
		err = errControl
	case fixed && e.place == "" && e.name == pathTarget:
		_, err = safePath(text)
	case fixed && e.place == "":
		_, err = parseStatus(text)
	}
	return err
}

func parseStatus(text string) (int, error) {
	status, err := strconv.Atoi(text)
	if err != nil || status < 200 || status > 599 {
		return 0, fmt.Errorf("%.20q is no status from 200 to 599", text)
	}
	return status, nil
}

// BodyReader returns the place of the first mapping that reads a body, and false where none does.
func (e *Edits) BodyReader() (host.Position, bool) {
	if e != nil {
		for i := range e.list {
			if e.list[i].value.readsBody() {
				return e.list[i].pos, true
			}
		}
	}
	return host.Position{}, false
}

// values evaluates what the edits need, in their order. An edit whose value has nothing, because all that it names is missing, has none.
func (e *Edits) values(in *reader) ([]*string, error) {
	all := make([]*string, len(e.list))
	for i := range e.list {
		if e.list[i].value == nil {
			continue
		}
		value, found, err := e.list[i].value.expand(in)
		if err != nil {
			return nil, err
		}
		if found {
			all[i] = &value
		}
	}
	return all, nil
}

// A Target is where a request goes after its edits.
type Target struct {
	Header host.Header
	Query  string // undecoded, without a question mark
	Path   string // "" where no mapping sets it; escaped, and begins with a slash
}

// Request returns what the edits make of a request that has this header and query. x is the exchange whose values they read; body gives its body, and is called
// only where a mapping reads it. An error of Kind Invalid says that a value cannot stand where it is put.
func (e *Edits) Request(x *host.Exchange, header host.Header, query string, body func() ([]byte, error)) (Target, error) {
	out := Target{Header: header.Clone(), Query: query}
	if e == nil {
		return out, nil
	}
	values, err := e.values(&reader{x: x, header: x.Request.Header, body: body})
	if err != nil {
		return out, err
	}
	for i := range e.list {
		edit, value := &e.list[i], values[i]
		switch {
		case edit.op != remove && value == nil:
		case edit.place == host.InHeader:
			err = edit.field(&out.Header, value)
		case edit.place == host.InQuery:
			out.Query = edit.parameter(out.Query, value)
		default:
			out.Path, err = safePath(*value)
		}
		if err != nil {
			return out, &host.Error{Op: "map the request", Kind: host.Invalid, Err: err}
		}
	}
	return out, nil
}

// Response applies the edits to an integration's response. body is the response's, for those that read it.
func (e *Edits) Response(x *host.Exchange, resp *host.Response, body func() ([]byte, error)) error {
	if e == nil {
		return nil
	}
	values, err := e.values(&reader{x: x, header: resp.Header, body: body})
	if err != nil {
		return err
	}
	header := resp.Header.Clone()
	for i := range e.list {
		edit, value := &e.list[i], values[i]
		switch {
		case edit.op != remove && value == nil:
		case edit.place == host.InHeader:
			err = edit.field(&header, value)
		default:
			var status int
			if status, err = parseStatus(*value); err == nil {
				resp.Status = status
			}
		}
		if err != nil {
			return configuration(err)
		}
	}
	resp.Header = header
	return nil
}

func (e *edit) field(h *host.Header, value *string) error {
	if value != nil && !host.IsFieldValue(*value) {
		return fmt.Errorf("what is mapped to the header field %s has a control character", e.name)
	}
	if e.op != appendTo {
		h.Del(e.name)
	}
	if value != nil {
		h.Add(http.CanonicalHeaderKey(e.name), *value)
	}
	return nil
}

// parameter edits a query; the other parameters keep their order and their escapes.
func (e *edit) parameter(query string, value *string) string {
	var parts []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if part != "" && (e.op == appendTo || host.Unescape(strings.ReplaceAll(name, "+", " ")) != e.name) {
			parts = append(parts, part)
		}
	}
	if value != nil {
		parts = append(parts, escape(e.name)+"="+escape(*value))
	}
	return strings.Join(parts, "&")
}

// escape writes a name or value of a query.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// safePath escapes what no path can have, and refuses a path that climbs, or that a server could read as another authority.
func safePath(value string) (string, error) {
	if !strings.HasPrefix(value, "/") {
		value = "/" + value
	}
	path := mapping.EscapePath(value)
	if mapping.Climbs(path) {
		return "", fmt.Errorf("the path %.100q has a segment . or ..", value)
	}
	if strings.HasPrefix(strings.ReplaceAll(host.Unescape(path), `\`, "/"), "//") {
		return "", fmt.Errorf("the path %.100q begins with two slashes", value)
	}
	return path, nil
}

// Values are the parameters of an http API's call of a service, by name. They are immutable.
type Values struct {
	names []string
	texts []*text
	pos   []host.Position
}

// CompileValues reads mappings whose targets are the parameters' own names. Errors are joined, each of Kind Invalid with its place.
func CompileValues(mappings []host.ParameterMapping) (*Values, error) {
	out := &Values{}
	var errs []error
	for _, m := range mappings {
		t, err := parseText(m.Source, false)
		if err != nil {
			errs = append(errs, invalid(m, err))
			continue
		}
		out.names, out.texts, out.pos = append(out.names, m.Target), append(out.texts, t), append(out.pos, m.Pos)
	}
	return out, errors.Join(errs...)
}

// BodyReader returns the place of the first parameter that reads the body, and false where none does.
func (v *Values) BodyReader() (host.Position, bool) {
	for i, t := range v.texts {
		if t.readsBody() {
			return v.pos[i], true
		}
	}
	return host.Position{}, false
}

// Of returns what the parameters are for an exchange: every one of them, "" where it names what is missing.
func (v *Values) Of(x *host.Exchange, body func() ([]byte, error)) (map[string]string, error) {
	in := &reader{x: x, header: x.Request.Header, body: body}
	values := make(map[string]string, len(v.names))
	for i, name := range v.names {
		value, _, err := v.texts[i].expand(in)
		if err != nil {
			return nil, err
		}
		values[name] = value
	}
	return values, nil
}
