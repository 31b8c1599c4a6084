package engine

import (
	"fmt"

	"github.com/postern/postern/host"
)

// freeCharge is how many bytes the host holds for a call without counting them: streams, and what most results are.
const freeCharge = 64 << 10

// A charge is what the host holds for the call that runs, and what is counted of it.
type charge struct{ held, counted int64 }

// Charge counts n more bytes that the host holds for the guest until its call ends, or takes them back where n is negative. It ends a guest for whose
// bytes the host has no room; what says what they are.
func (i *Instance) Charge(n int64, what string) {
	c := &i.charged
	c.held = max(0, c.held+n)
	more := max(0, c.held-freeCharge) - c.counted
	switch {
	case more < 0:
		i.pool.give(-more)
	case more > 0 && !i.take(more):
		limit := i.pool.code.engine.memory.error(fmt.Sprintf("%s of %d bytes", what, c.held))
		panic(Fault{Message: limit.Error(), Limit: limit, kind: host.GuestMemory})
	}
	c.counted += more
}

func (c *charge) end(i *Instance) {
	i.pool.give(c.counted)
	*c = charge{}
}
