package tree

import (
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string. What it returns is good until the next call.
func (d *decoder) text() ([]byte, error) {
	d.at++
	start := d.at
	for d.at < len(d.data) {
		switch c := d.data[d.at]; {
		case c == '"':
			d.at++
			return d.data[start : d.at-1], nil
		case c == '\\' || c >= utf8.RuneSelf:
			return d.slowText(start)
		case c < ' ':
			return nil, d.unexpected("in a string")
		}
		d.at++
	}
	return nil, d.unexpected("in a string")
}

func (d *decoder) slowText(start int) ([]byte, error) {
	b := append(d.buffer[:0], d.data[start:d.at]...)
	for d.at < len(d.data) {
		switch c := d.data[d.at]; {
		case c == '"':
			d.at++
			d.buffer = b
			return b, nil
		case c == '\\':
			var err error
			if b, err = d.escape(b); err != nil {
				return nil, err
			}
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(d.data[d.at:])
			b = utf8.AppendRune(b, r)
			d.at += size
		case c < ' ':
			return nil, d.unexpected("in a string")
		default:
			b = append(b, c)
			d.at++
		}
	}
	return nil, d.unexpected("in a string")
}

func (d *decoder) escape(b []byte) ([]byte, error) {
	d.at++
	if d.at >= len(d.data) {
		return nil, d.unexpected("after a backslash")
	}
	c := d.data[d.at]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		d.at++
		return d.unicode(b)
	default:
		return nil, d.unexpected("after a backslash")
	}
	d.at++
	return append(b, c), nil
}

// unicode reads what follows \u, with the second half of a pair.
func (d *decoder) unicode(b []byte) ([]byte, error) {
	r, err := d.hex4()
	if err != nil {
		return nil, err
	}
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(b, r), nil
	}
	if after := d.at; d.at+1 < len(d.data) && d.data[d.at] == '\\' && d.data[d.at+1] == 'u' {
		d.at += 2
		low, err := d.hex4()
		if err != nil {
			return nil, err
		}
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return utf8.AppendRune(b, pair), nil
		}
		d.at = after // the second is for itself
	}
	return utf8.AppendRune(b, utf8.RuneError), nil
}

func (d *decoder) hex4() (rune, error) {
	var r rune
	for range 4 {
		if d.at >= len(d.data) {
			return 0, d.unexpected("in \\u")
		}
		c := d.data[d.at]
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, d.unexpected("in \\u")
		}
		d.at++
	}
	return r, nil
}
