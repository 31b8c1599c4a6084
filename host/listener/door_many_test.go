//go:build !race

package listener_test

// manyConnections is how many TestManyConnections opens.
const manyConnections = 10_000
