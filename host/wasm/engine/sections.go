package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// The types of values (section 5.3), and the byte that starts a function's type.
const (
	typeI32       = 0x7f
	typeI64       = 0x7e
	typeF32       = 0x7d
	typeF64       = 0x7c
	typeV128      = 0x7b
	typeFuncref   = 0x70
	typeExternref = 0x6f
	typeFunction  = 0x60
)

// A funcType is how many values a function takes and returns.
type funcType struct {
	params, results uint32
	result          byte // the type of the last result; 0 for none
}

// A globalType is what a global holds, and whether it may change.
type globalType struct {
	value   byte
	mutable bool
}

// numeric reports whether a host can read and write it as a number.
func (t globalType) numeric() bool { return t.value >= typeF64 && t.value <= typeI32 }

// A module is what has been read of one, as far as later sections refer to it, and sums for the limits.
type module struct {
	last            byte // section that is not a custom one
	named           bool // whether there was a name section
	types           []funcType
	imports         []Import
	functions       []uint32    // the type of each function, the imported ones first
	imported        int         // of them
	values          uint64      // parameters and results of types
	elements        uint64      // of element segments
	functionGlobals uint64      // globals that refer to functions
	segments        uint64      // of elements and of data
	locals          uint64      // of functions
	steps           uint64      // to compile the functions
	blocks          []openBlock // room for those of the next function

	globals        []globalType // the imported ones first
	importedGlobal int          // of them
	memories       int
	entries        uint64 // of tables, when an instance starts
	entriesMost    uint64 // that they may grow to
	growsTables    bool   // whether there is a table.grow
	start          uint32 // the function that an instance runs first, where it starts
	starts         bool
	reserved       bool              // whether an export begins as those of the metering do
	leaves         []uint32          // of each function that is not imported, the units that its callers are charged; 0 where it is charged itself
	declared       map[uint32]bool   // the functions that code may refer to: those that are named outside of it (section 3.4.10)
	refers         []uint32          // those that it does refer to
	places         map[uint32]uint32 // of them there
	bulk           bool              // whether there is a memory.fill or a memory.copy
	changes        error             // what keeps instances from being reset; nil for nothing
}

// section checks one section, and returns what the compiler gets of it; nil leaves it out.
func (m *module) section(id byte, body []byte) ([]byte, error) {
	if id == sectionCustom {
		return m.custom(body)
	}
	if order(id) <= order(m.last) {
		return nil, errors.New("it is unknown, twice, or not in its order")
	}
	m.last = id
	r := &reader{b: body}
	switch id {
	case sectionType:
		m.readTypes(r)
	case sectionImport:
		m.readImports(r)
	case sectionFunction:
		m.readFunctions(r)
	case sectionTable:
		body = m.boundTables(r)
	case sectionMemory:
		for n := r.count("memories", 1, 2); n > 0; n-- {
			r.limits()
			m.memories++
		}
	case sectionGlobal:
		m.readGlobals(r)
	case sectionExport:
		m.readExports(r)
	case sectionStart:
		m.start, m.starts = r.u32(), true
	case sectionDataCount:
		r.u32()
	case sectionElement:
		m.readElements(r)
	case sectionCode:
		m.readCode(r)
	case sectionData:
		m.readData(r)
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail(fmt.Errorf("%d bytes are left over", len(r.b)))
	}
	return body, r.err
}

// order returns where a section belongs (section 5.5.2): the data count comes before the code.
func order(id byte) int {
	switch {
	case id == sectionDataCount:
		return 2*sectionElement + 1
	case id > sectionDataCount:
		return 0
	}
	return 2 * int(id)
}

// custom passes on the names of functions, which are all that is read of custom sections: they are in stack traces.
func (m *module) custom(body []byte) ([]byte, error) {
	r := &reader{b: body}
	name := r.take(r.u32())
	if r.err != nil || m.named || string(name) != "name" {
		return nil, r.err
	}
	m.named = true
	out := append([]byte{}, body[:len(body)-len(r.b)]...)
	for given := false; len(r.b) > 0 && r.err == nil; {
		id := r.byte()
		sub := r.take(r.u32())
		if id != 1 || given || r.err != nil { // there is one list of each kind; the metering adds to all that it finds
			continue
		}
		given = true
		names := &reader{b: sub}
		for n := names.count("names of functions", maxFunctions, 2); n > 0 && names.err == nil; n-- {
			names.u32()
			names.name()
		}
		if names.err != nil || len(names.b) > 0 {
			return nil, nil // as the specification has it, a custom section that is malformed is no reason to refuse a module
		}
		out = append(out, id)
		out = binary.AppendUvarint(out, uint64(len(sub)))
		out = append(out, sub...)
	}
	if r.err != nil {
		return nil, nil
	}
	return out, nil
}

func (m *module) readTypes(r *reader) {
	n := r.count("types", maxTypes, 3)
	m.types = make([]funcType, 0, n)
	for ; n > 0 && r.err == nil; n-- {
		if form := r.byte(); form != typeFunction {
			r.fail(fmt.Errorf("type %#02x is not a function's", form))
		}
		var t funcType
		t.params, _ = r.valueTypes("parameters of a function")
		t.results, t.result = r.valueTypes("results of a function")
		m.types = append(m.types, t)
		m.values += uint64(t.params + t.results)
	}
	r.limit("parameters and results of all types", m.values, maxTypeValues)
}

func (r *reader) valueTypes(what string) (n uint32, last byte) {
	n = r.count(what, maxArity, 1)
	for range n {
		last = r.valueType()
	}
	return n, last
}

func (r *reader) valueType() byte {
	t := r.byte()
	switch t {
	case typeI32, typeI64, typeF32, typeF64, typeV128, typeFuncref, typeExternref:
	default:
		r.fail(fmt.Errorf("value type %#02x is not known", t))
	}
	return t
}

func (m *module) readImports(r *reader) {
	for n := r.count("imports", maxImports, 4); n > 0 && r.err == nil; n-- {
		im := Import{Module: r.name(), Name: r.name()}
		kind := r.byte()
		switch kind {
		case kindFunc:
			m.functions = append(m.functions, r.u32())
		case kindTable:
			r.byte()
			r.limits()
		case kindMemory:
			r.limits()
			m.memories++
		case kindGlobal:
			m.globals = append(m.globals, r.globalType())
		default:
			r.fail(fmt.Errorf("import %s has unknown kind %d", im, kind))
			return
		}
		im.Kind = importKindNames[kind]
		m.imports = append(m.imports, im)
	}
	m.imported, m.importedGlobal = len(m.functions), len(m.globals)
}

// name reads a string, which only the bytes of the module bound.
func (r *reader) name() string { return string(r.take(r.u32())) }

func (r *reader) globalType() globalType {
	t := globalType{value: r.valueType()}
	mutable := r.byte()
	if mutable > 1 {
		r.fail(fmt.Errorf("mutability %#02x is not known", mutable))
	}
	t.mutable = mutable == 1
	return t
}

func (m *module) readGlobals(r *reader) {
	for n := r.count("globals", maxGlobals, 4); n > 0 && r.err == nil; n-- {
		t := r.globalType()
		if t.mutable && !t.numeric() && m.changes == nil {
			m.changes = fmt.Errorf("global %d, which may change, holds a vector or a reference", len(m.globals))
		}
		if t.value == typeFuncref {
			m.functionGlobals++
		}
		m.globals = append(m.globals, t)
		m.constant(r)
	}
}

func (m *module) readFunctions(r *reader) {
	for n := r.count("functions", maxFunctions, 1); n > 0 && r.err == nil; n-- {
		m.functions = append(m.functions, r.u32())
	}
}

// boundTables rewrites the table section so that no table can grow without end.
func (m *module) boundTables(r *reader) []byte {
	n := r.count("tables", maxTables, 3)
	out := binary.AppendUvarint(nil, uint64(n))
	var total, room uint64
	for ; n > 0 && r.err == nil; n-- {
		ref := r.byte()
		if ref != typeFuncref && ref != typeExternref {
			r.fail(fmt.Errorf("table type %#02x is not known", ref))
		}
		least, most := r.limits()
		total += uint64(least)
		if least > most {
			r.fail(errors.New("a table has a maximum below its minimum"))
		}
		most = min(most, max(least, maxTableGrowth))
		room += uint64(most)
		out = append(out, ref, 1)
		out = binary.AppendUvarint(out, uint64(least))
		out = binary.AppendUvarint(out, uint64(most))
	}
	r.limit("entries that tables start with", total, maxTableEntries)
	m.entries, m.entriesMost = total, room
	return out
}

func (m *module) readExports(r *reader) {
	for n := r.count("exports", maxExports, 3); n > 0 && r.err == nil; n-- {
		if bytes.HasPrefix(r.take(r.u32()), []byte(meterModule)) {
			m.reserved = true
		}
		kind := r.byte()
		if kind > kindGlobal {
			r.fail(fmt.Errorf("an export has unknown kind %d", kind))
		}
		if index := r.u32(); kind == kindFunc {
			m.declare(index)
		}
	}
}

// constant reads an expression of constants (section 3.3.10), which is one instruction.
func (m *module) constant(r *reader) {
	for r.err == nil {
		switch in := r.instruction(); in.op {
		case opEnd:
			return
		case opRefFunc:
			m.declare(in.index)
		case 0x23, 0x41, 0x42, 0x43, 0x44, 0xd0, prefixVector<<8 | 0x0c:
		default:
			r.fail(fmt.Errorf("instruction %#02x is not constant", uint16(in.op)))
		}
	}
}

// declare notes a function that is named outside of code.
func (m *module) declare(index uint32) {
	if m.declared == nil {
		m.declared = map[uint32]bool{}
	}
	m.declared[index] = true
}

// refer notes that code refers to a function.
func (m *module) refer(r *reader, index uint32) {
	if !m.declared[index] {
		r.fail(fmt.Errorf("it refers to function %d, which is named nowhere but in code", index))
		return
	}
	if _, known := m.places[index]; known {
		return
	}
	if m.places == nil {
		m.places = map[uint32]uint32{}
	}
	m.places[index] = uint32(len(m.refers))
	m.refers = append(m.refers, index)
	r.limit("functions that code refers to", uint64(len(m.refers)), maxGlobals)
}

// readElements reads the element segments (section 5.5.12): bit 0 of the flags says passive or declarative, bit 1 an
// explicit table or declarative, and bit 2 expressions in place of functions.
func (m *module) readElements(r *reader) {
	n := r.count("element segments", maxSegments, 2)
	m.segments += uint64(n)
	for ; n > 0 && r.err == nil; n-- {
		flags := r.u32()
		if flags > 7 {
			r.fail(fmt.Errorf("element segment of unknown kind %d", flags))
		}
		active, explicit, expressions := flags&1 == 0, flags&2 != 0, flags&4 != 0
		if active && explicit {
			r.u32()
		}
		if active {
			m.constant(r)
		}
		if !active || explicit {
			r.byte() // the kind or the type
		}
		count := r.count("elements", maxElements, 1)
		m.elements += uint64(count)
		for ; count > 0 && r.err == nil; count-- {
			if expressions {
				m.constant(r)
			} else {
				m.declare(r.u32())
			}
		}
		r.limit("elements", m.elements, maxElements)
	}
}

func (m *module) readData(r *reader) {
	n := r.count("data segments", maxSegments, 2)
	m.segments += uint64(n)
	for ; n > 0 && r.err == nil; n-- {
		switch flags := r.u32(); flags {
		case 0:
			m.constant(r)
		case 1:
		case 2:
			r.u32()
			m.constant(r)
		default:
			r.fail(fmt.Errorf("data segment of unknown kind %d", flags))
		}
		r.take(r.u32())
	}
}
