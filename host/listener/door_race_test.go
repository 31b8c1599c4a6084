//go:build race

package listener_test

// manyConnections is how many TestManyConnections opens: the race detector takes much memory for each.
const manyConnections = 1_000
