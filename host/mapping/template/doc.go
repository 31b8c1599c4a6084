// Package template makes bodies by mapping templates: the variables $input, $util, $context and $stageVariables over the Velocity engine of
// package vtl (reference 1.5). What a template sees, and where it differs from Amazon's, is in spec/mapping-templates.md.
//
// A Template is compiled once and serves all requests of its route. A run costs little before it begins: the body is decoded when the
// first JSONPath asks for it, once, and $context and the parameters are looked up by name, not built.
package template
