// Package grpc knows how gRPC and gRPC-Web look on HTTP: media types, deadlines, status trailers, and the translation of a
// response from the one to the other. It is pure: nothing here opens a connection, and messages are never decoded.
//
// The rules are those of gRPC's own documents: PROTOCOL-HTTP2.md ("gRPC over HTTP2"), PROTOCOL-WEB.md ("gRPC Web") and
// statuscodes.md ("Status codes and their use in gRPC").
package grpc

import (
	"strings"

	"github.com/postern/postern/host"
)

// A Form is a way to put gRPC on HTTP.
type Form uint8

// The forms.
const (
	None    Form = iota // not gRPC at all
	Native              // over HTTP/2, with the status in trailers
	Web                 // gRPC-Web: the status is the body's last frame
	WebText             // gRPC-Web in base64
)

var forms = [...]string{Native: "application/grpc", Web: "application/grpc-web", WebText: "application/grpc-web-text"}

// A Type is a media type of gRPC: "application/grpc-web+proto" is {Web, "+proto"}.
type Type struct {
	Form   Form
	Format string // of the messages, with its plus sign; "" says nothing
}

// ParseType reads a Content-Type. What is not gRPC has the Form None.
func ParseType(contentType string) Type {
	media := strings.TrimSpace(contentType)
	if n := len(forms[Native]); len(media) < n || !strings.EqualFold(media[:n], forms[Native]) {
		return Type{} // as nearly every request
	}
	media, _, _ = strings.Cut(media, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	base, format := media, ""
	if plus := strings.IndexByte(media, '+'); plus >= 0 {
		base, format = media[:plus], media[plus:]
	}
	for form := Native; form <= WebText; form++ {
		if base == forms[form] {
			return Type{form, format}
		}
	}
	return Type{}
}

// String returns the media type.
func (t Type) String() string { return forms[t.Form] + t.Format }

// IsWeb reports whether t is gRPC-Web, in either coding.
func (t Type) IsWeb() bool { return t.Form == Web || t.Form == WebText }

// Answer returns the type in which a request of type t with these header fields wants its response: its own, unless Accept
// names the other coding of gRPC-Web (PROTOCOL-WEB.md, "Text-encoded (response) streams").
func (t Type) Answer(h host.Header) Type {
	if !t.IsWeb() {
		return t
	}
	for _, accept := range h.Values("Accept") {
		for media := range strings.SplitSeq(accept, ",") {
			if wanted := ParseType(media); wanted.IsWeb() {
				return Type{wanted.Form, t.Format}
			}
		}
	}
	return t
}
