package main

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/definition"
)

// configFlags are the flags for a function's configuration.
type configFlags struct {
	env      []string
	secrets  []string
	config   string
	settings catalog.FunctionConfig // of the flags that are given
}

// configNames are those that go over the newest version's configuration, with the keys that they set.
var configNames = map[string]string{"abi": "abi", "env": "env", "secret": "secrets", "timeout": "timeout", "memory": "memory", "concurrency": "concurrency", "egress": "egress", "url": "url"}

func (u *configFlags) addTo(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&u.env, "env", nil, "a `NAME=VALUE` of the environment; may be repeated")
	f.StringArrayVar(&u.secrets, "secret", nil, "a secret, `NAME=store:SECRET` or NAME=env:VARIABLE of the host; may be repeated")
	f.StringVar(&u.settings.ABI, "abi", "", "what a Wasm program speaks, where it cannot be told: postern, cgi or stdio")
	f.StringVar(&u.settings.Timeout, "timeout", "", "`time` that a call may take, such as 3s")
	f.StringVar(&u.settings.Memory, "memory", "", "`size` that an instance may grow to, such as 64MiB")
	f.IntVar(&u.settings.Concurrency, "concurrency", 0, "`number` of instances at most")
	f.StringSliceVar(&u.settings.Egress, "egress", nil, "`origins` that it may fetch from, such as https://api.example.com")
	f.BoolVar(&u.settings.URL, "url", false, "answer at http://NAME.function.DOMAIN")
	f.StringVar(&u.config, "config", "", "the whole configuration: JSON `text` or @FILE")
}

// given reports whether --config is there, and whether others are.
func (u *configFlags) given(cmd *cobra.Command) (whole, single bool) {
	for name := range configNames {
		single = single || cmd.Flags().Changed(name)
	}
	return cmd.Flags().Changed("config"), single
}

// configuration is that of --config, or the newest version's with what flags set; nil keeps it as it is. What is wrong with it is told
// before anything is sent.
func (u *upload) configuration(cmd *cobra.Command, c *admin.Client, f catalog.Function, name string) (*catalog.FunctionConfig, error) {
	switch whole, single := u.given(cmd); {
	case whole && single:
		return nil, usageErrorf("--config is the whole configuration: leave out --abi, --env, --secret, --timeout, --memory, --concurrency, --egress and --url")
	case whole:
		return u.whole(name, u.std)
	case !single:
		return nil, nil
	}
	config := &catalog.FunctionConfig{}
	if f.Version > 0 {
		v, err := c.Version(cmd.Context(), name, f.Version)
		if err != nil {
			return nil, err
		}
		config = &v.Config
	}
	if err := u.overlay(cmd, config); err != nil {
		return nil, err
	}
	return config, u.check(cmd, name, config)
}

// whole reads --config.
func (u *configFlags) whole(name string, std *streams) (*catalog.FunctionConfig, error) {
	text, err := readData("--config", u.config, std.in)
	if err != nil {
		return nil, err
	}
	if _, err := definition.ParseFunction(name, text, ""); err != nil {
		var errs definition.Errors
		if errors.As(err, &errs) {
			for _, e := range errs { // where the user wrote it
				e.Pos.File = "--config"
				if file, ok := strings.CutPrefix(u.config, "@"); ok {
					e.Pos.File = file
				}
			}
		}
		return nil, err
	}
	config := &catalog.FunctionConfig{}
	if err := json.Unmarshal(text, config); err != nil {
		return nil, usageErrorf("--config is no JSON: %w", err)
	}
	return config, nil
}

// check tells what is wrong with the values of flags. What else is wrong is for the host to say.
func (u *configFlags) check(cmd *cobra.Command, name string, config *catalog.FunctionConfig) error {
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	var errs, own definition.Errors
	if _, err := definition.ParseFunction(name, text, ""); !errors.As(err, &errs) {
		return nil
	}
	for _, e := range errs {
		for flag, key := range configNames {
			rest, ok := strings.CutPrefix(e.Path, key)
			if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') && cmd.Flags().Changed(flag) {
				own = append(own, &definition.Error{Message: "--" + flag + ": " + e.Message, Hint: e.Hint})
			}
		}
	}
	if len(own) == 0 {
		return nil
	}
	return own
}

func newFunctionConfig(r *remote) *cobra.Command {
	u := &upload{r: r, change: change{std: r.std}}
	cmd := &cobra.Command{
		Use:   "config NAME",
		Short: "Change a function's configuration: a new version with the same code; or show it",
		Long: `Makes a new version with the code of the newest one, and its configuration but for what flags set; --config replaces all of it. The alias
live moves to the new version, unless --no-promote leaves it where it is. Without flags it prints the newest version's configuration, as
--config takes it.`,
		Example: `  postern function config greet --env TABLE=orders --timeout 5s
  postern function config greet > greet.json
  postern function config greet --config @greet.json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(functionNames),
		RunE:              r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error { return u.reconfigure(cmd, c, args[0]) }),
	}
	cmd.Flags().BoolVar(&u.noPromote, "no-promote", false, "leave the alias live where it is")
	u.configFlags.addTo(cmd)
	u.change.addTo(cmd, shortWait)
	formatFlag(cmd, &u.format)
	return cmd
}

// reconfigure makes a version with another configuration, or shows the newest one's.
func (u *upload) reconfigure(cmd *cobra.Command, c *admin.Client, name string) error {
	if err := checkTable(u.format); err != nil {
		return err
	}
	var err error
	if u.before, err = c.Function(cmd.Context(), name); err != nil {
		return err
	}
	config, err := u.configuration(cmd, c, u.before, name)
	if err != nil {
		return err
	}
	if config == nil {
		v, err := c.Version(cmd.Context(), name, u.before.Version)
		if err != nil {
			return err
		}
		return printJSON(u.std.out, v.Config)
	}
	v, err := c.ConfigureFunction(cmd.Context(), name, *config, !u.noPromote, u.plain())
	return u.done(err, func() error { return u.print(name, v) })
}

// overlay puts what flags set over a configuration.
func (u *configFlags) overlay(cmd *cobra.Command, config *catalog.FunctionConfig) error {
	env, err := assignments("--env", u.env)
	if err != nil {
		return err
	}
	secrets, err := secretRefs(u.secrets)
	if err != nil {
		return err
	}
	if config.Env == nil {
		config.Env = map[string]string{}
	}
	maps.Copy(config.Env, env)
	if config.Secrets == nil {
		config.Secrets = map[string]catalog.SecretRef{}
	}
	maps.Copy(config.Secrets, secrets)
	changed := cmd.Flags().Changed
	if changed("abi") {
		config.ABI = u.settings.ABI
	}
	if changed("timeout") {
		config.Timeout = u.settings.Timeout
	}
	if changed("memory") {
		config.Memory = u.settings.Memory
	}
	if changed("concurrency") {
		config.Concurrency = u.settings.Concurrency
	}
	if changed("egress") {
		config.Egress = u.settings.Egress
	}
	if changed("url") {
		config.URL = u.settings.URL
	}
	return nil
}

// secretRefs reads NAME=store:SECRET and NAME=env:VARIABLE.
func secretRefs(list []string) (map[string]catalog.SecretRef, error) {
	given, err := assignments("--secret", list)
	if err != nil {
		return nil, usageErrorf("--secret: write NAME=store:SECRET or NAME=env:VARIABLE")
	}
	out := map[string]catalog.SecretRef{}
	for name, text := range given {
		kind, where, _ := strings.Cut(text, ":")
		switch {
		case kind == "store" && where != "":
			out[name] = catalog.SecretRef{Store: where}
		case kind == "env" && where != "":
			out[name] = catalog.SecretRef{Env: where}
		default: // it may be the secret itself, which is not shown
			return nil, usageErrorf("--secret %s: where the value is must be store:SECRET or env:VARIABLE; put it into the store with postern secret set", name)
		}
	}
	return out, nil
}
