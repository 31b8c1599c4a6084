package command

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/stream"
)

// serverSoftware is the product token of SERVER_SOFTWARE (RFC 3875, section 4.1.17).
const serverSoftware = "postern"

// An event is what a Lambda proxy event of either format says of a request.
type event struct {
	Version         string            `json:"version"`
	RouteKey        string            `json:"routeKey"`
	RawPath         string            `json:"rawPath"`
	RawQueryString  string            `json:"rawQueryString"`
	Cookies         []string          `json:"cookies"`
	PathParameters  map[string]string `json:"pathParameters"`
	Headers         map[string]string `json:"headers"`
	Body            *string           `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
	RequestContext  struct {
		DomainName string                     `json:"domainName"`
		Path       string                     `json:"path"`     // 1.0, as the next ones
		Protocol   string                     `json:"protocol"` //
		Stage      string                     `json:"stage"`
		Identity   struct{ SourceIP string }  `json:"identity"`
		Authorizer map[string]json.RawMessage `json:"authorizer"`
		HTTP       struct {
			Method   string `json:"method"`
			Path     string `json:"path"`
			Protocol string `json:"protocol"`
			SourceIP string `json:"sourceIp"`
		} `json:"http"`
	} `json:"requestContext"`

	HTTPMethod        string              `json:"httpMethod"` // 1.0, as the rest
	Path              string              `json:"path"`
	Resource          string              `json:"resource"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	MultiValueQuery   map[string][]string `json:"multiValueQueryStringParameters"`
}

// A request is what a CGI program is told of, the same for both formats of an event.
type request struct {
	method, protocol, client, host, domain string
	path, query                            string // undecoded
	base                                   string // the part of path that is the stage's
	route                                  string // the path of the route as it was written; "$default"
	header                                 map[string]string
	params                                 map[string]string
	principal                              map[string]json.RawMessage // nil without an authorizer
}

// prepareCGI gives the program its environment and the body as its input.
func (c *call) prepareCGI(env []string, in host.Event) error {
	var ev event
	if json.Unmarshal(in.Meta, &ev) != nil || ev.HTTPMethod == "" && ev.RequestContext.HTTP.Method == "" {
		ev = event{} // any JSON, as of a call by name
	}
	body, length := reader(in.Body), in.Length
	r := ev.request()
	switch {
	case r == nil:
		r = &request{method: "POST", protocol: "HTTP/1.1", client: "127.0.0.1", domain: "localhost", path: "/", route: host.DefaultRoute,
			header: map[string]string{"content-type": "application/json"}}
		body, length = bytes.NewReader(in.Meta), int64(len(in.Meta))
	case in.Body == nil && ev.Body != nil: // an event of somebody who called by name
		text, err := ev.body()
		if err != nil {
			return c.fail(host.Invalid, fmt.Errorf("the event's body: %w", err))
		}
		body, length = strings.NewReader(text), int64(len(text))
	}
	c.stream = stream.New(body)
	c.env = overlay(env, r.environ(length))
	c.sink = &cgiSink{call: c, multi: ev.Version != "2.0" && ev.HTTPMethod != ""}
	return nil
}

func (e *event) body() (string, error) {
	if !e.IsBase64Encoded {
		return *e.Body, nil
	}
	b, err := base64.StdEncoding.DecodeString(*e.Body)
	return string(b), err
}

// request reads an event; nil when it is none of a request.
func (e *event) request() *request {
	ctx := &e.RequestContext
	r := &request{header: map[string]string{}, domain: ctx.DomainName, params: e.PathParameters, principal: ctx.Authorizer}
	for name, value := range e.Headers {
		r.header[strings.ToLower(name)] = value
	}
	if ctx.Stage != host.DefaultStage && ctx.Stage != "" {
		r.base = "/" + ctx.Stage
	}
	switch {
	case ctx.HTTP.Method != "":
		r.method, r.protocol, r.client = ctx.HTTP.Method, ctx.HTTP.Protocol, ctx.HTTP.SourceIP
		r.path, r.query = e.RawPath, e.RawQueryString
		_, pattern, _ := strings.Cut(e.RouteKey, " ")
		r.route = pattern
		if len(e.Cookies) > 0 {
			r.header["cookie"] = strings.Join(e.Cookies, "; ")
		}
		var nested map[string]json.RawMessage
		if json.Unmarshal(ctx.Authorizer["lambda"], &nested) == nil {
			r.principal = nested
		}
	case e.HTTPMethod != "":
		r.method, r.protocol, r.client = e.HTTPMethod, ctx.Protocol, ctx.Identity.SourceIP
		if string(ctx.Authorizer["claims"]) == "null" && len(ctx.Authorizer) == 2 { // how format 1.0 says that there is none
			r.principal = nil
		}
		r.path, r.query, r.route = ctx.Path, url.Values(e.MultiValueQuery).Encode(), e.Resource
		for name, values := range e.MultiValueHeaders {
			separator := ","
			if strings.EqualFold(name, "cookie") {
				separator = "; " // RFC 9113, section 8.2.3
			}
			r.header[strings.ToLower(name)] = strings.Join(values, separator)
		}
	default:
		return nil
	}
	if r.route == "" {
		r.route = host.DefaultRoute
	}
	r.host = r.header["host"]
	return r
}

// environ returns the meta-variables of RFC 3875, section 4.1, and those that programs for WAGI know.
func (r *request) environ(length int64) []string {
	script, info := r.split()
	scheme, port := r.server()
	target := r.path
	if r.query != "" {
		target += "?" + r.query
	}
	env := []string{
		"GATEWAY_INTERFACE=CGI/1.1", "SERVER_SOFTWARE=" + serverSoftware,
		"SERVER_PROTOCOL=" + r.protocol, "SERVER_NAME=" + r.domain, "SERVER_PORT=" + port,
		"REQUEST_METHOD=" + r.method, "REQUEST_URI=" + target, "QUERY_STRING=" + r.query,
		"SCRIPT_NAME=" + decoded(script), "PATH_INFO=" + decoded(info), "X_RAW_PATH_INFO=" + info,
		"REMOTE_ADDR=" + r.client, "REMOTE_HOST=" + r.client,
		"X_MATCHED_ROUTE=" + r.route, "X_FULL_URL=" + scheme + "://" + r.authority(scheme, port) + target,
	}
	if scheme == "https" {
		env = append(env, "HTTPS=on")
	}
	if length > 0 {
		env = append(env, "CONTENT_LENGTH="+strconv.FormatInt(length, 10))
	}
	if value := r.header["content-type"]; value != "" {
		env = append(env, "CONTENT_TYPE="+value)
	}
	env = append(env, r.user()...)
	env = append(env, r.fields()...)
	slices.Sort(env)
	return slices.DeleteFunc(env, func(line string) bool { return strings.IndexByte(line, 0) >= 0 })
}

// split divides the path into what leads to the program and what is for it (RFC 3875, sections 4.1.5 and 4.1.13): a route that ends in a greedy
// parameter, as $default does, leaves what that matched to the program.
func (r *request) split() (script, info string) {
	if r.route == host.DefaultRoute {
		if rest, ok := strings.CutPrefix(r.path, r.base); ok {
			return r.base, rest
		}
		return "", r.path
	}
	if !strings.HasSuffix(r.route, "+}") {
		return r.path, ""
	}
	// Parameters are decoded in an event, and paths are not.
	value := r.params[strings.TrimSuffix(r.route[strings.LastIndexByte(r.route, '{')+1:], "+}")]
	for i := len(r.path) - 1; i >= 0; i-- {
		if r.path[i] == '/' && host.Unescape(r.path[i+1:]) == value {
			return r.path[:i], r.path[i:]
		}
	}
	return r.path, ""
}

// decoded undoes percent-encoding, unless there would be a NUL, which ends a line of an environment.
func decoded(path string) string {
	if plain := host.Unescape(path); strings.IndexByte(plain, 0) < 0 {
		return plain
	}
	return path
}

// server returns the scheme and the port by which the client came.
func (r *request) server() (scheme, port string) {
	if scheme = r.header["x-forwarded-proto"]; scheme != "https" {
		scheme = "http"
	}
	if port = r.header["x-forwarded-port"]; port != "" {
		return scheme, port
	}
	if scheme == "https" {
		return scheme, "443"
	}
	return scheme, "80"
}

func (r *request) authority(scheme, port string) string {
	if r.host != "" {
		return r.host
	}
	if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		return r.domain
	}
	return net.JoinHostPort(r.domain, port)
}

// user tells who is calling, where an authorizer said so: by the first of a few names in what it said that holds a text.
func (r *request) user() []string {
	if r.principal == nil {
		return nil
	}
	scheme, _, _ := strings.Cut(r.header["authorization"], " ")
	if !host.IsToken(scheme) {
		scheme = "Custom"
	}
	env := []string{"AUTH_TYPE=" + scheme}
	for _, name := range []string{"principalId", "sub", "user"} {
		var user string
		if json.Unmarshal(r.principal[name], &user) == nil && user != "" {
			return append(env, "REMOTE_USER="+user)
		}
	}
	return env
}

// fields returns the request's header as HTTP_ variables (RFC 3875, section 4.1.18). A name that is not letters, digits and hyphens is left
// out, since another one could look like it; and Proxy is, since HTTP_PROXY means something else to programs that make requests
// (CVE-2016-5385 and its siblings).
func (r *request) fields() []string {
	env := make([]string, 0, len(r.header))
	for name, value := range r.header {
		switch name {
		case "content-type", "content-length", "proxy":
			continue
		}
		if variable, ok := variable(name); ok {
			env = append(env, "HTTP_"+variable+"="+value)
		}
	}
	return env
}

func variable(field string) (string, bool) {
	for i := range len(field) {
		if c := field[i]; ('a' > c || c > 'z') && ('0' > c || c > '9') && c != '-' {
			return "", false
		}
	}
	return strings.ReplaceAll(strings.ToUpper(field), "-", "_"), field != ""
}

// overlay adds the request's variables to the plugin's, and leaves out of these what the request sets.
func overlay(plugin, request []string) []string {
	set := map[string]bool{}
	for _, line := range request {
		name, _, _ := strings.Cut(line, "=")
		set[name] = true
	}
	env := slices.Clone(request)
	for _, line := range plugin {
		if name, _, _ := strings.Cut(line, "="); !set[name] {
			env = append(env, line)
		}
	}
	return env
}
