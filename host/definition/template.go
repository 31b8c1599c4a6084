package definition

import (
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// mappings returns the plugins and templates of a mapping, in the order of the file.
func (b *builder) mappings(api string, d *dict[mappingDef]) []host.Mapping {
	var mappings []host.Mapping
	lines := map[string]int{}
	for i := range d.entries {
		e := &d.entries[i]
		if line, twice := lines[strings.ToLower(e.Key)]; twice { // RFC 9110, section 8.3.1: they ignore case
			b.add(e.place, RuleDuplicateKey, fmt.Sprintf("%s is already set in line %d", quote(e.Key), line)).Hint = "media types ignore case"
		}
		lines[strings.ToLower(e.Key)] = e.pos.Line
		mappings = append(mappings, b.mapping(api, e))
	}
	return mappings
}

func (b *builder) mapping(api string, e *entry[mappingDef]) host.Mapping {
	def := &e.Value
	m := host.Mapping{MediaType: e.Key, Template: b.template(def)}
	if m.Template != nil {
		b.noSettings(&def.settingsDef, "a template")
		return m
	}
	if def.written() && !def.Plugin.written() {
		b.add(place{e.pos, KeyPath(e.path, "plugin")}, RuleRequired, quote(e.Key)+` has no "plugin"`).Hint = "add plugin: \"./plugin.ts\", or template: with the text of a template"
	}
	m.Plugin = b.plugin(&def.settingsDef, def.Plugin.Value, pluginRole(api, def.Plugin.Value))
	b.onlyABI(&def.settingsDef, &m.Plugin, "mappings", host.ABIPostern, host.ABIStdio)
	return m
}

// template is nil for a plugin.
func (b *builder) template(def *mappingDef) *host.Template {
	if at := def.Template; at.written() {
		if def.Plugin.written() {
			b.add(def.Plugin.place, RuleConflict, "the mapping has template and plugin").Hint = "keep one of them"
		}
		return &host.Template{Name: at.path, Text: at.Value, Pos: at.pos}
	}
	ref := def.Plugin
	if !isTemplate(ref.Value) || IsUploaded(ref.Value) {
		return nil
	}
	b.projectFile(ref)
	return &host.Template{Ref: ref.Value, Name: path.Clean(ref.Value), Pos: ref.pos}
}

// isTemplate reports whether a reference is to a mapping template rather than to a plugin.
func isTemplate(ref string) bool { return strings.EqualFold(path.Ext(ref), ".vtl") }

// noSettings reports what is only for plugins beside something else.
func (b *builder) noSettings(def *settingsDef, beside string) {
	v := reflect.ValueOf(def).Elem()
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("key")
		field := v.Field(i).Addr().Interface().(interface{ at() place })
		if at := field.at(); key != "plugin" && at.written() {
			b.add(at, RuleConflict, fmt.Sprintf("%q is for plugins, and means nothing beside %s", key, beside)).Hint = "remove it"
		}
	}
}

// models returns the models of a rest API, in the order of the file.
func (b *builder) models(d *dict[tree]) []*host.Model {
	var models []*host.Model
	for i := range d.entries {
		e := &d.entries[i]
		m := &host.Model{Name: e.Key, Pos: e.pos}
		switch n := e.Value.node; n.Shape {
		case document.Text:
			ref := val[string]{e.Value.place, n.Text}
			m.Pos = ref.pos
			if m.Ref = n.Text; b.projectFile(ref) && !strings.EqualFold(path.Ext(m.Ref), ".json") {
				b.add(ref.place, RuleInvalidValue, quote(m.Ref)+" is no model: it must be a .json file").Hint = "write ./" + e.Key + ".json, or the schema itself"
			}
			if m.Ref == "" {
				b.add(ref.place, RuleInvalidValue, quote(e.Key)+" must not be empty")
			}
		case document.Object:
			m.Pos = e.Value.pos
			raw, err := json.Marshal(n.Plain())
			if err != nil {
				b.add(e.Value.place, RuleInvalidValue, "the model cannot be written as JSON: "+err.Error())
			}
			m.Schema = raw
		default:
			b.add(e.Value.place, RuleWrongType, quote(e.Key)+" must be the path of a file or a JSON Schema, which is an object, not "+n.Shape.String())
		}
		models = append(models, m)
	}
	sortByName(models, func(m *host.Model) string { return m.Name })
	return models
}
