package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/definition"
)

func newKey(std *streams) *cobra.Command {
	r := &remote{std: std}
	cmd := group("key", "Tokens and access keys, and their roles",
		`A token is for Authorization: Bearer, and for this command; an access key (id and secret) is for clients that sign as AWS's SDKs do.
Roles: viewer reads, deployer also changes what is deployed and calls functions, admin may do all.`,
		newKeyList(r), newKeyCreate(r), newKeyDelete(r))
	r.addTo(cmd)
	return cmd
}

// A shownKey is a token or an access key, in one list.
type shownKey struct {
	Kind string `json:"kind"` // tokenKey or accessKey
	admin.Token
}

// The kinds of keys.
const (
	tokenKey  = "token"
	accessKey = "access key"
)

// listKeys yields the tokens, then the access keys.
func listKeys(ctx context.Context, c *admin.Client) func(func(shownKey, error) bool) {
	return func(yield func(shownKey, error) bool) {
		for t, err := range c.Tokens(ctx) {
			if !yield(shownKey{tokenKey, t}, err) || err != nil {
				return
			}
		}
		for k, err := range c.Keys(ctx) {
			if !yield(shownKey{accessKey, admin.Token(k)}, err) || err != nil {
				return
			}
		}
	}
}

func keyIDs(ctx context.Context, c *admin.Client, _ []string) ([]string, error) {
	return namesOf(listKeys(ctx, c), func(k shownKey) string { return k.ID })
}

func newKeyList(r *remote) *cobra.Command {
	v := &view[shownKey]{columns: []string{"ID", "KIND", "NAME", "ROLE", "EXPIRES", "CREATED", "BY"}, name: func(k shownKey) string { return k.ID },
		row: func(k shownKey) []string {
			return []string{k.ID, k.Kind, k.Name, k.Role, localTimeOr(k.Expires, "never"), localTime(k.Created), k.By}
		}}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List tokens and access keys, without what is secret",
		Example: `  postern key list`,
		Args:    cobra.NoArgs,
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, _ []string) error {
			return v.list(r.std.out, listKeys(cmd.Context(), c))
		}),
	}
	v.flag(cmd)
	return cmd
}

func newKeyCreate(r *remote) *cobra.Command {
	var in admin.CredentialInput
	var expires, format string
	var signs bool
	cmd := &cobra.Command{
		Use:   "create NAME --role viewer|deployer|admin",
		Short: "Make a token, or an access key, and print it once",
		Long: `Makes a token and prints it, alone, on standard output; it cannot be had again. With --access-key it is an access key: two lines, its id
and its secret.`,
		Example: `  postern key create ci --role deployer --expires 30d > ci.token
  postern key create lambda-client --role deployer --access-key`,
		Args: cobra.ExactArgs(1),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			if err := checkTable(format); err != nil {
				return err
			}
			in.Name = args[0]
			if in.Role == "" {
				return usageErrorf("--role is missing: viewer, deployer or admin")
			}
			if expires != "" {
				d, err := days(expires)
				if err != nil {
					return err
				}
				at := time.Now().Add(d).UTC().Truncate(time.Second)
				in.Expires = &at
			}
			if signs {
				return createAccessKey(cmd, c, in, format, r.std)
			}
			return createToken(cmd, c, in, format, r.std)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&in.Role, "role", "", "viewer, deployer or admin")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"viewer", "deployer", "admin"}, cobra.ShellCompDirectiveNoFileComp))
	f.StringVar(&expires, "expires", "", "end it after this `time`, such as 30d or 12h; never without it")
	f.BoolVar(&signs, "access-key", false, "an access key for clients that sign as AWS's do")
	formatFlag(cmd, &format)
	return cmd
}

func createToken(cmd *cobra.Command, c *admin.Client, in admin.CredentialInput, format string, std *streams) error {
	t, err := c.CreateToken(cmd.Context(), in, admin.Write{})
	if err != nil {
		return err
	}
	if format == formatJSON {
		return printJSON(std.out, t)
	}
	fmt.Fprintf(std.err, "token %s (%s), expires %s; it is shown this once:\n", t.ID, t.Role, localTimeOr(t.Expires, "never"))
	_, err = fmt.Fprintln(std.out, t.Text)
	return err
}

func createAccessKey(cmd *cobra.Command, c *admin.Client, in admin.CredentialInput, format string, std *streams) error {
	k, err := c.CreateKey(cmd.Context(), in, admin.Write{})
	if err != nil {
		return err
	}
	if format == formatJSON {
		return printJSON(std.out, k)
	}
	fmt.Fprintf(std.err, "access key (%s), expires %s; its secret, in the second line, is shown this once:\n", k.Role, localTimeOr(k.Expires, "never"))
	_, err = fmt.Fprintf(std.out, "%s\n%s\n", k.ID, k.Secret)
	return err
}

// days reads a duration that may also be in days.
func days(text string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(text, "d"); ok {
		if whole, err := strconv.Atoi(n); err == nil && whole > 0 && whole <= 36500 {
			return time.Duration(whole) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return 0, usageErrorf("--expires: %q is no time such as 30d or 12h", text)
}

// findKey is the token or access key with an id, or else the only one with a name.
func findKey(ctx context.Context, c *admin.Client, text string) (shownKey, error) {
	all, err := collect(listKeys(ctx, c))
	if err != nil {
		return shownKey{}, err
	}
	var named []shownKey
	var ids, known []string
	for _, k := range all {
		if k.ID == text {
			return k, nil
		}
		if k.Name == text {
			named, ids = append(named, k), append(ids, k.ID)
		}
		known = append(known, k.ID, k.Name)
	}
	switch {
	case len(named) == 1:
		return named[0], nil
	case len(named) > 1:
		return shownKey{}, usageErrorf("%d keys have the name %s: name one by its id: %s", len(named), text, strings.Join(ids, ", "))
	}
	hint := "postern key list has them all"
	if near := definition.Nearest(text, known); near != "" {
		hint = "did you mean " + near + "?"
	}
	return shownKey{}, &usageError{&definition.Error{Message: fmt.Sprintf("there is no token and no access key %q", text), Hint: hint}}
}

func newKeyDelete(r *remote) *cobra.Command {
	w := &change{std: r.std}
	cmd := &cobra.Command{
		Use:   "delete ID|NAME",
		Short: "End a token or an access key at once",
		Example: `  postern key delete 3f9c1a --yes
  postern key delete ci --yes`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(keyIDs),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			k, err := findKey(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			del := c.DeleteToken
			if k.Kind == accessKey {
				del = c.DeleteKey
			}
			what := k.Kind + " " + k.ID
			if k.Name != "" {
				what += " (" + k.Name + ")"
			}
			return w.remove(what, "", func(how admin.Write) error { return del(cmd.Context(), k.ID, how) })
		}),
	}
	w.addDelete(cmd)
	return cmd
}
