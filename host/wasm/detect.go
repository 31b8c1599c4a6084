package wasm

import (
	"bytes"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/engine"
	"github.com/postern/postern/host/wasm/native"
)

// isComponent reports whether code has the preamble of a component (component-model, Binary.md: version 0x0d, layer 1).
func isComponent(code []byte) bool { return bytes.HasPrefix(code, []byte("\x00asm\x0d\x00\x01\x00")) }

var (
	nothing  = engine.Signature{}
	ctxNext  = engine.Signature{Results: []engine.Type{engine.I64}}
	response = engine.Signature{Params: []engine.Type{engine.I32, engine.I32}}
)

// detect names the carrier of a module: an ABI of package host, or what it is instead, with its article. The first match
// wins. WASI commands come last, since guests of other ABIs export _start too.
func detect(code *engine.Code) string {
	exports := code.Exports()
	has := func(name string, sig engine.Signature) bool {
		got, ok := exports[name]
		return ok && got.Equal(sig)
	}
	for _, version := range []string{"0.1.0", "0.2.0", "0.2.1"} {
		if has("proxy_abi_version_"+strings.ReplaceAll(version, ".", "_"), nothing) {
			return "a proxy-wasm " + version + " plugin"
		}
	}
	imports := code.Imports()
	from := func(prefix string) bool {
		return slices.ContainsFunc(imports, func(i engine.Import) bool { return strings.HasPrefix(i.Module, prefix) })
	}
	_, exportsMemory := code.Memory()
	switch {
	case has("handle_request", ctxNext) && has("handle_response", response) && exportsMemory:
		return "an http-wasm plugin"
	case from("extism:host/"):
		return "an Extism plugin"
	case has(native.Marker, nothing):
		return host.ABIPostern
	case has("_start", nothing):
		return host.ABICGI
	case has("_initialize", nothing):
		return "a reactor of no ABI that is known"
	}
	return "a module of no ABI that is known"
}
