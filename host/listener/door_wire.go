package listener

import (
	"strconv"
	"strings"
)

// A wire reads along with net/http on an HTTP/1 connection, byte for byte, and knows at each byte what it is: of a head, a body,
// a chunk's size, a trailer. It is stricter than net/http, so that two readings of one message are not possible: what is
// not exactly the grammar of RFC 9112 is a fault. It holds no bytes but a word, and so costs little for each connection.
//
// Its rules: section 2.2 (lines end with CRLF, and only there is a CR or LF), 3 (one space between the words of the request
// line), 3.2 (one Host), 5.1 and 5.2 (no space before a colon, no folded lines), 6.1 (no Transfer-Encoding in HTTP/1.0, beside
// Content-Length or twice), 6.3 (one Content-Length, of digits), 7.1 (chunks and their extensions), 7.1.2 (no framing or
// routing in trailers), and RFC 9110, section 5.5 (no control characters in values).
type wire struct {
	step  step
	fault string // the rule that was broken; "" while none is

	field   special // of the field line that is being read
	word    [24]byte
	n       int // bytes of the word, more than fit when it is too long
	at      int // how far a fixed text has been matched, or how many digits a chunk's size has
	trailer bool
	only    bool // HTTP/2 was agreed

	head head
	left int64 // bytes of the body or chunk that are still to come
}

// A head is what decides how a message is framed.
type head struct {
	major, minor byte
	hosts        int
	length       int64
	hasLength    bool
	coded        bool // Transfer-Encoding is there
	chunked      bool // and is "chunked"
	upgrade      bool // to something else than HTTP/2
	blank        bool // an empty line stood before the request line

	defaultPort     string // of an absolute target's scheme; "" for targets of other forms
	authority, host string // of an absolute target, and the Host beside it; in lower case
}

type step uint8

const (
	stepPreface step = iota // the first bytes of a clear connection: of HTTP/2, or not
	stepStart
	stepStartLF
	stepMethod
	stepTarget
	stepScheme
	stepAuthority
	stepTargetOn
	stepVersion
	stepLineLF
	stepField
	stepName
	stepValueStart
	stepValue
	stepValueLF
	stepEndLF
	stepBody
	stepSize
	stepSizeOn
	stepExtBefore // a semicolon must follow
	stepExtName
	stepExtNameOn
	stepExtAfterName
	stepExtValue
	stepExtValueOn
	stepExtQuoted
	stepExtEscaped
	stepExtAfterQuoted
	stepSizeLF
	stepData
	stepDataCR
	stepDataLF
	stepOver   // net/http refuses what came, and reads no further
	stepOpen   // what comes may not be HTTP any more
	stepFrames // what comes is HTTP/2
)

// A special is a field that the wire must understand.
type special uint8

const (
	fieldOther special = iota
	fieldHost
	fieldLength
	fieldCoding
	fieldUpgrade
)

const (
	preface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" // RFC 9113, section 3.4
	protocol = "HTTP/"
)

// poison is what net/http reads in the place of a fault. Wherever it begins, in a head, a chunk's line, behind a chunk or in a
// trailer, it makes the message malformed, so that net/http answers 400 in its turn, behind the answers to earlier
// requests, and closes. It is longer than the preface of HTTP/2, for which net/http waits.
const poison = "\x00\n\x00\n\r\n\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\n\r\n\r\n"

// inBody reports whether the next byte belongs to a body.
func (w *wire) inBody() bool { return w.step >= stepBody && w.step <= stepDataLF || w.trailer }

// feed takes the next bytes and returns how many are without fault.
func (w *wire) feed(p []byte) int {
	for i := 0; i < len(p); {
		switch w.step {
		case stepOpen:
			return len(p)
		case stepFrames:
			return i
		case stepBody, stepData:
			take := min(w.left, int64(len(p)-i))
			i += int(take)
			if w.left -= take; w.left > 0 {
				return len(p)
			}
			if w.step == stepData {
				w.step = stepDataCR
			} else {
				w.next()
			}
			continue
		case stepTargetOn:
			for i < len(p) && p[i] > ' ' && p[i] != 0x7f {
				i++
			}
		case stepName:
			for i < len(p) && class[p[i]]&isToken != 0 {
				w.collect(lower(p[i]))
				i++
			}
		case stepValue:
			if w.field == fieldOther {
				for i < len(p) && class[p[i]]&isValue != 0 {
					i++
				}
			}
		}
		if i == len(p) {
			break
		}
		w.take(p[i])
		if w.fault != "" {
			return i
		}
		i++
	}
	return len(p)
}

// take is one byte of anything but a body.
func (w *wire) take(b byte) {
	switch {
	case w.step <= stepLineLF:
		w.takeLine(b)
	case w.step <= stepEndLF:
		w.takeField(b)
	case w.step < stepSize:
	case w.step <= stepSizeLF:
		w.takeSize(b)
	case w.step == stepDataCR:
		w.want(b, '\r', stepDataLF, "a chunk is longer than its size")
	case w.step == stepDataLF:
		w.want(b, '\n', stepSize, "a chunk does not end with CRLF")
	default:
		w.fault = "bytes behind a request that was refused"
	}
}

func (w *wire) want(b, wanted byte, then step, fault string) {
	if b != wanted {
		w.fault = fault
		return
	}
	w.step = then
}

// next makes ready for another message.
func (w *wire) next() { *w = wire{step: stepStart} }

func (w *wire) takeLine(b byte) {
	switch w.step {
	case stepPreface:
		w.takePreface(b)
	case stepStart:
		if b == '\r' && !w.head.blank { // RFC 9112, section 2.2: an empty line may come first
			w.step, w.head.blank = stepStartLF, true
			return
		}
		w.method(b)
	case stepStartLF:
		w.want(b, '\n', stepStart, "a bare CR")
	case stepMethod:
		w.method(b)
	case stepTarget, stepScheme, stepAuthority, stepTargetOn:
		w.target(b)
	case stepVersion:
		w.version(b)
	case stepLineLF:
		w.want(b, '\n', stepField, "a bare CR in the request line")
	}
}

func (w *wire) method(b byte) {
	switch {
	case class[b]&isToken != 0:
		w.step = stepMethod
	case b == ' ' && w.step == stepMethod:
		w.step = stepTarget
	default:
		w.fault = "the method is not a token"
	}
}

func (w *wire) version(b byte) {
	digit := b >= '0' && b <= '9'
	switch at := w.at; {
	case at < len(protocol) && b == protocol[at]:
	case at == len(protocol) && digit:
		w.head.major = b - '0'
	case at == len(protocol)+1 && b == '.':
	case at == len(protocol)+2 && digit:
		w.head.minor = b - '0'
	case at == len(protocol)+3 && b == '\r':
		w.step = stepLineLF
	default:
		w.fault = "the request line does not end with a version and CRLF"
	}
	w.at++
}

func (w *wire) takeField(b byte) {
	switch w.step {
	case stepField:
		switch {
		case b == '\r':
			w.end()
		case b == ' ' || b == '\t':
			w.fault = "a folded field line"
		default:
			w.n = 0
			w.name(b)
		}
	case stepName:
		w.name(b)
	case stepValueStart, stepValue:
		switch {
		case b == '\r':
			w.step = stepValueLF
			w.value()
		case class[b]&isValue == 0:
			w.fault = "a control character in a field value"
		case w.step == stepValueStart && (b == ' ' || b == '\t'):
		default:
			w.step = stepValue
			w.collect(b)
			w.besideAuthority(b)
		}
	case stepValueLF:
		w.want(b, '\n', stepField, "a bare CR in a field value")
	case stepEndLF:
		w.want(b, '\n', stepEndLF, "a bare CR behind the last field")
		w.framed()
	}
}

func (w *wire) collect(b byte) {
	if w.n < len(w.word) {
		w.word[w.n] = b
	}
	w.n++
}

func (w *wire) name(b byte) {
	switch {
	case class[b]&isToken != 0:
		w.step = stepName
		w.collect(lower(b))
	case b == ':' && w.n > 0:
		w.special()
		w.step, w.n = stepValueStart, 0
	default:
		w.fault = "a field name is not a token"
	}
}

// special recognises the name that was read.
func (w *wire) special() {
	w.field = fieldOther
	if w.n > len(w.word) {
		return
	}
	switch h := &w.head; string(w.word[:w.n]) {
	case "host":
		w.field = fieldHost
		if h.hosts++; h.hosts > 1 {
			w.fault = "more than one Host"
		}
	case "content-length":
		w.field = fieldLength
		if h.hasLength {
			w.fault = "more than one Content-Length"
		}
		h.hasLength = true
	case "transfer-encoding":
		w.field = fieldCoding
		if h.coded {
			w.fault = "more than one Transfer-Encoding"
		}
		h.coded = true
	case "upgrade":
		w.field = fieldUpgrade
		return
	}
	if w.trailer && w.field != fieldOther {
		w.fault = "framing or routing in a trailer"
	}
}

// value understands the value that was read.
func (w *wire) value() {
	if w.field == fieldOther {
		return
	}
	text := ""
	if w.n <= len(w.word) {
		text = strings.TrimRight(string(w.word[:w.n]), " \t")
	}
	switch w.field {
	case fieldLength:
		n, err := strconv.ParseUint(text, 10, 63) // takes neither signs nor, with a base, underscores
		if err != nil {
			w.fault = "Content-Length is not a number"
		}
		w.head.length = int64(n)
	case fieldCoding:
		w.head.chunked = strings.EqualFold(text, "chunked")
	case fieldUpgrade:
		w.head.upgrade = w.head.upgrade || !strings.EqualFold(text, "h2c")
	}
}

// end is at the CR of the empty line behind the fields. A head that must not pass is a fault here, before net/http has it whole.
func (w *wire) end() {
	w.step = stepEndLF
	switch h := &w.head; {
	case w.trailer:
	case h.major == 2: // net/http would hand over a PRI as a request
		w.fault = "HTTP/2 without its preface"
	case h.major == 1 && h.minor > 0 && h.hosts == 0:
		w.fault = "no Host"
	case !h.oneAuthority():
		w.fault = "the target's authority and Host differ"
	case h.coded && h.hasLength:
		w.fault = "Content-Length beside Transfer-Encoding"
	case h.coded && h.major == 1 && h.minor == 0:
		w.fault = "Transfer-Encoding in HTTP/1.0"
	}
}

// framed is behind the head: what comes next?
func (w *wire) framed() {
	switch h := &w.head; {
	case w.fault != "":
	case w.trailer:
		w.next()
	case h.major != 1 || h.coded && !h.chunked:
		w.step = stepOver
	case h.chunked:
		w.step, w.at, w.left = stepSize, 0, 0
	case h.length > 0:
		w.step, w.left = stepBody, h.length
	case h.upgrade:
		w.step = stepOpen
	default:
		w.next()
	}
}
