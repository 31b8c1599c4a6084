// Package xconnect switches extended CONNECT (RFC 8441) on in net/http. Import it for its effect, by the package that serves HTTP/2.
//
// net/http has extended CONNECT, but announces it only when GODEBUG holds http2xconnect=1 at the moment of its initialization: a
// //go:debug line does not reach it, and http.HTTP2Config has no field for it. So the variable must be set before that. Go initializes
// packages in the order of their import paths, each as soon as what it imports is (the language specification, "Program
// initialization"). This one imports nothing but os and strings, and its path sorts before net/http: it comes first. That is why
// it is a package of its own, and why it may never import more.
//
// A host's owner who sets GODEBUG=http2xconnect=0 has the last word.
package xconnect

import (
	"os"
	"strings"
)

func init() { // the one of this module, for the reason above
	const name = "GODEBUG"
	switch settings := os.Getenv(name); {
	case strings.Contains(settings, "http2xconnect="):
	case settings == "":
		_ = os.Setenv(name, "http2xconnect=1")
	default:
		_ = os.Setenv(name, settings+",http2xconnect=1")
	}
}
