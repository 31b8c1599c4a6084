// Package recording writes down all that goes through the one door that a guest has to the world, host.Effects, and plays it back: a call
// that was recorded is then made again, on the same code or on other, without a network, a clock or a store. spec/recording.md describes
// the document.
//
// A Recorder stands between a runtime and the effects of a call, and those of a start, since what code does before its first call is part
// of what it does. What the guest asks for and what it got are entries of one list, in the order in which they happened on the goroutine that
// runs the guest. What goes on beside it, as fetches of a script, belongs to numbered tasks, whose entries are found by their number; when the guest
// heard of each is an entry of the list again. That makes a replay exact: it answers each entry by itself and lets tasks be heard of in
// the order of the list.
//
// A recording has no secrets: where the value of one stands, its name is written, and a replay has to be given the value.
package recording
