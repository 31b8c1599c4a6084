package rest

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/postern/postern/host"
)

// What a body may grow to when it is decoded: any body to a megabyte, and further only as long as it is not more than 250 times as long as what was sent. Text
// that repeats itself a lot has some 100.
const (
	freeGrowth = 1 << 20
	maxGrowth  = 250
)

// DecodeRequest returns a request whose body has no content coding any more: gzip and deflate are undone while it is read, and identity is dropped (reference 1.15). It
// returns r itself where there is none, and leaves r as it was. A body may grow to limit bytes, which is the route's MaxBody; 0 or less sets no limit
// but that of its growth. Any other coding, or more than one, has Kind Unsupported and Code UNSUPPORTED_MEDIA_TYPE, which is a 415; so has a read of a body that is
// not what it says. A read of one that grows too large has Kind TooLarge and Code REQUEST_TOO_LARGE.
func DecodeRequest(r *host.Request, limit host.Setting[int64]) (*host.Request, error) {
	if !r.Header.Has("Content-Encoding") {
		return r, nil
	}
	coding := strings.ToLower(strings.TrimSpace(strings.Join(r.Header.Values("Content-Encoding"), ",")))
	out := *r
	out.Header = r.Header.Clone()
	out.Header.Del("Content-Encoding")
	switch coding {
	case "", codingIdentity:
		return &out, nil
	case codingGzip, "x-gzip":
		coding = codingGzip
	case codingDeflate:
	default:
		return nil, badCoding(errors.New("the content coding is neither gzip nor deflate"))
	}
	if r.Length == 0 {
		return &out, nil
	}
	out.Header.Del("Content-Length")
	out.Length = -1
	src := &counted{r: r.Body}
	out.Body = &decoded{closer: r.Body, src: src, in: bufio.NewReaderSize(src, 4<<10), coding: coding, limit: limit}
	return &out, nil
}

func badCoding(err error) error {
	return &host.Error{Op: "decode the request's body", Kind: host.Unsupported, Code: host.UnsupportedMediaType, Err: err}
}

// counted counts what was read.
type counted struct {
	r   io.Reader
	n   int64
	err error // of r, but for io.EOF
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// A decoded body undoes a coding while it is read.
type decoded struct {
	closer io.Closer
	src    *counted
	in     *bufio.Reader
	coding string
	limit  host.Setting[int64]
	out    io.Reader // nil before the first read
	n      int64     // bytes that were returned
	err    error
}

// Read returns decoded octets, up to the limit.
func (d *decoded) Read(p []byte) (int, error) {
	if d.err != nil || len(p) == 0 {
		return 0, d.err
	}
	if d.out == nil {
		if d.out, d.err = d.open(); d.err != nil {
			if d.err == io.EOF { // of a reader that wanted more than there is
				d.err = io.ErrUnexpectedEOF
			}
			d.err = d.explain(d.err)
			return 0, d.err
		}
	}
	n, err := d.out.Read(p)
	d.n += int64(n)
	switch {
	case d.limit.Value > 0 && d.n > d.limit.Value:
		d.err = d.tooLarge(fmt.Errorf("it is over maxBody, %d bytes (%s), once it is decoded", d.limit.Value, d.limit.Origin()))
		return 0, d.err
	case d.n > freeGrowth && d.n/maxGrowth > d.src.n:
		d.err = d.tooLarge(fmt.Errorf("it grows to more than %d times its length when it is decoded", maxGrowth))
		return 0, d.err
	}
	if err == io.EOF {
		err = d.end()
	}
	if err != nil {
		d.err = d.explain(err)
	}
	return n, d.err
}

// open reads the beginning. Deflate is the format of zlib; senders that leave out its frame are as common as those that do not.
func (d *decoded) open() (io.Reader, error) {
	begin, err := d.in.Peek(2)
	if len(begin) == 0 {
		if err == io.EOF {
			return bytes.NewReader(nil), nil // no content needs no coding
		}
		return nil, err
	}
	if d.coding == codingGzip {
		return gzip.NewReader(d.in)
	}
	if len(begin) == 2 && begin[0]&0x0f == 8 && (uint(begin[0])<<8|uint(begin[1]))%31 == 0 {
		return zlib.NewReader(d.in)
	}
	return flate.NewReader(d.in), nil
}

// end refuses what follows the coded content.
func (d *decoded) end() error {
	if _, err := d.in.ReadByte(); err == nil {
		return errors.New("there is something behind the end of the content")
	} else if err != io.EOF {
		return err
	}
	return io.EOF
}

// explain keeps what the client's connection failed with, and makes a 415 of everything else.
func (d *decoded) explain(err error) error {
	switch {
	case err == io.EOF:
		return err
	case d.src.err != nil:
		return d.src.err
	}
	return badCoding(fmt.Errorf("it is not %s: %w", d.coding, err))
}

func (d *decoded) tooLarge(err error) error {
	return &host.Error{Op: "decode the request's body", Kind: host.TooLarge, Code: host.RequestTooLarge, Pos: d.limit.Pos, Err: err}
}

// Close closes what arrived.
func (d *decoded) Close() error { return d.closer.Close() }
