package engine

import "fmt"

// instructions copies the instructions of a function, with its metering in between.
func (b *bodyMeter) instructions(leaf bool) {
	for depth := 1; depth > 0 && b.r.err == nil; {
		before := b.r.b
		in := b.r.instruction()
		raw := before[:len(before)-len(b.r.b)]
		b.check(in)
		switch in.op {
		case opBlock, opLoop, opIf:
			depth++
		case opEnd:
			depth--
		}
		switch {
		case in.op == opRefFunc:
			b.op(opGlobalGet, b.pass.fuel+1+b.pass.m.places[in.index])
		case leaf:
			b.out = append(b.out, raw...)
		default:
			b.instruction(in, raw)
		}
		if !leaf && depth > 0 && (in.op == opLoop || in.op == opIf || in.op == opElse || in.op == opEnd) {
			b.begin()
		}
	}
}

// check refuses what refers to the metering's own things; it would be refused without them.
func (b *bodyMeter) check(in instruction) {
	switch in.op {
	case opLocalGet, opLocalSet, opLocalTee:
		if uint64(in.index) >= b.locals {
			b.r.fail(fmt.Errorf("there is no local %d", in.index))
		}
	case opGlobalGet, opGlobalSet:
		if int64(in.index) >= int64(len(b.pass.m.globals)) {
			b.r.fail(fmt.Errorf("there is no global %d", in.index))
		}
	}
}

func (b *bodyMeter) instruction(in instruction, raw []byte) {
	switch in.op {
	case opCall:
		b.save()
		b.out = b.pass.function(&b.r, append(b.out, byte(in.op)), in.index)
		b.reload()
	case opCallIndirect:
		b.save()
		b.out = append(b.out, raw...)
		b.reload()
	case opReturn:
		b.save()
		b.out = append(b.out, raw...)
	case opMemoryFill, opMemoryCopy:
		if b.pass.fill == 0 { // it is not valid
			b.out = append(b.out, raw...)
			return
		}
		helper := b.pass.fill
		if in.op == opMemoryCopy {
			helper = b.pass.copy
		}
		b.save().op(opCall, helper).reload()
	case opMemoryInit, opTableInit, opTableCopy, opTableFill:
		b.op(opLocalTee, b.length)
		b.out = append(b.out, raw...)
		b.chargeLength(in.op)
	case opMemoryGrow, opTableGrow:
		b.op(opLocalTee, b.length)
		b.out = append(b.out, raw...)
		b.op(opLocalTee, b.length+1).op(opLocalGet, b.length+1)
		b.out = append(b.out, byte(opI32Const), 0x7f) // -1: it did not grow
		b.plain(opI32Ne)
		b.out = append(b.out, byte(opIf), 0x40)
		b.chargeLength(in.op)
		b.plain(opEnd)
	default:
		b.out = append(b.out, raw...)
	}
}

// What operations in bulk are charged by; one unit is an entry of a table.
const (
	shiftUnit  = 4       // 16 bytes are a unit
	shiftPage  = 16 - 4  // and a page so many
	pieceBytes = 1 << 20 // that are filled or copied at once
	pieceUnits = pieceBytes >> shiftUnit
)

// chargeLength charges an operation that was done by its length: its bounds were checked then.
func (b *bodyMeter) chargeLength(op opcode) {
	b.load().op(opLocalGet, b.length).plain(opI64ExtendU)
	switch op {
	case opMemoryInit:
		b.op(opI64Const, shiftUnit).plain(opI64ShrU)
	case opMemoryGrow:
		b.op(opI64Const, shiftPage).plain(opI64Shl)
	}
	b.plain(opI64Sub)
	b.spend(true)
}

// passOn is a function that calls an imported one, and asks for more fuel behind it in any case: that may have taken long without having used any.
func (b *bodyMeter) passOn(index uint32, name string, params uint32) []byte {
	b.out = append(b.out[:0], 0)
	if most := maxEntries(name); most > 0 && params > argEntries {
		b.op(opLocalGet, argEntries).op(opI32Const, most).plain(opI32GtU)
		b.out = append(b.out, byte(opIf), 0x40)
		b.op(opI32Const, errnoInval).plain(opReturn, opEnd)
	}
	for i := range params {
		b.op(opLocalGet, i)
	}
	b.op(opCall, index)
	b.op(opGlobalGet, b.pass.fuel).op(opCall, b.pass.refill).op(opGlobalSet, b.pass.fuel)
	return b.plain(opEnd).out
}

// Of WASI's functions that go through a list before anybody can end them: which parameter is its length, and how many entries it may have.
const (
	argEntries       = 2
	maxSubscriptions = 1024
	maxVectors       = 1024 // as writev(2) has it
)

// maxEntries is 0 for functions without a list.
func maxEntries(name string) uint32 {
	switch name {
	case "poll_oneoff":
		return maxSubscriptions
	case "fd_read", "fd_pread", "fd_write", "fd_pwrite":
		return maxVectors
	}
	return 0
}

// The parameters of the functions that fill and copy, and their local for the fuel.
const (
	argTarget = iota
	argSource // or the byte
	argLength
	argFuel
)

// fillInPieces is memory.fill that can be stopped. What lies outside of the memory traps before anything is written, as it must.
func (b *bodyMeter) fillInPieces() []byte {
	b.beginHelper()
	b.ifLong()
	b.ifOutside(argTarget)
	b.bulk(opMemoryFill, argLength)
	b.plain(opEnd)
	b.out = append(b.out, byte(opLoop), 0x40)
	b.op(opLocalGet, argTarget).op(opLocalGet, argSource).op(opI32Const, pieceBytes)
	b.out = append(b.out, prefixMisc, 0x0b, 0)
	b.step(argTarget, opI32Add).step(argLength, opI32Sub)
	b.chargePiece()
	b.op(opLocalGet, argLength).op(opI32Const, pieceBytes).plain(opI32GtU).op(opBrIf, 0)
	b.plain(opEnd, opEnd)
	b.chargeRest()
	b.bulk(opMemoryFill, argLength)
	return b.plain(opEnd).out
}

// copyInPieces is memory.copy that can be stopped. Where the target begins behind the source it goes from the end to the front, so that
// it never writes what it has yet to read.
func (b *bodyMeter) copyInPieces() []byte {
	b.beginHelper()
	b.ifLong()
	for _, arg := range []uint32{argTarget, argSource} {
		b.ifOutside(arg)
		b.bulk(opMemoryCopy, argLength)
		b.plain(opEnd)
	}
	b.out = append(b.out, byte(opLoop), 0x40)
	b.op(opLocalGet, argTarget).op(opLocalGet, argSource).plain(opI32LeU)
	b.out = append(b.out, byte(opIf), 0x40)
	b.op(opLocalGet, argTarget).op(opLocalGet, argSource).op(opI32Const, pieceBytes)
	b.out = append(b.out, prefixMisc, 0x0a, 0, 0)
	b.step(argTarget, opI32Add).step(argSource, opI32Add).step(argLength, opI32Sub)
	b.plain(opElse)
	b.step(argLength, opI32Sub)
	b.op(opLocalGet, argTarget).op(opLocalGet, argLength).plain(opI32Add)
	b.op(opLocalGet, argSource).op(opLocalGet, argLength).plain(opI32Add)
	b.op(opI32Const, pieceBytes)
	b.out = append(b.out, prefixMisc, 0x0a, 0, 0)
	b.plain(opEnd)
	b.chargePiece()
	b.op(opLocalGet, argLength).op(opI32Const, pieceBytes).plain(opI32GtU).op(opBrIf, 0)
	b.plain(opEnd, opEnd)
	b.chargeRest()
	b.bulk(opMemoryCopy, argLength)
	return b.plain(opEnd).out
}

func (b *bodyMeter) beginHelper() {
	b.out = append(b.out[:0], 1, 1, typeI64)
	b.local, b.fuel, b.length = false, argFuel, argLength
}

// ifLong opens an if for what is longer than a piece.
func (b *bodyMeter) ifLong() {
	b.op(opLocalGet, argLength).op(opI32Const, pieceBytes).plain(opI32GtU)
	b.out = append(b.out, byte(opIf), 0x40)
}

// ifOutside opens an if for what starts at an argument and ends behind the memory.
func (b *bodyMeter) ifOutside(arg uint32) {
	b.op(opLocalGet, arg).plain(opI64ExtendU).op(opLocalGet, argLength).plain(opI64ExtendU, opI64Add)
	b.op(opMemorySize, 0).plain(opI64ExtendU).op(opI64Const, 16).plain(opI64Shl, opI64GtU)
	b.out = append(b.out, byte(opIf), 0x40)
}

// bulk writes the operation itself, on the arguments.
func (b *bodyMeter) bulk(op opcode, length uint32) {
	b.op(opLocalGet, argTarget).op(opLocalGet, argSource).op(opLocalGet, length)
	b.out = append(b.out, prefixMisc, byte(op), 0)
	if op == opMemoryCopy {
		b.out = append(b.out, 0)
	}
}

// step moves an argument by a piece.
func (b *bodyMeter) step(arg uint32, op opcode) *bodyMeter {
	return b.op(opLocalGet, arg).op(opI32Const, pieceBytes).plain(op).op(opLocalSet, arg)
}

func (b *bodyMeter) chargePiece() {
	b.load().op(opI64Const, pieceUnits).plain(opI64Sub)
	b.spend(true)
}

func (b *bodyMeter) chargeRest() {
	b.load().op(opLocalGet, argLength).plain(opI64ExtendU).op(opI64Const, shiftUnit).plain(opI64ShrU, opI64Sub)
	b.spend(true)
}
