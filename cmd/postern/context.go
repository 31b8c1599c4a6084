package main

import (
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/admin"
)

// group is a command that only has others below it.
func group(use, short, long string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(commands...)
	return cmd
}

func newContext(std *streams) *cobra.Command {
	return group("context", "The hosts that you work with", `Keeps the addresses and tokens of hosts under names, in contexts.json of your configuration folder, which only you can read.

A command speaks to the host that --host or --context names; else to POSTERN_HOST; else to the current context; else to the host
that you run on this machine with postern serve --data (of several, one has to be named); else to `+defaultHost+`. The token is that of --token-file, else
POSTERN_TOKEN or POSTERN_TOKEN_FILE, else the context's, else what this machine's host wrote into its data folder.`,
		newContextAdd(std), newContextUse(std), newContextList(std), newContextShow(std), newContextRemove(std))
}

func newContextAdd(std *streams) *cobra.Command {
	var c hostContext
	var ca string
	var stdin bool
	cmd := &cobra.Command{
		Use:   "add NAME --host URL",
		Short: "Keep a host under a name, and use it",
		Long: `Keeps a host under a name; one of that name is replaced. It becomes the current context, which commands speak to. The token is
read from standard input and kept, or stays in a file that is read each time.`,
		Example: `  postern context add prod --host https://ops.example.com:8090 --token-stdin < token
  postern context add prod --host https://ops.example.com:8090 --token-file ~/.postern-token --ca ca.pem`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := c.complete(stdin, ca, std); err != nil {
				return err
			}
			known, err := loadContexts()
			if err != nil {
				return err
			}
			known.Contexts[args[0]], known.Current = c, args[0]
			if err := known.save(); err != nil {
				return err
			}
			fmt.Fprintf(std.out, "context %s: %s\n", args[0], c.Host)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Host, "host", "", "`URL` of the host's admin API")
	f.BoolVar(&stdin, "token-stdin", false, "read the token from standard input, and keep it")
	f.StringVar(&c.TokenFile, "token-file", "", "`file` with the token, which is read each time")
	f.StringVar(&ca, "ca", "", "PEM `file` with the certificate of the authority that signed the host's; a copy is kept")
	return cmd
}

// complete checks a context that is added, and reads what it keeps.
func (c *hostContext) complete(stdin bool, ca string, std *streams) error {
	if c.Host == "" {
		return usageErrorf("--host is missing: the URL of the host's admin API, such as %s", defaultHost)
	}
	if stdin && c.TokenFile != "" {
		return usageErrorf("--token-stdin and --token-file both give a token: leave one out")
	}
	if stdin {
		data, err := io.ReadAll(io.LimitReader(std.in, maxConfig))
		if err != nil {
			return err
		}
		if c.Token, err = oneToken(string(data), "standard input"); err != nil {
			return err
		}
	}
	if c.TokenFile != "" {
		if _, err := readToken(c.TokenFile); err != nil {
			return err
		}
		abs, err := filepath.Abs(c.TokenFile)
		if err != nil {
			return err
		}
		c.TokenFile = abs
	}
	if ca != "" {
		data, err := os.ReadFile(ca)
		if err != nil {
			return usageErrorf("--ca: %w", err)
		}
		c.CA = string(data)
	}
	options := admin.ClientOptions{}
	if c.CA != "" {
		options.CA = []byte(c.CA)
	}
	if _, err := admin.NewClient(c.Host, options); err != nil {
		return &usageError{err}
	}
	return nil
}

func contextNames(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	known, err := loadContexts()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return known.names(), cobra.ShellCompDirectiveNoFileComp
}

func newContextUse(std *streams) *cobra.Command {
	return &cobra.Command{
		Use:               "use NAME",
		Short:             "Make a context the current one",
		Example:           `  postern context use prod`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: contextNames,
		RunE: func(_ *cobra.Command, args []string) error {
			known, err := loadContexts()
			if err != nil {
				return err
			}
			c, err := known.get(args[0])
			if err != nil {
				return err
			}
			known.Current = args[0]
			if err := known.save(); err != nil {
				return err
			}
			fmt.Fprintf(std.out, "context %s: %s\n", args[0], c.Host)
			return nil
		},
	}
}

// A shownContext is a context as it is printed: without its token.
type shownContext struct {
	Name    string `json:"name"`
	Host    string `json:"host"`
	Token   string `json:"token,omitempty"` // where it is: "kept", or a file
	CA      bool   `json:"ca,omitempty"`
	Current bool   `json:"current"`
}

func (c *contexts) shown(name string) shownContext {
	found := c.Contexts[name]
	s := shownContext{Name: name, Host: found.Host, Token: found.TokenFile, CA: found.CA != "", Current: name == c.Current}
	if found.Token != "" {
		s.Token = "kept"
	}
	return s
}

func newContextList(std *streams) *cobra.Command {
	v := &view[shownContext]{columns: []string{"", "NAME", "HOST", "TOKEN"}, name: func(c shownContext) string { return c.Name },
		row: func(c shownContext) []string {
			mark := " "
			if c.Current {
				mark = "*"
			}
			return []string{mark, c.Name, c.Host, c.Token}
		}}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the contexts; the current one has a star",
		Example: `  postern context list -o json`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			known, err := loadContexts()
			if err != nil {
				return err
			}
			return v.list(std.out, func(yield func(shownContext, error) bool) {
				for _, name := range known.names() {
					if !yield(known.shown(name), nil) {
						return
					}
				}
			})
		},
	}
	v.flag(cmd)
	return cmd
}

func newContextShow(std *streams) *cobra.Command {
	r := &remote{std: std}
	var format string
	cmd := &cobra.Command{
		Use:   "show [NAME]",
		Short: "Show a context, or which host commands speak to and why",
		Example: `  postern context show
  postern context show prod -o json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: contextNames,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				known, err := loadContexts()
				if err != nil {
					return err
				}
				if _, err := known.get(args[0]); err != nil {
					return err
				}
				c := known.shown(args[0])
				return printOne(std.out, format, c, fact{"name", c.Name}, fact{"host", c.Host}, fact{"token", c.Token})
			}
			if err := r.resolve(); err != nil {
				return err
			}
			t := r.target
			return printOne(std.out, format, map[string]string{"host": t.URL, "from": t.Origin, "tokenFrom": t.TokenOrigin},
				fact{"host", t.URL}, fact{"from", t.Origin}, fact{"token from", firstOf(t.TokenOrigin, "nowhere")})
		},
	}
	r.addTo(cmd)
	formatFlag(cmd, &format)
	return cmd
}

func newContextRemove(std *streams) *cobra.Command {
	return &cobra.Command{
		Use:               "remove NAME",
		Short:             "Forget a context and its token; the host is not asked",
		Example:           `  postern context remove prod`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: contextNames,
		RunE: func(_ *cobra.Command, args []string) error {
			known, err := loadContexts()
			if err != nil {
				return err
			}
			if _, err := known.get(args[0]); err != nil {
				return err
			}
			delete(known.Contexts, args[0])
			if known.Current == args[0] {
				known.Current = ""
			}
			if err := known.save(); err != nil {
				return err
			}
			fmt.Fprintf(std.out, "context %s removed\n", args[0])
			return nil
		},
	}
}

// collect takes a list that may end with an error.
func collect[T any](items iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for item, err := range items {
		if err != nil {
			return nil, err
		}
		all = append(all, item)
	}
	return all, nil
}
