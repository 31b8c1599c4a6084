package grpc

import (
	"encoding/base64"
	"errors"
	"io"

	"github.com/postern/postern/host"
)

// Request makes a gRPC-Web request of type t a gRPC one. r.Header is changed in place, r.Body is replaced where it is text.
func Request(r *host.Request, t Type) {
	r.Header.Set("Content-Type", Type{Native, t.Format}.String())
	r.Header.Set("Te", "trailers")
	r.Header.Del("Content-Length")
	r.Trailer = nil
	if r.Length == 0 {
		return
	}
	r.Length = -1 // that of gRPC is not told
	if t.Form == WebText {
		r.Body = &textReader{from: r.Body}
	}
}

var errText = errors.New("the body is not base64")

// A textReader decodes base64 that may be padded at any place, as each piece that was coded by itself ends so
// (PROTOCOL-WEB.md).
type textReader struct {
	from io.ReadCloser
	text [4096]byte
	have int // of text, not yet decoded: less than a group of four behind a Read
	out  []byte
	err  error
}

// Read implements io.Reader. What is not base64 is an error of Kind Invalid.
func (t *textReader) Read(p []byte) (int, error) {
	for len(t.out) == 0 {
		if t.err != nil || len(p) == 0 {
			return 0, t.err
		}
		n, err := t.from.Read(t.text[t.have:])
		t.have += n
		t.err = t.decode()
		if t.err == nil && err != nil {
			if t.err = err; err == io.EOF && t.have > 0 {
				t.err = invalidText()
			}
		}
	}
	n := copy(p, t.out)
	t.out = t.out[n:]
	return n, nil
}

// Close closes what is decoded.
func (t *textReader) Close() error { return t.from.Close() }

// decode decodes every whole group of four characters.
func (t *textReader) decode() error {
	whole := t.have &^ 3
	t.out = t.out[:0]
	for from := 0; from < whole; {
		to := from + 4
		for to < whole && t.text[to-1] != '=' {
			to += 4
		}
		var err error
		if t.out, err = base64.StdEncoding.AppendDecode(t.out, t.text[from:to]); err != nil {
			return invalidText()
		}
		from = to
	}
	t.have = copy(t.text[:], t.text[whole:t.have])
	return nil
}

func invalidText() error {
	return &host.Error{Op: "read a gRPC-Web body", Kind: host.Invalid, Err: errText}
}
