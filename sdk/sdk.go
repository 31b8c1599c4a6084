// Package sdk holds the sources of the SDKs, so that a new project can be written which builds without a network.
package sdk

import "embed"

// Sources has a folder for each language, which is laid out as it is in the repository: "go" is the package
// github.com/postern/postern/sdk/go.
//
//go:embed go/*.go go/README.md
var Sources embed.FS
