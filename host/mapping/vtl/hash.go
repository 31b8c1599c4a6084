package vtl

import (
	"math"
	"math/big"

	"github.com/postern/postern/host/mapping/tree"
)

// hash is Java's hashCode. What has none of its own, as Java takes it from an address, has 0.
func (r *run) hash(v any, depth int) (int32, error) {
	if depth > r.limits.Depth {
		return 0, limitError("levels", r.limits.Depth)
	}
	if err := r.tick(); err != nil {
		return 0, err
	}
	switch v := plainNumber(v).(type) {
	case string:
		h := int32(0)
		for _, u := range units(v) {
			h = 31*h + int32(u)
		}
		return h, nil
	case bool:
		if v {
			return 1231, nil
		}
		return 1237, nil
	case int32:
		return v, nil
	case char:
		return int32(v), nil
	case int64:
		return hashLong(uint64(v)), nil
	case float64:
		return hashLong(math.Float64bits(v)), nil
	case *big.Int:
		return hashBig(v), nil
	case *tree.List:
		h := int32(1)
		for _, item := range v.Items {
			e, err := r.hash(item, depth+1)
			if err != nil {
				return 0, err
			}
			h = 31*h + e
		}
		return h, nil
	case *tree.Map:
		return r.hashSum((&view{m: v, of: viewEntries}).items(), depth)
	case *view:
		if v.of != viewValues {
			return r.hashSum(v.items(), depth)
		}
	case *entry:
		k, err := r.hash(v.key, depth+1)
		if err != nil {
			return 0, err
		}
		e, err := r.hash(v.value(), depth+1)
		return k ^ e, err
	}
	return 0, nil
}

func (r *run) hashSum(items []any, depth int) (int32, error) {
	h := int32(0)
	for _, item := range items {
		e, err := r.hash(item, depth+1)
		if err != nil {
			return 0, err
		}
		h += e
	}
	return h, nil
}

func hashLong(bits uint64) int32 { return int32(bits ^ bits>>32) }

func hashBig(v *big.Int) int32 {
	h := int32(0)
	b := v.Bytes()
	for len(b)%4 != 0 {
		b = append([]byte{0}, b...)
	}
	for i := 0; i < len(b); i += 4 {
		word := int32(b[i])<<24 | int32(b[i+1])<<16 | int32(b[i+2])<<8 | int32(b[i+3])
		h = 31*h + word
	}
	return h * int32(v.Sign())
}
