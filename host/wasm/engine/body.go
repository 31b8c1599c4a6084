package engine

import "fmt"

// An effort is what a function asks of the compiler, which compiles one after the other and gives up none.
type effort struct {
	locals   uint64 // parameters among them
	branches uint64 // blocks, elses and branches; eight targets of a br_table count as one
	checks   uint64 // that the metering adds, each with a branch
	steps    uint64 // one is an ordinary instruction: about 0.3 µs, and 250 bytes while the function is compiled
	slow     uint64 // steps that take time and no memory
	units    uint32 // of its instructions, where it has neither loops nor calls
	metered  bool   // it has
}

// branch adds a place where paths part or meet, at which every value that lives may get a name of its own.
func (e *effort) branch(height uint32, carried uint64) {
	e.branches++
	live := e.locals + uint64(height)
	e.steps += live*stepsPerLive + carried*stepsPerValue
	e.slow += live*stepsPerLive + live*live/200
}

// whole adds what takes time and no memory: the compiler goes through all branches for each of them, and at a branch
// through all values that live for each of those.
func (e *effort) whole() uint64 {
	all := e.branches + e.checks
	return e.steps + e.slow + all*all/6
}

func (m *module) readCode(r *reader) {
	n := r.count("functions", maxFunctions, 3)
	if bodies := len(m.functions) - m.imported; int(n) != bodies && r.err == nil {
		r.fail(fmt.Errorf("%d bodies for %d functions", n, bodies))
	}
	for i := m.imported; r.err == nil && i < len(m.functions); i++ {
		body := &reader{b: r.take(r.u32()), targets: r.targets}
		if r.err != nil {
			return
		}
		if err := m.readBody(body, m.functions[i]); err != nil {
			r.fail(fmt.Errorf("function %d: %w", i, err))
		}
		r.targets = body.targets
		r.limit("steps to compile all functions", m.steps, maxModuleSteps)
	}
}

func (m *module) readBody(r *reader, typeIndex uint32) error {
	if int(typeIndex) >= len(m.types) {
		return fmt.Errorf("its type is number %d of %d", typeIndex, len(m.types))
	}
	r.limit("bytes of a function", uint64(len(r.b)), maxBody)
	e := effort{locals: uint64(m.types[typeIndex].params)}
	for n := r.count("groups of locals", maxLocals, 2); n > 0 && r.err == nil; n-- {
		e.locals += uint64(r.u32())
		r.valueType()
		r.limit("locals of a function", e.locals, maxLocals)
	}
	e.steps = e.locals
	m.readInstructions(r, typeIndex, &e)
	if len(r.b) > 0 && r.err == nil {
		r.fail(fmt.Errorf("%d bytes come after its end", len(r.b)))
	}
	leaf := max(e.units, 1)
	if e.metered || leaf > maxLeaf {
		leaf = 0
	}
	m.leaves = append(m.leaves, leaf)
	m.locals += e.locals
	m.steps += e.whole()
	r.limit("branches of a function", e.branches, maxBranches)
	r.limit("steps to compile a function", e.steps, maxFunctionSteps)
	r.limit("locals of all functions", m.locals, maxModuleLocals)
	return r.err
}

// readInstructions adds up what the instructions of a function cost.
func (m *module) readInstructions(r *reader, typeIndex uint32, e *effort) {
	s := stack{blocks: m.blocks[:0]}
	s.blocks = append(s.blocks, openBlock{t: funcType{results: m.types[typeIndex].results}, carried: m.types[typeIndex].results})
	for len(s.blocks) > 0 {
		in := r.instruction()
		if r.err != nil {
			return
		}
		e.steps += cost(in.op)
		e.slow += cost(in.op) - 1
		e.units += units(in.op)
		m.note(in, e)
		if in.op == opRefFunc {
			m.refer(r, in.index)
		}
		switch in.op {
		case opBlock, opLoop, opIf:
			if in.op == opIf {
				s.pop(1)
			}
			t := m.blockType(r, in.block)
			s.open(t)
			r.limit("blocks inside one another", uint64(len(s.blocks)), maxNesting)
			e.branch(s.height, uint64(t.params+t.results))
		case opElse:
			e.branch(s.height, uint64(s.top().t.results))
			s.otherwise()
		case opEnd:
			s.end()
		case opBr, opBrIf, opBrTable:
			s.apply(in.op)
			m.branch(r, &s, in, e)
			if in.op != opBrIf {
				s.unreachable()
			}
		case opReturn, opUnreachable:
			e.steps += uint64(s.blocks[0].carried) * stepsPerValue
			s.unreachable()
		case opCall, opCallIndirect:
			s.apply(in.op)
			t := m.callType(r, in)
			s.pop(t.params)
			s.push(t.results)
			e.steps += uint64(t.params+t.results) * stepsPerValue
		default:
			s.apply(in.op)
		}
	}
	m.blocks = s.blocks
}

// note remembers of an instruction what the metering and resets need to know.
func (m *module) note(in instruction, e *effort) {
	switch in.op {
	case opLoop, opCall, opCallIndirect, opMemoryGrow, opMemoryInit:
		e.metered = true
		if in.op != opCall && in.op != opCallIndirect {
			e.checks++
		}
	case opMemoryCopy, opMemoryFill:
		e.metered, m.bulk = true, true
	case opTableInit, opTableCopy, opTableGrow, opTableFill:
		m.growsTables = m.growsTables || in.op == opTableGrow
		e.metered = true
		m.changed("a table")
	case opTableSet:
		m.changed("a table")
	case opDataDrop, opElemDrop:
		m.changed("which of its segments are left")
	}
}

func (m *module) changed(what string) {
	if m.changes == nil {
		m.changes = fmt.Errorf("its code changes %s", what)
	}
}

// branch adds a branch: the values that it carries to each of its targets.
func (m *module) branch(r *reader, s *stack, in instruction, e *effort) {
	carried := func(label uint32) uint64 {
		if int64(label) >= int64(len(s.blocks)) {
			r.fail(fmt.Errorf("it branches out of %d blocks, and is in %d", label, len(s.blocks)))
			return 0
		}
		return uint64(s.blocks[len(s.blocks)-1-int(label)].carried)
	}
	e.branch(s.height, carried(in.index))
	for _, target := range in.targets {
		e.steps += stepsPerTarget + carried(target)*stepsPerValue
	}
	e.branches += uint64(len(in.targets)+7) / 8
	e.steps += uint64(len(in.targets)+7) / 8 * (e.locals + uint64(s.height)) * stepsPerLive
}

func (m *module) callType(r *reader, in instruction) funcType {
	index := in.index
	if in.op == opCall {
		if int64(index) >= int64(len(m.functions)) {
			r.fail(fmt.Errorf("it calls function %d of %d", index, len(m.functions)))
			return funcType{}
		}
		index = m.functions[index]
	}
	if int64(index) >= int64(len(m.types)) {
		r.fail(fmt.Errorf("it calls type %d of %d", index, len(m.types)))
		return funcType{}
	}
	return m.types[index]
}

// blockType returns how many values a block takes and leaves (section 5.4.1).
func (m *module) blockType(r *reader, t int64) funcType {
	switch {
	case t == -64: // no value
		return funcType{}
	case t >= -5 && t < 0, t == -16, t == -17: // a type of value, as a signed number of seven bits
		return funcType{results: 1}
	case t >= 0 && t < int64(len(m.types)):
		return m.types[t]
	}
	r.fail(fmt.Errorf("block type %d is not known", t))
	return funcType{}
}

const (
	stepsPerValue  = 3 // that a call, a block or a branch takes or leaves
	stepsPerLive   = 4 // local, or value on the stack, at a branch
	stepsPerTarget = 9 // of a br_table
)

// cost returns the steps of an instruction alone, as measured: one that may trap has code of its own for that, and
// those on whole memories and tables are loops and calls.
func cost(op opcode) uint64 {
	switch {
	case op < 0x100:
		return uint64(basicCosts[op])
	case op>>8 == prefixMisc:
		return uint64(miscCosts[byte(op)])
	}
	return 2
}

var (
	basicCosts = costs(
		costSpan{0x00, 0xff, 1},
		costSpan{0x10, 0x10, 12}, // call
		costSpan{0x11, 0x11, 60}, // call_indirect
		costSpan{0x25, 0x26, 28}, // table.get, table.set
		costSpan{0x28, 0x3e, 3},  // loads and stores
		costSpan{0x40, 0x40, 13}, // memory.grow
		costSpan{0x6d, 0x70, 25}, // i32.div and rem
		costSpan{0x7f, 0x82, 25}, // i64.div and rem
		costSpan{0xa8, 0xab, 35}, // i32.trunc
		costSpan{0xae, 0xb1, 35}, // i64.trunc
		costSpan{0xd2, 0xd2, 13}, // ref.func
	)
	miscCosts = costs(
		costSpan{0x00, 0xff, 3},
		costSpan{0x08, 0x0e, 100}, // memory.init to table.copy
		costSpan{0x0b, 0x0b, 200}, // memory.fill
		costSpan{0x0f, 0x0f, 13},  // table.grow
		costSpan{0x11, 0x11, 200}, // table.fill
	)
)

// A costSpan is a row of opcodes, first and last included, that cost the same; the last span that has one counts.
type costSpan struct{ first, last, steps uint8 }

func costs(spans ...costSpan) (c [256]uint8) {
	for _, s := range spans {
		for i := int(s.first); i <= int(s.last); i++ {
			c[i] = s.steps
		}
	}
	return c
}
