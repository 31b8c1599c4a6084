// Package command runs WASI commands: programs with a _start function that know nothing of Postern. spec/wasi.md says what such a
// program sees. There are two carriers. Over CGI a function is a CGI/1.1 program (RFC 3875): the request's body is its
// standard input, and a response comes out of its standard output while it writes. Over stdio a program is a filter in the
// sense of Unix: an event, or a mapping's body, goes in, and the result comes out.
//
// A program runs once. Each call makes an instance of the compiled code, which takes as long as its memory takes to fill: some
// tens of microseconds for C, milliseconds for Go, whose runtime starts anew. Instances are not kept ready, as that
// would only move the work.
package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/engine"
)

// start is the export that runs a command (WASI, application ABI).
const start = "_start"

// wasi is the import module of WASI preview 1.
const wasi = "wasi_snapshot_preview1"

// Check reports what keeps code from being a command for a carrier, and which entries it then has.
func Check(code *engine.Code, abi string) (entries []string, err error) {
	got, ok := code.Exports()[start]
	if !ok || !got.Equal(engine.Signature{}) {
		return nil, errors.New("it is no WASI command: it exports no function _start of type ()->()")
	}
	if _, ok := code.Memory(); !ok {
		return nil, errors.New(`it does not export its memory as "memory"`)
	}
	for _, im := range code.Imports() {
		if !strings.HasPrefix(im.Module, "wasi_") {
			return nil, fmt.Errorf("it imports %s, and a WASI command may import %s alone", im, wasi)
		}
	}
	if abi == host.ABICGI {
		return []string{host.EntryHandle}, nil
	}
	return []string{host.EntryAuthorize, host.EntryMapRequest, host.EntryMapResponse, host.EntryHandle}, nil
}
