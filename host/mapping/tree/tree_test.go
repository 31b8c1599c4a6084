package tree_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/tree"
)

func TestDecodeGivesClasses(t *testing.T) {
	wide, _ := new(big.Int).SetString("9223372036854775808", 10)
	for text, want := range map[string]any{
		`null`:                  nil,
		` true `:                true,
		`false`:                 false,
		`"a\u00e9\ud83d\ude00"`: "aé😀",
		`"\"\\\/\b\f\n\r\t"`:    "\"\\/\b\f\n\r\t",
		`"\ud800x\udc00"`:       "\uFFFDx\uFFFD",
		`"\ud800\u0041"`:        "\uFFFDA",
		"\"\xff\"":              "\uFFFD",
		`2147483647`:            int32(math.MaxInt32),
		`-2147483648`:           int32(math.MinInt32),
		`2147483648`:            int64(math.MaxInt32 + 1),
		`-9223372036854775808`:  int64(math.MinInt64),
		`9223372036854775808`:   wide,
		`1.5`:                   1.5,
		`1.0`:                   1.0,
		`1.10`:                  tree.Decimal("1.10"),
		`1E5`:                   tree.Decimal("1E5"),
		`-0`:                    tree.Decimal("-0"),
		`1e400`:                 tree.Decimal("1e400"),
	} {
		got, err := tree.Decode([]byte(text), tree.Limits{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if n, ok := want.(*big.Int); ok {
			if g, ok := got.(*big.Int); !ok || g.Cmp(n) != 0 {
				t.Errorf("%s: got %T %v", text, got, got)
			}
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestRoundTripKeepsOrderAndNumbers(t *testing.T) {
	const text = `{"z":[1,2.50,1e10,-0,123456789012345678901234567890,0.1,100.0],"a":{},"m":[],"":null,"é<>&\u0001":"\"\\\n"}`
	v, err := tree.Decode([]byte(text), tree.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, string(tree.Append(nil, v))); diff != "" {
		t.Error(diff)
	}
}

func TestTheLastOfDuplicatesCounts(t *testing.T) {
	v, err := tree.Decode([]byte(`{"a":1,"b":2,"a":3}`), tree.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(tree.Append(nil, v)); got != `{"a":3,"b":2}` {
		t.Error(got)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, test := range []struct {
		text  string
		kind  host.Kind
		where string
	}{
		{``, host.Invalid, "line 1, column 1"},
		{"{\n  \"a\": é}", host.Invalid, "line 2, column 8"},
		{`{"a":1,}`, host.Invalid, "column 8"},
		{`[1,]`, host.Invalid, "column 4"},
		{`[1 2]`, host.Invalid, "column 4"},
		{`{"a" 1}`, host.Invalid, "column 6"},
		{`{1:2}`, host.Invalid, "column 2"},
		{`01`, host.Invalid, "column 2"},
		{`1.`, host.Invalid, "column 3"},
		{`-`, host.Invalid, "column 2"},
		{`+1`, host.Invalid, "column 1"},
		{`1e`, host.Invalid, "column 3"},
		{`tru`, host.Invalid, "column 4"},
		{`nulL`, host.Invalid, "column 4"},
		{`NaN`, host.Invalid, "column 1"},
		{`"a`, host.Invalid, "column 3"},
		{"\"\n\"", host.Invalid, "column 2"},
		{`"\x"`, host.Invalid, "column 3"},
		{`"\u12g4"`, host.Invalid, "column 6"},
		{`'a'`, host.Invalid, "column 1"},
		{`1 1`, host.Invalid, "column 3"},
		{strings.Repeat("[", 600), host.TooLarge, "512 levels"},
		{"[" + strings.Repeat("9", 5000) + "]", host.TooLarge, "characters in a number"},
	} {
		v, err := tree.Decode([]byte(test.text), tree.Limits{})
		if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.where) {
			t.Errorf("%.40q: got %v and %v, want %v at %s", test.text, v, err, test.kind, test.where)
		}
	}
}

func TestLimitsHold(t *testing.T) {
	for _, limits := range []tree.Limits{{Depth: 2}, {Bytes: 10}, {Values: 5}} {
		if _, err := tree.Decode([]byte(`[[[1]],2,3,4,5]`), limits); !errors.Is(err, host.TooLarge) {
			t.Errorf("%+v: %v", limits, err)
		}
		v, err := tree.Decode([]byte(`[[[1]],2,3,4,5]`), tree.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tree.Encode(v, limits); !errors.Is(err, host.TooLarge) {
			t.Errorf("%+v: encode: %v", limits, err)
		}
	}
}

func TestEncodeStopsAtWhatHoldsItself(t *testing.T) {
	m, wide := &tree.Map{}, any("x")
	m.Put("self", m)
	if _, err := tree.Encode(m, tree.Limits{}); !errors.Is(err, host.TooLarge) {
		t.Errorf("a map in itself: %v", err)
	}
	for range 64 {
		wide = &tree.List{Items: []any{wide, wide}}
	}
	if _, err := tree.Encode(wide, tree.Limits{}); !errors.Is(err, host.TooLarge) {
		t.Errorf("2^64 values: %v", err)
	}
	text, err := tree.Encode(&tree.List{Items: []any{math.Inf(1), math.NaN(), struct{}{}, 1e300}}, tree.Limits{})
	if err != nil || string(text) != `[null,null,null,1e+300]` {
		t.Errorf("%s, %v", text, err)
	}
}

// TestMap goes through the life of a map beside a plain model of one, over the size where it gets an index.
func TestMap(t *testing.T) {
	m, model, order := &tree.Map{}, map[string]int{}, []string{}
	seed := uint32(7)
	for step := range 20000 {
		seed = seed*1664525 + 1013904223
		key := fmt.Sprint("k", seed>>16%40)
		switch seed >> 8 % 3 {
		case 0, 1:
			if _, ok := model[key]; !ok {
				order = append(order, key)
			}
			model[key] = step
			m.Put(key, step)
		case 2:
			_, had := model[key]
			if m.Delete(key) != had {
				t.Fatalf("step %d: deleting %s: had %v", step, key, had)
			}
			delete(model, key)
			if had {
				order = cut(order, key)
			}
		}
		v, ok := m.Get(key)
		if want, has := model[key]; ok != has || has && v != any(want) {
			t.Fatalf("step %d: get %s: %v %v", step, key, v, ok)
		}
		if m.Len() != len(model) {
			t.Fatalf("step %d: %d keys, want %d", step, m.Len(), len(model))
		}
	}
	if diff := cmp.Diff(order, m.Keys()); diff != "" {
		t.Error(diff)
	}
}

func cut(order []string, key string) []string {
	var rest []string
	for _, k := range order {
		if k != key {
			rest = append(rest, k)
		}
	}
	return rest
}

func TestDeleteWhileAllRuns(t *testing.T) {
	m := &tree.Map{}
	for i := range 100 {
		m.Put(fmt.Sprint(i), i)
	}
	seen := 0
	for key := range m.All() {
		m.Delete(key)
		seen++
	}
	if seen != 100 || m.Len() != 0 {
		t.Errorf("saw %d, left %d", seen, m.Len())
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5,"x\n\u00e9\ud83d\ude00",true,null,1e5,-0]}`, `[[[[]]]]`, `"\ud800"`, "\"\xff\"", `{"a":1,"a":2}`, `1.`, ` 1 `} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := tree.Decode(data, tree.Limits{})
		if errors.Is(err, host.TooLarge) {
			return
		}
		if valid := json.Valid(data); valid != (err == nil) {
			t.Fatalf("encoding/json: %v, here: %v", valid, err)
		}
		if err != nil {
			return
		}
		text := tree.Append(nil, v)
		if !json.Valid(text) {
			t.Fatalf("wrote %q", text)
		}
		again, err := tree.Decode(text, tree.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if second := tree.Append(nil, again); !bytes.Equal(text, second) {
			t.Fatalf("%q, then %q", text, second)
		}
		var want, got any
		numbers := func(b []byte, to *any) error {
			d := json.NewDecoder(bytes.NewReader(b))
			d.UseNumber()
			return d.Decode(to)
		}
		if err := errors.Join(numbers(data, &want), numbers(text, &got)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func document(size int) []byte {
	var b strings.Builder
	b.WriteString(`{"orders":[`)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"name":"order %d","price":%d.25,"tags":["a","b"],"customer":{"email":"c%d@example.com","vip":true}}`, i, i, i, i)
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

func BenchmarkDecodeAndAppend(b *testing.B) {
	for _, size := range []int{1 << 10, 100 << 10} {
		data := document(size)
		b.Run(fmt.Sprintf("tree/%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				v, err := tree.Decode(data, tree.Limits{})
				if err != nil {
					b.Fatal(err)
				}
				tree.Append(nil, v)
			}
		})
		b.Run(fmt.Sprintf("encoding-json/%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				var v any
				if err := json.Unmarshal(data, &v); err != nil {
					b.Fatal(err)
				}
				if _, err := json.Marshal(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
