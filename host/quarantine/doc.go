// Package quarantine has foreign code bundled and compiled in a process of its own first. Compilers call themselves for what is nested, and
// a Go program whose stack overflows ends, whatever it recovers; some inputs keep them busy for minutes, or take all memory. That process, a
// child, is this program started with another command. It has less stack than the host, so that what passes in it never overflows here, a
// limit of memory and one of time; what kills it is an error of the code.
//
// The child is no sandbox against a defect in a compiler that lets code out: it runs as the same user. It bounds what compiling costs.
//
// Code is checked once: what has passed is remembered, over restarts too where there is a file for it, so that a host starts as fast as
// without. What has run since then, a script's handlers, has the limits of its runtime and not of this package.
package quarantine
