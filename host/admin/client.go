package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

// ClientOptions are how a client speaks to a host. The zero value speaks without a token.
type ClientOptions struct {
	Token     string        // for Authorization: Bearer; "" for none
	CA        []byte        // PEM certificates of the authority that signed the host's; nil for those that this machine trusts
	Timeout   time.Duration // until an answer is there, where a host has nothing long to do; 0 is DefaultClientTimeout
	UserAgent string        // "" is "postern"
}

// DefaultClientTimeout is how long a client waits for what a host can answer at once. Changes, uploads and streams may take as
// long as their context.
const DefaultClientTimeout = 30 * time.Second

// maxAnswer bounds what a client keeps of one answer, in bytes: a page of resources, or a function's result.
const maxAnswer = 64 << 20

// A Client changes and reads a host through its admin API. Every error of its methods is a *host.Error: with the Kind that the host
// told; Unavailable where the host cannot be reached; BadGateway where what answers is no Postern; Timeout. What is wrong with
// a definition is a definition.Errors in its chain, and what the host said a *Problem. It is safe for concurrent use.
type Client struct {
	base string // without a slash at its end
	opts ClientOptions
	http *http.Client
}

// NewClient returns a client of the host whose admin API is at address, as http://127.0.0.1:8090. Nothing is sent yet. An address
// or a CA that cannot be used has Kind Invalid.
func NewClient(address string, opts ClientOptions) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, &host.Error{Kind: host.Invalid, Err: fmt.Errorf("%q is no address of an admin API such as http://127.0.0.1:8090", address)}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if opts.CA != nil {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(opts.CA) {
			return nil, &host.Error{Kind: host.Invalid, Err: errors.New("the CA file holds no certificate in PEM")}
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultClientTimeout
	}
	if opts.UserAgent == "" {
		opts.UserAgent = "postern"
	}
	// A redirect is never followed: it would take the token elsewhere, and no admin API sends one.
	last := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{base: strings.TrimRight(address, "/"), opts: opts, http: &http.Client{Transport: transport, CheckRedirect: last}}, nil
}

// URL is the address that the client was made for, without a slash at its end.
func (c *Client) URL() string { return c.base }

// Close gives back connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// A clientRequest is one request to the admin API.
type clientRequest struct {
	method string
	path   string // escaped; see clientPath
	query  url.Values
	header http.Header
	body   io.Reader // nil for none
	length int64     // of body; -1 when unknown
	long   bool      // may take as long as its context
}

// clientPath joins the segments of a path. A name that no path can hold has Kind Invalid.
func clientPath(segments ...string) (string, error) {
	var b strings.Builder
	for _, s := range segments {
		if s == "" || s == "." || s == ".." {
			return "", &host.Error{Kind: host.Invalid, Err: fmt.Errorf("%q is no name", s)}
		}
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String(), nil
}

// do sends a request and returns the answer, if it is one of a Postern that tells no failure. The caller closes its body.
func (c *Client) do(ctx context.Context, r clientRequest) (*http.Response, error) {
	stop := context.CancelFunc(func() {})
	if !r.long {
		ctx, stop = context.WithTimeoutCause(ctx, c.opts.Timeout, errClientTimeout)
	}
	address := c.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, r.body)
	if err != nil {
		stop()
		return nil, &host.Error{Kind: host.Invalid, Err: err}
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	if r.body != nil {
		req.ContentLength = r.length
	}
	if c.opts.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.opts.Token)
	}
	req.Header.Set("User-Agent", c.opts.UserAgent)
	resp, err := c.http.Do(req)
	if err != nil {
		defer stop()
		return nil, c.unreachable(ctx, err)
	}
	resp.Body = &clientBody{resp.Body, stop}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, c.refused(ctx, resp)
	}
	return resp, nil
}

// A clientBody ends the request's time with the body.
type clientBody struct {
	io.ReadCloser
	stop context.CancelFunc
}

func (b *clientBody) Close() error {
	defer b.stop()
	return b.ReadCloser.Close()
}

var errClientTimeout = errors.New("no answer in time")

// decode reads an answer in JSON.
func (c *Client) decode(ctx context.Context, resp *http.Response, out any) error {
	if media(resp) != "application/json" {
		return c.stranger(ctx, resp)
	}
	data, err := c.readAnswer(ctx, resp)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, out); err != nil {
		return &host.Error{Kind: host.BadGateway, Err: fmt.Errorf("%s answered what cannot be read: %w", c.base, err)}
	}
	return nil
}

func (c *Client) readAnswer(ctx context.Context, resp *http.Response) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, c.broken(ctx, err)
	}
	if len(data) > maxAnswer {
		return nil, &host.Error{Kind: host.TooLarge, Err: fmt.Errorf("%s answered more than %d MiB", c.base, maxAnswer>>20)}
	}
	return data, nil
}

func media(resp *http.Response) string {
	name, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return name
}

// clientGet reads one resource.
func clientGet[T any](ctx context.Context, c *Client, query url.Values, segments ...string) (T, error) {
	var out T
	path, err := clientPath(segments...)
	if err != nil {
		return out, err
	}
	resp, err := c.do(ctx, clientRequest{method: http.MethodGet, path: path, query: query, header: accept("application/json")})
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	return out, c.decode(ctx, resp, &out)
}

func accept(types string) http.Header { return http.Header{"Accept": {types}} }

// jsonBody makes a request's body of a value.
func jsonBody(r *clientRequest, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return &host.Error{Op: "encode the request", Kind: host.Invalid, Err: err}
	}
	r.body, r.length = bytes.NewReader(data), int64(len(data))
	r.header.Set("Content-Type", "application/json")
	return nil
}

// reachability says in a few words why nothing answers.
func reachability(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		return dns.Error()
	case errors.As(err, &op):
		return op.Err.Error()
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err.Error()
	}
	return err.Error()
}
