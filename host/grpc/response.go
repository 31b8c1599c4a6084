package grpc

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync/atomic"

	"github.com/postern/postern/host"
)

// A Told is the error of a response's body that broke off between two messages: the client has been told by a status, so
// that the body may be ended as if it were whole. Whoever reads it decides; Err is for the log.
type Told struct{ Err error }

// Error returns the text of Err.
func (t *Told) Error() string { return t.Err.Error() }

// Unwrap returns Err.
func (t *Told) Unwrap() error { return t.Err }

// Answer makes an upstream's gRPC response one of type to. The status of a body that breaks off between two messages comes
// from fail, and its Read then returns a *Told; within a message it stays cut off, as anything behind would be taken for
// the rest of it. For gRPC-Web, the trailers go into the body.
func Answer(resp *host.Response, to Type, fail func(error) host.Header) {
	if to.IsWeb() {
		if to.Format == "" {
			to.Format = ParseType(resp.Header.Get("Content-Type")).Format
		}
		resp.Header.Set("Content-Type", to.String())
		resp.Header.Del("Trailer")
	}
	if resp.Body == nil { // trailers only: the status is among the header fields, in each form
		resp.Trailer = nil
		return
	}
	b := &body{from: resp.Body, form: to.Form, trailer: resp.Trailer, fail: fail, told: resp.Header.Has(StatusField)}
	resp.Body, resp.Trailer = b, b.trailers
	if to.IsWeb() {
		resp.Header.Del("Content-Length")
		resp.Length, resp.Trailer, resp.BodyTrailer = -1, nil, b.ended
	}
}

// A body is a response's body on its way to the client.
type body struct {
	from    io.ReadCloser
	form    Form
	trailer func() host.Header // the upstream's; nil for none
	fail    func(error) host.Header
	told    bool // a status is among the header fields

	frames frames
	failed host.Header // the status that replaces the upstream's
	plain  []byte      // of WebText, before its coding
	out    []byte      // to be read before anything else
	spare  []byte      // the room of out
	err    error       // after out

	last atomic.Pointer[host.Header] // the trailers that are within the body; its reader may be another's than who logs it
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	for {
		if len(b.out) > 0 {
			n := copy(p, b.out)
			b.out = b.out[n:]
			return n, nil
		}
		if b.err != nil || len(p) == 0 {
			return 0, b.err
		}
		into := p
		if b.form == WebText {
			if b.plain == nil {
				b.plain = make([]byte, max(3, len(p)/4*3))
			}
			into = b.plain
		}
		n, err := b.from.Read(into)
		b.frames.advance(into[:n])
		if b.form == WebText {
			b.emit(into[:n])
		}
		if err != nil {
			b.err = b.end(err)
		}
		if b.form != WebText && n > 0 {
			return n, nil
		}
	}
}

// Close closes the upstream's body.
func (b *body) Close() error { return b.from.Close() }

// emit appends to what is to be read. Each piece is padded: a decoder expects that (PROTOCOL-WEB.md).
func (b *body) emit(p []byte) {
	if len(b.out) == 0 {
		b.out = b.spare[:0]
	}
	if b.form == WebText {
		b.out = base64.StdEncoding.AppendEncode(b.out, p)
	} else {
		b.out = append(b.out, p...)
	}
	b.spare = b.out[:0]
}

// end returns the error that the reader gets after all that is left.
func (b *body) end(err error) error {
	switch {
	case !b.frames.whole():
		if err == io.EOF {
			return &host.Error{Op: "gRPC", Kind: host.BadGateway, Code: host.IntegrationFailure, Err: errors.New("the upstream's response ends within a message")}
		}
		return err
	case err != io.EOF:
		b.failed, err = b.fail(err), &Told{err}
	}
	if b.form == Native {
		return err
	}
	h := b.trailers()
	if len(h) == 0 && !b.told {
		h = Status(Unknown, "the upstream sent no status")
	}
	if len(h) > 0 {
		b.emit(trailerFrame(h))
		b.last.Store(&h)
	}
	return err
}

// ended returns the trailers that the body has ended with.
func (b *body) ended() host.Header {
	if h := b.last.Load(); h != nil {
		return *h
	}
	return nil
}

func (b *body) trailers() host.Header {
	switch {
	case b.failed != nil:
		return b.failed
	case b.trailer == nil:
		return nil
	}
	return b.trailer()
}

// trailerFrame is the last frame of a gRPC-Web body: an HTTP/1 header block without its empty line, names in lower case.
func trailerFrame(h host.Header) []byte {
	frame := []byte{trailerFlag, 0, 0, 0, 0}
	for _, f := range h {
		frame = append(frame, strings.ToLower(f.Name)...)
		frame = append(frame, ": "...)
		frame = append(frame, f.Value...)
		frame = append(frame, "\r\n"...)
	}
	binary.BigEndian.PutUint32(frame[1:], uint32(len(frame)-prefixSize))
	return frame
}
