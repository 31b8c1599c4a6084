package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/postern/postern/host"
)

// A bodyLimit is the limit phase: it refuses a body that is announced as too large, and cuts one that turns
// out to be while it is read. 0 is no limit.
type bodyLimit struct{ max host.Setting[int64] }

// Handle refuses at once where the length is known.
func (l *bodyLimit) Handle(_ context.Context, x *host.Exchange) (host.Second, error) {
	r := x.Request
	switch {
	case l.max.Value <= 0:
	case r.Length > l.max.Value:
		return nil, l.exceeded()
	case r.Length < 0:
		r.Body = &limitedBody{ReadCloser: r.Body, left: l.max.Value, limit: l}
	}
	return nil, nil
}

func (l *bodyLimit) exceeded() error {
	return &host.Error{Op: "read the request's body", Kind: host.TooLarge, Code: host.RequestTooLarge, Pos: l.max.Pos,
		Err: fmt.Errorf("it is over maxBody, %d bytes (%s)", l.max.Value, l.max.Origin())}
}

// A limitedBody fails with TooLarge once more than left bytes were read.
type limitedBody struct {
	io.ReadCloser
	left  int64
	limit *bodyLimit
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, b.limit.exceeded()
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, b.limit.exceeded()
	}
	return n, err
}

// bodyError finds the error of the client's own body beneath one that somebody made who was reading it: a body over its
// limit, or one that is not in the coding that it says, is the client's mistake, not the upstream's or the function's. It returns nil when there is none.
func bodyError(err error) error {
	switch e := err.(type) {
	case *host.Error:
		if e.Code == host.RequestTooLarge || e.Code == host.UnsupportedMediaType {
			return e
		}
		return bodyError(e.Err)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if found := bodyError(inner); found != nil {
				return found
			}
		}
	case interface{ Unwrap() error }:
		return bodyError(e.Unwrap())
	}
	return nil
}

// readAll reads a body to its end and closes it. More than limit bytes is an error of Kind TooLarge.
func readAll(body io.ReadCloser, limit int64) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		var typed *host.Error
		if errors.As(err, &typed) {
			return nil, err
		}
		return nil, &host.Error{Op: "read a body", Kind: host.Invalid, Err: err}
	}
	if int64(len(data)) > limit {
		return nil, &host.Error{Op: "read a body", Kind: host.TooLarge, Err: fmt.Errorf("it is over %d bytes", limit)}
	}
	return data, nil
}
