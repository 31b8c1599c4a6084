package lambda

import (
	"mime"
	"strings"
	"unicode/utf8"
)

// IsText reports whether a body goes into an event as it is, and not in base64: where it is UTF-8, and of a media type whose
// bodies are text, or of none that is named.
func IsText(contentType string, body []byte) bool {
	if !utf8.Valid(body) {
		return false
	}
	if contentType == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	major, minor, _ := strings.Cut(media, "/")
	switch minor {
	case "json", "xml", "javascript", "x-www-form-urlencoded", "graphql", "yaml", "x-yaml", "x-ndjson", "sql":
		return true
	}
	return major == "text" || strings.HasSuffix(minor, "+json") || strings.HasSuffix(minor, "+xml") || strings.HasSuffix(minor, "+yaml")
}
