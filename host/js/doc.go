// Package js is the js runtime: it runs scripts that host/js/bundle made, on goja.
//
// What a script may export, and how it is called:
//
//	export function authorize(event, context)                     an authorizer
//	export function map_request(input, context, stageVariables)   a mapping, also map_response
//	export function handle(event, context)                        a function; handler is the same
//	export default { fetch(request, env, ctx) }                   a function, in the way of web workers
//	export function filter_request(request, context)              a filter's first half
//	export function filter_response(response, context)            and its second
//
// in an ES module, or in CommonJS by exports and module.exports. A script whose only entry is handler, or a
// function as its default export, serves as any of them but a filter. Every entry may return a promise.
//
// The context has config (the plugin's configuration), secrets, awsRequestId, functionName, traceparent,
// startSpan(name) and getRemainingTimeInMillis(). Secrets are read by name when they are asked for, as context.secrets.NAME or, in a
// fetch handler, env.NAME; process.env holds the plain environment alone, because scripts print it.
// A mapping's context is the request's own, to which config, secrets, requestOverride and responseOverride are added.
// A function's has functionVersion, invokedFunctionArn and clientContext too, as host.FunctionContext says.
//
// The code outside of functions runs when the plugin is opened, and again for each new instance. It sees the
// environment, the clock and random numbers, and may log; it cannot fetch or set timers.
//
// # Streams
//
// Bodies are WHATWG streams. What comes in is read on a goroutine when the script asks for more, and what the script makes goes
// through a pipe whose room holds the script's stream back (pipe.go); one event loop turns for all of it, from the call until the
// last byte. A body that the script only hands on goes by it, from reader to reader. The two halves of a filter share an instance
// and its loop from Pin to Release (filter.go).
//
// # Limits
//
// A call ends at the plugin's deadline or when its context ends, whichever is first, by goja's interrupt. goja does
// not interrupt a built-in at work, and of those only regular expressions can be driven far by what a client
// sends: one match is given 100 ms, after which the whole call fails. When sorting or joining millions of elements
// overruns, the caller hears of it 100 ms after the deadline; the goroutine, the instance and its place among the
// concurrent calls are taken until the built-in ends, which nothing hastens, and Close reports it after two seconds.
// What the script asks of the host from then on fails.
//
// Memory cannot be capped: 'x'.repeat(2**30) succeeds. Call stacks end after 4,000 frames with a RangeError. Built-ins that
// recurse do so on Go's stack, and when that is exhausted, the process ends. JSON.parse, JSON.stringify and arrays as text
// are bounded at 2,000 levels, and the text given to eval, Function and their kin at 64 KiB, for which they must be
// called by their names. Others are not: a built-in that recurses millions of levels ends the process, as
// a property set at the end of a chain of millions of prototypes or proxies does, or flat(Infinity) on arrays nested
// as deep. Code from people who are not trusted belongs into Wasm.
//
// # The web API
//
// prelude has the web API, in JavaScript on functions in Go, and Node's modules in prelude/node; each part is loaded when a script
// first names what it gives. testdata/differential has what of it is compared with Node.js.
//
// What goja would run wrongly without saying so is made right or refused: the characters that a \p{…} in a regular expression
// stands for are put into the pattern, and a property that is not known is an error, with its place when it stands in a literal.
package js
