package grpc

import (
	"strconv"

	"github.com/postern/postern/host"
)

// A Code is a gRPC status code.
type Code uint8

// The codes that a gateway gives. The others are for applications alone (statuscodes.md).
const (
	Unknown           Code = 2
	DeadlineExceeded  Code = 4
	PermissionDenied  Code = 7
	ResourceExhausted Code = 8
	Unimplemented     Code = 12
	Internal          Code = 13
	Unavailable       Code = 14
	Unauthenticated   Code = 16
)

// codes maps each Kind as statuscodes.md says what libraries generate, and where that is silent, as
// http-grpc-status-mapping.md maps the HTTP status that the Kind has: 400 is INTERNAL there. A size limit is
// RESOURCE_EXHAUSTED, as it is in every gRPC library.
var codes = [...]Code{
	host.Internal:        Internal,
	host.Invalid:         Internal,
	host.Unauthenticated: Unauthenticated,
	host.Forbidden:       PermissionDenied,
	host.NotFound:        Unimplemented,
	host.Conflict:        Unknown,
	host.TooLarge:        ResourceExhausted,
	host.Unsupported:     Unimplemented,
	host.Throttled:       ResourceExhausted,
	host.BadGateway:      Unavailable,
	host.Timeout:         DeadlineExceeded,
	host.Unavailable:     Unavailable,
}

// CodeOf returns the code of a Kind of error.
func CodeOf(kind host.Kind) Code {
	if int(kind) < len(codes) {
		return codes[kind]
	}
	return Unknown
}

// The fields of a status, in a trailer or, where there is no message, in a header.
const (
	StatusField  = "Grpc-Status"
	MessageField = "Grpc-Message"
)

// Status returns the fields that tell a status.
func Status(code Code, message string) host.Header {
	return host.Header{
		{Name: StatusField, Value: strconv.Itoa(int(code))},
		{Name: MessageField, Value: encodeMessage(message)},
	}
}

// encodeMessage percent-encodes what is not printable ASCII, and the percent sign (PROTOCOL-HTTP2.md, "Status-Message").
func encodeMessage(s string) string {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(s))
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '%' {
			out = append(out, '%', hex[c>>4], hex[c&15])
			continue
		}
		out = append(out, c)
	}
	return string(out)
}
