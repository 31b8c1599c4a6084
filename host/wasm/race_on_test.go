//go:build race

package wasm_test

// underRace says that the race detector makes all of it some ten times slower.
const underRace = true
