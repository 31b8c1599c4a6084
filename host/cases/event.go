package cases

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/lambda"
)

// RequestID is that of every call of a case which sets none.
const RequestID = "00000000-0000-4000-8000-000000000001"

// An object is JSON that is filled in.
type object map[string]any

// fill sets what is not there.
func (o object) fill(key string, value any) {
	if _, ok := o[key]; !ok {
		o[key] = value
	}
}

// inner returns an object within, which is made where it is not there. Where something else stands, what is filled in is lost.
func (o object) inner(key string) object {
	o.fill(key, map[string]any{})
	if m, ok := o[key].(map[string]any); ok {
		return m
	}
	return object{}
}

func (o object) text(key string) string {
	s, _ := o[key].(string)
	return s
}

// meta is what a call gets: its event, with what its contract says is there filled in.
func (one *call) meta(entry string, now time.Time, body int64) ([]byte, error) {
	var value any = map[string]any{}
	if one.event != nil {
		if err := json.Unmarshal(one.event.data, &value); err != nil {
			return nil, err
		}
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return one.event.data, nil
	}
	o := object(fields)
	switch entry {
	case host.EntryHandle:
		if one.event != nil && !isProxyEvent(o) {
			return one.event.data, nil // any JSON, as of a call by name
		}
		proxyEvent(o, now)
	case host.EntryAuthorize:
		if o.text("version") == lambda.Format1 || o.text("type") == "TOKEN" {
			return one.event.data, nil
		}
		authorizerEvent(o, now)
	case host.EntryMapRequest, host.EntryMapResponse:
		mappingMeta(o, entry)
	case host.EntryFilterRequest, host.EntryFilterResponse:
		filterMeta(o, entry, now, body)
	}
	return json.Marshal(o)
}

// isProxyEvent reports whether an event is a request in format 2.0, and may be filled in.
func isProxyEvent(o object) bool {
	if version, ok := o["version"]; ok {
		return version == lambda.Format2
	}
	return slices.ContainsFunc([]string{"rawPath", "routeKey", "requestContext"}, func(key string) bool { _, ok := o[key]; return ok })
}

// proxyEvent fills in format 2.0 (API Gateway developer guide, "Payload format structure").
func proxyEvent(o object, now time.Time) {
	o.fill("version", lambda.Format2)
	o.fill("routeKey", host.DefaultRoute)
	o.fill("rawPath", "/")
	query(o)
	o.fill("headers", map[string]any{})
	c := o.inner("requestContext")
	c.fill("accountId", lambda.AccountID)
	c.fill("apiId", "case")
	c.fill("domainName", "case.execute-api.localhost")
	c.fill("domainPrefix", "case")
	c.fill("requestId", RequestID)
	c.fill("routeKey", o["routeKey"])
	c.fill("stage", host.DefaultStage)
	c.fill("time", now.UTC().Format("02/Jan/2006:15:04:05 -0700"))
	c.fill("timeEpoch", now.UnixMilli())
	h := c.inner("http")
	method, _, found := strings.Cut(o.text("routeKey"), " ")
	if !found || method == "ANY" {
		method = "GET"
	}
	h.fill("method", method)
	h.fill("path", o["rawPath"])
	h.fill("protocol", "HTTP/1.1")
	h.fill("sourceIp", "127.0.0.1")
	headers, _ := o["headers"].(map[string]any)
	h.fill("userAgent", object(headers).text("user-agent"))
}

// query makes the raw query of the parameters, or the parameters of the raw one.
func query(o object) {
	raw, isText := o["rawQueryString"].(string)
	params, isMap := o["queryStringParameters"].(map[string]any)
	switch {
	case isText && raw != "" && params == nil:
		values, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		params = map[string]any{}
		for name, list := range values {
			params[name] = strings.Join(list, ",")
		}
		o["queryStringParameters"] = params
	case isMap && !isText:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(params)) {
			value, _ := params[name].(string)
			parts = append(parts, url.QueryEscape(name)+"="+url.QueryEscape(value))
		}
		o["rawQueryString"] = strings.Join(parts, "&")
	default:
		o.fill("rawQueryString", "")
	}
}

func authorizerEvent(o object, now time.Time) {
	o.fill("type", "REQUEST")
	proxyEvent(o, now)
	headers, _ := o["headers"].(map[string]any)
	if token, ok := headers["authorization"]; ok {
		o.fill("identitySource", []any{token})
	}
	h := o.inner("requestContext").inner("http")
	o.fill("routeArn", "arn:postern:execute-api:local:"+lambda.AccountID+":case/"+host.DefaultStage+"/"+h.text("method")+o.text("rawPath"))
}

func mappingMeta(o object, entry string) {
	params := o.inner("params")
	for _, key := range []string{"path", "querystring", "header"} {
		params.fill(key, map[string]any{})
	}
	o.inner("context").fill("requestId", RequestID)
	o.fill("stageVariables", map[string]any{})
	if entry == host.EntryMapResponse {
		response := o.inner("response")
		response.fill("status", 200)
		response.fill("headers", map[string]any{})
	}
}

// filterMeta fills in a filter's meta (spec/contracts.md, "Filter").
func filterMeta(o object, entry string, now time.Time, body int64) {
	r := o.inner("request")
	r.fill("method", "GET")
	r.fill("scheme", "https")
	r.fill("host", "case.execute-api.localhost")
	r.fill("path", "/")
	r.fill("query", "")
	r.fill("headers", []any{})
	if entry == host.EntryFilterRequest {
		o.fill("phase", "request")
		r.fill("length", body)
	} else {
		o.fill("phase", "response")
		r.fill("length", 0)
		response := o.inner("response")
		response.fill("statusCode", 200)
		response.fill("headers", []any{})
		response.fill("length", body)
	}
	c := o.inner("context")
	c.fill("requestId", RequestID)
	c.fill("apiId", "case")
	c.fill("stage", host.DefaultStage)
	c.fill("routeKey", host.DefaultRoute)
	c.fill("path", r["path"])
	c.fill("sourceIp", "127.0.0.1")
	c.fill("protocol", "HTTP/1.1")
	c.fill("domainName", "case.execute-api.localhost")
	c.fill("timeEpoch", now.UnixMilli())
	o.fill("pathParameters", map[string]any{})
	o.fill("stageVariables", map[string]any{})
}
