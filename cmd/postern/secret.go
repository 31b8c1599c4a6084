package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
)

func newSecret(std *streams) *cobra.Command {
	r := &remote{std: std}
	cmd := group("secret", "The secrets of a host's store",
		`Secrets are kept sealed. A definition names one with secrets: {NAME: {store: name}}. No command shows a value.`,
		newSecretList(r), newSecretSet(r), newSecretDelete(r))
	r.addTo(cmd)
	return cmd
}

func secretNames(ctx context.Context, c *admin.Client, _ []string) ([]string, error) {
	return namesOf(c.Secrets(ctx), func(s catalog.Secret) string { return s.Name })
}

func newSecretList(r *remote) *cobra.Command {
	v := &view[catalog.Secret]{columns: []string{"NAME", "PROJECT", "UPDATED", "BY", "USED BY"}, name: func(s catalog.Secret) string { return s.Name },
		row: func(s catalog.Secret) []string {
			return []string{s.Name, s.Project, localTime(s.Updated), s.By, strings.Join(s.UsedBy, " ")}
		}}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the secrets' names, and what uses them",
		Example: `  postern secret list`,
		Args:    cobra.NoArgs,
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, _ []string) error {
			return v.list(r.std.out, c.Secrets(cmd.Context()))
		}),
	}
	v.flag(cmd)
	return cmd
}

// secretName is what a host takes (host/catalog).
var secretName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

// maxSecretValue bounds a secret, in bytes.
const maxSecretValue = 64 << 10

func newSecretSet(r *remote) *cobra.Command {
	w := &change{std: r.std}
	var file string
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Keep a secret, read from standard input or a file; one of that name is rotated",
		Long: `Keeps the value that standard input, or the file that --file names, holds. One new line at its end is not part of it. What uses the
secret gets the new value without a restart.`,
		Example: `  printf %s "$PASSWORD" | postern secret set db-password
  postern secret set db-password --file ./password`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(secretNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			name := args[0]
			if !secretName.MatchString(name) { // before the value is typed in
				return usageErrorf("%q is no name of a secret: letters, digits, _, . and -, at most 128", name)
			}
			value, err := readSecret(file, r.std)
			if err != nil {
				return err
			}
			all, err := collect(c.Secrets(cmd.Context()))
			if err != nil {
				return err
			}
			i := slices.IndexFunc(all, func(s catalog.Secret) bool { return s.Name == name })
			s, err := c.PutSecret(cmd.Context(), name, value, w.plain())
			return w.done(err, func() error {
				became := "rotated"
				switch {
				case w.dryRun:
					became = "would be set"
				case i < 0:
					became = "set"
				case all[i].Rev == s.Rev:
					became = "has this value already"
				}
				_, err := fmt.Fprintf(r.std.out, "secret %s %s\n", name, became)
				return err
			})
		}),
	}
	cmd.Flags().StringVar(&file, "file", "", "`file` with the value; standard input without it")
	w.addTo(cmd, -1)
	return cmd
}

// readSecret reads a value. Editors end a file with a new line, which belongs to no password.
func readSecret(file string, std *streams) (host.SecretValue, error) {
	in := std.in
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return "", usageErrorf("--file: %w", err)
		}
		defer f.Close()
		in = f
	} else if isTerminalReader(in) {
		fmt.Fprintln(std.err, "the secret's value, then Ctrl-D; it is shown as you type:")
	}
	data, err := io.ReadAll(io.LimitReader(in, maxSecretValue+1))
	if err != nil {
		return "", err
	}
	if len(data) > maxSecretValue {
		return "", usageErrorf("the value has more than %d bytes", maxSecretValue)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if value == "" {
		return "", usageErrorf("the value is empty")
	}
	return host.SecretValue(value), nil
}

func newSecretDelete(r *remote) *cobra.Command {
	w := &change{std: r.std}
	cmd := &cobra.Command{
		Use:               "delete NAME",
		Short:             "Delete a secret",
		Example:           `  postern secret delete db-password --yes`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(secretNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			return w.remove("secret "+args[0], "", func(how admin.Write) error { return c.DeleteSecret(cmd.Context(), args[0], how) })
		}),
	}
	w.addDelete(cmd)
	return cmd
}
