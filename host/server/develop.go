package server

import (
	"bytes"
	"context"
	"runtime/debug"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/project"
)

// A Report tells what became of one change while developing.
type Report struct {
	Changed  []string // the files that changed, relative to the project; nil for the first load
	Swapped  bool     // false when the change made no difference
	Took     time.Duration
	Warnings []*definition.Error // what is legal and probably not meant
	Err      error               // why what served before goes on serving; nil when all is well
}

// Load loads a project and serves it: by the catalog, where there is one.
func (s *Server) Load(ctx context.Context, dir string, opts project.Options) (*project.Project, bool, error) {
	loaded, err := project.Load(ctx, dir, opts)
	if err != nil {
		s.Refuse(err)
		return loaded, false, err
	}
	if s.control != nil {
		swapped, err := s.control.load(ctx, loaded)
		return loaded, swapped, err
	}
	resolveListeners(loaded.Snapshot, s.Address)
	swapped, err := s.Apply(ctx, loaded.Snapshot)
	if swapped {
		// Compilers leave much behind, and an idle process would not collect it for minutes.
		debug.FreeOSMemory()
	}
	return loaded, swapped, err
}

// load applies a project to the catalog and serves what came of it. What the definition has no longer is deleted.
func (c *control) load(ctx context.Context, loaded *project.Project) (swapped bool, err error) {
	for _, content := range loaded.Blobs() {
		if _, err := c.state.Blobs().Save(ctx, bytes.NewReader(content)); err != nil {
			return false, err
		}
	}
	in := loaded.Input()
	in.Prune = true
	before := c.server.Status().Revision
	if _, err := c.catalog.Apply(ctx, loaded.Name(), in, catalog.Change{By: "dev", Force: true}); err != nil {
		c.server.Refuse(err)
		return false, err
	}
	// What follows the state may have been here first.
	_, err = c.sync(ctx)
	return c.server.Status().Revision != before, err
}

// Develop loads the project in dir, then again after each change of its files, until ctx ends. A load that fails leaves
// what serves. report is called after each load, from one goroutine.
func (s *Server) Develop(ctx context.Context, dir string, opts project.Options, report func(Report)) error {
	watcher, err := project.NewWatcher(dir)
	if err != nil {
		return err
	}
	defer func() { _ = watcher.Close() }() // it was only read from
	var changed []string
	for {
		started := time.Now()
		loaded, swapped, err := s.Load(ctx, dir, opts)
		if ctx.Err() != nil {
			return nil
		}
		report(Report{Changed: changed, Swapped: swapped, Took: time.Since(started), Warnings: loaded.Warnings, Err: err})
		missed, err := watcher.Watch(loaded.Inputs, started)
		if err != nil {
			s.log.Warn("not every file of the project is watched", "error", err)
		}
		if len(missed) > 0 { // edited after it was read for the first time
			changed = missed
			continue
		}
		var open bool
		select {
		case changed, open = <-watcher.Changes():
			if !open {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// resolveListeners puts the address of this host's own listeners where a definition says ${listeners.http}, so that one
// API can call another on whatever port the host has.
func resolveListeners(snapshot *host.Snapshot, address func(name string) string) {
	resolve := func(text string) string {
		for _, name := range []string{"http", "https"} {
			text = strings.ReplaceAll(text, "${listeners."+name+"}", address(name))
		}
		return text
	}
	for a := range snapshot.Definitions() {
		for _, stage := range a.Stages {
			for name, value := range stage.Variables {
				stage.Variables[name] = resolve(value)
			}
		}
		for _, r := range a.Routes {
			r.Integration.URI = resolve(r.Integration.URI)
		}
	}
}
