package native

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/stream"
)

// A fetch is a response that a guest has open.
type fetch struct {
	meta []byte
	held int64         // bytes that are charged for it
	body io.ReadCloser // nil for none
	err  error
}

type fetchRequest struct {
	Method  string      `json:"method"`
	URL     string      `json:"url"`
	Headers [][2]string `json:"headers"`
}

type fetchResponse struct {
	Status  int         `json:"status"`
	Headers [][2]string `json:"headers"`
}

// open makes a request and returns its handle, which is above zero, or a negative result.
func (c *call) open(ctx context.Context, meta, body []byte) int32 {
	r, err := newRequest(meta, body)
	if err != nil {
		return c.refuse(resultInvalid, err.Error())
	}
	place := slices.Index(c.fetches, nil)
	if place < 0 && len(c.fetches) == maxFetches {
		return c.refuse(resultBusy, fmt.Sprintf("%d responses are open; close one first", maxFetches))
	}
	begun := time.Now()
	res, err := c.fx.Fetch(ctx, r)
	c.hostTime(begun)
	if err != nil {
		return c.refuse(fetchResult(err), err.Error())
	}
	f := &fetch{body: res.Body}
	head := fetchResponse{Status: res.Status, Headers: make([][2]string, len(res.Header))}
	for i, field := range res.Header {
		head.Headers[i] = [2]string{field.Name, field.Value}
	}
	if f.meta, err = json.Marshal(head); err != nil {
		return c.refuse(resultFailed, err.Error())
	}
	if place < 0 {
		place = len(c.fetches)
		c.fetches = append(c.fetches, nil)
	}
	c.fetches[place] = f
	return int32(place + 1)
}

// newRequest decodes strictly, since a guest that misspells a key should hear of it.
func newRequest(meta, body []byte) (*host.Request, error) {
	dec := json.NewDecoder(bytes.NewReader(meta))
	dec.DisallowUnknownFields()
	var in fetchRequest
	if err := dec.Decode(&in); err != nil {
		return nil, fmt.Errorf("the request's meta: %w", err)
	}
	u, err := url.Parse(in.URL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("the url must be http://host… or https://host…, without a user: %q", in.URL)
	}
	r := &host.Request{Method: in.Method, Scheme: u.Scheme, Host: u.Host, Target: u.RequestURI(),
		Body: io.NopCloser(bytes.NewReader(bytes.Clone(body))), Length: int64(len(body))}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	for _, h := range in.Headers {
		r.Header.Add(h[0], h[1])
	}
	return r, nil
}

func fetchResult(err error) int32 {
	switch {
	case errors.Is(err, host.Forbidden):
		return resultDenied
	case errors.Is(err, host.Timeout), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return resultTimeout
	case errors.Is(err, host.Invalid):
		return resultInvalid
	case errors.Is(err, host.TooLarge):
		return resultTooLarge
	}
	return resultFailed
}

// fetchOf returns an open response, or nil and the reason.
func (c *call) fetchOf(handle uint64) *fetch {
	i := int(int32(handle)) - 1
	if i < 0 || i >= len(c.fetches) || c.fetches[i] == nil {
		c.reason = fmt.Sprintf("there is no open response %d", i+1)
		return nil
	}
	return c.fetches[i]
}

func (c *call) readFetch(f *fetch, p []byte) int32 {
	if f.err == nil && f.body != nil {
		begun := time.Now()
		n, err := stream.ReadSome(f.body, p)
		c.hostTime(begun)
		f.err = err
		if n > 0 {
			c.moved++
			return int32(n)
		}
	}
	if f.err == nil || f.err == io.EOF {
		return 0
	}
	return c.refuse(fetchResult(f.err), f.err.Error())
}

func (c *call) closeFetch(i int) {
	if f := c.fetches[i]; f != nil && f.body != nil {
		_ = f.body.Close() // the guest has what it wanted
	}
	c.fetches[i] = nil
}
