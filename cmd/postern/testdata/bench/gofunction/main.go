// Command gofunction is a function in Go, for the benches. It speaks Postern's ABI without the SDK, so that the module is smaller than
// 2 MiB, and can be filled up to them.
package main

import (
	"strconv"
	"unsafe"
)

//go:wasmimport postern meta_write
func metaWrite(data unsafe.Pointer, n int32) int32

//go:wasmimport postern body_write
func bodyWrite(data unsafe.Pointer, n int32) int32

//go:wasmexport postern_abi_1
func abi() {}

func main() {}

var calls int

// mark is where the benches write what tells a module from others: code is compiled anew only where a module differs in what runs.
var mark = "mark-000000000000"

//go:wasmexport handle
func handle() int32 {
	calls++
	meta, body := []byte(`{"statusCode":200}`), strconv.AppendInt([]byte(mark+" call "), int64(calls), 10)
	if n := metaWrite(unsafe.Pointer(&meta[0]), int32(len(meta))); n < 0 {
		return n
	}
	return min(0, bodyWrite(unsafe.Pointer(&body[0]), int32(len(body))))
}
