package rest

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/postern/postern/host"
)

// The content codings (RFC 9110, section 8.4.1). Deflate is the format of zlib.
const (
	codingGzip     = "gzip"
	codingDeflate  = "deflate"
	codingIdentity = "identity"
)

// A Compressor compresses the responses of one API (reference 1.15). It is safe for concurrent use; a nil one does nothing.
type Compressor struct {
	min     int64
	writers map[string]*sync.Pool // of encoder, by coding
}

// An encoder is a gzip.Writer or a zlib.Writer.
type encoder interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// maxMinimum is the largest minimum that an API may have, in bytes (reference 1.15 [REC]).
const maxMinimum = 10 << 20

// CompileCompressor returns what compresses an API's responses, nil for an API that compresses none. A minimum over 10485760 bytes, which a definition
// should not have, counts as that.
func CompileCompressor(api *host.API) *Compressor {
	if api.REST == nil || api.REST.MinimumCompression.Value < 0 {
		return nil
	}
	return &Compressor{min: min(api.REST.MinimumCompression.Value, maxMinimum), writers: map[string]*sync.Pool{
		codingGzip:    {New: func() any { return gzip.NewWriter(nil) }},
		codingDeflate: {New: func() any { return zlib.NewWriter(nil) }},
	}}
}

// Compress compresses resp's body where the request's Accept-Encoding wants that and the body is long enough. Where it could have been, Vary says
// Accept-Encoding, compressed or not, so that no cache confuses the two; a strong ETag becomes weak, as the octets are others. It leaves alone what has a
// Content-Encoding or no content, what a cache may not transform, ranges, event streams and upgrades. A route that streams must not come here.
//
// Of a body whose length is unknown, Compress reads as much as the API's minimum, and so waits for it; the rest is compressed while it is read.
// What that reading fails with is returned, and the body is closed then.
func (c *Compressor) Compress(request *host.Request, resp *host.Response) error {
	if c == nil || !compressible(request, resp) {
		return nil
	}
	long, err := c.longEnough(resp)
	if err != nil || !long {
		return err
	}
	addVary(&resp.Header)
	coding := chooseCoding(request.Header.Values("Accept-Encoding"))
	if coding == "" {
		return nil
	}
	resp.Header.Del("Content-Length")
	resp.Header.Del("Accept-Ranges")
	resp.Header.Set("Content-Encoding", coding)
	if tag := resp.Header.Get("ETag"); strings.HasPrefix(tag, `"`) {
		resp.Header.Set("ETag", "W/"+tag)
	}
	resp.Body, resp.Length = newCompressed(resp.Body, c.writers[coding]), -1
	return nil
}

func compressible(request *host.Request, resp *host.Response) bool {
	switch {
	case resp.Body == nil || resp.Length == 0 || resp.Upgrade != nil || request.Method == "HEAD":
		return false
	case resp.Status < 200 || resp.Status == 206 || bodiless(resp.Status):
		return false
	case resp.Header.Has("Content-Encoding") || resp.Header.Has("Content-Range") || resp.Header.IsEventStream():
		return false
	}
	for _, v := range resp.Header.Values("Cache-Control") { // RFC 9111, section 5.2.2.6
		if strings.Contains(strings.ToLower(v), "no-transform") {
			return false
		}
	}
	return true
}

// longEnough compares a body with the minimum. It reads the beginning of one whose length is unknown, and puts it back.
func (c *Compressor) longEnough(resp *host.Response) (bool, error) {
	if resp.Length >= 0 {
		return resp.Length >= c.min, nil
	}
	if c.min == 0 {
		return true, nil
	}
	begin, err := io.ReadAll(io.LimitReader(resp.Body, c.min))
	if err != nil {
		return false, errors.Join(err, resp.Body.Close())
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(begin), resp.Body), resp.Body}
	return int64(len(begin)) >= c.min, nil
}

func addVary(h *host.Header) {
	for _, v := range h.Values("Vary") {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, "Accept-Encoding") {
				return
			}
		}
	}
	h.Add("Vary", "Accept-Encoding")
}

// chunk is how much of a body is compressed at a time, in bytes.
const chunk = 16 << 10

// A compressed body compresses another while it is read.
type compressed struct {
	mu   sync.Mutex // Close may come while Read waits for its turn
	src  io.ReadCloser
	pool *sync.Pool
	enc  encoder // nil once it is back in the pool
	out  bytes.Buffer
	in   []byte
	err  error // of src, io.EOF included
}

func newCompressed(src io.ReadCloser, pool *sync.Pool) *compressed {
	b := &compressed{src: src, pool: pool, enc: pool.Get().(encoder)}
	b.enc.Reset(&b.out)
	return b
}

// Read returns compressed octets. An error of the body below comes behind all that was read before it, and never looks like the end.
func (b *compressed) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.in == nil {
		b.in = make([]byte, chunk)
	}
	for b.out.Len() == 0 && b.err == nil && len(p) > 0 {
		b.fill()
	}
	if b.out.Len() > 0 || len(p) == 0 {
		return b.out.Read(p)
	}
	return 0, b.err
}

// fill compresses one chunk.
func (b *compressed) fill() {
	b.out.Reset()
	n, err := b.src.Read(b.in)
	if _, werr := b.enc.Write(b.in[:n]); werr != nil {
		err = werr
	}
	switch {
	case err == io.EOF:
		if cerr := b.enc.Close(); cerr != nil {
			err = cerr
		}
	case err != nil:
		_ = b.enc.Close() // into the buffer: what was read before the error is not worth more than the error
		b.out.Reset()
	default:
		return
	}
	b.err = err
	b.release()
}

// release puts the encoder back, which holds nothing of this body then.
func (b *compressed) release() {
	if b.enc != nil {
		b.enc.Reset(io.Discard)
		b.pool.Put(b.enc)
		b.enc = nil
	}
}

// Close closes the body below first, so that a Read that waits for it ends.
func (b *compressed) Close() error {
	err := b.src.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.release()
	if b.err == nil {
		b.err = io.ErrClosedPipe
	}
	return err
}
