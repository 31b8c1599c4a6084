package command

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/lambda"
	"github.com/postern/postern/host/wasm/stream"
)

// maxEventBody is how many bytes of a body go into an event, as the program must read it whole: Amazon's payload quota.
const maxEventBody = host.DefaultMaxBody

// prepareStdio gives the program its input: a mapping's body as it is, and any other event as JSON with its body in it, as Lambda has
// them.
func (c *call) prepareStdio(ctx context.Context, env []string, in host.Event) error {
	c.env = env
	if c.entry == host.EntryMapRequest || c.entry == host.EntryMapResponse {
		c.stream = stream.New(reader(in.Body))
		c.sink = &bodySink{c}
		return nil
	}
	event, err := c.wholeEvent(ctx, in)
	if err != nil {
		return err
	}
	c.stream = stream.New(bytes.NewReader(event))
	c.sink = &jsonSink{c}
	return nil
}

// reader returns an interface that is nil where the body is.
func reader(body io.ReadCloser) io.Reader {
	if body == nil {
		return nil
	}
	return body
}

// wholeEvent puts the body into an event as Lambda formats have it: text as it is, all other in base64; an empty body is absent from
// format 2.0 and null in 1.0.
func (c *call) wholeEvent(ctx context.Context, in host.Event) ([]byte, error) {
	meta := bytes.TrimSpace(in.Meta)
	if in.Body == nil || len(meta) < 2 || meta[0] != '{' {
		return meta, nil
	}
	body, err := readAll(ctx, in.Body)
	if err != nil {
		return nil, c.fail(host.KindOf(err), fmt.Errorf("the body that goes into the event: %w", err))
	}
	var head struct {
		Version string            `json:"version"`
		Headers map[string]string `json:"headers"`
	}
	if err := json.Unmarshal(meta, &head); err != nil {
		return nil, c.fail(host.Internal, fmt.Errorf("the event: %w", err))
	}
	out := append(make([]byte, 0, len(meta)+len(body)*4/3+64), meta[:len(meta)-1]...)
	if len(bytes.TrimSpace(out)) > 1 {
		out = append(out, ',')
	}
	text := lambda.BodyIsText(in.Encoding, contentType(head.Headers), body)
	switch {
	case len(body) > 0 && text:
		quoted, err := json.Marshal(string(body))
		if err != nil {
			return nil, c.fail(host.Internal, err)
		}
		out = append(append(out, `"body":`...), quoted...)
		out = append(out, ',')
	case len(body) > 0:
		out = append(out, `"body":"`...)
		out = base64.StdEncoding.AppendEncode(out, body)
		out = append(out, `",`...)
	case head.Version != "2.0":
		out = append(out, `"body":null,`...)
	}
	return fmt.Appendf(out, `"isBase64Encoded":%v}`, len(body) > 0 && !text), nil
}

// readAll reads a body that may wait for a silent sender.
func readAll(ctx context.Context, body io.Reader) ([]byte, error) {
	in := stream.NewInput(body)
	var all []byte
	buf := make([]byte, stream.Buffer)
	for {
		n, err := in.Read(ctx, buf)
		all = append(all, buf[:n]...)
		switch {
		case len(all) > maxEventBody:
			return nil, &host.Error{Op: "read", Kind: host.TooLarge, Err: fmt.Errorf("it is larger than the %d bytes that an event takes", maxEventBody)}
		case err == io.EOF:
			return all, nil
		case errors.Is(err, stream.ErrDeadline):
			kind := host.Timeout
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) { // who asked has gone
				kind = host.Unavailable
			}
			return nil, &host.Error{Op: "read", Kind: kind, Err: context.Cause(ctx)}
		case err != nil:
			return nil, err
		}
	}
}

func contentType(headers map[string]string) string {
	for name, value := range headers {
		if strings.EqualFold(name, "content-type") {
			return value
		}
	}
	return ""
}

// A bodySink makes a mapping's new body of the output.
type bodySink struct{ *call }

func (s *bodySink) end() error {
	s.meta = []byte("{}")
	return s.write(nil) // no output is an empty body, and not none
}

// A jsonSink makes a result of the output.
type jsonSink struct{ *call }

func (s *jsonSink) write(p []byte) error {
	if limit := s.plugin.Limits.MaxResult; int64(len(s.meta)+len(p)) > limit.Value {
		return s.tooLarge()
	}
	s.inst.Charge(int64(len(p)), "a result")
	s.meta = append(s.meta, p...)
	return nil
}

func (s *jsonSink) end() error {
	s.meta = bytes.TrimSpace(s.meta)
	switch {
	case len(s.meta) == 0 && s.entry == host.EntryAuthorize:
		return s.fail(host.Internal, malformed("the authorizer wrote nothing to standard output"))
	case len(s.meta) == 0:
		s.meta = []byte("null")
	case !json.Valid(s.meta):
		var v any
		err := json.Unmarshal(s.meta, &v) // for its message
		return s.fail(host.Internal, malformed("standard output is not JSON: %v", err))
	}
	return nil
}
