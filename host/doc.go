// Package host holds the vocabulary of Postern as plain structs, and the few interfaces that its parts meet at.
//
// It is the ground floor: it imports the standard library alone, and every other package may import it. It
// knows no HTTP engine, no YAML, no Wasm and no JavaScript. Definitions (API, Route, Function and so on) are
// what a user wrote, decoded and checked; once a Snapshot is built, nothing changes them. What runs
// (Handler, Plugin, Integration) is made from them by the floors above.
package host
