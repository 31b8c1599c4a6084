// Package native is the carrier of Postern's own ABI, version 1, which spec/abi.md describes. A guest exports its
// entries by name, pulls its input and pushes its output through host functions, and keeps running between calls.
//
// An authorizer or a mapping runs on its caller's goroutine and its result is buffered. A function or a filter runs on a goroutine
// of its own, because its output streams: Call returns once the guest has ended, flushed, filled a small buffer, or as a
// filter reads on, and from then on the guest waits for its reader.
package native

// Module is the name of the import module, Marker the export by which a guest says that it speaks this ABI.
const (
	Module = "postern"
	Marker = "postern_abi_1"
)

// Limits of one call, beside those of its plugin. spec/abi.md states them.
const (
	maxFetches   = 16        // that are open at once
	maxFetchBody = 10 << 20  // bytes of a request that a guest sends
	maxSpans     = 64        // that are open at once
	maxSpanCount = 1000      // in all
	maxError     = 64 << 10  // bytes of each part of an error that a guest reports
	maxName      = 1 << 10   // bytes of the name of a secret, a variable or a span
	maxFetchMeta = 256 << 10 // bytes of the description of a request
)

// The results of host functions that failed; spec/abi.md, "Results".
const (
	resultClosed   = -1
	resultNotFound = -2
	resultTooLarge = -3
	resultOrder    = -4
	resultDenied   = -5
	resultFailed   = -6
	resultTimeout  = -7
	resultInvalid  = -8
	resultBusy     = -9
	resultConflict = -10
)
