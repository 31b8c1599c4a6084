package catalog

import (
	"context"
	"errors"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

const maxSchema = 1 << 20 // bytes of the schema of a configuration, as host/project has it

// configSchema reads what code says of its configuration; nil for nothing. What is no schema has Kind Invalid.
func (s *state) configSchema(ctx context.Context, code Code) (*definition.ConfigSchema, error) {
	if code.ConfigSchema == "" {
		return nil, nil
	}
	text, err := s.catalog.load(ctx, code.ConfigSchema, maxSchema)
	if errors.Is(err, host.TooLarge) {
		return nil, refuse(host.Invalid, "", "the schema of its configuration has more than %d bytes", maxSchema)
	}
	if err != nil {
		return nil, err
	}
	schema, err := definition.ParseConfigSchema(text)
	if err != nil {
		return nil, refuse(host.Invalid, "", "what was sent as the schema of its configuration is none: %w", err)
	}
	return schema, nil
}

// checkConfig holds the configuration of an uploaded function against the schema of its code, as host/project does with a definition's.
func (s *state) checkConfig(ctx context.Context, v *versionDoc) error {
	schema, err := s.configSchema(ctx, v.Code)
	if err != nil || schema == nil || isCommand(v.Config.ABI) {
		return err
	}
	const file = "config" // as definition.ParseFunction has it
	text := v.Config.text()
	errs := definition.ReadText(file, text).Config(schema, "config", host.Position{File: file, Line: 1, Column: 1})
	if len(errs) == 0 {
		return nil
	}
	for _, e := range errs {
		e.Source = definition.SourceLine(text, e.Pos.Line)
	}
	return errs
}

// isCommand reports whether code is a WASI command, which has no configuration.
func isCommand(abi string) bool { return abi == host.ABICGI || abi == host.ABIStdio }

// lookAtConfigs finds configurations that are not as the schema of their code has them.
func (r *attempt) lookAtConfigs(ctx context.Context) (definition.Errors, error) {
	var errs definition.Errors
	var text *definition.Text
	schemas := map[string]*definition.ConfigSchema{}
	for use := range definition.Uses(r.snapshot) {
		code := r.bundle.Code[codeKey(use.Plugin.Ref)]
		if code.ConfigSchema == "" || isCommand(use.Plugin.ABI) {
			continue
		}
		schema, read := schemas[code.ConfigSchema]
		if !read {
			var err error
			if schema, err = r.t.configSchema(ctx, code); err != nil && !errors.Is(err, host.Invalid) && !errors.Is(err, host.NotFound) {
				return nil, err
			}
			schemas[code.ConfigSchema] = schema
		}
		if schema == nil {
			continue // told by lookAtCode
		}
		if text == nil {
			text = definition.ReadText(r.bundle.File, []byte(r.bundle.Text))
		}
		at := definition.KeyPath(strings.TrimSuffix(use.Path, ".plugin"), "config")
		errs = append(errs, text.Config(schema, at, use.Plugin.Pos)...)
	}
	return errs, nil
}
