package project

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// An Artifact is the code that one reference of the definition came to.
type Artifact struct {
	Ref    string // as written, cleaned: "authorizers/caller.ts"
	Source *host.Source
}

// Artifacts lists what a loaded project is made of, each reference once, sorted.
func (p *Project) Artifacts() []Artifact {
	var list []Artifact
	for _, plugin := range p.Snapshot.Plugins() {
		if plugin.Source != nil { // a host's own
			list = append(list, Artifact{Ref: path.Clean(plugin.Ref), Source: plugin.Source})
		}
	}
	slices.SortFunc(list, func(a, b Artifact) int { return cmp.Compare(a.Ref, b.Ref) })
	return slices.CompactFunc(list, func(a, b Artifact) bool { return a.Ref == b.Ref })
}

// FileName is the artifact's name in a folder of results, with slashes: the reference with the ending of what it became.
func (a Artifact) FileName() string {
	ending := ".wasm"
	if a.Source.Runtime == host.RuntimeJS {
		ending = ".js"
	}
	return strings.TrimSuffix(a.Ref, path.Ext(a.Ref)) + ending
}
