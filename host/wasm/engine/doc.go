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
// # Memory
//
// Linear memory is not Go's: a range of addresses is reserved for each instance, and backed as the guest asks for it (region). So it never
// moves, growing copies nothing, and closing an instance gives it back at once, where the garbage collector would let what crashed guests leave
// pile up to twice the live heap. It is released by the engine, and not when wazero says so, which may be while the guest is on its stack. All
// that instances hold is counted against one budget: memories, tables, snapshots, and call stacks.
//
// # Isolation
//
// A reset puts memory and mutable globals back, which the metering exports for that; code that changes anything else is refused. It compares
// before it copies, which takes two thirds of the time of a plain copy when a twentieth has changed, and no more when all has (BenchmarkRestore).
//
// # Metering
//
// wazero's own interruption (WithCloseOnContextDone) is off: it costs 4 to 40 times in loops, misses a deep tree of calls without a loop, and the garbage
// collector of the whole process waits for a guest that does not come by. Compile adds a metering to the code in its place (meter), which
// takes 1.04 to 1.25 times in C, 1.1 in Go, and 1.5 in a loop of four instructions, which has no room for two more (BenchmarkMeter).
//
// The fuel is a global, which is exported for the host. At the head of every loop and where a function begins, what comes until the next such place is
// subtracted; below zero, the guest calls the host function refill, which gives it the next 250,000 units, some 100 µs, or ends it by a panic:
// because its context has ended, or its budget. The panic gives the error a stack trace.
//
//   - A function with a loop that calls nothing has the fuel in a local, which may be in a register, and writes it back before whatever may use
//     fuel elsewhere, and at its end. Others have it in the global alone: reading it again after every call costs more than that saves.
//   - The check is an if with nothing, and an else with the call: wazero's allocator of registers keeps, behind the two, what the first of them
//     has in registers, and that has to be the one without the call. The other way around costs 2.2 times in loops over memory.
//   - Long code is charged in pieces, where its paths meet, so that a path is not charged for another: Go's compiler makes one loop of a function, with a
//     jump to any of its parts at its head.
//   - A function of at most 40 units with neither loops nor calls is charged to those who call it, and not itself: 1.0 and not 1.3 times in a loop that calls
//     nothing else. An indirect call is charged a constant for it.
//   - memory.fill and memory.copy are calls of functions that are added, and do a mebibyte at a time. What they check first is that all of it
//     lies inside the memory, so that nothing is written where something does not; copies whose target begins behind their source go from the end.
//     Other operations in bulk are bounded by what a module may declare, and charged after them; memory.grow only if it grew.
//   - WASI's functions are wazero's and look at no deadline: what calls one, also through a table, calls an added function in its place, which
//     refills behind it.
//
// The import of the refill moves the indices of functions. What the added code refers to by number (the global, two locals, two functions, two types) must
// not make a module valid that is not: numbers are checked against what the module itself has.
//
// # Slots
//
// One guest less than there are processors executes at once (slots). Who is next is decided by plugins, and not by calls: the one that has used
// least of late, where what it used counts half after 100 ms. In the order of arrival, a plugin that asks for half a millisecond would wait for the
// turns of all that spin. A guest gives its slot up at its next refill, or in one of 16 calls of Brief host functions, where it has had it for half a
// millisecond and such a plugin waits, or for 5 ms and another call of its own plugin does; it then queues behind those that have not. Who is in a host
// function that is not Brief has none. Waiting for a slot is part of a call's time.
//
// Instances that start have turns of their own beside their plugin's calls, so that one which takes long does not use up what calls to others need.
// A pool makes no more instances at once than may execute: calls that come while one starts are served by it, or by one that is given back before.
// A plugin that starts slowly would else be busy with instances that nobody needs any more once they are there.
//
// # Call stacks
//
// wazero has a guest's call stack outside of linear memory, and lets it grow to some 100 MiB before it traps. It is looked at at each refill, counted as
// memory, and bounded (callstack.go).
package engine
