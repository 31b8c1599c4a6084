// Package sdk holds the sources of the SDKs, so that a new project can be written which builds without a network.
package sdk

import "embed"

// Sources has a folder for each language, which is laid out as it is in the repository: "go" is the package
// github.com/postern/postern/sdk/go.
//
//go:embed go/*.go go/README.md go/templates
//go:embed js/postern.d.ts js/templates
//go:embed rust/src rust/Cargo.toml rust/templates
//go:embed assemblyscript/assembly assemblyscript/templates
//go:embed c/*.c c/*.h c/templates
//go:embed zig/src zig/build.zig zig/build.zig.zon zig/templates
var Sources embed.FS
