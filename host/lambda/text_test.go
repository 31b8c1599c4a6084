package lambda

import "testing"

func TestIsText(t *testing.T) {
	for contentType, want := range map[string]bool{
		"":                                  true,
		"text/plain":                        true,
		"TEXT/HTML; charset=utf-8":          true,
		"application/json":                  true,
		"application/problem+json":          true,
		"image/svg+xml":                     true,
		"application/x-www-form-urlencoded": true,
		"application/octet-stream":          false,
		"image/png":                         false,
		"application/jsonish":               false,
		"text":                              true,
		"text/":                             false,
		"/; =":                              false,
	} {
		if got := IsText(contentType, []byte("ä")); got != want {
			t.Errorf("%q: %v", contentType, got)
		}
		if IsText(contentType, []byte("\xff")) {
			t.Errorf("%q: what is not UTF-8 is text", contentType)
		}
	}
}
