package vtl

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/postern/postern/host"
)

// Limits bound one run of a template. A zero is the default; there is no way to have none.
type Limits struct {
	Loop    int           // iterations of one #foreach; 1000, as Amazon
	Loops   int           // iterations of all #foreach together; 100,000
	Macros  int           // calls of macros in each other; 20, as Velocity
	Depth   int           // everything that may nest at run time: macros, #evaluate, blocks, elements within elements; 200
	Output  int           // bytes written; 10 MiB, as Amazon's largest payload
	Memory  int           // bytes of all strings and elements that the run made, whether or not they are still used; 64 MiB
	Regexp  time.Duration // one use of a regular expression; 250 ms
	Elapsed time.Duration // the whole run; 5 s, or the context's deadline if that is earlier
}

// The costs in Limits.Memory.
const (
	slotCost  = 16 // an element
	entryCost = 96 // a map's entry
	parseCost = 64 // a byte that #evaluate parses
)

func (l Limits) withDefaults() Limits {
	set := func(field *int, value int) {
		if *field <= 0 {
			*field = value
		}
	}
	set(&l.Loop, 1000)
	set(&l.Loops, 100_000)
	set(&l.Macros, 20)
	set(&l.Depth, 200)
	set(&l.Output, 10<<20)
	set(&l.Memory, 64<<20)
	if l.Regexp <= 0 {
		l.Regexp = 250 * time.Millisecond
	}
	if l.Elapsed <= 0 {
		l.Elapsed = 5 * time.Second
	}
	return l
}

func limitError(what string, limit int) error {
	return &host.LimitError{Limit: what, Value: strconv.Itoa(limit), Origin: "template"}
}

// ticksPerCheck is how many steps go between two looks at the context.
const ticksPerCheck = 256

// tick is called for everything that a template does.
func (r *run) tick() error {
	if r.ticks++; r.ticks < r.nextCheck {
		return nil
	}
	r.nextCheck = r.ticks + ticksPerCheck
	return r.checkTime()
}

// work is a tick for something that takes as long as there are bytes.
func (r *run) work(bytes int) error {
	r.ticks += bytes >> 12
	return r.tick()
}

func (r *run) checkTime() error {
	if err := r.ctx.Err(); err != nil {
		return &host.Error{Op: op, Kind: host.Timeout, Err: errors.Join(errors.New("the template took too long"), context.Cause(r.ctx))}
	}
	return nil
}

// charge counts bytes that are about to be made.
func (r *run) charge(n int) error {
	if n < 0 || n > r.limits.Memory-r.memory {
		return limitError("bytes of memory", r.limits.Memory)
	}
	r.memory += n
	return r.tick()
}

func (r *run) chargeItems(n int64) error {
	if n < 0 || n > int64(r.limits.Memory/slotCost) {
		return limitError("bytes of memory", r.limits.Memory)
	}
	return r.charge(int(n) * slotCost)
}

func (r *run) enter() error {
	if r.depth >= r.limits.Depth {
		return limitError("levels", r.limits.Depth)
	}
	r.depth++
	return nil
}

func (r *run) leave() { r.depth-- }

// iteration counts one of a loop.
func (r *run) iteration(count int) error {
	if count > r.limits.Loop {
		return limitError("iterations of one #foreach", r.limits.Loop)
	}
	if r.loops++; r.loops > r.limits.Loops {
		return limitError("iterations of all #foreach", r.limits.Loops)
	}
	return r.tick()
}

// write adds to the output, or to the string that is being made.
func (r *run) write(s string) error {
	limit := r.limits.Output
	if r.captures > 0 {
		limit = r.limits.Memory - r.memory
	}
	if len(s) > limit-len(r.out) {
		if r.captures > 0 {
			return limitError("bytes of memory", r.limits.Memory)
		}
		return limitError("bytes of output", r.limits.Output)
	}
	r.out = append(r.out, s...)
	return r.tick()
}

// capture returns what f writes. What is written in part counts as well when f fails.
func (r *run) capture(f func() error) (string, error) {
	outer := r.out
	r.out = nil
	r.captures++
	err := f()
	r.captures--
	text := string(r.out)
	r.out = outer
	if chargeErr := r.charge(len(text)); err == nil {
		err = chargeErr
	}
	return text, err
}

// fail puts a place to an error that has none. A stop goes on as it is.
func (r *run) fail(at int, err error) error {
	if _, ok := err.(*stop); ok {
		return err
	}
	var ours *host.Error
	if !errors.As(err, &ours) || ours.Op != op {
		return &host.Error{Op: op, Kind: host.Internal, Code: host.APIConfigurationError, Pos: r.template.position(at), Err: err}
	}
	if ours.Pos.IsZero() {
		ours.Pos = r.template.position(at)
	}
	return ours
}

func (r *run) failf(at int, format string, args ...any) error {
	return r.fail(at, fmt.Errorf(format, args...))
}
