package native

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/engine"
)

// count counts a host call, and ends the guest at one too many. Starting is bounded by its time alone.
func (g guest) count() {
	c := g.call
	if c == nil {
		return
	}
	c.counted++
	limit := c.plugin.Limits.HostCalls
	if c.counted <= limit.Value {
		return
	}
	c.passed = &host.LimitError{Limit: "limits.hostCalls", Value: fmt.Sprint(limit.Value), Origin: limit.Origin()}
	panic(engine.Fault{Message: c.passed.Error()})
}

// moving takes a host call back that moved bytes of a body: a stream may be long, and what moves no byte is no stream.
func moving(fn hostFunc) hostFunc {
	return func(ctx context.Context, g guest, s []uint64) int32 {
		before := g.call.moved
		result := fn(ctx, g, s)
		if g.call.moved > before {
			g.call.counted--
		}
		return result
	}
}

// limited is the error of a guest that was ended because it passed a limit of this package's, and otherwise err.
func (c *call) limited(err error) error {
	if c.passed == nil || err == nil {
		return err
	}
	guest := &host.GuestError{Type: host.GuestLimit, Message: c.passed.Error(), Limit: c.passed}
	var ended *host.GuestError
	if errors.As(err, &ended) {
		guest.Stack = ended.Stack
	}
	return c.fail(host.Internal, guest)
}
