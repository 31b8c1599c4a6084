// Package spec holds what Postern promises to those who write definitions and plugins, as files: the
// contracts in prose, and the schema of definitions. The program embeds what it prints or checks with.
package spec

import "embed"

// DefinitionSchema is the JSON Schema (draft 2020-12) of postern.yaml. It must not be changed.
//
//go:embed definition.schema.json
var DefinitionSchema []byte

// AdminOpenAPI describes the admin API (OpenAPI 3.1). It must not be changed.
//
//go:embed admin.openapi.yaml
var AdminOpenAPI []byte

// Conformance holds conformance/*.txtar: what a guest in any language has to do, a behaviour a file.
//
//go:embed conformance/*.txtar
var Conformance embed.FS
