package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
)

// MaxBody is the most bytes that a body may have: Amazon's payload quota. Bodies are read into memory, since their hash is signed.
const MaxBody = host.DefaultMaxBody

// A Sender sends a request to its Scheme and Host, and returns when the response's head is there. It closes the request's Body; its
// caller closes the response's. It may add header fields, but not change those that are there.
type Sender interface {
	Do(ctx context.Context, req *host.Request) (*host.Response, error)
}

// A Client makes one ServiceCall. It is safe for concurrent use.
type Client struct {
	call      host.ServiceCall
	known     service
	subtype   *subtype     // nil of a rest API's
	uri       *mapping.URI // path, and the query that action or path brings; nil of a subtype
	method    string       // "" is that of the request
	region    string       // "" of a subtype whose parameters name one
	endpoint  *url.URL     // nil is the service's own
	signatory signatory
	sender    Sender
	signer    *v4.Signer
	now       func() time.Time
}

var _ host.Integration = (*Client)(nil)

// NewClient prepares a call; method is that of its requests, "" for that of the request that arrives, and means nothing to a subtype. What
// can never work has Kind Invalid: no credentials or region, an endpoint that is no URL, an action of a service whose actions are not known.
func NewClient(call *host.ServiceCall, method string, sender Sender) (*Client, error) {
	c := &Client{call: *call, method: method, sender: sender, signer: v4.NewSigner(), now: time.Now}
	if err := c.prepare(); err != nil {
		e := &host.Error{Op: "AWS service " + name(call), Kind: host.Invalid, Code: host.APIConfigurationError, Err: err}
		if call.Access != nil {
			e.Pos = call.Access.Pos
		}
		return nil, e
	}
	return c, nil
}

func name(call *host.ServiceCall) string {
	if call.Subtype != "" {
		return call.Subtype
	}
	return call.Service
}

func (c *Client) prepare() (err error) {
	if c.subtype, err = findSubtype(c.call.Subtype); err != nil {
		return err
	}
	access := c.call.Access
	c.call.Access = nil // has the secrets in the open
	if c.signatory, err = newSignatory(access); err != nil {
		return err
	}
	if c.endpoint, err = parseEndpoint(access.Endpoint); err != nil {
		return err
	}
	if c.region = c.call.Region; c.region == "" {
		c.region = access.Region
	}
	switch {
	case c.region == "" && c.subtype == nil:
		return errors.New("no region: write aws: {region: us-east-1}")
	case c.region != "" && !mapping.IsRegion(c.region):
		return fmt.Errorf("%q is no region's name, as us-east-1 is", c.region)
	case c.subtype != nil:
		c.call.Service, c.call.Subdomain = c.subtype.service, ""
		c.known = lookUp(&c.call)
		return nil
	}
	c.known = lookUp(&c.call)
	c.uri, err = c.template()
	return err
}

// template returns path and query of the call's requests.
func (c *Client) template() (*mapping.URI, error) {
	if c.call.Action == "" {
		return mapping.ParsePath("/" + c.wholeKey(c.call.Path))
	}
	if c.known.json == "" && c.known.query == "" {
		return nil, fmt.Errorf("actions of %s are not known: call it by path/", c.call.Service)
	}
	return mapping.ParsePath("/?Action=" + c.call.Action)
}

// wholeKey lets the parameter that ends a path at S3 hold slashes, as keys do. In the place of a bucket it may not.
func (c *Client) wholeKey(path string) string {
	before, end := strings.CutSuffix(path, "}")
	i := strings.LastIndexByte(before, '{')
	bucket := c.call.Subdomain == "" && !strings.Contains(path, "/")
	if c.call.Service != "s3" || !end || i < 0 || i > 0 && before[i-1] == '$' || bucket || strings.HasSuffix(before, "+") {
		return path
	}
	return before + "+}"
}

// parseEndpoint reads a URL for all services; nil is none.
func parseEndpoint(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("the endpoint %q is no http or https URL", text)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the endpoint has more than scheme, host and path")
	}
	if u.Scheme == "http" && u.Port() == "80" || u.Scheme == "https" && u.Port() == "443" { // what is signed has no default port
		u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	}
	u.Path = strings.TrimRight(u.EscapedPath(), "/")
	return u, nil
}

// address fills scheme and host in for a region, and returns what comes before the path there. prefix is a label of the service's own host,
// as "sync-", "" for none.
func (c *Client) address(out *host.Request, region, prefix string) (before string) {
	if c.endpoint == nil {
		out.Scheme, out.Host = "https", prefix+hostOf(&c.call, c.known, region)
		return ""
	}
	out.Scheme, out.Host = c.endpoint.Scheme, c.endpoint.Host
	before = c.endpoint.Path
	if c.call.Service == "s3" && c.call.Subdomain != "" {
		before += "/" + c.call.Subdomain
	}
	return before
}

// Invoke makes the call of a rest API: in.Request has method, header, query and body as mappings and templates made them, in.Path
// what the URI's parameters are. It closes in.Request.Body. The result is what the service answers, whatever its status.
//
// A body over MaxBody has Kind TooLarge, a parameter that is empty or climbs has Kind Invalid, and one that is missing Kind Internal
// and Code APIConfigurationError. Errors of the body and of the Sender come back as they are.
func (c *Client) Invoke(ctx context.Context, in *host.Invocation) (*host.Result, error) {
	if c.uri == nil {
		_ = closeBody(in.Request)
		return nil, &host.Error{Op: "AWS service", Kind: host.Internal, Code: host.APIConfigurationError, Err: errors.New("a subtype is called by its parameters")}
	}
	body, err := readBody(in.Request)
	if err != nil {
		return nil, err
	}
	x := *in.Exchange
	x.Match.Params = nil // the URI's parameters are those that were mapped, never the route's own (reference 1.4, "URI path vars")
	target, err := c.uri.Expand(&x, "", in.Path)
	if err != nil {
		return nil, err
	}
	path, own, _ := strings.Cut(target.Path, "?")
	params := merge(own, in.Request.Query())
	out := &host.Request{Method: in.Request.Method, Header: outbound(in.Request.Header)}
	if c.method != "" {
		out.Method = c.method
	}
	if c.call.Action != "" {
		params = c.act(out, params, body)
	}
	before := c.address(out, c.region, "")
	resp, err := c.send(ctx, c.region, out, before+c.encodePath(path), params, body)
	if err != nil {
		return nil, err
	}
	return &host.Result{Response: resp}, nil
}

// act says in the protocol of the service which action is meant. The gateway's default media type is not one that it goes by.
func (c *Client) act(out *host.Request, params []param, body []byte) []param {
	media, _, _ := strings.Cut(out.Header.Get("Content-Type"), ";")
	unset := media == "" || strings.EqualFold(strings.TrimSpace(media), "application/json")
	if c.known.query != "" {
		if unset && len(body) == 0 {
			out.Header.Set("Content-Type", formType)
		}
		for _, p := range params {
			if p.name == "Version" {
				return params
			}
		}
		return append(params, param{"Version", c.known.query})
	}
	var rest []param
	for _, p := range params {
		if p.name != "Action" {
			rest = append(rest, p)
		} else if !out.Header.Has(targetHeader) {
			out.Header.Set(targetHeader, c.known.target+"."+p.value)
		}
	}
	if unset {
		out.Header.Set("Content-Type", jsonType+c.known.json)
	}
	return rest
}

// send signs a request and sends it. Path is encoded.
func (c *Client) send(ctx context.Context, region string, out *host.Request, path string, params []param, body []byte) (*host.Response, error) {
	out.Target = path
	if len(params) > 0 {
		out.Target += "?" + encodeQuery(params)
	}
	out.Body, out.Length = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if err := c.sign(ctx, region, out, body); err != nil {
		return nil, err
	}
	return c.sender.Do(ctx, out)
}

// readBody reads a request's body, and closes it.
func readBody(r *host.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if closed := closeBody(r); err == nil {
		err = closed
	}
	if err == nil && len(body) > MaxBody {
		err = &host.Error{Op: "AWS service", Kind: host.TooLarge, Err: fmt.Errorf("the body has more than %d bytes", MaxBody)}
	}
	return body, err
}

func closeBody(r *host.Request) error {
	if r.Body == nil {
		return nil
	}
	return r.Body.Close()
}
