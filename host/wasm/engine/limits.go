package engine

import "fmt"

// Limits of what a module may declare. The largest of each in guests that were measured stands behind it: Go programs
// of 4 MiB, and of 10 MiB that link compilers, TLS and templates.
const (
	maxTables       = 16
	maxTableEntries = 1 << 20 // that all tables start with; eight bytes each, outside linear memory
	maxTableGrowth  = 1 << 17 // entries that a table may grow to, unless it starts with more
	maxTypes        = 10_000
	maxArity        = 256 // parameters of a function, and results of one
	maxTypeValues   = 100_000
	maxImports      = 1_000   // 38
	maxFunctions    = 100_000 // 5,126
	maxGlobals      = 10_000
	maxExports      = 10_000
	maxSegments     = 100_000
	maxElements     = 1 << 18
	maxLocals       = 50_000    // of a function; 813
	maxModuleLocals = 2_000_000 // of all functions; 28,170
	maxBody         = 1 << 20   // bytes of a function; 62,167
	maxTargets      = 65_520    // of a br_table
	maxNesting      = 5_000     // blocks inside one another; 1,077, since Go's compiler opens one for each call of a function
	maxBranches     = 10_000    // of a function; 4,099
)

// Limits of steps, which are what compiling costs (see effort). The first is for the memory that the compiler takes
// for a function, some 400 MB at most; the second for its time, some 40 s on one processor. Ten MiB of Go are about 42,000,000.
const (
	maxFunctionSteps = 1_500_000
	maxModuleSteps   = 80_000_000
	smallSteps       = 2_000_000 // of a module that need not wait for large ones
)

// A limitError says which limit a module is over.
type limitError struct {
	what       string
	got, limit uint64
}

// Error names the limit and its value.
func (e *limitError) Error() string {
	return fmt.Sprintf("%d %s; the limit is %d", e.got, e.what, e.limit)
}

// limit fails when there is more of something than the limit.
func (r *reader) limit(what string, got, limit uint64) {
	if got > limit && r.err == nil {
		r.fail(&limitError{what, got, limit})
	}
}
