package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
)

// A change has the flags of every command that changes a host.
type change struct {
	std     *streams
	message string
	dryRun  bool
	force   bool
	yes     bool
	wait    time.Duration
}

// The defaults of --wait: without a value, and for commands that wait anyhow.
const (
	defaultWait = time.Minute
	shortWait   = 30 * time.Second
)

// addTo adds the flags to a command. wait is how long it waits without being asked; less than 0 means that nothing can be waited for.
func (w *change) addTo(cmd *cobra.Command, wait time.Duration) *change {
	f := cmd.Flags()
	f.StringVar(&w.message, "message", "", "`text` for the history: why")
	f.BoolVar(&w.dryRun, "dry-run", false, "check everything and tell what would change; write nothing")
	f.BoolVar(&w.force, "force", false, "change also what a project owns; its next apply may take the change back")
	if wait < 0 {
		return w
	}
	w.addWait(f, wait)
	return w
}

// addWait adds --wait, which may stand alone.
func (w *change) addWait(f *pflag.FlagSet, wait time.Duration) {
	f.DurationVar(&w.wait, "wait", wait, "wait until the change is live, for this `time` at most, such as 30s; 0 does not wait")
	f.Lookup("wait").NoOptDefVal = defaultWait.String()
}

// joinWait lets the time of --wait also follow it as an argument of its own: --wait 30s, as other flags have it. Alone, --wait is a flag
// without a value, and a folder may follow it.
func joinWait(args []string) []string {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			return append(out, args[i:]...)
		}
		if args[i] == "--wait" && i+1 < len(args) {
			if _, err := time.ParseDuration(args[i+1]); err == nil {
				out = append(out, "--wait="+args[i+1])
				i++
				continue
			}
		}
		out = append(out, args[i])
	}
	return out
}

// addDelete adds the flags of a command that deletes.
func (w *change) addDelete(cmd *cobra.Command) *change {
	w.addTo(cmd, -1)
	cmd.Flags().BoolVarP(&w.yes, "yes", "y", false, "do not ask")
	return w
}

// write is how the change is made.
func (w *change) write(p *progress) admin.Write {
	return admin.Write{Message: w.message, DryRun: w.dryRun, Force: w.force, Wait: w.wait, Progress: p.say}
}

// plain is write for what tells no progress.
func (w *change) plain() admin.Write { return w.write(w.std.progress()) }

// done ends a change: what it came to is printed also where it does not serve as it should.
func (w *change) done(err error, print func() error) error {
	var late *admin.NotLive
	if err != nil && !errors.As(err, &late) {
		return err
	}
	if w.dryRun {
		fmt.Fprintln(w.std.err, "dry run: nothing was changed")
	}
	return errors.Join(print(), err)
}

// remove deletes something, after a question that says what goes.
func (w *change) remove(what, with string, del func(admin.Write) error) error {
	question := "Delete " + what
	if with != "" {
		question += " with " + with
	}
	if err := w.std.ask(question+"?", w.yes || w.dryRun); err != nil {
		return err
	}
	return w.done(del(w.plain()), func() error {
		verb := "deleted"
		if w.dryRun {
			verb = "would be deleted"
		}
		fmt.Fprintf(w.std.out, "%s %s\n", what, verb)
		return nil
	})
}

// lateParts prints why a change that was made is not live after the time to wait.
func lateParts(ctx context.Context, c *admin.Client, std *streams, err error) {
	var p *admin.Problem
	if !errors.As(err, &p) || !p.Kept {
		return
	}
	parts, _ := c.Parts(ctx) // the first error is the one to tell
	for _, part := range parts {
		if unwell(part) {
			fmt.Fprintln(std.err, part.String())
		}
	}
}

// completionPatience is how long the shell waits for names from a host.
const completionPatience = 2 * time.Second

// A namer lists names that an argument may have, given the arguments before it.
type namer func(ctx context.Context, c *admin.Client, before []string) ([]string, error)

// complete completes arguments with names from the host: namers stand for the positions.
func (r *remote) complete(namers ...namer) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(namers) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := r.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
		defer cancel()
		names, err := namers[len(args)](ctx, c, args)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlag completes a flag's value with what names lists for the first argument.
func (r *remote) completeFlag(cmd *cobra.Command, flag string, names namer) {
	_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return r.complete(func(ctx context.Context, c *admin.Client, _ []string) ([]string, error) { return names(ctx, c, args) })(cmd, nil, word)
	})
}

// namesOf takes the names out of a list.
func namesOf[T any](items iter.Seq2[T, error], name func(T) string) ([]string, error) {
	all, err := collect(items)
	names := make([]string, len(all))
	for i, item := range all {
		names[i] = name(item)
	}
	return names, err
}

// notFound reports whether what was asked for is not there.
func notFound(err error) bool { return errors.Is(err, host.NotFound) }
