package vtl

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/postern/postern/host/mapping/tree"
)

// stringStatic has the static methods of String, which Velocity finds on any string.
func (r *run) stringStatic(name string, args []any) (any, bool, error) {
	switch name {
	case "valueOf":
		if len(args) != 1 {
			return nil, false, nil
		}
		text, ok, err := r.text(args[0])
		if !ok {
			text = "null"
		}
		return text, true, err
	case "format":
		if len(args) == 0 || !fits(args[0], 's') {
			return nil, false, nil
		}
		if args[0] == nil {
			return nil, true, errNull
		}
		list := args[1:]
		if len(list) == 1 {
			if a, ok := list[0].(*array); ok {
				list = a.items
			}
		}
		v, err := r.format(args[0].(string), list)
		return v, true, err
	case "join":
		return r.join(args)
	}
	return nil, false, nil
}

func (r *run) join(args []any) (any, bool, error) {
	if len(args) < 1 {
		return nil, false, nil
	}
	separator, ok := args[0].(string)
	if !ok {
		return nil, false, nil
	}
	items := args[1:]
	if len(items) == 1 {
		switch v := items[0].(type) {
		case nil: // a list or a string: Velocity cannot tell
			return nil, false, nil
		case *tree.List, *view:
			items, _ = itemsOf(v)
		case *array:
			items = v.items
		}
	} else if !takes(items, strings.Repeat("s", len(items))) {
		return nil, false, nil
	}
	var b []byte
	for i, item := range items {
		if i > 0 {
			b = append(b, separator...)
		}
		var err error
		if b, err = r.appendText(b, item, 0); err != nil {
			return nil, true, err
		}
	}
	return string(b), true, r.charge(len(b))
}

// numberMethod has the methods of Integer, Long, Double and BigInteger, the static ones included.
func numberMethod(n any, name string, args []any) (any, bool, error) {
	if len(args) == 0 {
		switch name {
		case "intValue":
			return toInt32(n), true, nil
		case "longValue":
			return toInt64(n), true, nil
		case "doubleValue":
			return toFloat(n), true, nil
		}
	}
	if name == "compareTo" && len(args) == 1 && sameClass(n, args[0]) {
		return int32(compareNumbers(n, args[0])), true, nil
	}
	switch n := n.(type) {
	case int32, int64:
		return integerStatic(n, name, args)
	case float64:
		return doubleStatic(n, name, args)
	}
	return nil, false, nil
}

func integerStatic(n any, name string, args []any) (any, bool, error) {
	_, long := n.(int64)
	bits, param := 32, byte('i')
	if long {
		bits, param = 64, 'l'
	}
	box := func(i int64) any {
		if long {
			return i
		}
		return int32(i)
	}
	one := len(args) == 1 && fits(args[0], param)
	two := len(args) == 2 && fits(args[0], param) && fits(args[1], param)
	switch {
	case (name == "parseInt" && !long || name == "parseLong" && long || name == "valueOf") && (takes(args, "s") || takes(args, "si")):
		s, ok := args[0].(string)
		if !ok {
			return nil, true, errNull
		}
		base := 10
		if len(args) == 2 {
			base = int(args[1].(int32))
		}
		i, err := parseInteger(s, base, bits)
		return box(i), true, err
	case name == "valueOf" && one:
		return box(toInt64(args[0])), true, nil
	case name == "toString" && one:
		return strconv.FormatInt(toInt64(args[0]), 10), true, nil
	case (name == "toHexString" || name == "toBinaryString" || name == "toOctalString") && one:
		u := uint64(toInt64(args[0]))
		if !long {
			u = uint64(uint32(u))
		}
		base := map[string]int{"toHexString": 16, "toBinaryString": 2, "toOctalString": 8}[name]
		return strconv.FormatUint(u, base), true, nil
	case name == "signum" && one:
		return int32(big.NewInt(toInt64(args[0])).Sign()), true, nil
	case name == "max" && two:
		return box(max(toInt64(args[0]), toInt64(args[1]))), true, nil
	case name == "min" && two:
		return box(min(toInt64(args[0]), toInt64(args[1]))), true, nil
	case name == "sum" && two:
		return box(toInt64(args[0]) + toInt64(args[1])), true, nil
	case name == "compare" && two:
		return int32(compareNumbers(args[0], args[1])), true, nil
	}
	return nil, false, nil
}

// parseInteger is Integer.parseInt: an optional sign and digits, nothing else.
func parseInteger(s string, base, bits int) (int64, error) {
	if base < 2 || base > 36 {
		return 0, fmt.Errorf("the base %d", base)
	}
	n, err := strconv.ParseInt(s, base, bits)
	if err != nil {
		return 0, fmt.Errorf("%s is no number", quoted(s))
	}
	return n, nil
}

func doubleStatic(f float64, name string, args []any) (any, bool, error) {
	switch {
	case (name == "isNaN" || name == "isInfinite") && (takes(args, "") || takes(args, "d")):
		if len(args) == 1 {
			f = toFloat(args[0])
		}
		if name == "isNaN" {
			return math.IsNaN(f), true, nil
		}
		return math.IsInf(f, 0), true, nil
	case (name == "parseDouble" || name == "valueOf") && takes(args, "s"):
		s, ok := args[0].(string)
		if !ok {
			return nil, true, errNull
		}
		s = strings.TrimFunc(s, isTrimmed)
		v, err := strconv.ParseFloat(strings.TrimRight(s, "dDfF"), 64)
		if err != nil && !math.IsInf(v, 0) || strings.ContainsAny(s, "_xX") || strings.EqualFold(strings.TrimLeft(s, "+-"), "inf") {
			return nil, true, fmt.Errorf("%s is no number", quoted(s))
		}
		return v, true, nil
	case (name == "valueOf" || name == "toString") && takes(args, "d"):
		if name == "toString" {
			return floatText(toFloat(args[0])), true, nil
		}
		return toFloat(args[0]), true, nil
	case name == "max" && takes(args, "dd"):
		return max(toFloat(args[0]), toFloat(args[1])), true, nil
	case name == "min" && takes(args, "dd"):
		return min(toFloat(args[0]), toFloat(args[1])), true, nil
	case name == "sum" && takes(args, "dd"):
		return toFloat(args[0]) + toFloat(args[1]), true, nil
	case name == "compare" && takes(args, "dd"):
		return int32(compareNumbers(args[0], args[1])), true, nil
	}
	return nil, false, nil
}
