package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Bounds of tables, which are outside linear memory: eight bytes an entry on the host.
const (
	maxTables       = 16
	maxTableEntries = 1 << 20 // that all tables start with
	maxTableGrowth  = 1 << 17 // entries that a table may grow to, unless it starts with more
)

// Sections, as numbered in the WebAssembly core specification 2.0, section 5.5.2.
const (
	sectionImport = 2
	sectionTable  = 4
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
	importKindNames = [...]string{"function", "table", "memory", "global"}
)

// prepare checks the outline of a module, lists its imports, and returns the module with a maximum on every table.
func prepare(code []byte) ([]byte, []Import, error) {
	if !bytes.HasPrefix(code, wasmHeader) {
		return nil, nil, describeHeader(code)
	}
	var imports []Import
	out := make([]byte, 0, len(code)+64)
	out = append(out, wasmHeader...)
	for rest := code[len(wasmHeader):]; len(rest) > 0; {
		id := rest[0]
		r := reader{rest[1:], nil}
		size := r.u32()
		body := r.take(size)
		if r.err != nil {
			return nil, nil, fmt.Errorf("section %d: %w", id, r.err)
		}
		rest = r.b
		var err error
		switch id {
		case sectionImport:
			imports, err = readImports(body)
		case sectionTable:
			body, err = boundTables(body)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("section %d: %w", id, err)
		}
		out = append(out, id)
		out = binary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
	}
	return out, imports, nil
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

func readImports(section []byte) ([]Import, error) {
	r := reader{section, nil}
	var imports []Import
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		im := Import{Module: string(r.take(r.u32())), Name: string(r.take(r.u32()))}
		kind := r.byte()
		switch kind {
		case kindFunc:
			r.u32()
		case kindTable:
			r.byte()
			r.limits()
		case kindMemory:
			r.limits()
		case kindGlobal:
			r.take(2)
		default:
			return nil, fmt.Errorf("import %s has unknown kind %d", im, kind)
		}
		if r.err != nil {
			break
		}
		im.Kind = importKindNames[kind]
		imports = append(imports, im)
	}
	return imports, r.err
}

// boundTables rewrites the table section so that no table can grow without end.
func boundTables(section []byte) ([]byte, error) {
	r := reader{section, nil}
	n := r.u32()
	if n > maxTables {
		return nil, fmt.Errorf("%d tables; the limit is %d", n, maxTables)
	}
	out := binary.AppendUvarint(nil, uint64(n))
	var total uint64
	for ; n > 0 && r.err == nil; n-- {
		ref := r.byte()
		least, most := r.limits()
		if total += uint64(least); total > maxTableEntries {
			return nil, fmt.Errorf("tables start with more than %d entries", maxTableEntries)
		}
		most = min(most, max(least, maxTableGrowth))
		out = append(out, ref, 1)
		out = binary.AppendUvarint(out, uint64(least))
		out = binary.AppendUvarint(out, uint64(most))
	}
	if r.err == nil && len(r.b) > 0 {
		return nil, errors.New("malformed tables")
	}
	return out, r.err
}

// A reader takes values from the front of b; after the first failure, it returns zeros.
type reader struct {
	b   []byte
	err error
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
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0
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
		r.fail(errors.New("malformed number"))
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
