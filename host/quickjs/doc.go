// Package quickjs is the quickjs runtime: it runs the scripts that package js runs, on QuickJS compiled to WebAssembly, with the limits of any
// guest of host/wasm/engine. What a script may export and what its context has is written there, and the web API is the same, host/js/prelude.
//
// # How it works
//
// quickjs.wasm is QuickJS-ng with guest/postern.c; ORIGIN says where it comes from, and guest/build.sh builds it. An instance makes a context,
// runs boot.js in it, then the parts of the prelude that the script names, and the script's code outside of functions; the engine remembers
// what the instance is then, and puts it back to that after each call, unless the plugin's isolation says otherwise.
//
// A call is one call of the guest's export run, which asks the host what happens next until it is over (wait, in loop.go): that an entry is
// called, that a timer is due, that a fetch is done. Scripts reach the host by one function, whose operations are in the maps of ops.go,
// effects.go, webops.go and textops.go, and whose arguments and results are written as values.go says. What computes in vain within an operation is
// bounded; all else is the guest's, and ends with its fuel, its time and its memory.
//
// # What differs from goja
//
// The language is newer here: async generators, iterator helpers, WeakRef and regular expressions with all Unicode properties are QuickJS's own,
// and neither recursion nor what is made of text is bounded but by the guest's stack and memory. Errors that the engine throws have QuickJS's
// words, and a stack that a script reads has places in its bundle; the error that leaves it has the user's. The tests of host/js run over both,
// and quickjs_test.go there lists what differs.
package quickjs
