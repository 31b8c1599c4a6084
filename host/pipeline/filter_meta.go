package pipeline

import (
	"encoding/json"

	"github.com/postern/postern/host"
)

// A filterMeta is what both halves of a filter get beside the body.
type filterMeta struct {
	Phase          string            `json:"phase"`
	Response       *responseHead     `json:"response,omitempty"`
	Request        requestHead       `json:"request"`
	Context        filterContext     `json:"context"`
	PathParameters map[string]string `json:"pathParameters"` // decoded
	StageVariables map[string]string `json:"stageVariables"`
}

type requestHead struct {
	Method  string  `json:"method"`
	Scheme  string  `json:"scheme"`
	Host    string  `json:"host"`
	Path    string  `json:"path"`
	Query   string  `json:"query"`
	Headers []field `json:"headers"`
	Length  int64   `json:"length"`
	Upgrade string  `json:"upgrade,omitempty"`
}

type responseHead struct {
	Status  int     `json:"statusCode"`
	Headers []field `json:"headers"`
	Length  int64   `json:"length"`
}

type filterContext struct {
	RequestID  string `json:"requestId"`
	APIID      string `json:"apiId"`
	Stage      string `json:"stage"`
	RouteKey   string `json:"routeKey"` // "" where no route matches
	Path       string `json:"path"`     // as it arrived, with stage and base path
	SourceIP   string `json:"sourceIp"`
	Protocol   string `json:"protocol"`
	DomainName string `json:"domainName"`
	TimeEpoch  int64  `json:"timeEpoch"` // milliseconds since 1970
}

// encodeMeta describes a request, whose path below stage and base path stands beside it, and the response in the second half.
func encodeMeta(x *host.Exchange, r *host.Request, path string, resp *host.Response) ([]byte, error) {
	m := &x.Match
	meta := filterMeta{
		Phase: "request",
		Request: requestHead{
			Method: r.Method, Scheme: r.Scheme, Host: r.Host, Path: path, Query: r.Query(), Headers: fieldsOf(r.Header),
			Length: r.Length, Upgrade: r.Upgrade,
		},
		Context: filterContext{
			RequestID: x.ID, APIID: m.API.Name, Stage: m.Stage.Name, Path: r.Path(), SourceIP: r.Peer.Addr.String(),
			Protocol: r.Peer.Protocol, DomainName: m.Domain, TimeEpoch: x.Started.UnixMilli(),
		},
		PathParameters: make(map[string]string, len(m.Params)),
		StageVariables: m.Stage.Variables,
	}
	if m.Route != nil {
		meta.Context.RouteKey = m.Route.Key
	}
	for _, p := range m.Params {
		meta.PathParameters[p.Name] = host.Unescape(p.Value)
	}
	if meta.StageVariables == nil {
		meta.StageVariables = map[string]string{}
	}
	if resp != nil {
		meta.Phase = "response"
		meta.Response = &responseHead{Status: resp.Status, Headers: fieldsOf(resp.Header), Length: resp.Length}
		if resp.Body == nil || resp.Upgrade != nil {
			meta.Response.Length = 0
		}
	}
	return json.Marshal(&meta)
}

func fieldsOf(h host.Header) []field {
	fields := make([]field, len(h))
	for i, f := range h {
		fields[i] = field(f)
	}
	return fields
}
