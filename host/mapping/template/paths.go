package template

import (
	"sync"

	"github.com/postern/postern/host/mapping/jsonpath"
)

// The bounds of a cache of paths. Paths are constants in nearly every template; one that is put together from what a client sent must not fill
// the memory.
const (
	maxPaths      = 256
	maxCachedPath = 1 << 10 // bytes of its text
)

// paths keeps the JSONPaths of a template compiled.
type paths struct {
	mu       sync.RWMutex
	compiled map[string]*jsonpath.Path
}

func (p *paths) get(text string) (*jsonpath.Path, error) {
	p.mu.RLock()
	path := p.compiled[text]
	p.mu.RUnlock()
	if path != nil {
		return path, nil
	}
	path, err := jsonpath.Compile(text)
	if err != nil || len(text) > maxCachedPath {
		return path, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.compiled == nil {
		p.compiled = map[string]*jsonpath.Path{}
	}
	if len(p.compiled) >= maxPaths {
		for old := range p.compiled { // any: the constants come back with the next request
			delete(p.compiled, old)
			break
		}
	}
	p.compiled[text] = path
	return path, nil
}
