package definition

import (
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// ParseFunction decodes the configuration of a function that is uploaded: an object in JSON with the keys that a function of a
// definition has, but for plugin. What is left out has the same defaults; no configuration at all is one of defaults. The error is Errors,
// with places in the file "config" and paths that begin at the configuration's keys. The plugin has no reference and no source: Settle it
// when it has one. deadLetter and secrets of the store are checked for their form alone. scripts is Options.Scripts.
func ParseFunction(name string, config []byte, scripts string) (*host.Function, error) {
	r := &report{file: "config"}
	if len(config) == 0 {
		config = []byte("{}")
	}
	root := r.readTree(config)
	if root == nil {
		return nil, r.finish(config)
	}
	if m := root.Member("plugin"); m != nil {
		r.add(place{m.Pos, "plugin"}, RuleUnknownKey, `"plugin" is not a key of a configuration`).Hint = "the code is what is uploaded beside it"
		return nil, r.finish(config)
	}
	const uploadedCode = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
	code := &document.Node{Pos: root.Pos, Shape: document.Text, Scalar: uploadedCode, Text: uploadedCode}
	root.Members = append(root.Members, document.Member{Key: "plugin", Pos: root.Pos, Value: code})
	functions := object(name, root)
	snapshot, err := r.interpret(object("functions", functions), Options{Host: true, Scripts: scripts})
	if err != nil {
		return nil, err
	}
	own := KeyPath("functions", name)
	for _, e := range r.errs {
		e.Path = strings.TrimPrefix(strings.TrimPrefix(e.Path, own), ".")
	}
	if err := r.finish(config); err != nil {
		return nil, err
	}
	f := snapshot.Functions[0]
	f.Plugin.Ref = ""
	return f, nil
}

// object is an object with one key, at its value's place.
func object(key string, value *document.Node) *document.Node {
	return &document.Node{Pos: value.Pos, Shape: document.Object, Members: []document.Member{{Key: key, Pos: value.Pos, Value: value}}}
}
