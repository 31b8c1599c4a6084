// Package pipeline turns a snapshot into a running gateway and takes requests through it.
//
// Build opens every plugin that the snapshot names and compiles every route to a list of steps, sorted by
// phase. Serve matches a request, ranges over the steps of its route, and then over the second halves that the
// steps left, backwards. It is a loop and not an onion of wrappers: the order of the steps is data, a step is
// a span, and a stack trace has names.
//
// The plugins of functions may open behind the start (Config.Background), and a stage's canary, like a function's version, is drawn
// for each request; all of them are compiled when the pipeline is built.
//
// Errors become responses in one place, respond.go. One deadline, the route's, holds for the whole exchange;
// a plugin's or an integration's own timeout is laid inside it.
package pipeline
