package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/project"
	"github.com/postern/postern/host/recording"
	"github.com/postern/postern/host/server"
)

// errDiverged says that a replay did something else than the recording. What, has been told.
var errDiverged = errors.New("the replay left the recording")

func newReplay(std *streams) *cobra.Command {
	s := newSettings()
	var format string
	cmd := &cobra.Command{
		Use:   "replay FILE [DIR]",
		Short: "Make a recorded call of a function again, without a network",
		Long: `Makes the call that postern invoke --record wrote to FILE again, by the code that the project in DIR has now. What the function asks for
is answered from the recording: time, random numbers, fetches, its map. It must ask for the same, in the same order, and answer the same;
the first thing that differs is shown as a diff. Nothing reaches the network, a clock or a store.

The function has the configuration and the limits that were recorded, and the project's secrets: a recording has none. Code that has changed
since is told of, and replayed all the same.

The exit code is 0 when all was the same, and 1 otherwise.`,
		Example: `  postern invoke get-order --data @event.json --record call.json
  postern replay call.json
  postern replay call.json examples/orders -o json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(checkFormat(format), s.resolve()); err != nil {
				return err
			}
			text, err := os.ReadFile(args[0])
			if err != nil {
				return usageErrorf("%w", err)
			}
			doc, err := recording.Decode(text)
			if err != nil {
				return err
			}
			dir, err := projectDir(args[1:], std)
			if err != nil {
				return err
			}
			return replay(cmd, s, dir, doc, format, std)
		},
	}
	cmd.Flags().StringVarP(&format, "output", "o", formatText, "text or json")
	s.addDocument()
	s.addBuild(cmd)
	return cmd
}

// A replayed is the JSON result. Its shape is stable.
type replayed struct {
	Function string          `json:"function"`
	Same     bool            `json:"same"`
	Effects  int             `json:"effects"` // that were recorded, with those of the start
	Result   json.RawMessage `json:"result,omitempty"`
	Error    string          `json:"error,omitempty"` // of the function's
	Changed  []string        `json:"changed"`         // what the project has otherwise than the recording
	Differs  *difference     `json:"divergence,omitempty"`
}

type difference struct {
	Where    string `json:"where"`
	Recorded string `json:"recorded"`
	Replayed string `json:"replayed"`
}

func replay(cmd *cobra.Command, s *settings, dir string, doc *recording.Recording, format string, std *streams) error {
	loaded, err := project.Load(cmd.Context(), dir, s.projectOptions(std))
	std.warn(loaded.Warnings...)
	if err != nil {
		return err
	}
	f, err := recordedFunction(loaded.Snapshot, doc)
	if err != nil {
		return err
	}
	out, err := replayOn(cmd.Context(), s, f, doc, std)
	if err != nil {
		return err
	}
	result := replayed{Function: f.Name, Same: out.Divergence == nil, Effects: len(doc.Effects) + len(doc.Start), Changed: changes(&f.Plugin, doc)}
	result.Result = out.Meta
	if len(out.Body) > 0 {
		result.Result = out.Body
	}
	if d := out.Divergence; d != nil {
		result.Differs = &difference{d.Where, d.Want, d.Got}
	}
	if out.Err != nil {
		result.Result, result.Error = nil, out.Err.Error()
	}
	return printReplay(std, format, &result, out.Divergence)
}

// recordedFunction is the project's function that a recording is of.
func recordedFunction(snapshot *host.Snapshot, doc *recording.Recording) (*host.Function, error) {
	if doc.Call.Entry != host.EntryHandle {
		return nil, &host.Error{Op: "replay", Kind: host.Unsupported, Err: fmt.Errorf("the recording is of %s; only functions' calls are replayed", doc.Call.Entry)}
	}
	for _, f := range snapshot.Functions {
		if f.Name == doc.Plugin.Name {
			return f, nil
		}
	}
	return nil, &host.Error{Op: "replay", Kind: host.NotFound, Err: fmt.Errorf("the project has no function %q, of which the recording is", doc.Plugin.Name)}
}

// changes says what the project has otherwise now.
func changes(cfg *host.PluginConfig, doc *recording.Recording) []string {
	now := recording.PluginOf(cfg, host.ModuleInfo{})
	then := &doc.Plugin
	list := []string{}
	for what, same := range map[string]bool{
		"code": now.Digest == then.Digest, "runtime": now.Runtime == then.Runtime, "environment": maps.Equal(now.Env, then.Env),
		"configuration": doc.Mark != "" || bytes.Equal(now.Config, then.Config), "limits": now.Limits == then.Limits, "secrets": slices.Equal(now.Secrets, then.Secrets),
	} {
		if !same {
			list = append(list, what)
		}
	}
	slices.Sort(list)
	return list
}

// replayOn makes the call on the project's code.
func replayOn(ctx context.Context, s *settings, f *host.Function, doc *recording.Recording, std *streams) (out *recording.Outcome, err error) {
	log := slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	runtimes, err := server.OpenRuntimes(server.RuntimeOptions{CacheDir: s.cacheDir, PluginMemory: int64(s.pluginMemory), Logger: log})
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, r := range runtimes {
			err = errors.Join(err, r.Close(ctx))
		}
	}()
	cfg := &f.Plugin
	src := *cfg.Source
	src.ABI, src.Runtime = cfg.ABI, recording.PluginOf(cfg, host.ModuleInfo{}).Runtime
	runtime, ok := runtimes[src.Runtime]
	if !ok {
		return nil, &host.Error{Op: "replay", Kind: host.Unsupported, Err: fmt.Errorf("there is no runtime %q", src.Runtime)}
	}
	m, err := runtime.Compile(ctx, src)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close(ctx)) }()
	secrets := map[string]string{}
	for i := range cfg.Secrets {
		secrets[cfg.Secrets[i].Name] = cfg.Secrets[i].Value.Reveal()
	}
	return recording.Replay(ctx, m, doc, secrets)
}

func printReplay(std *streams, format string, r *replayed, d *recording.Divergence) error {
	if format == formatJSON {
		if !json.Valid(r.Result) {
			text, err := json.Marshal(string(r.Result))
			if err != nil {
				return err
			}
			r.Result = text
		}
		if r.Error != "" {
			r.Result = nil
		}
		if err := printJSON(std.out, r); err != nil {
			return err
		}
	} else {
		printReplayText(std, r, d)
	}
	if d != nil {
		return &toldError{errDiverged}
	}
	return nil
}

func printReplayText(std *streams, r *replayed, d *recording.Divergence) {
	for _, what := range r.Changed {
		if what == "code" {
			fmt.Fprintln(std.err, "the code is another than the one that was recorded")
			continue
		}
		std.warn(&definition.Error{Message: fmt.Sprintf("the project's %s differs from what was recorded; the replay has the recording's", what)})
	}
	switch {
	case d != nil:
		printDivergence(std, r.Function, d)
	case r.Error != "":
		fmt.Fprintf(std.out, "%s\n", r.Error)
	default:
		fmt.Fprintf(std.out, "%s\n", bytes.TrimRight(r.Result, "\n"))
	}
	if d == nil {
		fmt.Fprintf(std.err, "%s replayed exactly: %d effects\n", r.Function, r.Effects)
	}
}

// printDivergence prints it in the way of a diff.
func printDivergence(std *streams, function string, d *recording.Divergence) {
	color := std.colors(std.out)
	fmt.Fprintf(std.out, "%s: %s differs from the recording\n%s\n%s\n", function, d.Where, color.red("- "+d.Want), color.green("+ "+d.Got))
}
