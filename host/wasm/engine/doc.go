// Package engine runs WebAssembly on wazero, and is the only package that knows it. It compiles, keeps pools of
// instances, links WASI preview 1 over host.Effects, and turns what a guest dies of into a *host.Error. It knows no
// contract with plugins: carriers (host/wasm/native and its siblings) offer host functions and call exports.
//
// # One runtime, limits per plugin
//
// There is one wazero runtime and one compilation cache a process, so that a module is compiled once whatever its
// limits are. The memory limit belongs to a plugin: wazero asks an allocator for every growth, and the allocator of
// an instance refuses beyond the limit, which the guest sees as -1 from memory.grow. Tables grow outside linear
// memory, so Compile gives every table a maximum by rewriting the table section.
//
// # What is compiled
//
// wazero allocates by what a module declares, recurses over its blocks, and in places goes through them for each of
// them; it cannot be stopped, and what runs out of memory or stack ends the process. Compile therefore reads a module
// to its last instruction before wazero does (prepare), and holds it to limits (limits.go): counts, lengths, and steps,
// which are an upper estimate of what compiling costs. The weights of steps come from measuring wazero 1.12 (BenchmarkCompile);
// another version needs them measured anew.
//
// # Commands
//
// A pool may be one of commands, which are programs that run once. Their environment and standard streams belong to a call, where wazero
// takes them when an instance is made: the streams stand between, and the two functions of the environment are our own.
//
// # Interruption
//
// Calls are interrupted by wazero's own means (WithCloseOnContextDone): a check at loop heads. A deep tree of calls
// without a loop is not interrupted and runs to its end, however late; metering of our own will close that hole.
// wazero lets a guest's call stack grow to some 100 MiB before it traps; that memory is outside the plugin's limit.
package engine
