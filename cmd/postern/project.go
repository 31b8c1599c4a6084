package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
)

func newProject(std *streams) *cobra.Command {
	r := &remote{std: std}
	cmd := group("project", "The projects that were applied to a host",
		`A project is a definition that postern apply has brought, with the APIs, functions and domains that it owns.`,
		newProjectList(r), newProjectShow(r), newProjectDelete(r))
	r.addTo(cmd)
	return cmd
}

func projectNames(ctx context.Context, c *admin.Client, _ []string) ([]string, error) {
	return namesOf(c.Projects(ctx), func(p catalog.Project) string { return p.Name })
}

func newProjectList(r *remote) *cobra.Command {
	v := &view[catalog.Project]{columns: []string{"NAME", "REVISION", "APIS", "FUNCTIONS", "APPLIED", "BY", "MESSAGE"}, name: func(p catalog.Project) string { return p.Name },
		row: func(p catalog.Project) []string {
			return []string{p.Name, strconv.FormatUint(p.Revision, 10), strings.Join(p.APIs, " "), strings.Join(p.Functions, " "), localTime(p.Applied), p.By, p.Message}
		}}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the projects, with what they own",
		Example: `  postern project list`,
		Args:    cobra.NoArgs,
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, _ []string) error {
			return v.list(r.std.out, c.Projects(cmd.Context()))
		}),
	}
	v.flag(cmd)
	return cmd
}

func newProjectShow(r *remote) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:               "show PROJECT",
		Short:             "Show a project and what it owns",
		Example:           `  postern project show orders -o json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(projectNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			p, err := c.Project(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return printOne(r.std.out, format, p, fact{"name", p.Name}, fact{"resource name", p.ARN}, fact{"revision", strconv.FormatUint(p.Revision, 10)},
				fact{"digest", p.Digest}, fact{"apis", strings.Join(p.APIs, " ")}, fact{"functions", strings.Join(p.Functions, " ")},
				fact{"domains", strings.Join(p.Domains, " ")}, fact{"applied", localTime(p.Applied)}, fact{"by", p.By}, fact{"message", p.Message})
		}),
	}
	formatFlag(cmd, &format)
	return cmd
}

func newProjectDelete(r *remote) *cobra.Command {
	w := &change{std: r.std}
	cmd := &cobra.Command{
		Use:               "delete PROJECT",
		Short:             "Delete a project and all that it owns",
		Example:           `  postern project delete old-orders --yes`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(projectNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			p, err := c.Project(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			var owned []string
			for _, list := range []struct {
				what  string
				names []string
			}{{"apis", p.APIs}, {"functions", p.Functions}, {"domains", p.Domains}} {
				if len(list.names) > 0 {
					owned = append(owned, list.what+" "+strings.Join(list.names, " "))
				}
			}
			return w.remove("project "+p.Name, strings.Join(owned, ", "), func(how admin.Write) error { return c.DeleteProject(cmd.Context(), p.Name, how) })
		}),
	}
	w.addDelete(cmd)
	return cmd
}
