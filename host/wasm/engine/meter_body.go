package engine

import (
	"encoding/binary"
	"fmt"
)

// A piece is a run of instructions that are charged at its start, and can be reached only over the start of its home, or its own: what
// follows the head of a loop, an if, an else, or the end of a block.
type piece struct {
	home  int32 // the one that it is charged with, itself for one that is charged alone
	units uint32
	check bool
}

// A block is one that is open.
type block struct {
	home  int32 // of the piece behind its end
	loop  bool
	calls bool // whether something in it calls
}

// A bodyMeter meters one function after the other.
//
// In a function with a loop that calls nothing the fuel is in a local variable, which may stay in a register: it is written back before,
// and read again after, whatever may use fuel elsewhere, and at the function's end. In others it is in the global alone.
type bodyMeter struct {
	pass   *meterPass
	r      reader
	out    []byte
	head   []byte // room for declarations
	pieces []piece
	blocks []block // room for those of the next function
	next   int     // piece to begin

	local  bool // whether the fuel is in a local
	fuel   uint32
	length uint32 // the first of two locals that hold the operand and the result of an operation in bulk
	locals uint64
}

// A survey is what is found out about a function before anything is added to it.
type survey struct {
	loops, tight bool // whether it has loops, and some that call nothing
	bulk         bool
	straight     bool // whether it comes to a loop first of all
}

// code meters all functions and adds those that fill and copy.
func (p *meterPass) code(r *reader) []byte {
	var n uint32
	if len(r.b) > 0 {
		n = r.u32()
	}
	out := binary.AppendUvarint(make([]byte, 0, len(r.b)+len(r.b)/3), uint64(n)+uint64(len(p.added)))
	for i := uint32(0); i < n && r.err == nil; i++ {
		body := r.take(r.u32())
		metered, err := p.body.function(body, p.m.types[p.m.functions[p.m.imported+int(i)]], p.m.leaves[i] > 0)
		if err != nil {
			r.fail(fmt.Errorf("function %d: %w", p.m.imported+int(i), err))
		}
		out = append(binary.AppendUvarint(out, uint64(len(metered))), metered...)
	}
	for _, f := range p.added {
		body := f.body()
		out = append(binary.AppendUvarint(out, uint64(len(body))), body...)
	}
	return out
}

// function returns a function's body with its metering, valid until the next one is asked for.
func (b *bodyMeter) function(body []byte, t funcType, leaf bool) ([]byte, error) {
	b.out = b.out[:0]
	code := b.declarations(body, t)
	s := b.survey(code)
	if leaf {
		b.pieces = append(b.pieces[:0], piece{}) // nothing is charged
	}
	// The function's own label becomes that of a block, behind which the fuel is written back.
	b.local = s.tight && !leaf && t.results <= 1
	b.declare(leaf, s.bulk)
	b.r, b.next = reader{b: code, targets: b.r.targets}, 0
	if b.local {
		b.op(opGlobalGet, b.pass.fuel).op(opLocalSet, b.fuel)
	}
	if !leaf {
		b.begin()
	}
	if b.local {
		b.out = append(b.out, byte(opBlock), 0x40)
		if t.results == 1 {
			b.out[len(b.out)-1] = t.result
		}
	}
	b.instructions(leaf)
	if b.local {
		b.save().plain(opEnd)
	}
	return b.out, b.r.err
}

// declarations reads the locals, and returns what follows; declare writes them.
func (b *bodyMeter) declarations(body []byte, t funcType) []byte {
	b.r = reader{b: body, targets: b.r.targets}
	b.locals = uint64(t.params)
	for n := b.r.u32(); n > 0 && b.r.err == nil; n-- {
		b.locals += uint64(b.r.u32())
		b.r.valueType()
	}
	b.out = append(b.out, body[:len(body)-len(b.r.b)]...)
	return b.r.b
}

// declare adds the metering's locals to those that were copied.
func (b *bodyMeter) declare(leaf, bulk bool) {
	if leaf {
		return
	}
	r := reader{b: b.out}
	groups := r.u32() + 1
	if bulk {
		groups++
	}
	b.head = append(b.head[:0], r.b...)
	b.out = append(append(binary.AppendUvarint(b.out[:0], uint64(groups)), b.head...), 1, typeI64)
	if bulk {
		b.out = append(b.out, 2, typeI32)
	}
	b.fuel, b.length = uint32(b.locals), uint32(b.locals)+1
}

// survey divides a function into pieces, and adds up what each is charged.
func (b *bodyMeter) survey(code []byte) survey {
	r := reader{b: code, targets: b.r.targets}
	s := survey{straight: true}
	b.pieces = append(b.pieces[:0], piece{check: true})
	blocks := append(b.blocks[:0], block{})
	defer func() { b.blocks, b.r.targets = blocks, r.targets }()
	current := func() int32 { return int32(len(b.pieces) - 1) }
	start := func(home int32, own bool) {
		b.settle()
		if own {
			home = current() + 1
		}
		b.pieces = append(b.pieces, piece{home: home, check: own})
	}
	for len(blocks) > 0 && r.err == nil {
		in := r.instruction()
		b.pieces[current()].units += b.units(in)
		switch in.op {
		case opBlock:
			blocks = append(blocks, block{home: current()})
		case opLoop:
			blocks = append(blocks, block{home: current(), loop: true})
			if s.straight && !s.loops {
				b.pieces[0].check = false
			}
			s.loops = true
			start(0, true)
		case opIf:
			s.straight = false
			blocks = append(blocks, block{home: current()})
			start(current(), false)
		case opElse:
			start(blocks[len(blocks)-1].home, false)
		case opEnd:
			last := blocks[len(blocks)-1]
			blocks = blocks[:len(blocks)-1]
			if len(blocks) > 0 {
				s.tight = s.tight || last.loop && !last.calls
				blocks[len(blocks)-1].calls = blocks[len(blocks)-1].calls || last.calls
				start(last.home, false)
			}
		case opCall, opCallIndirect:
			s.straight = false
			blocks[len(blocks)-1].calls = true
		case opBr, opBrIf, opBrTable, opReturn, opUnreachable:
			s.straight = false
		case opMemoryGrow, opMemoryInit, opTableInit, opTableCopy, opTableGrow, opTableFill:
			s.bulk, s.straight = true, false
		case opMemoryCopy, opMemoryFill:
			s.straight = false
		}
	}
	b.settle()
	return s
}

// settle decides where the last piece is charged: with its home, if it and what else is charged there are short.
func (b *bodyMeter) settle() {
	i := int32(len(b.pieces) - 1)
	last := &b.pieces[i]
	if last.home == i {
		return
	}
	last.home = b.pieces[last.home].home
	home := &b.pieces[last.home]
	if last.units > 0 && last.units+home.units > maxMerged {
		last.home = i
		return
	}
	home.units += last.units
}

// units returns what an instruction is charged, with the function that it calls where that is not metered itself.
func (b *bodyMeter) units(in instruction) uint32 {
	if in.op != opCall || int64(in.index) >= int64(len(b.pass.m.functions)) {
		return units(in.op)
	}
	if own := int(in.index) - b.pass.m.imported; own >= 0 {
		return units(in.op) + b.pass.m.leaves[own]
	}
	return unitsHost
}

// begin charges the next piece.
func (b *bodyMeter) begin() {
	i := b.next
	b.next++
	p := b.pieces[i]
	if p.home != int32(i) || p.units == 0 && !p.check {
		return
	}
	b.load().op(opI64Const, max(p.units, 1)).plain(opI64Sub)
	b.spend(p.check)
}

// spend makes what is on the stack the fuel that is left, and asks for more where that is none.
func (b *bodyMeter) spend(check bool) {
	switch {
	case !check && b.local:
		b.op(opLocalSet, b.fuel)
		return
	case !check:
		b.op(opGlobalSet, b.pass.fuel)
		return
	case b.local:
		b.op(opLocalTee, b.fuel)
	default:
		b.op(opLocalTee, b.fuel).op(opGlobalSet, b.pass.fuel).op(opLocalGet, b.fuel)
	}
	b.op(opI64Const, 0).plain(0x59)
	b.out = append(b.out, byte(opIf), 0x40, byte(opElse))
	b.op(opLocalGet, b.fuel).op(opCall, b.pass.refill)
	if b.local {
		b.op(opLocalSet, b.fuel)
	} else {
		b.op(opGlobalSet, b.pass.fuel)
	}
	b.plain(opEnd)
}

// load puts the fuel on the stack.
func (b *bodyMeter) load() *bodyMeter {
	if b.local {
		return b.op(opLocalGet, b.fuel)
	}
	return b.op(opGlobalGet, b.pass.fuel)
}

// save writes the fuel back where it is in a local, and reload reads it again.
func (b *bodyMeter) save() *bodyMeter {
	if b.local {
		b.op(opLocalGet, b.fuel).op(opGlobalSet, b.pass.fuel)
	}
	return b
}

func (b *bodyMeter) reload() {
	if b.local {
		b.op(opGlobalGet, b.pass.fuel).op(opLocalSet, b.fuel)
	}
}

// op writes an instruction with one operand, which is not negative.
func (b *bodyMeter) op(op opcode, operand uint32) *bodyMeter {
	b.out = append(b.out, byte(op))
	if op == opI32Const || op == opI64Const {
		b.out = appendSigned(b.out, int64(operand))
	} else {
		b.out = binary.AppendUvarint(b.out, uint64(operand))
	}
	return b
}

func (b *bodyMeter) plain(ops ...opcode) *bodyMeter {
	for _, op := range ops {
		b.out = append(b.out, byte(op))
	}
	return b
}

// appendSigned writes a signed LEB128 number.
func appendSigned(out []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(out, low)
		}
		out = append(out, low|0x80)
	}
}
