package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// The meta that a mapping gets. The body travels beside it.
type inputMeta struct {
	Params         inputParams       `json:"params"`
	Context        inputContext      `json:"context"`
	StageVariables map[string]string `json:"stageVariables"`
	Response       *inputResponse    `json:"response,omitempty"`
}

type inputParams struct {
	Path   map[string]string `json:"path"`
	Query  map[string]string `json:"querystring"`
	Header map[string]string `json:"header"` // by name in lower case
}

type inputContext struct {
	AccountID         string         `json:"accountId"`
	APIID             string         `json:"apiId"`
	Authorizer        map[string]any `json:"authorizer,omitempty"`
	DomainName        string         `json:"domainName"`
	DomainPrefix      string         `json:"domainPrefix"`
	ExtendedRequestID string         `json:"extendedRequestId"`
	HTTPMethod        string         `json:"httpMethod"`
	Identity          inputIdentity  `json:"identity"`
	Path              string         `json:"path"`
	Protocol          string         `json:"protocol"`
	RequestID         string         `json:"requestId"`
	RequestTime       string         `json:"requestTime"`
	RequestTimeEpoch  int64          `json:"requestTimeEpoch"` // milliseconds
	ResourcePath      string         `json:"resourcePath"`
	RouteKey          string         `json:"routeKey"`
	Stage             string         `json:"stage"`
}

type inputIdentity struct {
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

type inputResponse struct {
	Status int               `json:"status"`
	Header map[string]string `json:"headers"` // by name in lower case
}

// EncodeInput returns the meta that a mapping plugin gets: params, context, stageVariables, and in PhaseMapResponse the
// integration's response. Names of headers are in lower case; values that came more than once are joined by commas; path
// and query parameters are decoded. What an authorizer said keeps its JSON types.
func EncodeInput(in *host.MapInput, phase host.Phase) ([]byte, error) {
	x := in.Exchange
	meta := inputMeta{
		Params:         inputParams{Path: map[string]string{}, Query: map[string]string{}, Header: fields(x.Request.Header)},
		Context:        contextOf(x),
		StageVariables: map[string]string{},
	}
	if x.Request.Host != "" {
		meta.Params.Header["host"] = x.Request.Host
	}
	for _, p := range x.Match.Params {
		meta.Params.Path[p.Name] = host.Unescape(p.Value)
	}
	query := map[string][]string{}
	for name, value := range host.QueryParams(x.Request.Query()) {
		query[name] = append(query[name], value)
	}
	for name, values := range query {
		meta.Params.Query[name] = strings.Join(values, ",")
	}
	if x.Match.Stage != nil && x.Match.Stage.Variables != nil {
		meta.StageVariables = x.Match.Stage.Variables
	}
	if phase == host.PhaseMapResponse {
		meta.Response = &inputResponse{Status: in.Status, Header: fields(in.Header)}
	}
	b, err := json.Marshal(meta)
	if err != nil {
		return nil, contractError("mapping input", err)
	}
	return b, nil
}

func contextOf(x *host.Exchange) inputContext {
	value := func(name string) string {
		v, _ := ContextValue(x, name)
		return v
	}
	c := inputContext{
		AccountID: accountID, APIID: value("apiId"), DomainName: value("domainName"), DomainPrefix: value("domainPrefix"),
		ExtendedRequestID: x.ID, HTTPMethod: x.Request.Method,
		Identity: inputIdentity{SourceIP: value("identity.sourceIp"), UserAgent: value("identity.userAgent")},
		Path:     value("path"), Protocol: value("protocol"), RequestID: x.ID, RequestTime: value("requestTime"),
		RequestTimeEpoch: x.Started.UnixMilli(), ResourcePath: value("resourcePath"), RouteKey: value("routeKey"), Stage: value("stage"),
	}
	if x.Principal.ID != "" || len(x.Principal.Context) > 0 {
		c.Authorizer = make(map[string]any, len(x.Principal.Context)+1)
		for k, v := range x.Principal.Context {
			c.Authorizer[k] = v
		}
		if x.Principal.ID != "" {
			c.Authorizer["principalId"] = x.Principal.ID
		}
	}
	return c
}

// fields returns a header as a mapping sees it, without what concerns the connection alone (reference 1.4.6).
func fields(h host.Header) map[string]string {
	values := make(map[string][]string, len(h))
	for _, f := range h {
		if !host.IsConnectionField(f.Name) {
			name := strings.ToLower(f.Name)
			values[name] = append(values[name], f.Value)
		}
	}
	m := make(map[string]string, len(values)+1)
	for name, vs := range values {
		m[name] = strings.Join(vs, ",")
	}
	return m
}

func contractError(op string, err error) error {
	return &host.Error{Op: op, Kind: host.Internal, Code: host.APIConfigurationError, Err: err}
}

// DecodeOutput reads what a mapping plugin answered: meta, which may be empty, and the new body, which the output keeps. Meta may hold
// requestOverride {header, querystring, path}, responseOverride {header, status} and contentType; values are strings, numbers or booleans, and
// for headers and query parameters lists of them; null is as if absent. A status that is no integer between 200 and 599 changes nothing
// (reference 1.5 [LS]; a 1xx is no answer). Anything else has Kind Internal and Code APIConfigurationError.
func DecodeOutput(meta, body []byte) (*host.MapOutput, error) {
	out := &host.MapOutput{Body: body}
	if len(bytes.TrimSpace(meta)) == 0 {
		return out, nil
	}
	err := members("", meta, map[string]func(json.RawMessage) error{
		"contentType": func(raw json.RawMessage) error { return contentType(raw, out) },
		"requestOverride": func(raw json.RawMessage) error {
			return members("requestOverride", raw, map[string]func(json.RawMessage) error{
				"header": func(raw json.RawMessage) (err error) {
					out.Request.Header, err = header("requestOverride.header", raw)
					return err
				},
				"querystring": func(raw json.RawMessage) (err error) {
					out.Request.Query, err = list("requestOverride.querystring", raw)
					return err
				},
				"path": func(raw json.RawMessage) (err error) { out.Request.Path, err = path(raw); return err },
			})
		},
		"responseOverride": func(raw json.RawMessage) error {
			return members("responseOverride", raw, map[string]func(json.RawMessage) error{
				"header": func(raw json.RawMessage) (err error) {
					out.Response.Header, err = header("responseOverride.header", raw)
					return err
				},
				"status": func(raw json.RawMessage) error { out.Response.Status = status(raw); return nil },
			})
		},
	})
	if err != nil {
		return nil, contractError("mapping output", err)
	}
	return out, nil
}

// members hands the members of an object to their readers.
func members(where string, raw json.RawMessage, readers map[string]func(json.RawMessage) error) error {
	if where == "" {
		where = "the result"
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("%s is not an object: %w", where, err)
	}
	names := sortedKeys(m)
	for _, name := range names {
		reader := readers[name]
		if reader == nil {
			return fmt.Errorf("%s has no %q; it has %s", where, name, strings.Join(sortedKeys(readers), ", "))
		}
		if isNull(m[name]) {
			continue
		}
		if err := reader(m[name]); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func contentType(raw json.RawMessage, out *host.MapOutput) error {
	vs, err := scalar(raw)
	if err != nil || raw[0] != '"' {
		return errors.New("contentType is not a string")
	}
	out.ContentType = vs
	return checkField("Content-Type", vs)
}

// header reads overrides of header fields, sorted by name.
func header(where string, raw json.RawMessage) (host.Header, error) {
	h, err := list(where, raw)
	if err != nil {
		return nil, err
	}
	for _, f := range h {
		if err := checkField(f.Name, f.Value); err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
	}
	return h, nil
}

// list reads an object of values or lists of values, sorted by name.
func list(where string, raw json.RawMessage) (host.Header, error) {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return nil, fmt.Errorf("%s is not an object", where)
	}
	var h host.Header
	for _, name := range sortedKeys(m) {
		elements := []json.RawMessage{m[name]}
		if m[name][0] == '[' {
			if err := json.Unmarshal(m[name], &elements); err != nil {
				return nil, err
			}
		}
		for _, e := range elements {
			if isNull(e) {
				continue
			}
			v, err := scalar(e)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", where, name, err)
			}
			h.Add(name, v)
		}
	}
	return h, nil
}

func path(raw json.RawMessage) (map[string]string, error) {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return nil, errors.New("requestOverride.path is not an object")
	}
	values := make(map[string]string, len(m))
	for _, name := range sortedKeys(m) {
		if isNull(m[name]) {
			continue
		}
		v, err := scalar(m[name])
		if err != nil {
			return nil, fmt.Errorf("requestOverride.path.%s: %w", name, err)
		}
		values[name] = v
	}
	return values, nil
}

// status reads an integer, or one in a string, and 0 for anything that cannot be a final status.
func status(raw json.RawMessage) int {
	text, err := scalar(raw)
	if err != nil {
		return 0
	}
	code, err := strconv.Atoi(text)
	if err != nil || code < 200 || code > maxStatus {
		return 0
	}
	return code
}

// scalar reads a string, number or boolean as text. Raw is a value out of valid JSON, without space around it.
func scalar(raw json.RawMessage) (string, error) {
	switch raw[0] {
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case '{', '[', 'n':
		return "", errors.New("the value is not a string, number or boolean")
	default:
		return string(raw), nil
	}
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }
