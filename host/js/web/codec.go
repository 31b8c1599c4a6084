package web

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"iter"
	"sync"
)

const codecChunk = 64 << 10 // bytes that are worked on at a time

// A Codec compresses or unpacks a stream (compression.spec.whatwg.org) step by step on the script's goroutine: input is given with
// write and end, and output taken with next, a piece at a time.
type Codec struct {
	mu    sync.Mutex // the end of the call may come beside the script
	input bytes.Buffer
	ended bool
	err   error
	next  func() ([]byte, bool) // a piece; an empty one asks for more input
	stop  func()
}

// NewCodec makes one. Formats are gzip (RFC 1952), deflate (RFC 1950) and deflate-raw (RFC 1951). Its error is an *Exception.
func NewCodec(format string, compress bool) (*Codec, error) {
	switch format {
	case "gzip", "deflate", "deflate-raw":
	default:
		return nil, typeError("Unsupported compression format: '" + format + "'")
	}
	k := &Codec{}
	work := k.unpack
	if compress {
		work = k.pack
	}
	k.next, k.stop = iter.Pull(work(format))
	return k, nil
}

// Write gives input, of which a copy is kept.
func (k *Codec) Write(p []byte) { k.input.Write(p) }

// End says that there is no more input.
func (k *Codec) End() { k.ended = true }

// Ended reports whether End was called.
func (k *Codec) Ended() bool { return k.ended }

// Next returns a piece of output, or nil when more input is needed or all is done. The piece may be used until the next call.
func (k *Codec) Next() ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		piece, more := k.next()
		switch {
		case !more:
			if k.err == nil && k.input.Len() > 0 {
				k.err = errors.New("there is more behind its end")
			}
			return nil, k.err
		case len(piece) > 0:
			return piece, nil
		case k.input.Len() == 0 && !k.ended:
			return nil, nil
		}
	}
}

// Close ends the work.
func (k *Codec) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stop()
	if k.err == nil {
		k.err = ErrEnded // for a script that keeps it beyond its call
	}
	return nil
}

// ErrEnded is what a codec fails with once it was closed.
var ErrEnded = errors.New("the call has ended")

// errStopped ends work that nobody waits for.
var errStopped = errors.New("stopped")

// pack yields what a compressor writes.
func (k *Codec) pack(format string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		out := writerFunc(func(p []byte) (int, error) {
			if len(p) > 0 && !yield(p) {
				return 0, errStopped
			}
			return len(p), nil
		})
		var w io.WriteCloser
		switch format {
		case "gzip":
			w = gzip.NewWriter(out)
		case "deflate":
			w = zlib.NewWriter(out)
		default:
			w, _ = flate.NewWriter(out, flate.DefaultCompression) // this level is valid
		}
		for {
			if _, err := w.Write(k.input.Next(codecChunk)); err != nil {
				return
			}
			if k.input.Len() > 0 {
				continue
			}
			if k.ended {
				_ = w.Close() // it fails only when nobody waits for the rest
				return
			}
			if !yield(nil) {
				return
			}
		}
	}
}

// unpack yields what a decompressor reads.
func (k *Codec) unpack(format string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		feed := &feed{codec: k, yield: yield}
		var r io.Reader
		var err error
		switch format {
		case "gzip":
			r, err = gzip.NewReader(feed)
		case "deflate":
			r, err = zlib.NewReader(feed)
		default:
			r = flate.NewReader(feed)
		}
		buf := make([]byte, codecChunk)
		for err == nil {
			var n int
			n, err = r.Read(buf)
			if n > 0 && !yield(buf[:n]) {
				return
			}
		}
		if err == io.EOF && feed.read == 0 || err == io.ErrUnexpectedEOF {
			err = errors.New("it is cut off")
		}
		if err != io.EOF {
			k.err = err
		}
		for k.err == nil && k.input.Len() == 0 && !k.ended { // more behind the end is an error, also when it comes later
			if !yield(nil) {
				return
			}
		}
	}
}

// A feed reads a codec's input, and waits for more with an empty piece. As it reads bytes, what is behind the end of the
// compressed data stays in the input.
type feed struct {
	codec *Codec
	yield func([]byte) bool
	read  int
}

// Read reads what is there, or waits.
func (f *feed) Read(p []byte) (int, error) {
	if err := f.wait(); err != nil {
		return 0, err
	}
	n, err := f.codec.input.Read(p)
	f.read += n
	return n, err
}

// ReadByte reads one byte, or waits for it.
func (f *feed) ReadByte() (byte, error) {
	if err := f.wait(); err != nil {
		return 0, err
	}
	f.read++
	return f.codec.input.ReadByte()
}

func (f *feed) wait() error {
	for f.codec.input.Len() == 0 {
		if f.codec.ended {
			return io.EOF
		}
		if !f.yield(nil) {
			return errStopped
		}
	}
	return nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
