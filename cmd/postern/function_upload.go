package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/project"
)

// An upload is a new version of a function.
type upload struct {
	change
	r         *remote
	lang      string
	noPromote bool
	noBuild   bool
	env       []string
	secrets   []string
	config    string
	settings  catalog.FunctionConfig // of the flags that are given
	format    string
}

func newFunctionUpload(r *remote) *cobra.Command {
	u := &upload{r: r, change: change{std: r.std}}
	cmd := &cobra.Command{
		Use:   "upload NAME PATH|-",
		Short: "Upload a new version of a function, and move live to it",
		Long: `Makes a new version of a function, and the function if it is not there. PATH is a .wasm, .js or .ts file, a folder that Postern can build,
or a .zip with a package.json; - reads code from standard input. The host compiles it and starts it once before it accepts it; calls that
run end on the version that they began with.

The new version keeps the configuration of the newest one but for what flags set; --config replaces all of it. The alias live moves to
it, unless --no-promote leaves it where it is.`,
		Example: `  echo 'export const handler = async () => ({hello: "v2"})' | postern function upload greet -
  postern function upload greet ./functions/greet --timeout 5s --env TABLE=orders --secret DB_PASSWORD=store:db-password
  postern function upload greet greet.wasm --no-promote --message 'a try'`,
		Args: cobra.ExactArgs(2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return r.complete(functionNames)(cmd, args, word)
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error { return u.run(cmd, c, args[0], args[1]) }),
	}
	f := cmd.Flags()
	f.StringVar(&u.lang, "lang", "", "what standard input is: js, ts or wasm; found out without it")
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions([]string{"js", "ts", "wasm"}, cobra.ShellCompDirectiveNoFileComp))
	f.BoolVar(&u.noPromote, "no-promote", false, "leave the alias live where it is")
	f.BoolVar(&u.noBuild, "no-build", false, "refuse a folder that has to be compiled")
	f.StringArrayVar(&u.env, "env", nil, "a `NAME=VALUE` of the environment; may be repeated")
	f.StringArrayVar(&u.secrets, "secret", nil, "a secret, `NAME=store:SECRET` or NAME=env:VARIABLE of the host; may be repeated")
	f.StringVar(&u.settings.ABI, "abi", "", "what a Wasm program speaks, where it cannot be told: postern, cgi or stdio")
	f.StringVar(&u.settings.Timeout, "timeout", "", "`time` that a call may take, such as 3s")
	f.StringVar(&u.settings.Memory, "memory", "", "`size` that an instance may grow to, such as 64MiB")
	f.IntVar(&u.settings.Concurrency, "concurrency", 0, "`number` of instances at most")
	f.StringSliceVar(&u.settings.Egress, "egress", nil, "`origins` that it may fetch from, such as https://api.example.com")
	f.BoolVar(&u.settings.URL, "url", false, "answer at http://NAME.function.DOMAIN")
	f.StringVar(&u.config, "config", "", "the whole configuration: JSON `text` or @FILE")
	u.addTo(cmd, shortWait)
	formatFlag(cmd, &u.format)
	return cmd
}

func (u *upload) run(cmd *cobra.Command, c *admin.Client, name, path string) error {
	if err := checkTable(u.format); err != nil {
		return err
	}
	config, err := u.configuration(cmd, c, name)
	if err != nil {
		return err
	}
	tell := u.std.progress()
	defer tell.end()
	v, err := u.send(cmd, c, name, path, config, tell)
	tell.end()
	return u.done(err, func() error { return u.print(name, v) })
}

// send makes the code here, saves what the host does not have of it, and makes the version.
func (u *upload) send(cmd *cobra.Command, c *admin.Client, name, path string, config *catalog.FunctionConfig, tell *progress) (catalog.Version, error) {
	abi := u.settings.ABI
	if config != nil {
		abi = config.ABI
	}
	source, err := u.source(cmd, name, path, abi)
	if err != nil {
		return catalog.Version{}, err
	}
	for digest, content := range project.Contents(source) {
		if err := sendBlob(cmd.Context(), c, name, digest, content, tell); err != nil {
			return catalog.Version{}, err
		}
	}
	code, promote := project.CodeOf(source), !u.noPromote
	return c.UploadFunction(cmd.Context(), name, admin.UploadInput{Code: &code, Config: config, Promote: &promote}, u.write(tell))
}

// configuration is that of --config, or the newest version's with what flags set; nil keeps it as it is.
func (u *upload) configuration(cmd *cobra.Command, c *admin.Client, name string) (*catalog.FunctionConfig, error) {
	set := func(flags ...string) bool {
		for _, f := range flags {
			if cmd.Flags().Changed(f) {
				return true
			}
		}
		return false
	}
	flags := set("abi", "env", "secret", "timeout", "memory", "concurrency", "egress", "url")
	config := &catalog.FunctionConfig{}
	switch {
	case set("config") && flags:
		return nil, usageErrorf("--config is the whole configuration: leave out --abi, --env, --secret, --timeout, --memory, --concurrency, --egress and --url")
	case set("config"):
		return config, readJSON("--config", u.config, u.std, config)
	case !flags:
		return nil, nil
	}
	switch f, err := c.Function(cmd.Context(), name); {
	case err == nil && f.Version > 0:
		v, err := c.Version(cmd.Context(), name, f.Version)
		if err != nil {
			return nil, err
		}
		config = &v.Config
	case err != nil && !notFound(err):
		return nil, err
	}
	return config, u.overlay(cmd, config)
}

// overlay puts what flags set over a configuration.
func (u *upload) overlay(cmd *cobra.Command, config *catalog.FunctionConfig) error {
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

func (u *upload) print(name string, v catalog.Version) error {
	if u.format == formatJSON {
		return printJSON(u.std.out, v)
	}
	text := fmt.Sprintf("function %s version %d", name, v.Version)
	switch {
	case u.dryRun:
		text = fmt.Sprintf("function %s would get a version", name)
	case u.noPromote:
		fmt.Fprintf(u.std.err, "live is where it was; make this live: postern function promote %s %d\n", name, v.Version)
	default:
		text += " is live"
	}
	_, err := fmt.Fprintf(u.std.out, "%s (%s, %s)\n", text, v.Runtime, size(v.Size))
	return err
}

// slowBlob is the size in bytes from which the upload of a content is spoken of, also where there is no terminal.
const slowBlob = 1 << 20

// sendBlob saves a content, if the host does not have it.
func sendBlob(ctx context.Context, c *admin.Client, what, digest string, content []byte, tell *progress) error {
	started, total := time.Now(), int64(len(content))
	sent, err := c.SaveBlob(ctx, digest, bytes.NewReader(content), total, func(done int64) { tell.bytes("uploading "+what, done, total) })
	if sent && total >= slowBlob {
		tell.say(fmt.Sprintf("uploaded %s: %s in %s", what, size(total), time.Since(started).Round(time.Millisecond)))
	}
	return err
}
