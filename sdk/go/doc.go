// Package postern is for plugins of Postern in Go: functions, authorizers, mappings and filters, compiled to WebAssembly.
//
// A plugin is a main package that exports the entries that it implements, each with one line:
//
//	package main
//
//	import "github.com/postern/postern/sdk/go"
//
//	func main() {}
//
//	//go:wasmexport handle
//	func handle() int32 { return postern.Handle(serve) }
//
//	func serve(r *postern.Request) (*postern.Response, error) {
//		return postern.Text(200, "hello, "+r.PathParameters["name"]), nil
//	}
//
// The entries are handle (Handle or HandleJSON), authorize (Authorize), map_request (MapRequest), map_response
// (MapResponse), filter_request (FilterRequest) and filter_response (FilterResponse). What a plugin does not export, it does
// not implement. Build it with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o plugin.wasm .
//
// A plugin stays alive between calls, so package variables keep their values, and takes one call at a time: its
// functions need no locks. It may panic: the call fails with the panic's text and stack in the log, and the plugin
// goes on. Goroutines run only while a call does.
//
// Whatever reaches outside goes through the host: Fetch, Secret, the plugin's own map (KVGet, KVPut …), its metrics (Count, Gauge, Record), Log,
// StartSpan, and also time.Now, crypto/rand, os.Getenv
// and standard output, which WASI brings there. There is no file system and there are no sockets.
//
// The package also compiles for other systems, so that what is passed to Handle and its siblings can be tested with go
// test. There is no host there: Log writes to standard error, Fetch, Secret and the map fail with ErrNoHost, spans do nothing, and
// Handle and its siblings panic.
package postern
