package project

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/postern/postern/host/definition"
)

// folderSchema is the file of a plugin's folder that says what its configuration may be. A file NAME.ts has NAME.schema.json beside it.
const (
	folderSchema = "config.schema.json"
	fileSchema   = ".schema.json"
)

// maxSchema is how many bytes a schema may have.
const maxSchema = 1 << 20

// schemaFile is where the schema of a reference would be, "" where its reference leads nowhere.
func (j *job) schemaFile() string {
	info, err := j.root.Stat(filepath.FromSlash(j.ref))
	if err != nil {
		return ""
	}
	file := schemaOf(j.ref, info.IsDir())
	if j.foreign && !info.IsDir() { // of a zip with one module, which is as much as a folder
		beside := path.Join(path.Dir(j.ref), folderSchema)
		if _, err := j.root.Stat(filepath.FromSlash(file)); err != nil {
			if _, err := j.root.Stat(filepath.FromSlash(beside)); err == nil {
				return beside
			}
		}
	}
	return file
}

// schemaOf is where the schema of a folder or of a file would be.
func schemaOf(ref string, folder bool) string {
	if folder {
		return path.Join(ref, folderSchema)
	}
	return strings.TrimSuffix(ref, path.Ext(ref)) + fileSchema
}

// schema reads the schema of a plugin's configuration. nil: there is none, or it has been told what is wrong with it.
func (j *job) schema() ([]byte, *definition.ConfigSchema) {
	file := j.schemaFile()
	if file == "" {
		return nil, nil
	}
	j.input(file)
	data, err := j.read(file, maxSchema)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		e := j.unreadable("./"+file, err)
		j.everywhere(e.Rule, e.Message, e.Hint)
		return nil, nil
	}
	schema, err := definition.ParseConfigSchema(data)
	if err != nil {
		j.everywhere(definition.RuleConfig, "./"+file+" is no schema of a configuration: "+err.Error(), "")
		return nil, nil
	}
	return data, schema
}

// configs holds the configuration at each reference against the plugin's schema, whose text it returns.
func (j *job) configs() []byte {
	data, schema := j.schema()
	for _, u := range j.uses {
		if schema != nil && !isCommand(u.Plugin) { // which has no configuration
			j.fail(j.text().Config(schema, definition.KeyPath(strings.TrimSuffix(u.Path, ".plugin"), "config"), u.Plugin.Pos)...)
		}
	}
	return data
}
