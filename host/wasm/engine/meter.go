package engine

import (
	"encoding/binary"
	"fmt"

	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// The metering's own names: the import by which guests get more fuel, and its exports. A module that has any like them is refused.
const (
	meterModule  = "postern:meter"
	meterRefill  = "refill"
	exportFuel   = meterModule + ":fuel"
	exportStart  = meterModule + ":start"
	exportGlobal = meterModule + ":global:" // and its index
)

// Units of fuel. One is about one instruction; what takes no time of its own, as blocks, takes none.
const (
	maxLeaf       = 40 // of a function that is charged to its callers
	unitsIndirect = 8  // of call_indirect, which may call such a function
	unitsHost     = 50 // of the call of an imported function, and of growing, which the host does
	maxMerged     = 16 // that are charged together although not all of them may be run
)

// units returns what an instruction is charged, without what it calls or moves.
func units(op opcode) uint32 {
	switch op {
	case 0x01, opBlock, opLoop, opElse, opEnd: // nop
		return 0
	case opCallIndirect:
		return unitsIndirect
	case opMemoryGrow, opTableGrow:
		return unitsHost
	}
	return 1
}

// A meterPass adds the metering to a module. The refill is imported behind the module's own imports, which moves all functions that
// are not imported; the fuel, and the functions that are added, stand at the end, and move nothing.
type meterPass struct {
	m       *module
	globals []string // the names of the exports that are added for resets
	added   []addedFunction
	instead map[uint32]uint32 // the functions that are called in the place of imported ones

	refillType, pieceType uint32
	refill, fill, copy    uint32 // functions; the last two are 0 where there are none
	fuel                  uint32 // a global; behind it those that hold what code refers to
	body                  bodyMeter
}

// An addedFunction stands behind the module's own.
type addedFunction struct {
	name string
	t    uint32
	body func() []byte // valid until the next one is asked for
}

// A metered module has the metering, and exports its mutable numbers.
type metered struct {
	code    []byte
	globals []string // the names of their exports, in their order
}

// meter adds the metering to a module that prepare has let pass.
func meter(code []byte, m *module) (metered, error) {
	p := newMeterPass(m)
	for _, im := range m.imports {
		if im.Module == meterModule {
			return metered{}, fmt.Errorf("import %s: the module %q is the host's own", im, meterModule)
		}
	}
	if m.reserved {
		return metered{}, fmt.Errorf("an export begins with %q, which is the host's own", meterModule)
	}
	for i, t := range m.functions {
		if int64(t) >= int64(len(m.types)) { // which may be a type that is added
			return metered{}, fmt.Errorf("function %d: there is no type %d", i, t)
		}
	}
	if err := m.checkStart(); err != nil {
		return metered{}, err
	}
	var sections [sectionDataCount + 1][]byte
	for rest := code[len(wasmHeader):]; len(rest) > 0; {
		r := reader{b: rest[1:]}
		sections[rest[0]] = r.take(r.u32())
		rest = r.b
	}
	out := append(make([]byte, 0, len(code)+len(code)/3), wasmHeader...)
	for _, id := range []byte{sectionType, sectionImport, sectionFunction, sectionTable, sectionMemory, sectionGlobal, sectionExport, sectionStart,
		sectionElement, sectionDataCount, sectionCode, sectionData, sectionCustom} {
		body, err := p.section(id, sections[id])
		if err != nil {
			return metered{}, fmt.Errorf("section %d: %w", id, err)
		}
		if body != nil {
			out = append(out, id)
			out = binary.AppendUvarint(out, uint64(len(body)))
			out = append(out, body...)
		}
	}
	return metered{out, p.globals}, nil
}

// checkStart holds the start function to its type (section 3.4.9), as nobody does once it is an export.
func (m *module) checkStart() error {
	switch {
	case !m.starts:
	case int64(m.start) >= int64(len(m.functions)):
		return fmt.Errorf("the start function: there is no function %d", m.start)
	default:
		if t := m.types[m.functions[m.start]]; t.params > 0 || t.results > 0 {
			return fmt.Errorf("the start function has %d parameters and %d results; it must have none", t.params, t.results)
		}
	}
	return nil
}

func newMeterPass(m *module) *meterPass {
	p := &meterPass{m: m, instead: map[uint32]uint32{}}
	for i, t := range m.globals {
		if i >= m.importedGlobal && t.mutable && t.numeric() {
			p.globals = append(p.globals, fmt.Sprint(exportGlobal, i))
		}
	}
	p.refillType, p.pieceType = uint32(len(m.types)), uint32(len(m.types)+1)
	p.refill, p.fuel = uint32(m.imported), uint32(len(m.globals))
	p.body.pass = p
	if m.bulk && m.memories > 0 {
		p.fill = p.add("memory.fill", p.pieceType, p.body.fillInPieces)
		p.copy = p.add("memory.copy", p.pieceType, p.body.copyInPieces)
	}
	index := uint32(0)
	for _, im := range m.imports {
		if im.Kind != importKindNames[kindFunc] {
			continue
		}
		if im.Module == wasi_snapshot_preview1.ModuleName { // its functions look at no deadline
			imported, t := index, m.functions[index]
			p.instead[index] = p.add(im.Name, t, func() []byte { return p.body.passOn(imported, im.Name, m.types[t].params) })
		}
		index++
	}
	return p
}

// add returns the index of a function that is added.
func (p *meterPass) add(name string, t uint32, body func() []byte) uint32 {
	p.added = append(p.added, addedFunction{name, t, body})
	return uint32(len(p.m.functions) + len(p.added))
}

// section returns what becomes of a section: nil where there is none, before and after.
func (p *meterPass) section(id byte, body []byte) ([]byte, error) {
	r := &reader{b: body}
	switch id {
	case sectionType:
		return extend(body, 2, []byte{typeFunction, 1, typeI64, 1, typeI64, typeFunction, 3, typeI32, typeI32, typeI32, 0}), nil
	case sectionImport:
		entry := appendName(appendName(nil, meterModule), meterRefill)
		return extend(body, 1, binary.AppendUvarint(append(entry, kindFunc), uint64(p.refillType))), nil
	case sectionFunction:
		if len(p.added) > 0 {
			var types []byte
			for _, f := range p.added {
				types = binary.AppendUvarint(types, uint64(f.t))
			}
			return extend(body, uint32(len(p.added)), types), nil
		}
	case sectionGlobal:
		out := p.globalSection(r)
		return out, r.err
	case sectionExport:
		out := p.exports(r)
		return out, r.err
	case sectionStart: // it is an export (exportStart), so that it runs when the call stack on which it does is known
		return nil, nil
	case sectionElement:
		if body != nil {
			out := p.elements(r)
			return out, r.err
		}
	case sectionCode:
		if body != nil || len(p.added) > 0 {
			out := p.code(r)
			return out, r.err
		}
	case sectionCustom:
		if body != nil {
			return p.names(r), nil
		}
	}
	return body, nil
}

// extend adds n entries to a section that is a vector, or makes one.
func extend(section []byte, n uint32, entries []byte) []byte {
	r := reader{b: section}
	if len(section) > 0 {
		n += r.u32()
	}
	out := binary.AppendUvarint(make([]byte, 0, len(section)+len(entries)+1), uint64(n))
	return append(append(out, r.b...), entries...)
}

func appendName(out []byte, name string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(name))), name...)
}

// function writes the index that a function has now.
func (p *meterPass) function(r *reader, out []byte, index uint32) []byte {
	if int64(index) >= int64(len(p.m.functions)) { // which may be a function that is added
		r.fail(fmt.Errorf("there is no function %d", index))
	}
	if instead, ok := p.instead[index]; ok {
		index = instead
	} else if index >= p.refill {
		index++
	}
	return binary.AppendUvarint(out, uint64(index))
}

// constant copies an expression of constants.
func (p *meterPass) constant(r *reader, out []byte) []byte {
	for r.err == nil {
		before := r.b
		in := r.instruction()
		switch in.op {
		case opRefFunc:
			out = p.function(r, append(out, byte(opRefFunc)), in.index)
			continue
		case opGlobalGet:
			if int64(in.index) >= int64(len(p.m.globals)) {
				r.fail(fmt.Errorf("there is no global %d", in.index))
			}
		}
		out = append(out, before[:len(before)-len(r.b)]...)
		if in.op == opEnd {
			break
		}
	}
	return out
}

func (p *meterPass) globalSection(r *reader) []byte {
	var n uint32
	if len(r.b) > 0 {
		n = r.u32()
	}
	out := binary.AppendUvarint(nil, uint64(n)+1+uint64(len(p.m.refers)))
	for ; n > 0 && r.err == nil; n-- {
		out = append(out, r.take(2)...)
		out = p.constant(r, out)
	}
	out = append(out, typeI64, 1, byte(opI64Const), 0, byte(opEnd))
	for _, index := range p.m.refers {
		out = append(p.function(r, append(out, typeFuncref, 0, byte(opRefFunc)), index), byte(opEnd))
	}
	return out
}

func (p *meterPass) exports(r *reader) []byte {
	var own uint32
	if len(r.b) > 0 {
		own = r.u32()
	}
	n := own + 1 + uint32(len(p.globals))
	if p.m.starts {
		n++
	}
	out := binary.AppendUvarint(nil, uint64(n))
	for ; own > 0 && r.err == nil; own-- {
		out = appendName(out, r.name())
		kind := r.byte()
		out = append(out, kind)
		index := r.u32()
		if kind == kindGlobal && int64(index) >= int64(len(p.m.globals)) {
			r.fail(fmt.Errorf("there is no global %d", index))
		}
		if kind == kindFunc {
			out = p.function(r, out, index)
		} else {
			out = binary.AppendUvarint(out, uint64(index))
		}
	}
	out = append(appendName(out, exportFuel), kindGlobal)
	out = binary.AppendUvarint(out, uint64(p.fuel))
	next := 0
	for i, t := range p.m.globals {
		if i >= p.m.importedGlobal && t.mutable && t.numeric() {
			out = append(appendName(out, p.globals[next]), kindGlobal)
			out = binary.AppendUvarint(out, uint64(i))
			next++
		}
	}
	if p.m.starts {
		out = p.function(r, append(appendName(out, exportStart), kindFunc), p.m.start)
	}
	return out
}

func (p *meterPass) elements(r *reader) []byte {
	n := r.u32()
	out := binary.AppendUvarint(nil, uint64(n))
	for ; n > 0 && r.err == nil; n-- {
		flags := r.u32()
		out = binary.AppendUvarint(out, uint64(flags))
		active, explicit, expressions := flags&1 == 0, flags&2 != 0, flags&4 != 0
		if active && explicit {
			out = binary.AppendUvarint(out, uint64(r.u32()))
		}
		if active {
			out = p.constant(r, out)
		}
		if !active || explicit {
			out = append(out, r.byte())
		}
		count := r.u32()
		out = binary.AppendUvarint(out, uint64(count))
		for ; count > 0 && r.err == nil; count-- {
			if expressions {
				out = p.constant(r, out)
			} else {
				out = p.function(r, out, r.u32())
			}
		}
	}
	return out
}

// names moves the names of functions, and adds those of the functions that are added.
func (p *meterPass) names(r *reader) []byte {
	out := appendName(nil, r.name()) // "name"
	for len(r.b) > 0 && r.err == nil {
		id := r.byte()
		sub := &reader{b: r.take(r.u32())}
		n := sub.u32()
		var entries []byte
		for range n {
			index := sub.u32()
			if index >= p.refill && index < 1<<32-1 {
				index++
			}
			entries = appendName(binary.AppendUvarint(entries, uint64(index)), sub.name())
		}
		for i, f := range p.added {
			entries = appendName(binary.AppendUvarint(entries, uint64(len(p.m.functions)+1+i)), f.name)
		}
		n += uint32(len(p.added))
		entries = append(binary.AppendUvarint(nil, uint64(n)), entries...)
		out = binary.AppendUvarint(append(out, id), uint64(len(entries)))
		out = append(out, entries...)
	}
	return out
}
