package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"

	"github.com/postern/postern/host"
)

const maxRedirects = 20 // fetch.spec.whatwg.org, "HTTP-redirect fetch"

// NewFetch makes a fetch; redirect is follow, manual or error. Its error is an *Exception.
func NewFetch(method, url, redirect string) (*Fetch, error) {
	u, err := ParseURL(url, nil)
	if err != nil {
		return nil, typeError("Invalid URL")
	}
	if err := u.fetchable(); err != nil {
		return nil, typeError(err.Error())
	}
	return &Fetch{method: method, url: u, redirect: redirect}, nil
}

// URL is that of the response, without the fragment.
func (j *Fetch) URL() string { return j.url.withoutFragment() }

// Redirected reports whether it is not the one that was asked for.
func (j *Fetch) Redirected() bool { return j.hops > 0 }

// Shown yields the fields of a response that scripts see.
func Shown(h host.Header) iter.Seq[host.Field] {
	return func(yield func(host.Field) bool) {
		for _, f := range h {
			if (!host.IsConnectionField(f.Name) || strings.EqualFold(f.Name, "Content-Length")) && !yield(f) {
				return
			}
		}
	}
}

// FetchFailed is the message of the TypeError that fetch rejects with, for whatever reason.
func FetchFailed(err error) string {
	text := err.Error()
	if host.KindOf(err) == host.Forbidden {
		text += "; list the origin under egress"
	}
	return "fetch failed: " + text
}

// A Fetch is one fetch with its redirects. It runs beside the script.
type Fetch struct {
	method   string
	url      *URL
	Header   host.Header
	Body     []byte
	Stream   io.ReadCloser // the body, where it can be sent but once
	Length   int64         // of Stream; -1 when unknown
	HasBody  bool
	redirect string // follow, manual, error
	hops     int
}

// Run sends it, and follows redirects.
func (j *Fetch) Run(ctx context.Context, fx host.Fetcher) (*host.Response, error) {
	for {
		resp, err := fx.Fetch(ctx, j.request())
		if err != nil {
			return nil, err
		}
		location := resp.Header.Get("Location")
		if !isRedirect(resp.Status) || location == "" || j.redirect == "manual" {
			return resp, nil
		}
		if resp.Body != nil {
			_ = resp.Body.Close()
		}
		if j.redirect == "error" {
			return nil, fmt.Errorf("%s redirects to %s, and redirect is \"error\"", j.url.Href(), location)
		}
		if err := j.follow(resp.Status, location); err != nil {
			return nil, err
		}
	}
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow turns the job to where a redirect leads (fetch.spec.whatwg.org, "HTTP-redirect fetch"): after 303, and after 301
// and 302 to a POST, by GET; credentials stay with their origin.
func (j *Fetch) follow(status int, location string) error {
	if j.hops++; j.hops > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	next, err := ParseURL(location, j.url)
	if err != nil || next.scheme != "http" && next.scheme != "https" {
		return fmt.Errorf("a redirect to %q, which is no HTTP URL", location)
	}
	if next.fragment == nil {
		next.fragment = j.url.fragment
	}
	if j.Stream != nil && status != http.StatusSeeOther {
		return fmt.Errorf("a redirect with %d asks for the body again, which was a stream", status)
	}
	if status == http.StatusSeeOther && j.method != http.MethodGet && j.method != http.MethodHead ||
		(status == http.StatusMovedPermanently || status == http.StatusFound) && j.method == http.MethodPost {
		j.method, j.Body, j.Stream, j.HasBody = http.MethodGet, nil, nil, false
		for _, name := range []string{"Content-Encoding", "Content-Language", "Content-Location", "Content-Type", "Content-Length"} {
			j.Header.Del(name)
		}
	}
	if next.Origin() != j.url.Origin() {
		for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization", "Host"} {
			j.Header.Del(name)
		}
	}
	j.url = next
	return nil
}

func (j *Fetch) request() *host.Request {
	target := j.url.Pathname() + j.url.Search()
	header := j.Header.Clone()
	for _, ours := range []string{"Host", "Content-Length", "Transfer-Encoding", "Connection"} {
		header.Del(ours)
	}
	if !header.Has("Accept") {
		header.Add("accept", "*/*")
	}
	r := &host.Request{Method: j.method, Scheme: j.url.scheme, Host: j.url.Hostport(), Target: target, Header: header,
		Body: http.NoBody, Length: 0}
	switch {
	case j.Stream != nil:
		r.Body, r.Length = j.Stream, j.Length
	case j.HasBody:
		r.Body, r.Length = io.NopCloser(bytes.NewReader(j.Body)), int64(len(j.Body))
	}
	return r
}

func (u *URL) withoutFragment() string {
	plain := *u
	plain.fragment = nil
	return plain.Href()
}

func (u *URL) fetchable() error {
	if u.scheme != "http" && u.scheme != "https" {
		return errNotHTTP
	}
	if u.username != "" || u.password != "" {
		return errors.New("a URL with a user name or password cannot be fetched; send an Authorization header")
	}
	return nil
}

var errNotHTTP = errors.New("fetch is for http and https")
