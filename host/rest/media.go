package rest

import (
	"fmt"
	"strings"

	"github.com/postern/postern/host"
)

// MediaType returns the media type of a Content-Type in lower case, without parameters; "" is application/json (reference 1.4.1).
func MediaType(contentType string) string {
	if m := bareType(contentType); m != "" {
		return m
	}
	return defaultMediaType
}

// BinaryTypes are the media types whose bodies are octets and no text. The zero value has none. They are immutable.
type BinaryTypes struct {
	all    bool            // */*
	ranges map[string]bool // "image" of image/*
	exact  map[string]bool // "image/png", and "image/*" itself
}

// CompileBinaryTypes reads an API's binary media types: type/subtype, type/* and */*. Case does not count. The error has Kind Invalid.
func CompileBinaryTypes(types []string) (*BinaryTypes, error) {
	b := &BinaryTypes{ranges: map[string]bool{}, exact: map[string]bool{}}
	for _, t := range types {
		t = strings.ToLower(t)
		major, minor, _ := strings.Cut(t, "/")
		switch {
		case t == "*/*":
			b.all = true
		case !host.IsToken(major) || !host.IsToken(minor) || major == "*":
			return nil, &host.Error{Op: "binary media types", Kind: host.Invalid, Err: fmt.Errorf("%.100q is neither type/subtype nor type/* nor */*", t)}
		case minor == "*":
			b.ranges[major] = true
		}
		b.exact[t] = true
	}
	return b, nil
}

// IsBinary reports whether a body of that Content-Type is octets. Parameters do not count; none is application/json (reference 1.4.2).
func (b *BinaryTypes) IsBinary(contentType string) bool {
	return b.has(MediaType(contentType))
}

// Accepts reports whether a client whose Accept is this takes octets. Only the first value decides: a binary type behind it does not count,
// nor does a range that the client sends, unless it is registered as it stands (reference 1.4.2, and 1.6 "Binary out" [AST]). A client
// without Accept takes octets where everything is.
func (b *BinaryTypes) Accepts(accept string) bool {
	first, _, _ := strings.Cut(accept, ",")
	return b.has(bareType(first))
}

func (b *BinaryTypes) has(mediaType string) bool {
	if b == nil {
		return false
	}
	if b.all || b.exact[mediaType] {
		return true
	}
	major, minor, ok := strings.Cut(mediaType, "/")
	return ok && minor != "" && b.ranges[major]
}
