package jsonpath

import (
	"math/big"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

func FuzzCompareDecimals(f *testing.F) {
	for _, pair := range [][2]string{{"1", "1.0"}, {"-1", "1"}, {"0", "-0.00"}, {"1e3", "1000"}, {"0.1e-5", "1E-6"}, {"123.45", "123.5"}, {".5", "5e-1"}, {"99", "100"}} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		got, ok := compareDecimals(a, b)
		if !ok || strings.ContainsAny(a+b, "_") {
			return
		}
		x, y := new(big.Rat), new(big.Rat)
		for text, r := range map[string]*big.Rat{a: x, b: y} {
			if len(text) > 20 || strings.ContainsAny(text, "eE") && len(text) > 6 {
				return
			}
			if _, ok := r.SetString(text); !ok {
				t.Fatalf("%q is a number here alone", text)
			}
		}
		if a == b {
			y = x
		}
		if want := x.Cmp(y); (got > 0) != (want > 0) || (got < 0) != (want < 0) {
			t.Fatalf("%s and %s: %d, want %d", a, b, got, want)
		}
	})
}

func FuzzCompareTexts(f *testing.F) {
	for _, pair := range [][2]string{{"", "a"}, {"a", "b"}, {"\uFFFD", "\U00010000"}, {"é", "e"}, {"aé", "aê"}, {"日本", "日"}, {"\U0001F600a", "\U0001F600b"}} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			return
		}
		got, want := compareTexts(a, b), slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
		if (got > 0) != (want > 0) || (got < 0) != (want < 0) {
			t.Fatalf("%q and %q: %d, want %d", a, b, got, want)
		}
	})
}
