package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"

	"github.com/postern/postern/host"
)

// roundTrip is one attempt on any transport.
func roundTrip(ctx context.Context, t *http.Transport, a *attempt) (*host.Response, error) {
	req := a.req
	u, err := targetURL(req)
	if err != nil {
		return nil, failed(req, host.Invalid, CauseInvalidRequest, err)
	}
	if a.lane != "" {
		u.Host = a.lane
	}
	out := http.Request{
		Method:     req.Method,
		URL:        u,
		ProtoMajor: 1, // without which net/http waits for no 100
		ProtoMinor: 1,
		Body:       http.NoBody,
		Host:       cmp.Or(req.Authority, req.Host),
	}
	if !httpguts.ValidHostHeader(out.Host) {
		return nil, failed(req, host.Invalid, CauseInvalidRequest, fmt.Errorf("%q cannot be sent as the field Host", out.Host))
	}
	out.Header = requestHeader(req, &out)
	if a.body != nil {
		out.Body, out.ContentLength = a.body, req.Length
		if out.Trailer != nil {
			out.Body = &trailedBody{requestBody: a.body, from: req.Trailer, trailer: out.Trailer}
		}
	}
	watched := a.watch(ctx)
	var upgrade *handshake
	if req.Upgrade == host.UpgradeWebSocket && req.Scheme != schemeH2C { // there, it is a GET like any other
		upgrade = newHandshake(out.Header)
		watched = upgrade.watch(watched)
	}
	res, err := t.RoundTrip(out.WithContext(watched))
	if a.unasked.Load() {
		return a.another(ctx, t, res)
	}
	if err != nil && a.body != nil && a.body.lost.Load() { // what the body and the context say is the end of their reading
		return nil, failed(req, host.BadGateway, CauseClosed, errors.New("the upstream closed the connection before the request's end"))
	}
	if err != nil {
		return nil, classify(ctx, req, err)
	}
	if err := malformed(res, upgrade != nil); err != nil {
		_ = res.Body.Close()
		return nil, failed(req, host.BadGateway, CauseMalformed, err)
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		return upgrade.switched(a, res)
	}
	return convert(ctx, a, res), nil
}

// another sends a request again that met a connection which the answer to another one had spoiled, where that is safe.
func (a *attempt) another(ctx context.Context, t *http.Transport, res *http.Response) (*host.Response, error) {
	if res != nil {
		_ = res.Body.Close()
	}
	if a.body == nil && idempotent(a.req.Method) && !a.spoiled {
		a.spoiled = true
		a.unasked.Store(false)
		return roundTrip(ctx, t, a)
	}
	return nil, failed(a.req, host.BadGateway, CauseMalformed, errors.New("the upstream answered before it was asked"))
}

// targetURL makes the URL whose request target is req.Target, byte for byte.
func targetURL(req *host.Request) (*url.URL, error) {
	if req.Scheme != "http" && req.Scheme != "https" && req.Scheme != schemeH2C {
		return nil, fmt.Errorf("scheme %q is none of http, https and h2c", req.Scheme)
	}
	if req.Host == "" || strings.ContainsAny(req.Host, "/?#@\\ \t\r\n\x00") {
		return nil, fmt.Errorf("host %q is not a host", req.Host)
	}
	t := req.Target
	if t != "*" && !strings.HasPrefix(t, "/") {
		return nil, fmt.Errorf("target %q does not start with /", t)
	}
	for i := range len(t) {
		if t[i] <= ' ' || t[i] == 0x7f {
			return nil, fmt.Errorf("target %q has a space or control character", t)
		}
	}
	u := &url.URL{Scheme: req.Scheme, Host: req.Host}
	if req.Scheme == schemeH2C {
		u.Scheme = "http" // to net/http, what is spoken is the transport's
	}
	path, query, hasQuery := strings.Cut(t, "?")
	u.RawQuery, u.ForceQuery = query, hasQuery && query == ""
	if !strings.HasPrefix(path, "//") {
		u.Opaque = path
		return u, nil
	}
	// An Opaque with two slashes would be sent as an absolute form; so is a path that does not decode.
	decoded, err := url.PathUnescape(path)
	if err != nil {
		u.Opaque = "//" + req.Host + path
		return u, nil
	}
	u.Path, u.RawPath = decoded, path
	return u, nil
}

// requestHeader converts. Length, Host and transfer coding are the transport's; the announced trailers go to out.Trailer.
func requestHeader(req *host.Request, out *http.Request) http.Header {
	h := make(http.Header, len(req.Header)+1)
	values := make([]string, len(req.Header))
	for i, f := range req.Header {
		name := http.CanonicalHeaderKey(f.Name)
		switch name {
		case "Content-Length", "Host", "Transfer-Encoding":
			continue
		case "Trailer":
			if req.Trailer != nil && req.Length < 0 {
				announce(out, f.Value)
			}
			continue
		}
		if prior, ok := h[name]; ok {
			h[name] = append(prior, f.Value)
			continue
		}
		values[i] = f.Value
		h[name] = values[i : i+1 : i+1]
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = nil // net/http would name itself
	}
	return h
}

// announce names the trailers that there will be, but for fields that may be none (RFC 9110, section 6.5.1): with one of those
// net/http sends no request at all, and its error would be taken for the upstream's.
func announce(out *http.Request, names string) {
	if out.Trailer == nil {
		out.Trailer = http.Header{}
	}
	for name := range strings.SplitSeq(names, ",") {
		if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); name != "" && httpguts.ValidTrailerHeader(name) {
			out.Trailer[name] = nil
		}
	}
}

// A trailedBody hands the trailers over when the body is at its end.
type trailedBody struct {
	*requestBody
	from    func() host.Header
	trailer http.Header
}

// Read implements io.Reader.
func (b *trailedBody) Read(p []byte) (int, error) {
	n, err := b.requestBody.Read(p)
	if err == io.EOF {
		for _, f := range b.from() {
			name := http.CanonicalHeaderKey(f.Name)
			if _, announced := b.trailer[name]; announced {
				b.trailer[name] = append(b.trailer[name], f.Value)
			}
		}
	}
	return n, err
}

// A response is a host.Response with its body.
type response struct {
	out     host.Response
	res     *http.Response
	attempt *attempt
	ctx     context.Context // of the exchange that this body is half of, not of a later call
	closing sync.Once
}

func convert(ctx context.Context, a *attempt, res *http.Response) *host.Response {
	r := &response{res: res, attempt: a, ctx: ctx}
	r.out.Status = res.StatusCode
	r.out.Length = res.ContentLength
	r.out.Header = responseHeader(res)
	if res.Body == http.NoBody {
		a.body.refuse()
		r.over()
		return &r.out
	}
	r.out.Body = r
	if len(res.Trailer) > 0 || res.ContentLength < 0 || res.ProtoMajor > 1 {
		r.out.Trailer = r.trailer
	}
	return &r.out
}

// malformed is what makes the head of an answer unfit to be sent on, though net/http takes it; nil when it is fit.
func malformed(res *http.Response, upgrades bool) error {
	switch name := badField(res.Header); {
	case name != "":
		return fmt.Errorf("the upstream's field %q is malformed", name)
	case res.StatusCode > 599: // RFC 9110, 15: invalid, and as a server's failure to its client
		return fmt.Errorf("the upstream answered with %d, which is no status of HTTP", res.StatusCode)
	case res.StatusCode == http.StatusSwitchingProtocols && !upgrades:
		return errors.New("the upstream switched protocols unasked")
	}
	return nil
}

// badField returns the name of a field that cannot be sent on: net/http takes names with spaces, and passes on any value.
func badField(h http.Header) string {
	for name, values := range h {
		if !host.IsToken(name) {
			return name
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return name
			}
		}
	}
	return ""
}

func responseHeader(res *http.Response) host.Header {
	n := 1
	for _, values := range res.Header {
		n += len(values)
	}
	h := make(host.Header, 0, n)
	for name, values := range res.Header {
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Te", "Transfer-Encoding", "Upgrade":
			continue
		}
		for _, v := range values {
			h = append(h, host.Field{Name: name, Value: v})
		}
	}
	for _, v := range res.Header["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	if len(res.Trailer) > 0 { // the transport took the field out
		names := make([]string, 0, len(res.Trailer))
		for name := range res.Trailer {
			names = append(names, name)
		}
		h.Add("Trailer", strings.Join(names, ", "))
	}
	return h
}

// Read implements io.Reader. A body that ends early is an error, never an EOF.
func (r *response) Read(p []byte) (int, error) {
	n, err := r.res.Body.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	if ended := contextFailure(r.ctx, r.attempt.req); ended != nil {
		return n, ended
	}
	return n, failed(r.attempt.req, host.BadGateway, CauseCutOff, fmt.Errorf("the response was cut off: %w", err))
}

// Close implements io.Closer. It ends what is left of the request too.
func (r *response) Close() error {
	err := r.res.Body.Close()
	r.over()
	r.attempt.finish()
	return err
}

func (r *response) over() {
	if r.attempt.end != nil {
		r.closing.Do(r.attempt.end)
	}
}

func (r *response) trailer() host.Header {
	var h host.Header
	for name, values := range r.res.Trailer {
		if badField(http.Header{name: values}) != "" {
			continue // it is too late for an error
		}
		for _, v := range values {
			h.Add(name, v)
		}
	}
	return h
}
