package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/project"
)

// An upload is a new version of a function.
type upload struct {
	change
	r         *remote
	lang      string
	noPromote bool
	noBuild   bool
	configFlags
	format string
	before catalog.Function // as it was; zero where it was not there
}

func newFunctionUpload(r *remote) *cobra.Command {
	u := &upload{r: r, change: change{std: r.std}}
	cmd := &cobra.Command{
		Use:   "upload NAME PATH|-",
		Short: "Upload a new version of a function, and move live to it",
		Long: `Makes a new version of a function, and the function if it is not there. PATH is a .wasm, .js or .ts file, a folder that Postern can build,
or a .zip with a package.json; - reads any of the files from standard input. The host compiles it and starts it once before it accepts it; calls that
run end on the version that they began with.

The new version keeps the configuration of the newest one but for what flags set; --config replaces all of it. The alias live moves to
it, unless --no-promote leaves it where it is. postern function config changes the configuration alone.`,
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
	u.configFlags.addTo(cmd)
	u.change.addTo(cmd, shortWait)
	formatFlag(cmd, &u.format)
	return cmd
}

func (u *upload) run(cmd *cobra.Command, c *admin.Client, name, path string) error {
	if err := checkTable(u.format); err != nil {
		return err
	}
	var err error
	if u.before, err = c.Function(cmd.Context(), name); err != nil && !notFound(err) {
		return err
	}
	config, err := u.configuration(cmd, c, u.before, name)
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

// An uploaded is a version as it is printed.
type uploaded struct {
	catalog.Version
	Made    bool   `json:"made"`              // false where the newest version was the same
	Project string `json:"project,omitempty"` // whose next apply takes it back
}

// print tells what became of an upload, or of a configuration.
func (u *upload) print(name string, v catalog.Version) error {
	same := u.before.Version != 0 && v.Version == u.before.Version
	if p := u.before.Project; p != "" && !same && !u.dryRun {
		u.std.warn(&definition.Error{Message: fmt.Sprintf("the function %s belongs to the project %s, whose next apply takes this back", name, p), Hint: "to keep it, change the project's files and apply them"})
	}
	if u.format == formatJSON {
		return printJSON(u.std.out, uploaded{v, !same && !u.dryRun, u.before.Project})
	}
	text := fmt.Sprintf("function %s version %d", name, v.Version)
	if same {
		fmt.Fprintf(u.std.err, "version %d has this code and configuration already: no other one is made\n", v.Version)
	}
	switch {
	case u.dryRun && same:
		text += " would be live"
	case u.dryRun:
		text = fmt.Sprintf("function %s would get a version", name)
	case u.noPromote:
		if live, err := aliasOf(u.before, host.AliasLive); err != nil || live.Version != v.Version {
			fmt.Fprintf(u.std.err, "live is where it was; make this live: postern function promote %s %d\n", name, v.Version)
		}
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
