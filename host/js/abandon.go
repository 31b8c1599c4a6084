package js

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/postern/postern/host"
)

const (
	overrunGrace = 100 * time.Millisecond // after the end of a call's context, for the interrupt to land
	closeGrace   = 2 * time.Second        // that Close gives calls whose callers were let go
)

// The phases of a call.
const (
	running   int32 = iota
	ended           // the script came back, and the caller has what it made
	abandoned       // the caller was let go; what the script makes is dropped
)

// errAbandoned ends a script that nobody waits for any more. As a panic it is out of the script's reach: it passes
// built-in functions, catch and finally, which goja's interrupt does not.
var errAbandoned = errors.New("the call was given up")

// apart has another goroutine run work, which runs the script and settles the call. goja cannot be stopped within a built-in
// function: when work is not done some time after the call's context ended, lost tells the caller, who goes on without it, and
// must leave alone all that work uses. As far as the world is concerned, the call ends then.
func (c *call) apart(work, lost func()) {
	p, loading := c.plugin, c.loading
	c.unwatch = context.AfterFunc(c.ctx, func() {
		time.AfterFunc(overrunGrace, func() {
			if !c.phase.CompareAndSwap(running, abandoned) {
				return
			}
			lost()
			c.end(c.failed(errOverrun))
			if !loading {
				p.calls.Done()
			}
		})
	})
	p.scripts.Add(1)
	job := func() {
		work()
		if c.phase.CompareAndSwap(running, ended) && !loading {
			p.calls.Done()
		}
		p.scripts.Done()
	}
	if loading {
		go job() // nobody closes a plugin that could not be opened
	} else {
		p.workers.run(job)
	}
}

// settle ends the call on the script's side. What still streams is cut, with err.
func (c *call) settle(err error) {
	if c.loop.pending == 0 {
		c.unwatch() // or end would set it off; while fetches are under way it may have to
	}
	if err == nil {
		err = c.failed(errEnded)
	}
	c.end(err)
}

// end lets go of what the call holds. It may be called more than once, and beside the script.
func (c *call) end(err error) {
	c.timer.Stop()
	c.open.cut(err)
	c.cancel(errEnded)
	c.loop.end()
	c.open.end(err)
}

// live panics when the call was abandoned. What is native asks before it does anything for the script.
func (c *call) live() {
	if c.phase.Load() == abandoned {
		panic(errAbandoned)
	}
}

// world is the call's effects, for the script.
func (c *call) world() host.Effects {
	c.live()
	return c.fx
}

// An openSet is what ends with the call, unless the script ends it before. Who takes something out of it closes it.
// It is safe for concurrent use.
type openSet struct {
	mu    sync.Mutex
	set   map[io.Closer]struct{}
	ended bool
}

// add takes x, and closes it at once when the call has ended.
func (o *openSet) add(x io.Closer) {
	o.mu.Lock()
	late := o.ended
	if !late {
		if o.set == nil {
			o.set = map[io.Closer]struct{}{}
		}
		o.set[x] = struct{}{}
	}
	o.mu.Unlock()
	if late {
		_ = x.Close()
	}
}

// take removes x, and reports whether it was there.
func (o *openSet) take(x io.Closer) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, open := o.set[x]
	delete(o.set, x)
	return open
}

// close closes x, if nobody has yet.
func (o *openSet) close(x io.Closer) {
	if o.take(x) {
		_ = x.Close()
	}
}

// end closes all that is left; bodies that stream are cut, with err.
func (o *openSet) end(err error) {
	o.mu.Lock()
	set := o.set
	o.set, o.ended = nil, true
	o.mu.Unlock()
	for x := range set {
		if body, ok := x.(outgoing); ok {
			body.cut(err)
		} else {
			_ = x.Close()
		}
	}
}

// bodies are those that stream.
func (o *openSet) bodies() []outgoing {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []outgoing
	for x := range o.set {
		if body, ok := x.(outgoing); ok {
			out = append(out, body)
		}
	}
	return out
}

// cut cuts all bodies that stream.
func (o *openSet) cut(err error) {
	for _, body := range o.bodies() {
		body.cut(err)
	}
}
