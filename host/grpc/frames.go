package grpc

import "encoding/binary"

// prefixSize is the size of what stands before each message: flags, and the message's length (PROTOCOL-HTTP2.md,
// "Length-Prefixed-Message").
const prefixSize = 5

// trailerFlag marks the frame of gRPC-Web that holds the trailers (PROTOCOL-WEB.md).
const trailerFlag = 0x80

// frames follows a stream of messages, to know where one ends.
type frames struct {
	prefix [prefixSize]byte
	have   int    // of prefix
	left   uint32 // of the message
}

// advance is told the next bytes.
func (f *frames) advance(p []byte) {
	for len(p) > 0 {
		if f.left > 0 {
			n := min(len(p), int(min(f.left, 1<<30)))
			f.left -= uint32(n)
			p = p[n:]
			continue
		}
		n := copy(f.prefix[f.have:], p)
		f.have += n
		p = p[n:]
		if f.have == prefixSize {
			f.have, f.left = 0, binary.BigEndian.Uint32(f.prefix[1:])
		}
	}
}

// whole reports whether no message is half sent.
func (f *frames) whole() bool { return f.have == 0 && f.left == 0 }
