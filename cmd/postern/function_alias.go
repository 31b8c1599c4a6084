package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
)

// printAlias ends a change of an alias: people read what the alias means now.
func (w *change) printAlias(a catalog.Alias, err error, format string) error {
	return w.done(err, func() error {
		facts := []fact{{"function", a.Function}, {"alias", aliasSummary(a)}, {"resource name", a.ARN}}
		if format == formatTable {
			verb := "is"
			if w.dryRun {
				verb = "would be"
			}
			_, err := fmt.Fprintf(w.std.out, "%s of function %s %s %s\n", a.Name, a.Function, verb, pointsAt(a))
			return err
		}
		return printOne(w.std.out, format, a, facts...)
	})
}

// pointsAt is where an alias points, in words.
func pointsAt(a catalog.Alias) string {
	text := "version " + strconv.Itoa(a.Version)
	if a.Second != 0 {
		text += fmt.Sprintf(", and version %d for %s of the calls", a.Second, percent(a.Weight))
	}
	return text
}

// share reads "10%" or "0.1".
func share(text string) (float64, error) {
	number, per := strings.CutSuffix(strings.TrimSpace(text), "%")
	n, err := strconv.ParseFloat(number, 64)
	if per {
		n /= 100
	}
	if err != nil || !(n > 0 && n < 1) {
		return 0, usageErrorf("--weight: %q is no share of the calls such as 10%%: more than 0%% and less than 100%%", text)
	}
	return n, nil
}

func newFunctionPromote(r *remote) *cobra.Command {
	w := &change{std: r.std}
	var weight, alias, format string
	cmd := &cobra.Command{
		Use:   "promote NAME VERSION",
		Short: "Move the alias live to a version, or give the version a share of its calls",
		Long: `Moves the alias live, or the one that --alias names, to a version. With --weight, the version gets that share of the alias's calls, and
the version that it points at keeps the rest; promoting again without --weight completes the move, rollback takes it back.`,
		Example: `  postern function promote greet 2 --weight 10%
  postern function promote greet 2`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: r.complete(functionNames, versionNumbers),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			if err := checkTable(format); err != nil {
				return err
			}
			version, err := positive("a version", args[1])
			if err != nil {
				return err
			}
			in, how := admin.AliasInput{Version: version}, w.plain()
			if weight != "" {
				if in.Weight, err = share(weight); err != nil {
					return err
				}
				f, err := c.Function(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				now, err := aliasOf(f, alias)
				if err != nil {
					return err
				}
				if now.Version == version {
					return usageErrorf("%s of function %s is version %d already: a share is given to another one", alias, f.Name, version)
				}
				in.Version, in.Second = now.Version, version
				how.Revision = f.Revision // the version that keeps the rest was read from this one
			}
			a, err := c.SetAlias(cmd.Context(), args[0], alias, in, how)
			return w.printAlias(a, err, format)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&weight, "weight", "", "`share` of the calls that the version gets, such as 10%; all without it")
	f.StringVar(&alias, "alias", host.AliasLive, "`name` of the alias to move")
	r.completeFlag(cmd, "alias", aliasNames)
	w.addTo(cmd, shortWait)
	formatFlag(cmd, &format)
	return cmd
}

func newFunctionRollback(r *remote) *cobra.Command {
	w := &change{std: r.std}
	var alias, format string
	cmd := &cobra.Command{
		Use:               "rollback NAME",
		Short:             "Return the alias live to the version before, or end a share that a version has",
		Example:           `  postern function rollback greet`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(functionNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			if err := checkTable(format); err != nil {
				return err
			}
			a, err := c.RollbackAlias(cmd.Context(), args[0], alias, w.plain())
			return w.printAlias(a, err, format)
		}),
	}
	cmd.Flags().StringVar(&alias, "alias", host.AliasLive, "`name` of the alias")
	r.completeFlag(cmd, "alias", aliasNames)
	w.addTo(cmd, shortWait)
	formatFlag(cmd, &format)
	return cmd
}

func newFunctionAlias(r *remote) *cobra.Command {
	return group("alias", "A function's aliases",
		`An alias is a name for a version of a function, or for two with a share each. The alias live is what calls without a qualifier mean.`,
		newAliasList(r), newAliasSet(r), newAliasHistory(r), newAliasDelete(r))
}

func newAliasList(r *remote) *cobra.Command {
	v := &view[catalog.Alias]{columns: []string{"ALIAS", "VERSION", "SECOND", "SHARE", "UPDATED", "BY", "RESOURCE NAME"}, name: func(a catalog.Alias) string { return a.Name },
		row: func(a catalog.Alias) []string {
			weight := ""
			if a.Second != 0 {
				weight = percent(a.Weight)
			}
			return []string{a.Name, number(a.Version), number(a.Second), weight, localTime(a.Updated), a.By, a.ARN}
		}}
	cmd := &cobra.Command{
		Use:               "list NAME",
		Short:             "List a function's aliases",
		Example:           `  postern function alias list greet`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(functionNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			return v.list(r.std.out, c.Aliases(cmd.Context(), args[0]))
		}),
	}
	v.flag(cmd)
	return cmd
}

func newAliasSet(r *remote) *cobra.Command {
	w := &change{std: r.std}
	var second int
	var weight, format string
	cmd := &cobra.Command{
		Use:   "set NAME ALIAS VERSION",
		Short: "Point an alias at a version, or at two; make it if it is not there",
		Example: `  postern function alias set greet beta 3
  postern function alias set greet beta 2 --second 3 --weight 25%`,
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: r.complete(functionNames, aliasNames, versionNumbers),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			if err := checkTable(format); err != nil {
				return err
			}
			version, err := positive("a version", args[2])
			if err != nil {
				return err
			}
			if (second == 0) != (weight == "") {
				return usageErrorf("--second and --weight go together")
			}
			in := admin.AliasInput{Version: version, Second: second}
			if weight != "" {
				if in.Weight, err = share(weight); err != nil {
					return err
				}
			}
			a, err := c.SetAlias(cmd.Context(), args[0], args[1], in, w.plain())
			return w.printAlias(a, err, format)
		}),
	}
	cmd.Flags().IntVar(&second, "second", 0, "`number` of a second version")
	r.completeFlag(cmd, "second", versionNumbers)
	cmd.Flags().StringVar(&weight, "weight", "", "`share` of the calls that the second version gets, such as 10%")
	w.addTo(cmd, shortWait)
	formatFlag(cmd, &format)
	return cmd
}

func newAliasHistory(r *remote) *cobra.Command {
	v := moveView("VERSION", func(m catalog.Move) int { return m.Version })
	cmd := &cobra.Command{
		Use:               "history NAME ALIAS",
		Short:             "List where an alias pointed before, the newest first",
		Example:           `  postern function alias history greet live`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: r.complete(functionNames, aliasNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			f, err := c.Function(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			a, err := aliasOf(f, args[1])
			if err != nil {
				return err
			}
			return v.list(r.std.out, all(a.History))
		}),
	}
	v.flag(cmd)
	return cmd
}

func newAliasDelete(r *remote) *cobra.Command {
	w := &change{std: r.std}
	cmd := &cobra.Command{
		Use:               "delete NAME ALIAS",
		Short:             "Delete an alias; the versions stay",
		Example:           `  postern function alias delete greet beta --yes`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: r.complete(functionNames, aliasNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			return w.remove(fmt.Sprintf("alias %s of function %s", args[1], args[0]), "", func(how admin.Write) error {
				return c.DeleteAlias(cmd.Context(), args[0], args[1], how)
			})
		}),
	}
	w.addDelete(cmd)
	return cmd
}
