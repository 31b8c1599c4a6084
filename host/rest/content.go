package rest

import (
	"encoding/base64"
	"fmt"
	"unicode/utf8"

	"github.com/postern/postern/host"
)

// RequestContent converts the body of a request as the integration's contentHandling says (reference 1.4.2, "Request" [REC]). binary says
// whether the body's media type is one of the API's. It returns the body, and whether that is octets, which no template can read.
//
// Text has U+FFFD for what is no UTF-8. Text that is to be octets is read as base64; where it is none, the error has Kind Internal. The
// result is the given body itself where nothing changes; the given body is never changed.
func RequestContent(body []byte, binary bool, handling string) ([]byte, bool, error) {
	switch {
	case binary && handling == host.ConvertToText:
		return encode(body), false, nil
	case binary:
		return body, true, nil
	case handling == host.ConvertToBinary:
		decoded, err := decode("convert the request to binary", body)
		return decoded, true, err
	}
	return validText(body), false, nil
}

// ResponseContent converts the body of an integration's response as the response's contentHandling says (reference 1.4.2, "Response" [REC]).
// binary says whether the body's media type is one of the API's, and accepted whether that is so for what the client accepts first. The
// result is as RequestContent's.
func ResponseContent(body []byte, binary, accepted bool, handling string) ([]byte, bool, error) {
	octets := accepted
	switch handling {
	case host.ConvertToText:
		octets = false
	case host.ConvertToBinary:
		octets = true
	}
	switch {
	case binary && octets:
		return body, true, nil
	case binary:
		return encode(body), false, nil
	case octets:
		decoded, err := decode("convert the response to binary", body)
		return decoded, true, err
	}
	return validText(body), false, nil
}

func encode(body []byte) []byte {
	text := make([]byte, base64.StdEncoding.EncodedLen(len(body)))
	base64.StdEncoding.Encode(text, body)
	return text
}

func decode(op string, body []byte) ([]byte, error) {
	octets := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(octets, body)
	if err != nil {
		return nil, &host.Error{Op: op, Kind: host.Internal, Err: fmt.Errorf("the body is no base64: %w", err)}
	}
	return octets[:n], nil
}

// validText returns a body with U+FFFD for each part that is no UTF-8. A sequence that breaks off is one part, as decoders of Java and browsers
// have it (Unicode standard, section 3.9, "U+FFFD Substitution of Maximal Subparts").
func validText(body []byte) []byte {
	if utf8.Valid(body) {
		return body
	}
	text := make([]byte, 0, len(body)+len(body)/8+utf8.UTFMax)
	begin := 0 // of what is valid and not yet in text
	for at := 0; at < len(body); {
		if body[at] < utf8.RuneSelf {
			at++
			continue
		}
		r, size := utf8.DecodeRune(body[at:])
		if r != utf8.RuneError || size > 1 {
			at += size
			continue
		}
		text = append(text, body[begin:at]...)
		text = utf8.AppendRune(text, utf8.RuneError)
		at += subpart(body[at:])
		begin = at
	}
	return append(text, body[begin:]...)
}

// subpart returns how many bytes at the start of what is no UTF-8 stand for one character: as many as could begin one, and at least one.
func subpart(b []byte) int {
	low, high, size := byte(0x80), byte(0xBF), 0
	switch c := b[0]; {
	case 0xE0 <= c && c <= 0xEF:
		size = 3
	case 0xF0 <= c && c <= 0xF4:
		size = 4
	}
	switch b[0] { // no overlong forms, no surrogates, nothing above U+10FFFF
	case 0xE0:
		low = 0xA0
	case 0xED:
		high = 0x9F
	case 0xF0:
		low = 0x90
	case 0xF4:
		high = 0x8F
	}
	n := 1
	for n < size-1 && n < len(b) && low <= b[n] && b[n] <= high {
		n, low, high = n+1, 0x80, 0xBF
	}
	return n
}
