package web

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Decode is the text of bytes by a label of encoding.spec.whatwg.org, as prelude/text.js folds them; not ok when fatal and malformed.
func Decode(label string, b []byte, fatal bool) (text string, ok bool) {
	switch label {
	case "utf-16le", "utf-16be":
		low := 0
		if label == "utf-16be" {
			low = 1
		}
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = uint16(b[2*i+low]) | uint16(b[2*i+1-low])<<8
		}
		runes := utf16.Decode(units)
		odd := len(b)%2 == 1
		if fatal && (odd || strings.ContainsRune(string(runes), utf8.RuneError)) {
			return "", false
		}
		if odd {
			runes = append(runes, utf8.RuneError)
		}
		return string(runes), true
	case "windows-1252":
		runes := make([]rune, len(b))
		for i, c := range b {
			runes[i] = rune(c)
			if c >= 0x80 && c < 0xa0 {
				runes[i] = windows1252[c-0x80]
			}
		}
		return string(runes), true
	}
	if utf8.Valid(b) {
		return string(b), true
	}
	if fatal {
		return "", false
	}
	return RepairUTF8(b), true
}

// What windows-1252 has between 0x80 and 0x9f (encoding.spec.whatwg.org, index-windows-1252).
var windows1252 = [32]rune{0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d,
	0x17d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178}

// RepairUTF8 puts one U+FFFD for each maximal part of a malformed sequence, as the web does (encoding.spec.whatwg.org,
// "UTF-8 decoder"), where Go puts one for each byte.
func RepairUTF8(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = malformed(b)
		}
		out.WriteRune(r)
		b = b[n:]
	}
	return out.String()
}

// malformed returns the length of the longest start of b that a well-formed sequence could have, 1 at least.
func malformed(b []byte) int {
	low, high, need := byte(0x80), byte(0xbf), 0
	switch c := b[0]; {
	case c >= 0xc2 && c <= 0xdf:
		need = 1
	case c >= 0xe0 && c <= 0xef:
		need = 2
		if c == 0xe0 {
			low = 0xa0
		} else if c == 0xed {
			high = 0x9f
		}
	case c >= 0xf0 && c <= 0xf4:
		need = 3
		if c == 0xf0 {
			low = 0x90
		} else if c == 0xf4 {
			high = 0x8f
		}
	}
	n := 1
	for ; n <= need && n < len(b) && b[n] >= low && b[n] <= high; n++ {
		low, high = 0x80, 0xbf
	}
	return n
}

// Atob follows the "forgiving-base64 decode" of infra.spec.whatwg.org: white space and missing padding are fine.
func Atob(text string) (raw []byte, ok bool) {
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\n\f\r", r) {
			return -1
		}
		return r
	}, text)
	if len(text)%4 == 0 {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "="), "=")
	}
	raw, err := base64.RawStdEncoding.DecodeString(text)
	return raw, err == nil
}

// Btoa is the base64 of text, each character of which is a byte.
func Btoa(text string) (encoded string, ok bool) {
	raw := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			return "", false
		}
		raw = append(raw, byte(r))
	}
	return base64.StdEncoding.EncodeToString(raw), true
}

// HexBytes decodes up to the first pair that is not hexadecimal.
func HexBytes(text string) []byte {
	out := make([]byte, len(text)/2)
	n, _ := hex.Decode(out, []byte(text[:len(text)/2*2]))
	return out[:n]
}

// Unbase64 decodes both alphabets, ignores what belongs to neither, and stops at the padding, as Node.js does.
func Unbase64(text string) []byte {
	text, _, _ = strings.Cut(text, "=")
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return '+'
		case r == '_':
			return '/'
		case 'A' <= r && r <= 'Z', 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '+', r == '/':
			return r
		}
		return -1
	}, text)
	if len(text)%4 == 1 {
		text = text[:len(text)-1]
	}
	out, _ := base64.RawStdEncoding.DecodeString(text)
	return out
}

// Base64 is the standard encoding, with padding.
func Base64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
