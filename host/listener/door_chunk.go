package listener

import "math"

// takeSize reads the line before a chunk's data: its size and its extensions (RFC 9112, sections 7.1 and 7.1.1).
func (w *wire) takeSize(b byte) {
	token, space := class[b]&isToken != 0, b == ' ' || b == '\t'
	switch w.step {
	case stepSize:
		w.at, w.left = 0, 0
		w.digit(b)
	case stepSizeOn:
		if !w.delimiter(b) {
			w.digit(b)
		}
	case stepExtBefore:
		w.ext(space || b == ';' && w.to(stepExtName))
	case stepExtName:
		w.ext(space || token && w.to(stepExtNameOn))
	case stepExtNameOn:
		w.ext(token || b == '=' && w.to(stepExtValue) || space && w.to(stepExtAfterName) || w.delimiter(b))
	case stepExtAfterName:
		w.ext(space || b == '=' && w.to(stepExtValue) || b == ';' && w.to(stepExtName))
	case stepExtValue:
		w.ext(space || token && w.to(stepExtValueOn) || b == '"' && w.to(stepExtQuoted))
	case stepExtValueOn:
		w.ext(token || w.delimiter(b))
	case stepExtQuoted:
		w.ext(b == '"' && w.to(stepExtAfterQuoted) || b == '\\' && w.to(stepExtEscaped) || class[b]&isValue != 0)
	case stepExtEscaped:
		w.ext(class[b]&isValue != 0 && w.to(stepExtQuoted))
	case stepExtAfterQuoted:
		w.ext(w.delimiter(b))
	case stepSizeLF:
		w.want(b, '\n', stepData, "a bare CR behind a chunk's size")
		if w.left == 0 && w.fault == "" {
			w.step, w.trailer = stepField, true
		}
	}
}

func (w *wire) to(s step) bool {
	w.step = s
	return true
}

func (w *wire) ext(ok bool) {
	if !ok {
		w.fault = "a chunk extension is malformed"
	}
}

// delimiter ends a chunk's size, or a name or value of its extension.
func (w *wire) delimiter(b byte) bool {
	switch b {
	case '\r':
		return w.to(stepSizeLF)
	case ';':
		return w.to(stepExtName)
	case ' ', '\t':
		return w.to(stepExtBefore)
	}
	return false
}

func (w *wire) digit(b byte) {
	var d byte
	switch {
	case b >= '0' && b <= '9':
		d = b - '0'
	case b >= 'a' && b <= 'f':
		d = b - 'a' + 10
	case b >= 'A' && b <= 'F':
		d = b - 'A' + 10
	default:
		w.fault = "a chunk's size is not a hexadecimal number"
		return
	}
	if w.at++; w.at > 16 || w.left > math.MaxInt64>>4 {
		w.fault = "a chunk's size is too large"
		return
	}
	w.left = w.left<<4 | int64(d)
	w.step = stepSizeOn
}
