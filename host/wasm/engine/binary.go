package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Sections, as numbered in the WebAssembly core specification 2.0, section 5.5.2.
const (
	sectionCustom    = 0
	sectionType      = 1
	sectionImport    = 2
	sectionFunction  = 3
	sectionTable     = 4
	sectionMemory    = 5
	sectionGlobal    = 6
	sectionExport    = 7
	sectionStart     = 8
	sectionElement   = 9
	sectionCode      = 10
	sectionData      = 11
	sectionDataCount = 12
)

// The kinds of import (section 5.5.5).
const (
	kindFunc   = 0
	kindTable  = 1
	kindMemory = 2
	kindGlobal = 3
)

// An Import is something that a module wants from its host.
type Import struct {
	Module, Name string
	Kind         string // "function", "table", "memory" or "global"
}

// String returns module.name.
func (i Import) String() string { return i.Module + "." + i.Name }

var (
	wasmHeader      = []byte("\x00asm\x01\x00\x00\x00")
	errTruncated    = errors.New("the file is truncated")
	errNumber       = errors.New("malformed number")
	importKindNames = [...]string{"function", "table", "memory", "global"}
)

// prepare checks everything that a module declares against the limits and against its own length, before a compiler
// sees it: wazero allocates by what is declared, and what it runs out of, memory or stack, ends the process. It returns
// what it read, and the code with a maximum on every table and without what nothing reads.
func prepare(code []byte) ([]byte, *module, error) {
	if !bytes.HasPrefix(code, wasmHeader) {
		return nil, nil, describeHeader(code)
	}
	m := new(module)
	out := make([]byte, 0, len(code)+64)
	out = append(out, wasmHeader...)
	for rest := code[len(wasmHeader):]; len(rest) > 0; {
		id := rest[0]
		r := reader{b: rest[1:]}
		body := r.take(r.u32())
		if r.err != nil {
			return nil, nil, fmt.Errorf("section %d: %w", id, r.err)
		}
		rest = r.b
		body, err := m.section(id, body)
		if err != nil {
			return nil, nil, fmt.Errorf("section %d: %w", id, err)
		}
		if body == nil {
			continue
		}
		out = append(out, id)
		out = binary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
	}
	return out, m, nil
}

func describeHeader(code []byte) error {
	switch {
	case len(code) < len(wasmHeader) && bytes.HasPrefix(wasmHeader, code):
		return errTruncated
	case bytes.HasPrefix(code, wasmHeader[:4]):
		return fmt.Errorf("WebAssembly version % x is not known; this is version 1 only", code[4:min(8, len(code))])
	default:
		return fmt.Errorf("not a WebAssembly module: it starts with % x, not with 00 61 73 6d", code[:min(4, len(code))])
	}
}

// A reader takes values from the front of b; after the first failure, it returns zeros.
type reader struct {
	b       []byte
	err     error
	targets []uint32 // of the br_table that was read last
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) take(n uint32) []byte {
	if r.err != nil || uint64(n) > uint64(len(r.b)) {
		r.fail(errTruncated)
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail(errTruncated)
		return 0
	}
	b := r.b[0]
	r.b = r.b[1:]
	return b
}

// count reads how many of something follow, each at least size bytes.
func (r *reader) count(what string, limit, size uint32) uint32 {
	n := r.u32()
	switch {
	case n > limit:
		r.fail(&limitError{what, uint64(n), uint64(limit)})
	case uint64(n)*uint64(size) > uint64(len(r.b)):
		r.fail(errTruncated)
	}
	if r.err != nil {
		return 0
	}
	return n
}

// u32 reads an unsigned LEB128 number.
func (r *reader) u32() uint32 {
	v, n := binary.Uvarint(r.b)
	switch {
	case r.err != nil:
		return 0
	case n == 0:
		r.fail(errTruncated)
		return 0
	case n < 0 || n > 5 || v > 1<<32-1:
		r.fail(errNumber)
		return 0
	}
	r.b = r.b[n:]
	return uint32(v)
}

// limits reads a minimum and a maximum, which is the largest number where there is none.
func (r *reader) limits() (least, most uint32) {
	flags := r.byte()
	least, most = r.u32(), 1<<32-1
	if flags > 1 {
		r.fail(errors.New("shared and 64-bit limits are not supported"))
	}
	if flags == 1 {
		most = r.u32()
	}
	return least, most
}
