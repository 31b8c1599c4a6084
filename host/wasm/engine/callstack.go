package engine

import (
	"context"
	"fmt"
	"reflect"

	"github.com/tetratelabs/wazero/api"

	"github.com/postern/postern/host"
)

// Bounds of call stacks, which wazero has outside of linear memory and lets grow to some 100 MiB each before it calls that an overflow.
// Looked at where a guest is refilled or waits, so that one may pass them for a while, and not for longer than it executes.
const (
	MaxStack  = 16 << 20  // bytes; a native thread has 8 MiB, and frames are smaller there
	keptStack = 128 << 10 // bytes that an instance may hold between calls
)

// stackOf returns the call stack of a function, whose length changes. wazero tells nobody of it: the field is its own, and where a
// version has another one TestCallStack fails.
func stackOf(fn api.Function) (stack reflect.Value) {
	v := reflect.ValueOf(fn)
	if v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		stack = v.Elem().FieldByName("stack")
	}
	if stack.Kind() != reflect.Slice {
		return reflect.ValueOf([]byte(nil))
	}
	return stack
}

// A function is an export with its call stack.
type function struct {
	api.Function
	stack reflect.Value
}

// A callStack is that of the running call, and what is counted of it.
type callStack struct {
	stack   reflect.Value // a slice; not valid while none runs
	counted int64
}

func (s *callStack) size() int64 { return int64(s.stack.Len()) * int64(s.stack.Type().Elem().Size()) }

// checkStack counts the call stack as memory, and ends a guest whose stack is too large, or for whose stack the host has no room.
func (i *Instance) checkStack() {
	s := &i.stack
	if !s.stack.IsValid() {
		return
	}
	size := s.size()
	if size <= keptStack || size == s.counted {
		return
	}
	if size > MaxStack {
		panic(Fault{Message: fmt.Sprintf("stack overflow: the call stack has %d bytes; the limit is %s", size, SizeText(MaxStack)), kind: host.GuestStack})
	}
	if !i.take(size - s.counted) {
		limit := i.pool.code.engine.memory.error(fmt.Sprintf("a call stack of %d bytes", size))
		panic(Fault{Message: limit.Error(), Limit: limit, kind: host.GuestMemory})
	}
	s.counted = size
}

// runOn runs fn, and counts its call stack as long as it does. kept reports whether fn may be called again: a large stack is not kept, and the next
// call begins with a new one.
func (i *Instance) runOn(ctx context.Context, fn function, stack []uint64) (kept bool, err error) {
	s := &i.stack
	s.stack = fn.stack
	err = callOn(ctx, fn, stack)
	kept = s.size() <= keptStack
	i.pool.give(s.counted)
	*s = callStack{}
	return kept, err
}
