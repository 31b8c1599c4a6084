package engine

// An openBlock is one that an instruction is in.
type openBlock struct {
	base    uint32 // values on the stack below it
	carried uint32 // the most that a branch to it may carry
	t       funcType
}

// A stack counts the values that a function's instructions leave: never fewer than there are, in valid code.
type stack struct {
	height uint32
	blocks []openBlock // outermost first
}

func (s *stack) top() openBlock { return s.blocks[len(s.blocks)-1] }

func (s *stack) push(n uint32) { s.height += n }

// pop takes values off. After a branch that is always taken there may be fewer than an instruction takes.
func (s *stack) pop(n uint32) {
	if base := s.top().base; s.height < base+n {
		s.height = base
	} else {
		s.height -= n
	}
}

func (s *stack) open(t funcType) {
	s.pop(t.params)
	s.blocks = append(s.blocks, openBlock{s.height, max(t.params, t.results), t})
	s.push(t.params)
}

func (s *stack) otherwise() { s.height = s.top().base + s.top().t.params }

func (s *stack) end() {
	b := s.top()
	s.blocks = s.blocks[:len(s.blocks)-1]
	s.height = b.base + b.t.results
}

// unreachable is what follows a branch that is always taken.
func (s *stack) unreachable() { s.height = s.top().base }

// apply does what an instruction that is no block, branch or call does to the number of values.
func (s *stack) apply(op opcode) {
	change := basicChanges[byte(op)]
	switch op >> 8 {
	case prefixMisc:
		change = miscChanges[byte(op)]
	case prefixVector:
		change = vectorChanges[byte(op)]
	}
	if change > 0 {
		s.push(uint32(change))
	} else {
		s.pop(uint32(-change))
	}
}

// A changeSpan is a row of opcodes, first and last included, that leave so many more values than they take; the last
// span that has one counts.
type changeSpan struct {
	first, last byte
	change      int8
}

func changes(spans ...changeSpan) (c [256]int8) {
	for _, s := range spans {
		for i := int(s.first); i <= int(s.last); i++ {
			c[i] = s.change
		}
	}
	return c
}

var (
	basicChanges = changes(
		changeSpan{0x0d, 0x0e, -1}, // br_if, br_table
		changeSpan{0x11, 0x11, -1}, // call_indirect, beside its parameters
		changeSpan{0x1a, 0x1a, -1}, // drop
		changeSpan{0x1b, 0x1c, -2}, // select
		changeSpan{0x20, 0x20, 1},  // local.get
		changeSpan{0x21, 0x21, -1}, // local.set
		changeSpan{0x23, 0x23, 1},  // global.get
		changeSpan{0x24, 0x24, -1}, // global.set
		changeSpan{0x26, 0x26, -2}, // table.set
		changeSpan{0x36, 0x3e, -2}, // stores
		changeSpan{0x3f, 0x3f, 1},  // memory.size
		changeSpan{0x41, 0x44, 1},  // constants
		changeSpan{0x46, 0x4f, -1}, // comparisons of i32
		changeSpan{0x51, 0x66, -1}, // of i64, f32, f64
		changeSpan{0x6a, 0x78, -1}, // arithmetic of i32 with two operands
		changeSpan{0x7c, 0x8a, -1}, // of i64
		changeSpan{0x92, 0x98, -1}, // of f32
		changeSpan{0xa0, 0xa6, -1}, // of f64
		changeSpan{0xd0, 0xd0, 1},  // ref.null
		changeSpan{0xd2, 0xd2, 1},  // ref.func
	)
	miscChanges = changes(
		changeSpan{0x08, 0x0e, -3}, // memory.init to table.copy
		changeSpan{0x09, 0x09, 0},  // data.drop
		changeSpan{0x0d, 0x0d, 0},  // elem.drop
		changeSpan{0x0f, 0x0f, -1}, // table.grow
		changeSpan{0x10, 0x10, 1},  // table.size
		changeSpan{0x11, 0x11, -3}, // table.fill
	)
	vectorChanges = changes(
		changeSpan{0x00, 0xff, -1}, // with two operands
		changeSpan{0x00, 0x0a, 0},  // loads
		changeSpan{0x0b, 0x0b, -2}, // v128.store
		changeSpan{0x0c, 0x0c, 1},  // v128.const
		changeSpan{0x0f, 0x16, 0},  // splats, i8x16.extract_lane
		changeSpan{0x18, 0x19, 0},  // i16x8.extract_lane
		changeSpan{0x1b, 0x1b, 0},  // i32x4.extract_lane
		changeSpan{0x1d, 0x1d, 0},  // i64x2.extract_lane
		changeSpan{0x1f, 0x1f, 0},  // f32x4.extract_lane
		changeSpan{0x21, 0x21, 0},  // f64x2.extract_lane
		changeSpan{0x4d, 0x4d, 0},  // v128.not
		changeSpan{0x52, 0x52, -2}, // v128.bitselect
		changeSpan{0x53, 0x53, 0},  // v128.any_true
		changeSpan{0x58, 0x5b, -2}, // store_lane
		changeSpan{0x5c, 0x64, 0},  // load_zero, demote, promote, i8x16 with one operand
		changeSpan{0x67, 0x6a, 0},  // f32x4 rounding
		changeSpan{0x74, 0x75, 0},  // f64x2.ceil, floor
		changeSpan{0x7a, 0x7a, 0},  // f64x2.trunc
		changeSpan{0x7c, 0x81, 0},  // extadd_pairwise, i16x8.abs, neg
		changeSpan{0x83, 0x84, 0},  // i16x8.all_true, bitmask
		changeSpan{0x87, 0x8a, 0},  // i16x8.extend
		changeSpan{0x94, 0x94, 0},  // f64x2.nearest
		changeSpan{0xa0, 0xa1, 0},  // i32x4.abs, neg
		changeSpan{0xa3, 0xa4, 0},  // i32x4.all_true, bitmask
		changeSpan{0xa7, 0xaa, 0},  // i32x4.extend
		changeSpan{0xc0, 0xc1, 0},  // i64x2.abs, neg
		changeSpan{0xc3, 0xc4, 0},  // i64x2.all_true, bitmask
		changeSpan{0xc7, 0xca, 0},  // i64x2.extend
		changeSpan{0xe0, 0xe3, 0},  // f32x4.abs, neg, sqrt
		changeSpan{0xec, 0xef, 0},  // f64x2.abs, neg, sqrt
		changeSpan{0xf8, 0xff, 0},  // conversions
	)
)
