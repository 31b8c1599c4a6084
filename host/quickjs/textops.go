package quickjs

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"unicode/utf8"

	"github.com/postern/postern/host/js/web"
)

// textOps are those of text and bytes.
func textOps() map[string]op {
	return map[string]op{
		"atob": func(_ context.Context, _ *call, a args) (any, error) {
			raw, ok := web.Atob(a.text(0))
			if !ok {
				return nil, &web.Exception{Name: "InvalidCharacterError", Message: "The string is not correctly encoded"}
			}
			return latin1(raw, 0xff), nil
		},
		"btoa": func(_ context.Context, _ *call, a args) (any, error) {
			encoded, ok := web.Btoa(a.text(0))
			if !ok {
				return nil, &web.Exception{Name: "InvalidCharacterError", Message: "The string contains a character outside of Latin-1"}
			}
			return encoded, nil
		},
		"encode": func(_ context.Context, _ *call, a args) (any, error) { return []byte(a.text(0)), nil },
		"decode": func(_ context.Context, _ *call, a args) (any, error) {
			text, ok := web.Decode(a.text(0), a.bytes(1), a.yes(2))
			if !ok {
				return null{}, nil
			}
			return text, nil
		},
		"decodeText": decodeText,
		"encodeText": encodeText,
		"unescapeBytes": func(_ context.Context, _ *call, a args) (any, error) {
			return web.RepairUTF8([]byte(web.PercentDecode(a.text(0)))), nil
		},
		"cleanStack": func(_ context.Context, c *call, a args) (any, error) {
			stack, _ := c.plugin.module.userStack(a.text(0))
			return stack, nil
		},
	}
}

func latin1(b []byte, mask byte) utf16 {
	units := make(utf16, len(b))
	for i := range b {
		units[i] = uint16(b[i] & mask)
	}
	return units
}

// decodeText is the text of bytes in one of Node's encodings; null for what is no UTF-8 when the encoding is "strict".
func decodeText(_ context.Context, _ *call, a args) (any, error) {
	b := a.bytes(0)
	switch a.text(1) {
	case "strict":
		if !utf8.Valid(b) {
			return null{}, nil
		}
	case "hex":
		return hex.EncodeToString(b), nil
	case "base64":
		return web.Base64(b), nil
	case "base64url":
		return base64.RawURLEncoding.EncodeToString(b), nil
	case "latin1":
		return latin1(b, 0xff), nil
	case "ascii":
		return latin1(b, 0x7f), nil
	case "utf16le":
		units := make(utf16, len(b)/2)
		for i := range units {
			units[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
		}
		return units, nil
	}
	return web.RepairUTF8(b), nil
}

// encodeText is text's bytes in one of Node's encodings. Those that take UTF-16 apart are boot.js's.
func encodeText(_ context.Context, _ *call, a args) (any, error) {
	switch a.text(1) {
	case "hex":
		return web.HexBytes(a.text(0)), nil
	case "base64", "base64url":
		return web.Unbase64(a.text(0)), nil
	}
	return []byte(a.text(0)), nil
}
