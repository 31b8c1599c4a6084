package admin

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

// text gives a request a body.
func (r *clientRequest) text(s string) { r.body, r.length = strings.NewReader(s), int64(len(s)) }

// HasBlob reports whether the host has a content.
func (c *Client) HasBlob(ctx context.Context, digest string) (bool, error) {
	path, err := clientPath("v1", "blobs", digest)
	if err != nil {
		return false, err
	}
	resp, err := c.do(ctx, clientRequest{method: http.MethodHead, path: path})
	switch {
	case errors.Is(err, host.NotFound):
		return false, nil
	case errors.Is(err, host.Unauthenticated), errors.Is(err, host.Forbidden):
		resp, err = c.do(ctx, clientRequest{method: http.MethodGet, path: path, header: accept("application/json")}) // the answer to HEAD could not say why
	}
	if err != nil {
		return false, err
	}
	return true, resp.Body.Close()
}

// SaveBlob sends a content, unless the host has it: sent is false then. progress is told how many bytes have gone; nil for nobody.
func (c *Client) SaveBlob(ctx context.Context, digest string, content io.Reader, size int64, progress func(done int64)) (sent bool, err error) {
	if has, err := c.HasBlob(ctx, digest); has || err != nil {
		return false, err
	}
	path, err := clientPath("v1", "blobs", digest)
	if err != nil {
		return false, err
	}
	resp, err := c.do(ctx, clientRequest{method: http.MethodPut, path: path, header: http.Header{"Content-Type": {TypeOctets}},
		body: &countedReader{Reader: content, tell: progress}, length: size, long: true})
	if err != nil {
		return false, err
	}
	return true, resp.Body.Close()
}

// A countedReader tells how much of it was read.
type countedReader struct {
	io.Reader
	done int64
	tell func(int64)
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.done += int64(n)
	if r.tell != nil && n > 0 {
		r.tell(r.done)
	}
	return n, err
}

// OpenBlob reads a content. What it must be is for the reader to check.
func (c *Client) OpenBlob(ctx context.Context, digest string) (io.ReadCloser, error) {
	if _, err := hex.DecodeString(digest); err != nil {
		return nil, &host.Error{Kind: host.Invalid, Err: err}
	}
	return c.open(ctx, clientRequest{method: http.MethodGet, long: true}, "v1", "blobs", digest)
}

// Backup reads everything that the host keeps, as a tar.gz. A stream that breaks off ends with an error.
func (c *Client) Backup(ctx context.Context) (io.ReadCloser, error) {
	return c.open(ctx, clientRequest{method: http.MethodGet, long: true}, "v1", "backup")
}

// Restore gives an empty host what a backup holds; size is its length, or -1. done is told how many bytes have gone; nil for nobody.
func (c *Client) Restore(ctx context.Context, backup io.Reader, size int64, withoutSecrets bool, done func(int64), w Write) (Restored, error) {
	r := clientRequest{method: http.MethodPost, query: w.query(), header: w.header(), long: true, body: &countedReader{Reader: backup, tell: done}, length: size}
	r.header.Set("Content-Type", "application/gzip")
	if withoutSecrets {
		r.query.Set("withoutSecrets", "true")
	}
	return clientChange[Restored](ctx, c, r, w, "v1", "restore")
}

// Health asks whether the host is there, and returns the time on its clock, which may be unknown.
func (c *Client) Health(ctx context.Context) (clock time.Time, err error) {
	resp, err := c.do(ctx, clientRequest{method: http.MethodGet, path: "/healthz"})
	if err != nil {
		return clock, err
	}
	defer resp.Body.Close()
	var out struct{ Status string }
	if err := c.decode(ctx, resp, &out); err != nil {
		return clock, err
	}
	clock, _ = http.ParseTime(resp.Header.Get("Date")) // a proxy may leave it out
	return clock, nil
}

func (c *Client) open(ctx context.Context, r clientRequest, segments ...string) (io.ReadCloser, error) {
	path, err := clientPath(segments...)
	if err != nil {
		return nil, err
	}
	r.path = path
	resp, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// Logs yields the lines that fit, until ctx ends, or at once when the filter does not follow. The last element carries the error
// that ended it, if one did.
func (c *Client) Logs(ctx context.Context, filter LogFilter) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		body, err := c.open(ctx, clientRequest{method: http.MethodGet, query: filter.query(), header: accept(TypeNDJSON), long: true}, "v1", "logs")
		if err != nil {
			yield(LogLine{}, err)
			return
		}
		defer body.Close()
		decoder := json.NewDecoder(body)
		for {
			var line LogLine
			err := decoder.Decode(&line)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(line, c.broken(ctx, err))
				return
			}
			if !yield(line, nil) {
				return
			}
		}
	}
}

// query is the filter as /v1/logs takes it.
func (f LogFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"api": f.API, "stage": f.Stage, "route": f.Route, "function": f.Function, "status": f.Status, "level": f.Level} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Last > 0 {
		q.Set("last", strconv.Itoa(f.Last))
	}
	if f.Follow {
		q.Set("follow", "true")
	}
	return q
}
