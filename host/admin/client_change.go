package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/postern/postern/host"
)

// A Write says how a change is made. The zero value makes it at once and waits for nothing.
//
// A change that was waited for and does not serve as it should returns, beside its result, a *NotLive in the error's chain. When
// the time to wait is over, the error has Kind Timeout, and its Problem says Kept.
type Write struct {
	Message  string        // for histories
	DryRun   bool          // everything is checked, and nothing written
	Force    bool          // also what a project owns
	Revision uint64        // the resource's, that the change was made for; 0 for any. Another one has Kind Conflict
	Wait     time.Duration // for the host to serve it; 0 does not wait
	Progress func(string)  // told what takes long, in a few words; nil for none
}

func (w Write) query() url.Values {
	q := url.Values{}
	if w.Message != "" {
		q.Set("message", w.Message)
	}
	if w.DryRun {
		q.Set("dryRun", "true")
	}
	if w.Force {
		q.Set("force", "true")
	}
	if w.Wait > 0 && !w.DryRun {
		q.Set("wait", w.Wait.String())
	}
	return q
}

func (w Write) header() http.Header {
	h := accept(TypeNDJSON + ", application/json")
	if w.Revision > 0 {
		h.Set("If-Match", ETag(w.Revision))
	}
	return h
}

// clientSend makes a change. body is its JSON, nil for none; out is what it answers.
func clientSend[T any](ctx context.Context, c *Client, method string, body any, w Write, segments ...string) (T, error) {
	r := clientRequest{method: method, query: w.query(), header: w.header(), long: true}
	if body != nil {
		if err := jsonBody(&r, body); err != nil {
			var none T
			return none, err
		}
	}
	return clientChange[T](ctx, c, r, w, segments...)
}

// clientChange sends a change whose body is settled.
func clientChange[T any](ctx context.Context, c *Client, r clientRequest, w Write, segments ...string) (T, error) {
	var out T
	var err error
	if r.path, err = clientPath(segments...); err != nil {
		return out, err
	}
	resp, err := c.do(ctx, r)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return out, nil
	}
	var data json.RawMessage
	if media(resp) == TypeNDJSON {
		data, err = c.lastLine(ctx, resp.Body, w.Progress)
	} else {
		err = c.decode(ctx, resp, &data)
	}
	if err != nil || len(data) == 0 {
		return out, err
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, &host.Error{Kind: host.BadGateway, Err: err}
	}
	return out, notLive(data, w)
}

// notLive looks for parts that do not serve, in the answer of a change that was waited for.
func notLive(data []byte, w Write) error {
	if w.Wait <= 0 || w.DryRun {
		return nil
	}
	var waited Waited
	if err := json.Unmarshal(data, &waited); err != nil || len(waited.Parts) == 0 {
		return nil // an answer that has no such member is of something that serves nothing
	}
	return &host.Error{Kind: host.Internal, Err: &NotLive{waited.Parts}}
}

// lastLine reads lines of progress up to the result.
func (c *Client) lastLine(ctx context.Context, body io.Reader, progress func(string)) (json.RawMessage, error) {
	decoder := json.NewDecoder(body)
	for {
		var line ProgressLine
		err := decoder.Decode(&line)
		switch {
		case errors.Is(err, io.EOF):
			return nil, &host.Error{Kind: host.Unavailable, Err: errors.New("the host's answer broke off before its result: the change may have been made, or not; look, and try again")}
		case err != nil:
			return nil, c.broken(ctx, err)
		case line.Error != nil:
			return nil, line.Error.hostError()
		case line.Result != nil:
			return line.Result, nil
		case progress != nil:
			progress(line.Progress)
		}
	}
}

// clientDelete deletes a resource.
func clientDelete(ctx context.Context, c *Client, w Write, segments ...string) error {
	_, err := clientSend[json.RawMessage](ctx, c, http.MethodDelete, nil, w, segments...)
	return err
}

// clientPage is the query of a page of a list.
func clientPage(query url.Values, limit int, after string) url.Values {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	for name, values := range query {
		q[name] = values
	}
	if after != "" {
		q.Set("after", after)
	}
	return q
}
