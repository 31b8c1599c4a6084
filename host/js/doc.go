// Package js is the js runtime: it runs scripts that host/js/bundle made, on goja.
//
// What a script may export, and how it is called:
//
//	export function authorize(event, context)                     an authorizer
//	export function map_request(input, context, stageVariables)   a mapping, also map_response
//	export function handle(event, context)                        a function; handler is the same
//	export default { fetch(request, env, ctx) }                   a function, in the way of web workers
//
// in an ES module, or in CommonJS by exports and module.exports. A script whose only entry is handler, or a
// function as its default export, serves as any of them. Every entry may return a promise.
//
// The context has config (the plugin's configuration), secrets, awsRequestId, functionName, traceparent,
// startSpan(name) and getRemainingTimeInMillis(). Secrets are read by name when they are asked for, as context.secrets.NAME or, in a
// fetch handler, env.NAME; process.env holds the plain environment alone, because scripts print it.
// A mapping's context is the request's own, to which config, secrets, requestOverride and responseOverride are added.
//
// The code outside of functions runs when the plugin is opened, and again for each new instance. It sees the
// environment, the clock and random numbers, and may log; it cannot fetch or set timers.
//
// # Limits
//
// A call ends at the plugin's deadline or when its context ends, whichever is first, by goja's interrupt. goja does
// not interrupt a built-in at work, and of those only regular expressions can be driven far by what a client
// sends: one match is given 100 ms, after which the whole call fails. Sorting or joining millions of elements is the
// script's own doing and delays the deadline. Memory cannot be capped: 'x'.repeat(2**30) succeeds. Code from people who
// are not trusted belongs into Wasm. Call stacks end after 4,000 frames with a RangeError.
//
// What goja runs wrongly without saying so is refused: \p{…} in regular expressions, which never matches there,
// is an error with its place when it stands in a literal, and a SyntaxError when it is built at run time.
package js
