package vtl

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/postern/postern/host/mapping/tree"
)

var errBigRemainder = errors.New("the remainder of a big fraction")

func isNumber(v any) bool {
	switch v.(type) {
	case int32, int64, float64, *big.Int, tree.Decimal:
		return true
	}
	return false
}

// plainNumber takes a Decimal, which only prints in its own way, for the float64 that it is.
func plainNumber(v any) any {
	if d, ok := v.(tree.Decimal); ok {
		return d.Float64()
	}
	return v
}

// toInt32 is Java's intValue: bits above are lost, fractions cut, and what is too big for an int from a fraction is the nearest one.
func toInt32(v any) int32 {
	switch n := plainNumber(v).(type) {
	case int32:
		return n
	case float64:
		switch {
		case n != n:
			return 0
		case n >= math.MaxInt32:
			return math.MaxInt32
		case n <= math.MinInt32:
			return math.MinInt32
		}
		return int32(n)
	}
	return int32(toInt64(v))
}

func toInt64(v any) int64 {
	switch n := plainNumber(v).(type) {
	case int32:
		return int64(n)
	case int64:
		return n
	case float64:
		switch {
		case n != n:
			return 0
		case n >= math.MaxInt64:
			return math.MaxInt64
		case n <= math.MinInt64:
			return math.MinInt64
		}
		return int64(n)
	case *big.Int:
		low := new(big.Int).And(n, new(big.Int).SetUint64(math.MaxUint64))
		return int64(low.Uint64())
	}
	return 0
}

func toFloat(v any) float64 {
	switch n := plainNumber(v).(type) {
	case int32:
		return float64(n)
	case int64:
		return float64(n)
	case float64:
		return n
	case *big.Int:
		f, _ := new(big.Float).SetInt(n).Float64()
		return f
	}
	return 0
}

func toBig(v any) *big.Int {
	if n, ok := v.(*big.Int); ok {
		return n
	}
	return big.NewInt(toInt64(v))
}

func isFloat(v any) bool { _, ok := plainNumber(v).(float64); return ok }
func isBig(v any) bool   { _, ok := v.(*big.Int); return ok }

// fit is an integer in the wider type of the two operands, or the next that holds it.
func fit(n int64, a, b any) any {
	_, wideA := a.(int64)
	_, wideB := b.(int64)
	if wideA || wideB || n > math.MaxInt32 || n < math.MinInt32 {
		return n
	}
	return int32(n)
}

func compareNumbers(a, b any) int {
	switch {
	case isFloat(a) || isFloat(b):
		x, y := toFloat(a), toFloat(b)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	default:
		return toBig(a).Cmp(toBig(b))
	}
}

func isZero(v any) bool {
	switch n := plainNumber(v).(type) {
	case float64:
		return n == 0
	case *big.Int:
		return n.Sign() == 0
	}
	return toInt64(v) == 0
}

// calculate does + - * / % as Velocity does: integers stay integers and grow rather than overflow; one fraction makes a fraction. A division
// by zero is null.
func calculate(op syntaxKind, a, b any) (any, error) {
	if (op == synDivide || op == synModulus) && isZero(b) {
		return nil, nil
	}
	switch {
	case isFloat(a) || isFloat(b):
		if op == synModulus && (isBig(a) || isBig(b)) {
			return nil, errBigRemainder
		}
		return calculateFloat(op, toFloat(a), toFloat(b)), nil
	case isBig(a) || isBig(b):
		return calculateBig(op, toBig(a), toBig(b))
	}
	x, y := toInt64(a), toInt64(b)
	switch op {
	case synAdd:
		if n := x + y; (n^x)&(n^y) >= 0 {
			return fit(n, a, b), nil
		}
	case synSubtract:
		if n := x - y; (x^y)&(n^x) >= 0 {
			return fit(n, a, b), nil
		}
	case synMultiply:
		if n := x * y; y == 0 || n/y == x { // as Java, which misses the least long times -1
			return fit(n, a, b), nil
		}
	case synDivide:
		if x == math.MinInt64 && y == -1 {
			return x, nil
		}
		return fit(x/y, a, b), nil
	case synModulus:
		if y == -1 {
			return fit(0, a, b), nil
		}
		return fit(x%y, a, b), nil
	}
	return calculateBig(op, toBig(a), toBig(b))
}

func calculateFloat(op syntaxKind, x, y float64) float64 {
	switch op {
	case synAdd:
		return x + y
	case synSubtract:
		return x - y
	case synMultiply:
		return x * y
	case synDivide:
		return x / y
	default:
		return math.Mod(x, y)
	}
}

// maxBits bounds integers beyond 64 bits: multiplying and printing them takes more than linear time.
const maxBits = 1 << 16

func calculateBig(op syntaxKind, x, y *big.Int) (any, error) {
	if x.BitLen()+y.BitLen() > maxBits {
		return nil, limitError("bits of a number", maxBits)
	}
	z := new(big.Int)
	switch op {
	case synAdd:
		return z.Add(x, y), nil
	case synSubtract:
		return z.Sub(x, y), nil
	case synMultiply:
		return z.Mul(x, y), nil
	case synDivide:
		return z.Quo(x, y), nil
	}
	if y.Sign() < 0 {
		return nil, errors.New("the remainder by a negative number")
	}
	return z.Mod(x, y), nil
}

// floatText is Java's Double.toString: at least one digit after the point, and powers of ten outside of 0.001 to 10,000,000.
func floatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0:
		if math.Signbit(f) {
			return "-0.0"
		}
		return "0.0"
	}
	if a := math.Abs(f); a >= 1e-3 && a < 1e7 {
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(n)
}
