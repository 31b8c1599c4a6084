package js

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/dop251/goja"

	"github.com/postern/postern/host"
)

const (
	chunkSize = 64 << 10 // bytes that one read of a body gives at most
	maxWhole  = 64 << 20 // bytes of a body that a script reads as a whole; all of it is held in memory
)

// A source is a body that a script reads: the event's, or that of a fetched response. The prelude holds it and gives it to
// the natives below. One read runs at a time, beside the script.
type source struct {
	in     *instance
	body   io.Reader // nil for none
	closer func()    // ends what the body holds; nil leaves it to the caller
	reject func(error) goja.Value
	length int64 // -1 when unknown
	peer   bool  // it is the event's body: who sends it is not the script's fault

	begun  bool                  // something was read, or dropped
	err    error                 // what reads fail with from now on
	lost   error                 // what reading it failed with
	broken atomic.Pointer[error] // why it broke off while it went by the script
	buffer []byte
	once   sync.Once
}

// failure is why the body could not be read, nil when it could.
func (s *source) failure() error {
	if broken := s.broken.Load(); s.lost == nil && broken != nil {
		return *broken
	}
	return s.lost
}

// pass makes a reader of a body that goes by the script.
func (s *source) pass() io.ReadCloser {
	s.begun = true
	return &passing{s.body, s}
}

// A passing body is read by somebody else than the script.
type passing struct {
	io.Reader
	from *source
}

// Read notes why the body breaks off.
func (p *passing) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if err != nil && err != io.EOF {
		p.from.broken.Store(&err)
	}
	return n, err
}

// Close leaves the body to its owner.
func (*passing) Close() error { return nil }

// end takes the event's body away from the script: its caller may have it back.
func (s *source) end() {
	s.begun, s.body, s.err = true, nil, errEnded
}

func (s *source) close() {
	s.once.Do(func() {
		if s.closer != nil {
			s.closer()
		}
	})
}

// newSource makes a source of the event's body, which is the caller's to close.
func (c *call) newSource(ev host.Event) *source {
	length := ev.Length
	if length <= 0 {
		length = -1
	}
	s := &source{in: c.in, body: ev.Body, length: length, peer: true, reject: func(err error) goja.Value {
		return c.in.rt.NewTypeError("the body could not be read: " + err.Error())
	}}
	c.inputs = append(c.inputs, s)
	return s
}

func (in *instance) source(fc goja.FunctionCall) *source {
	s, ok := fc.Argument(0).Export().(*source)
	if !ok {
		in.throw("no body")
	}
	return s
}

// await reads beside the script, and gives a promise of what use makes of it. What the event's body waits for is not waited for
// when the call ends: it is its caller who closes it.
func (s *source) await(read func(body io.Reader) error, use func() goja.Value) goja.Value {
	in, c := s.in, s.in.call
	body, failed := s.body, s.err // as they are now: the script may drop the body while it is read
	promise, resolve, reject := in.rt.NewPromise()
	s.begun = true
	bring := c.loop.expect()
	c.peers++
	work := func() {
		err := failed
		if err == nil && body != nil {
			err = read(body)
		}
		bring(func() error {
			c.peers--
			c.progress()
			if err != nil && err != io.EOF {
				if s.err = err; failed == nil {
					s.lost = err
				}
				s.close()
				return reject(s.reject(err))
			}
			if err == io.EOF {
				s.body = nil
				s.close()
			}
			return resolve(use())
		})
	}
	if s.peer {
		go work()
	} else {
		c.loop.beside(work)
	}
	return in.rt.ToValue(promise)
}

// readSome(source) gives a promise of the next bytes, of null at the end.
func (in *instance) readSome(fc goja.FunctionCall) goja.Value {
	s := in.source(fc)
	var n int
	return s.await(func(body io.Reader) (err error) {
		if s.buffer == nil {
			s.buffer = make([]byte, chunkSize)
		}
		for tries := 0; n == 0 && err == nil; tries++ { // a reader may give nothing, but not for ever
			if n, err = body.Read(s.buffer); tries == 100 {
				return io.ErrNoProgress
			}
		}
		if n > 0 && err != nil && err != io.EOF {
			err = nil // the next read tells it again
		}
		return err
	}, func() goja.Value {
		if n == 0 {
			return goja.Null()
		}
		return in.bytes(bytes.Clone(s.buffer[:n]))
	})
}

// readAll(source) gives a promise of all that is left.
func (in *instance) readAll(fc goja.FunctionCall) goja.Value {
	s := in.source(fc)
	var all []byte
	return s.await(func(body io.Reader) (err error) {
		all, err = io.ReadAll(io.LimitReader(body, maxWhole+1))
		if err == nil && len(all) > maxWhole {
			return &host.Error{Op: "read a body", Kind: host.TooLarge, Err: fmt.Errorf("it has more than %d bytes; read it as a stream", maxWhole)}
		}
		if err == nil {
			err = io.EOF
		}
		return err
	}, func() goja.Value { return in.bytes(all) })
}

// drop(source) lets go of what was not read.
func (in *instance) drop(fc goja.FunctionCall) goja.Value {
	s := in.source(fc)
	s.begun = true
	s.close()
	if s.err == nil && s.body != nil {
		s.body, s.err = nil, errors.New("the body was cancelled")
	}
	return goja.Undefined()
}

// abort(source, error) makes every read of a fetched body fail with error from now on.
func (in *instance) abort(fc goja.FunctionCall) goja.Value {
	s := in.source(fc)
	reason := fc.Argument(1)
	s.reject = func(error) goja.Value { return reason }
	if s.err == nil && s.body != nil {
		s.err = context.Canceled
	}
	s.close()
	return goja.Undefined()
}

// started(source) reports whether some of a body was read.
func (in *instance) started(fc goja.FunctionCall) goja.Value {
	return in.rt.ToValue(in.source(fc).begun)
}

// transfer(buffer) moves an ArrayBuffer's bytes to a new one and detaches it (ECMA-262, ArrayBuffer.prototype.transfer).
func (in *instance) transfer(fc goja.FunctionCall) goja.Value {
	buffer, ok := fc.Argument(0).Export().(goja.ArrayBuffer)
	if !ok || buffer.Detached() {
		in.throw("The buffer is detached")
	}
	b := buffer.Bytes()
	buffer.Detach()
	return in.rt.ToValue(in.rt.NewArrayBuffer(b))
}

// loaded(name) is what another file of the prelude gave, undefined when nobody needed it yet.
func (in *instance) loaded(fc goja.FunctionCall) goja.Value {
	if part := in.tools[fc.Argument(0).String()]; part != nil {
		return part
	}
	return goja.Undefined()
}

// defineAsyncIterator gives Symbol what goja's lacks.
func (in *instance) defineAsyncIterator() goja.Value {
	symbol := in.module.runtime.asyncIterator
	if err := in.rt.Get("Symbol").ToObject(in.rt).DefineDataProperty("asyncIterator", symbol, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE); err != nil {
		panic(err)
	}
	return symbol
}

// asyncIterator() is Symbol.asyncIterator, which it makes sure to be there.
func (in *instance) asyncIterator(goja.FunctionCall) goja.Value { return in.defineAsyncIterator() }
