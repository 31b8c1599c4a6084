package engine

import (
	"errors"
	"fmt"
)

// An opcode is an instruction's first byte, or for those with a prefix both: prefix<<8 | second.
type opcode uint16

// The instructions that checks look at, by their names in the WebAssembly core specification 2.0, section 5.4.
const (
	opBlock        opcode = 0x02
	opLoop         opcode = 0x03
	opIf           opcode = 0x04
	opElse         opcode = 0x05
	opEnd          opcode = 0x0b
	opBr           opcode = 0x0c
	opBrIf         opcode = 0x0d
	opBrTable      opcode = 0x0e
	opReturn       opcode = 0x0f
	opCall         opcode = 0x10
	opCallIndirect opcode = 0x11
	opUnreachable  opcode = 0x00

	opLocalGet  opcode = 0x20
	opLocalSet  opcode = 0x21
	opLocalTee  opcode = 0x22
	opGlobalGet opcode = 0x23
	opGlobalSet opcode = 0x24
	opTableSet  opcode = 0x26

	opMemorySize opcode = 0x3f
	opMemoryGrow opcode = 0x40
	opI32Const   opcode = 0x41
	opI64Const   opcode = 0x42
	opI32Ne      opcode = 0x47
	opI32GtU     opcode = 0x4b
	opI32LeU     opcode = 0x4d
	opI64LtS     opcode = 0x53
	opI64GtU     opcode = 0x56
	opI32Add     opcode = 0x6a
	opI32Sub     opcode = 0x6b
	opI32Or      opcode = 0x72
	opI64Add     opcode = 0x7c
	opI64Sub     opcode = 0x7d
	opI64Shl     opcode = 0x86
	opI64ShrU    opcode = 0x88
	opI64ExtendU opcode = 0xad // i64.extend_i32_u
	opRefFunc    opcode = 0xd2

	opMemoryInit = prefixMisc<<8 | 0x08
	opDataDrop   = prefixMisc<<8 | 0x09
	opMemoryCopy = prefixMisc<<8 | 0x0a
	opMemoryFill = prefixMisc<<8 | 0x0b
	opTableInit  = prefixMisc<<8 | 0x0c
	opElemDrop   = prefixMisc<<8 | 0x0d
	opTableCopy  = prefixMisc<<8 | 0x0e
	opTableGrow  = prefixMisc<<8 | 0x0f
	opTableFill  = prefixMisc<<8 | 0x11
)

// The bytes that say that another follows.
const (
	prefixMisc   = 0xfc
	prefixVector = 0xfd
)

// An operands says what follows an opcode.
type operands uint8

const (
	unknown     operands = iota
	plain                // nothing
	blockType            // a block's type
	oneIndex             // a label, or an index of a local, a global, a function, a table, a segment
	twoIndexes           // a type and a table, or two tables, or a segment and a table
	labels               // of br_table: a vector of labels, and the default
	valueTypes           // of select: a vector of one type
	refType              // of ref.null
	memArg               // an alignment and an offset
	memArgLane           // the same and a lane
	lane                 // one byte
	int32Const           // a signed number
	int64Const           //
	fourBytes            // of f32.const
	eightBytes           // of f64.const
	vectorBytes          // of v128.const and i8x16.shuffle: 16
	memoryIndex          // always 0
	twoMemories          // both 0
	indexMemory          // a data segment's index and 0
)

// A span is a row of opcodes, first and last included, that have the same operands.
type span struct {
	first, last byte
	operands    operands
}

// The instructions of the core specification 2.0; what is in none of the spans is unknown.
var (
	basicOpcodes = table(
		span{0x00, 0x01, plain},       // unreachable, nop
		span{0x02, 0x04, blockType},   // block, loop, if
		span{0x05, 0x05, plain},       // else
		span{0x0b, 0x0b, plain},       // end
		span{0x0c, 0x0d, oneIndex},    // br, br_if
		span{0x0e, 0x0e, labels},      // br_table
		span{0x0f, 0x0f, plain},       // return
		span{0x10, 0x10, oneIndex},    // call
		span{0x11, 0x11, twoIndexes},  // call_indirect
		span{0x1a, 0x1b, plain},       // drop, select
		span{0x1c, 0x1c, valueTypes},  // select of a type
		span{0x20, 0x26, oneIndex},    // local.get to table.set
		span{0x28, 0x3e, memArg},      // i32.load to i64.store32
		span{0x3f, 0x40, memoryIndex}, // memory.size, memory.grow
		span{0x41, 0x41, int32Const},
		span{0x42, 0x42, int64Const},
		span{0x43, 0x43, fourBytes},
		span{0x44, 0x44, eightBytes},
		span{0x45, 0xc4, plain}, // i32.eqz to i64.extend32_s
		span{0xd0, 0xd0, refType},
		span{0xd1, 0xd1, plain},    // ref.is_null
		span{0xd2, 0xd2, oneIndex}, // ref.func
	)
	miscOpcodes = table(
		span{0x00, 0x07, plain},       // i32.trunc_sat_f32_s to i64.trunc_sat_f64_u
		span{0x08, 0x08, indexMemory}, // memory.init
		span{0x09, 0x09, oneIndex},    // data.drop
		span{0x0a, 0x0a, twoMemories}, // memory.copy
		span{0x0b, 0x0b, memoryIndex}, // memory.fill
		span{0x0c, 0x0c, twoIndexes},  // table.init
		span{0x0d, 0x0d, oneIndex},    // elem.drop
		span{0x0e, 0x0e, twoIndexes},  // table.copy
		span{0x0f, 0x11, oneIndex},    // table.grow, table.size, table.fill
	)
	vectorOpcodes = table(
		span{0x00, 0x0b, memArg},      // v128.load to v128.store
		span{0x0c, 0x0d, vectorBytes}, // v128.const, i8x16.shuffle
		span{0x0e, 0x14, plain},       // i8x16.swizzle, splats
		span{0x15, 0x22, lane},        // extract_lane, replace_lane
		span{0x23, 0x53, plain},       // comparisons, bitwise operations
		span{0x54, 0x5b, memArgLane},  // load_lane, store_lane
		span{0x5c, 0x5d, memArg},      // load32_zero, load64_zero
		span{0x5e, 0xff, plain},       // arithmetic; the few holes are left to the validation
	)
)

func table(spans ...span) *[256]operands {
	var t [256]operands
	for _, s := range spans {
		for i := int(s.first); i <= int(s.last); i++ {
			t[i] = s.operands
		}
	}
	return &t
}

// proposal returns which extension of the core specification 2.0 an opcode belongs to, and "" where none is known.
func proposal(op byte) string {
	switch op {
	case 0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f:
		return "exception handling"
	case 0x12, 0x13:
		return "tail calls"
	case 0x14, 0x15, 0xd3, 0xd4, 0xd5, 0xd6:
		return "typed function references"
	case 0xfb:
		return "garbage collection"
	case 0xfe:
		return "threads"
	}
	return ""
}

// An instruction is one that was read. Which of its fields mean something depends on its opcode.
type instruction struct {
	op      opcode
	index   uint32   // the first index or label; for br_table the default
	block   int64    // a block's type: an index, or negative for none or one result
	targets []uint32 // of br_table, without the default; valid until the next instruction is read
}

// instruction reads one instruction. Only the encodings that wazero's compiler reads in the same way pass: it takes
// the second opcode of a vector instruction as one byte, whose rest it then executes as an instruction of its own.
func (r *reader) instruction() instruction {
	first := r.byte()
	in := instruction{op: opcode(first)}
	want := basicOpcodes[first]
	switch first {
	case prefixMisc:
		second := r.u32()
		if second > 0xff {
			want = unknown
			break
		}
		in.op, want = opcode(first)<<8|opcode(second), miscOpcodes[second]
	case prefixVector:
		second := r.byte()
		in.op, want = opcode(first)<<8|opcode(second), vectorOpcodes[second]
		if second >= 0x80 && r.byte() != 1 {
			want = unknown
		}
	}
	if want == unknown {
		r.fail(unknownOpcode(in.op))
		return in
	}
	r.operands(want, &in)
	return in
}

func unknownOpcode(op opcode) error {
	if name := proposal(byte(op)); op < 0x100 && name != "" {
		return fmt.Errorf("instruction %#02x belongs to the proposal %q, which is not supported", uint16(op), name)
	}
	return fmt.Errorf("instruction %#02x is not known; WebAssembly 2.0 is supported", uint16(op))
}

func (r *reader) operands(want operands, in *instruction) {
	switch want {
	case blockType:
		in.block = r.signed(33)
	case oneIndex:
		in.index = r.u32()
	case twoIndexes:
		in.index = r.u32()
		r.u32()
	case labels:
		r.labels(in)
	case valueTypes:
		if n := r.u32(); n != 1 {
			r.fail(fmt.Errorf("select has %d types, and not one", n))
		}
		r.valueType()
	case refType:
		if t := r.byte(); t != typeFuncref && t != typeExternref {
			r.fail(fmt.Errorf("reference type %#02x is not known", t))
		}
	case memArg:
		r.u32()
		r.u32()
	case memArgLane:
		r.u32()
		r.u32()
		r.byte()
	case lane:
		r.byte()
	case int32Const:
		r.signed(32)
	case int64Const:
		r.signed(64)
	case fourBytes:
		r.take(4)
	case eightBytes:
		r.take(8)
	case vectorBytes:
		r.take(16)
	case memoryIndex:
		r.zero()
	case twoMemories:
		r.zero()
		r.zero()
	case indexMemory:
		in.index = r.u32()
		r.zero()
	}
}

func (r *reader) labels(in *instruction) {
	n := r.count("targets of a br_table", maxTargets, 1)
	r.targets = r.targets[:0]
	for ; n > 0 && r.err == nil; n-- {
		r.targets = append(r.targets, r.u32())
	}
	in.targets, in.index = r.targets, r.u32()
}

var errMemory = errors.New("there is one memory, whose index is one byte of zero")

// zero reads the index of the only memory.
func (r *reader) zero() {
	if r.byte() != 0 {
		r.fail(errMemory)
	}
}

// signed reads a signed LEB128 number of that many bits.
func (r *reader) signed(bits uint) int64 {
	var v int64
	var shift uint
	for more := true; more; {
		b := r.byte()
		more = b&0x80 != 0
		if left := bits - shift; more && left <= 7 || left == 1 && b != 0 && b != 0x7f {
			r.fail(errNumber)
		}
		v |= int64(b&0x7f) << shift
		if shift += 7; !more && shift < 64 && b&0x40 != 0 {
			v |= -1 << shift
		}
		more = more && r.err == nil
	}
	if half := int64(1) << (bits - 1); bits < 64 && (v < -half || v >= half) {
		r.fail(errNumber)
	}
	return v
}
