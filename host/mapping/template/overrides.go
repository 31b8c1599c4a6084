package template

import (
	"context"
	"fmt"
	"strconv"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/tree"
	"github.com/postern/postern/host/mapping/vtl"
)

// overrides are $context.requestOverride and $context.responseOverride of one run.
type overrides struct {
	request  group
	response group
	opts     *Options
	values   int // that were set
	bytes    int
}

// begin shows what an earlier template overrode.
func (o *overrides) begin(r *run) {
	o.opts = &r.template.opts
	before := r.in.RequestOverride
	o.request.all = []fields{
		{place: "requestOverride.path", of: o, before: pathFields(before.Path)},
		{place: "requestOverride.header", of: o, before: before.Header, header: true},
		{place: "requestOverride.querystring", of: o, before: before.Query},
	}
	o.response.all = []fields{{place: "responseOverride.header", of: o, before: r.in.ResponseOverride.Header, header: true}}
	o.response.hasStatus = true
	if before := r.in.ResponseOverride.Status; before != 0 {
		o.response.status = int32(before)
	}
}

func pathFields(path map[string]string) host.Header {
	var h host.Header
	for _, name := range sortedKeys(path) {
		h.Add(name, path[name])
	}
	return h
}

// read puts what this run overrode into the output.
func (o *overrides) read(out *host.MapOutput) error {
	o.values, o.bytes = 0, 0 // a list may have grown since it was set
	var err error
	if out.Response.Header, err = o.response.all[0].read(); err != nil {
		return err
	}
	if out.Request.Header, err = o.request.all[1].read(); err != nil {
		return err
	}
	if out.Request.Query, err = o.request.all[2].read(); err != nil {
		return err
	}
	path, err := o.request.all[0].read()
	if err != nil {
		return err
	}
	for _, f := range path {
		if out.Request.Path == nil {
			out.Request.Path = map[string]string{}
		}
		out.Request.Path[f.Name] = f.Value
	}
	if o.response.statusSet {
		out.Response.Status, _ = finalStatus(o.response.status)
	}
	return nil
}

// A group is $context.requestOverride or $context.responseOverride.
type group struct {
	all       []fields
	hasStatus bool
	status    any
	statusSet bool
	built     *tree.Map
}

// Map has the keys that Amazon's has (reference 1.5.1 [REC]), and the status once it is set.
func (g *group) Map() *tree.Map {
	if g.built == nil {
		g.built = &tree.Map{}
		for i := range g.all {
			g.built.Put(g.all[i].key(), &g.all[i])
		}
	}
	if g.status != nil {
		g.built.Put("status", g.status)
	}
	return g.built
}

// Get returns the parameters of a place, or the status.
func (g *group) Get(name string) (any, bool) {
	for i := range g.all {
		if f := &g.all[i]; f.key() == name {
			return f, true
		}
	}
	if name == "status" && g.status != nil {
		return g.status, true
	}
	return nil, false
}

// Call has what must not pass by Set.
func (g *group) Call(_ context.Context, name string, args []any) (any, bool, error) {
	if name != "putAll" || len(args) != 1 {
		return nil, false, nil
	}
	m, ok := args[0].(*tree.Map)
	if !ok {
		return nil, false, nil
	}
	for key, value := range m.All() {
		if _, err := g.Set(key, value); err != nil {
			return nil, true, err
		}
	}
	return "", true, nil
}

// Set takes a status, or a map of parameters as if each was set. What can be no status changes nothing (reference 1.5 [LS]).
func (g *group) Set(name string, value any) (bool, error) {
	for i := range g.all {
		if f := &g.all[i]; f.key() == name {
			return f.setAll(value)
		}
	}
	if name != "status" || !g.hasStatus {
		return false, nil
	}
	if _, ok := finalStatus(value); !ok {
		return true, nil
	}
	if g.statusSet {
		return false, overriddenTwice("responseOverride.status")
	}
	g.status, g.statusSet = value, true
	return true, nil
}

// finalStatus reads a status that a response may end with: an integer from 200 to 599, or one in a text. A 1xx is no answer.
func finalStatus(value any) (int, bool) {
	text, err := vtl.Text(value)
	if err != nil {
		return 0, false
	}
	status, err := strconv.Atoi(text)
	if err != nil || status < 200 || status > 599 {
		return 0, false
	}
	return status, true
}

func overriddenTwice(name string) error {
	return fmt.Errorf("$context.%s is overridden twice; a template may do so once", name)
}

// key is the last part of a place: "header".
func (f *fields) key() string {
	for i := len(f.place) - 1; ; i-- {
		if f.place[i] == '.' {
			return f.place[i+1:]
		}
	}
}
