// Package prelude is the web API and Node's modules, in JavaScript, for both JavaScript runtimes. Each file is a function from an object of
// native functions to an object of what it gives; those that files name are in host/js/globals.go and host/quickjs/boot.js.
package prelude

import "embed"

// Files are the parts.
//
//go:embed *.js node
var Files embed.FS

// Globals says where each global comes from. A part is loaded when a script first names one of its globals: most scripts name
// few, and a fresh instance must stay cheap.
var Globals = map[string]string{
	"WeakRef": "weak.js", "FinalizationRegistry": "weak.js",
	"URL": "url.js", "URLSearchParams": "url.js", "URLPattern": "urlpattern.js",
	"DOMException": "events.js", "Event": "events.js", "EventTarget": "events.js", "AbortController": "events.js", "AbortSignal": "events.js",
	"CustomEvent": "events.js", "ErrorEvent": "events.js", "MessageEvent": "events.js", "PromiseRejectionEvent": "events.js",
	"reportError": "events.js", "addEventListener": "events.js", "removeEventListener": "events.js", "dispatchEvent": "events.js",
	"Headers": "headers.js", "Request": "fetch.js", "Response": "fetch.js", "fetch": "fetch.js",
	"TextEncoder": "text.js", "TextDecoder": "text.js",
	"ReadableStream": "streams.js", "ReadableStreamDefaultReader": "streams.js", "ReadableStreamDefaultController": "streams.js",
	"ReadableStreamBYOBReader": "bytestreams.js", "ReadableByteStreamController": "bytestreams.js", "ReadableStreamBYOBRequest": "bytestreams.js",
	"WritableStream": "writable.js", "WritableStreamDefaultWriter": "writable.js", "WritableStreamDefaultController": "writable.js",
	"TransformStream": "transform.js", "TransformStreamDefaultController": "transform.js",
	"CountQueuingStrategy": "transform.js", "ByteLengthQueuingStrategy": "transform.js",
	"TextEncoderStream": "transform.js", "TextDecoderStream": "transform.js", "CompressionStream": "transform.js", "DecompressionStream": "transform.js",
	"crypto": "crypto.js", "Crypto": "crypto.js", "SubtleCrypto": "crypto.js", "CryptoKey": "crypto.js",
	"console": "console.js", "structuredClone": "clone.js",
	"Blob": "blob.js", "File": "blob.js", "FormData": "formdata.js",
	"Performance": "time.js", "PerformanceEntry": "time.js", "PerformanceMark": "time.js", "PerformanceMeasure": "time.js",
	"navigator": "time.js", "Navigator": "time.js",
	"performance": "time.js", "queueMicrotask": "time.js", "process": "process.js",
}
