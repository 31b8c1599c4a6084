package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
)

// Bounds of what a filter may set: those that the listener holds clients to.
const (
	maxRemoved   = 1000
	maxEditBytes = 64 << 10 // of a path, and of a query
	maxHost      = 260      // bytes: the longest name (RFC 1035, section 2.3.4) and a port
	maxMethod    = 64
)

// A field is a header field as the contract writes it: ["name", "value"].
type field host.Field

// MarshalJSON writes a pair.
func (f field) MarshalJSON() ([]byte, error) { return json.Marshal([2]string{f.Name, f.Value}) }

// UnmarshalJSON takes a pair of texts and nothing else.
func (f *field) UnmarshalJSON(data []byte) error {
	var pair []*string
	if err := json.Unmarshal(data, &pair); err != nil || len(pair) != 2 || pair[0] == nil || pair[1] == nil {
		return errors.New(`a header field must be ["name", "value"]`)
	}
	f.Name, f.Value = *pair[0], *pair[1]
	return nil
}

// headerEdits change the fields of a request or a response, in the order of the members.
type headerEdits struct {
	Headers       *[]field `json:"headers"` // all of them
	RemoveHeaders []string `json:"removeHeaders"`
	SetHeaders    []field  `json:"setHeaders"`
	AddHeaders    []field  `json:"addHeaders"`
}

// requestEdits is what filter_request answers.
type requestEdits struct {
	headerEdits
	Method   *string      `json:"method"`
	Path     *string      `json:"path"`
	Query    *string      `json:"query"`
	Host     *string      `json:"host"`
	Body     bool         `json:"body"`
	Response *earlyAnswer `json:"response"`
}

// An earlyAnswer ends the exchange's way in.
type earlyAnswer struct {
	Status  int     `json:"statusCode"`
	Headers []field `json:"headers"`
}

// responseEdits is what filter_response answers.
type responseEdits struct {
	headerEdits
	Status *int `json:"statusCode"`
	Body   bool `json:"body"`
}

// decodeEdits reads what a filter answered; nothing stands for no edits. Members that the contract has not are errors, as are slips in
// their names.
func decodeEdits(meta []byte, into any) error {
	if len(bytes.TrimSpace(meta)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(meta))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("its answer does not fit the contract: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("its answer has something behind its end")
	}
	return nil
}

// apply returns the request and the path that go on, and leaves what arrived alone. base is what stands before the path in the
// request's target.
func (e *requestEdits) apply(r *host.Request, base, path string) (*host.Request, string, error) {
	out := *r
	var err error
	if out.Header, err = e.header(r.Header); err != nil {
		return nil, "", err
	}
	if e.Method != nil {
		if err := checkMethod(r, *e.Method); err != nil {
			return nil, "", err
		}
		out.Method = *e.Method
	}
	if e.Host != nil {
		if h := *e.Host; h == "" || len(h) > maxHost || strings.ContainsFunc(h, notInHost) {
			return nil, "", fmt.Errorf("%q is no host", clip(h))
		}
		out.Host = *e.Host
	}
	if e.Path != nil {
		if err := checkPath(*e.Path); err != nil {
			return nil, "", err
		}
		path = *e.Path
	}
	query := r.Query()
	if e.Query != nil {
		if query = *e.Query; len(query) > maxEditBytes || strings.ContainsFunc(query, notInTarget) {
			return nil, "", fmt.Errorf("%q is no query", clip(query))
		}
	}
	if e.Path != nil || e.Query != nil {
		out.Target = base + path
		if query != "" {
			out.Target += "?" + query
		}
	}
	if e.Body && r.Upgrade != "" {
		return nil, "", errors.New("a request for an upgrade has no body")
	}
	return &out, path, nil
}

// checkMethod refuses what would change what the request is. The answer to HEAD has no body where the client waits for one, CONNECT
// has no path, and an upgrade is a GET (RFC 9110, section 9.3; RFC 6455, section 4.1).
func checkMethod(r *host.Request, method string) error {
	switch {
	case !host.IsToken(method) || len(method) > maxMethod:
		return fmt.Errorf("%q is no method", clip(method))
	case method == r.Method:
	case method == "HEAD" || method == "CONNECT" || r.Upgrade != "":
		return fmt.Errorf("a %s cannot become a %s", r.Method, method)
	}
	return nil
}

// checkPath holds a new path to what a client's must be, and more: it must not climb, for authorizers and upstreams read it.
func checkPath(path string) error {
	if !strings.HasPrefix(path, "/") || len(path) > maxEditBytes || strings.ContainsFunc(path, notInTarget) || strings.ContainsAny(path, `?\`) {
		return fmt.Errorf("%q is no path", clip(path))
	}
	if mapping.Climbs(path) {
		return fmt.Errorf("the path %q climbs", clip(path))
	}
	return nil
}

// notInTarget reports what cannot stand in a request's target (RFC 9112, section 3.2).
func notInTarget(c rune) bool { return c <= ' ' || c >= 0x7f || c == '#' }

func notInHost(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`/?#@\,`, c) }

// apply checks the answer.
func (a *earlyAnswer) apply() (*host.Response, error) {
	if err := checkStatus(a.Status); err != nil {
		return nil, err
	}
	e := headerEdits{AddHeaders: a.Headers}
	header, err := e.header(nil)
	if err != nil {
		return nil, err
	}
	return &host.Response{Status: a.Status, Header: header}, nil
}

// apply changes the response's head.
func (e *responseEdits) apply(r *host.Response) error {
	header, err := e.header(r.Header)
	if err != nil {
		return err
	}
	upgraded := r.Upgrade != nil
	if e.Status != nil && (!upgraded || *e.Status != r.Status) {
		if upgraded {
			return fmt.Errorf("an upgrade (status %d) cannot become a %d", r.Status, *e.Status)
		}
		if err := checkStatus(*e.Status); err != nil {
			return err
		}
	}
	if upgraded && e.Body {
		return errors.New("an upgraded connection has no body")
	}
	if r.Header = header; e.Status != nil {
		r.Status = *e.Status
	}
	return nil
}

func checkStatus(status int) error {
	if status < 200 || status > 599 {
		return fmt.Errorf("statusCode must be from 200 to 599, not %d", status)
	}
	return nil
}

// header returns the fields after the edits. old is left alone. What frames a message or concerns one connection stays as it is:
// the gateway sets it.
func (e *headerEdits) header(old host.Header) (host.Header, error) {
	if err := e.check(old); err != nil {
		return nil, err
	}
	if e.Headers == nil && len(e.RemoveHeaders)+len(e.SetHeaders)+len(e.AddHeaders) == 0 {
		return old, nil
	}
	h := old.Clone()
	if e.Headers != nil {
		h = replaced(old, *e.Headers)
	}
	for _, name := range e.RemoveHeaders {
		if !host.IsConnectionField(name) {
			h.Del(name)
		}
	}
	for i, f := range e.SetHeaders {
		if slices.ContainsFunc(e.SetHeaders[:i], func(before field) bool { return strings.EqualFold(before.Name, f.Name) }) {
			h.Add(f.Name, f.Value) // a name with several lines, as Set-Cookie has
		} else {
			h.Set(f.Name, f.Value)
		}
	}
	for _, f := range e.AddHeaders {
		h.Add(f.Name, f.Value)
	}
	return h, nil
}

// replaced returns the new fields, with the connection's own of old among them.
func replaced(old host.Header, fields []field) host.Header {
	h := make(host.Header, 0, len(fields)+4)
	for _, f := range old {
		if host.IsConnectionField(f.Name) {
			h = append(h, f)
		}
	}
	for _, f := range fields {
		if !host.IsConnectionField(f.Name) {
			h = append(h, host.Field{Name: f.Name, Value: original(old, f)})
		}
	}
	return h
}

// original gives a value back its bytes that are not UTF-8, which JSON could not carry.
func original(old host.Header, f field) string {
	if !strings.ContainsRune(f.Value, utf8.RuneError) {
		return f.Value
	}
	for _, o := range old {
		if strings.EqualFold(o.Name, f.Name) && strings.ToValidUTF8(o.Value, "") != o.Value && string([]rune(o.Value)) == f.Value {
			return o.Value
		}
	}
	return f.Value
}

// check refuses fields that could not be sent, or that are not a filter's to set.
func (e *headerEdits) check(old host.Header) error {
	if e.Headers != nil {
		for _, f := range *e.Headers { // the whole list may repeat what it got
			if host.IsConnectionField(f.Name) && !slices.ContainsFunc(old, func(o host.Field) bool { return strings.EqualFold(o.Name, f.Name) && o.Value == f.Value }) {
				return ownField(f.Name)
			}
		}
		if err := checkFields(*e.Headers, true); err != nil {
			return err
		}
	}
	if len(e.RemoveHeaders) > maxRemoved {
		return fmt.Errorf("it removes more than %d header fields", maxRemoved)
	}
	if err := checkFields(e.SetHeaders, false); err != nil {
		return err
	}
	return checkFields(e.AddHeaders, false)
}

func checkFields(fields []field, connection bool) error {
	for _, f := range fields {
		switch {
		case !host.IsToken(f.Name):
			return fmt.Errorf("%q is no name of a header field", clip(f.Name))
		case !host.IsFieldValue(f.Value):
			return fmt.Errorf("the value of the header field %s has a control character", f.Name)
		case strings.EqualFold(f.Name, "Host"), !connection && host.IsConnectionField(f.Name):
			return ownField(f.Name)
		}
	}
	return nil
}

// countEdits holds the fields of a filter's answer to the plugin's limits. early may be nil.
func (p *plugin) countEdits(e *headerEdits, early *earlyAnswer) error {
	lists := [][]field{e.SetHeaders, e.AddHeaders}
	if e.Headers != nil {
		lists = append(lists, *e.Headers)
	}
	if early != nil {
		lists = append(lists, early.Headers)
	}
	n, size := 0, int64(0)
	for _, list := range lists {
		n += len(list)
		for _, f := range list {
			size += int64(len(f.Name) + len(f.Value))
		}
	}
	return p.countHeaders(n, size)
}

func ownField(name string) error {
	return fmt.Errorf("the header field %s is the gateway's to set", name)
}

// clip shortens a value for an error.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
