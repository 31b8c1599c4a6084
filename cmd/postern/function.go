package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
)

func newFunction(std *streams) *cobra.Command {
	r := &remote{std: std}
	cmd := group("function", "The functions of a host: upload, versions, aliases, calls",
		`A function has immutable, numbered versions, each with its code and configuration. An alias is a name for a version, or for two with a
share each; a call without a qualifier means the alias live.`,
		newFunctionList(r), newFunctionShow(r), newFunctionUpload(r), newFunctionConfig(r), newFunctionVersions(r), newFunctionPromote(r), newFunctionRollback(r),
		newFunctionAlias(r), newFunctionInvoke(r), newFunctionDelete(r), newFunctionDeadLetters(r))
	r.addTo(cmd)
	return cmd
}

func functionNames(ctx context.Context, c *admin.Client, _ []string) ([]string, error) {
	return namesOf(c.Functions(ctx), func(f catalog.Function) string { return f.Name })
}

// qualifiers are a function's aliases, then its versions.
func qualifiers(ctx context.Context, c *admin.Client, before []string) ([]string, error) {
	names, err := aliasNames(ctx, c, before)
	if err != nil {
		return nil, err
	}
	numbers, err := versionNumbers(ctx, c, before)
	return append(names, numbers...), err
}

func versionNumbers(ctx context.Context, c *admin.Client, before []string) ([]string, error) {
	return namesOf(c.Versions(ctx, before[0]), func(v catalog.Version) string { return strconv.Itoa(v.Version) })
}

func aliasNames(ctx context.Context, c *admin.Client, before []string) ([]string, error) {
	return namesOf(c.Aliases(ctx, before[0]), func(a catalog.Alias) string { return a.Name })
}

// aliasSummary is an alias with where it points: "live:2", or "live:1+2@10%".
func aliasSummary(a catalog.Alias) string {
	text := a.Name + ":" + strconv.Itoa(a.Version)
	if a.Second != 0 {
		text += fmt.Sprintf("+%d@%s", a.Second, percent(a.Weight))
	}
	return text
}

func aliasSummaries(aliases []catalog.Alias) string {
	list := make([]string, len(aliases))
	for i, a := range aliases {
		list[i] = aliasSummary(a)
	}
	return strings.Join(list, " ")
}

// A shownFunction is a function with the addresses at which it answers, and what serves of it.
type shownFunction struct {
	catalog.Function
	URLs  []admin.URL  `json:"urls"`
	Parts []admin.Part `json:"parts"` // desired and applied, and why they differ
}

// isPartOf reports whether a part is that of a function, and not of a stage that calls it.
func isPartOf(p admin.Part, function string) bool { return p.Function == function && p.API == "" }

func newFunctionList(r *remote) *cobra.Command {
	v := &view[catalog.Function]{columns: []string{"NAME", "RUNTIME", "VERSION", "ALIASES", "PROJECT", "UPDATED", "RESOURCE NAME"}, name: func(f catalog.Function) string { return f.Name },
		row: func(f catalog.Function) []string {
			return []string{f.Name, f.Runtime, number(f.Version), aliasSummaries(f.Aliases), f.Project, localTime(f.Updated), f.ARN}
		}}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the functions",
		Example: `  postern function list -o name`,
		Args:    cobra.NoArgs,
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, _ []string) error {
			if v.format == formatTable {
				parts, err := c.Parts(cmd.Context())
				if err != nil {
					return err
				}
				r.std.warnParts(partsOf(parts, func(p admin.Part) bool { return p.API == "" }))
			}
			return v.list(r.std.out, c.Functions(cmd.Context()))
		}),
	}
	v.flag(cmd)
	return cmd
}

func newFunctionShow(r *remote) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:               "show NAME",
		Short:             "Show a function, its aliases and its URL",
		Example:           `  postern function show greet`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(functionNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			f, err := c.Function(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			status, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			shown := shownFunction{f, urlsOf(status.URLs, func(u admin.URL) bool { return u.Function == f.Name }),
				partsOf(status.Parts, func(p admin.Part) bool { return isPartOf(p, f.Name) })}
			facts := []fact{{"name", f.Name}, {"resource name", f.ARN}, {"project", f.Project}, {"runtime", f.Runtime}, {"newest version", number(f.Version)},
				{"aliases", aliasSummaries(f.Aliases)}, {"created", localTime(f.Created)}, {"updated", localTime(f.Updated)}}
			for _, u := range shown.URLs {
				facts = append(facts, fact{"url", u.URL})
			}
			if len(shown.URLs) == 0 && format == formatTable {
				hint := "postern function config " + f.Name + " --url"
				if f.Project != "" {
					hint = "url: true in the definition of the project " + f.Project
				}
				facts = append(facts, fact{"url", "none; to give it one: " + hint})
			}
			return printOne(r.std.out, format, shown, append(facts, partFacts(shown.Parts)...)...)
		}),
	}
	formatFlag(cmd, &format)
	return cmd
}

func newFunctionVersions(r *remote) *cobra.Command {
	live := map[int]string{}
	v := &view[catalog.Version]{columns: []string{"VERSION", "ALIASES", "RUNTIME", "SIZE", "SHA-256", "CREATED", "BY", "MESSAGE"}, name: func(v catalog.Version) string { return strconv.Itoa(v.Version) },
		row: func(v catalog.Version) []string {
			return []string{strconv.Itoa(v.Version), live[v.Version], v.Runtime, size(v.Size), v.Digest[:min(12, len(v.Digest))], localTime(v.Created), v.By, v.Message}
		}}
	cmd := &cobra.Command{
		Use:               "versions NAME",
		Short:             "List a function's versions, the newest first",
		Example:           `  postern function versions greet`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(functionNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			f, err := c.Function(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			for _, a := range f.Aliases {
				point := func(version int, share float64) {
					text := a.Name
					if share < 1 {
						text += "@" + percent(share)
					}
					live[version] = strings.TrimSpace(live[version] + " " + text)
				}
				point(a.Version, 1-a.Weight)
				if a.Second != 0 {
					point(a.Second, a.Weight)
				}
			}
			return v.list(r.std.out, byNumber(c.Versions(cmd.Context(), args[0]), func(v catalog.Version) int { return v.Version }))
		}),
	}
	v.flag(cmd)
	return cmd
}

func newFunctionDelete(r *remote) *cobra.Command {
	w := &change{std: r.std}
	var version int
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a function with its versions and aliases, or one version that nothing points at",
		Example: `  postern function delete greet --yes
  postern function delete greet --version 3 --yes`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(functionNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			f, err := c.Function(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if version != 0 {
				return w.remove(fmt.Sprintf("version %d of function %s", version, f.Name), "", func(how admin.Write) error {
					return c.DeleteVersion(cmd.Context(), f.Name, version, how)
				})
			}
			with := "every version up to " + strconv.Itoa(f.Version)
			if len(f.Aliases) > 0 {
				with += " and the aliases " + aliasSummaries(f.Aliases)
			}
			return w.remove("function "+f.Name, with, func(how admin.Write) error { return c.DeleteFunction(cmd.Context(), f.Name, how) })
		}),
	}
	cmd.Flags().IntVar(&version, "version", 0, "`number` of the version to delete alone")
	r.completeFlag(cmd, "version", versionNumbers)
	w.addDelete(cmd)
	return cmd
}

func newFunctionDeadLetters(r *remote) *cobra.Command {
	var purge uint64
	w := &change{std: r.std}
	v := &view[admin.DeadLetter]{columns: []string{"SEQUENCE", "TIME", "CONDITION", "ATTEMPTS", "QUALIFIER", "REQUEST", "EVENT"}, name: func(d admin.DeadLetter) string { return strconv.FormatUint(d.Sequence, 10) },
		row: func(d admin.DeadLetter) []string {
			return []string{strconv.FormatUint(d.Sequence, 10), localTime(d.Time), d.Condition, strconv.Itoa(d.Attempts), d.Qualifier, d.RequestID, shortened(compact(d.Payload))}
		}}
	cmd := &cobra.Command{
		Use:   "dead-letters NAME",
		Short: "List the events of a function that were given up and had no function to go to",
		Long: `Lists the events of asynchronous calls that were given up, after all retries or at their maximum age, oldest first. --purge deletes
them, up to a sequence number of that list.`,
		Example: `  postern function dead-letters greet -o json
  postern function dead-letters greet --purge 17 --yes`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(functionNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			if !cmd.Flags().Changed("purge") {
				return v.list(r.std.out, c.DeadLetters(cmd.Context(), args[0]))
			}
			if purge == 0 {
				return usageErrorf("--purge: 0 is no sequence number of the list; the letters up to the number that is given are deleted")
			}
			return w.remove(fmt.Sprintf("the dead letters of function %s up to %d", args[0], purge), "", func(how admin.Write) error {
				return c.PurgeDeadLetters(cmd.Context(), args[0], purge, how)
			})
		}),
	}
	v.flag(cmd)
	cmd.Flags().Uint64Var(&purge, "purge", 0, "delete those up to this sequence `number` of the list, and it too")
	cmd.Flags().BoolVarP(&w.yes, "yes", "y", false, "do not ask")
	return cmd
}

// compact is JSON in one line, and anything else as it is.
func compact(text []byte) string {
	var out bytes.Buffer
	if json.Compact(&out, text) != nil {
		return string(text)
	}
	return out.String()
}

// shortened is the beginning of a text, for a table.
func shortened(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// aliasOf returns a function's alias of that name.
func aliasOf(f catalog.Function, name string) (catalog.Alias, error) {
	for _, a := range f.Aliases {
		if a.Name == name {
			return a, nil
		}
	}
	return catalog.Alias{}, &host.Error{Kind: host.NotFound, Err: errors.New("function " + f.Name + " has no alias " + strconv.Quote(name))}
}
