package main

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/definition"
)

func newAPI(std *streams) *cobra.Command {
	r := &remote{std: std}
	cmd := group("api", "The APIs of a host, and their deployments",
		`An API's head is its newest definition; a deployment is an immutable, numbered copy of it; a stage points at one (postern stage).
What a project owns is changed by postern apply.`,
		newAPIList(r), newAPIShow(r), newAPIDelete(r), newAPIDeployments(r), newAPIDeploy(r), newAPIDeleteDeployment(r))
	r.addTo(cmd)
	return cmd
}

func apiNames(ctx context.Context, c *admin.Client, _ []string) ([]string, error) {
	return namesOf(c.APIs(ctx), func(a catalog.API) string { return a.Name })
}

// A shownAPI is an API with the addresses at which it answers, and what serves of it.
type shownAPI struct {
	catalog.API
	URLs  []admin.URL  `json:"urls"`
	Parts []admin.Part `json:"parts"` // desired and applied, and why they differ
}

// shown adds to an API what the host's status says of it.
func shown(a catalog.API, status admin.FullStatus) shownAPI {
	return shownAPI{a, urlsOf(status.URLs, func(u admin.URL) bool { return u.API == a.Name && u.API != "" }),
		partsOf(status.Parts, func(p admin.Part) bool { return p.API == a.Name && p.API != "" })}
}

func partsOf(all []admin.Part, belongs func(admin.Part) bool) []admin.Part {
	list := []admin.Part{}
	for _, p := range all {
		if belongs(p) {
			list = append(list, p)
		}
	}
	return list
}

// unwell reports whether a part does not serve as it should.
func unwell(p admin.Part) bool { return p.Desired != p.Applied || p.Reason != "" }

// warnParts tells which parts do not serve as they should.
func (s *streams) warnParts(parts []admin.Part) {
	for _, p := range parts {
		if unwell(p) {
			s.warn(&definition.Error{Message: p.String()})
		}
	}
}

// withStatus adds to APIs where their stages answer, and what serves of them.
func withStatus(ctx context.Context, c *admin.Client, apis iter.Seq2[catalog.API, error]) iter.Seq2[shownAPI, error] {
	return func(yield func(shownAPI, error) bool) {
		status, err := c.Status(ctx)
		if err != nil {
			yield(shownAPI{}, err)
			return
		}
		for a, err := range apis {
			if !yield(shown(a, status), err) {
				return
			}
		}
	}
}

func urlsOf(all []admin.URL, belongs func(admin.URL) bool) []admin.URL {
	list := []admin.URL{}
	for _, u := range all {
		if belongs(u) {
			list = append(list, u)
		}
	}
	return list
}

// firstURLs is the first address of each stage, for a table.
func firstURLs(urls []admin.URL) string {
	var list []string
	seen := map[string]bool{}
	for _, u := range urls {
		if key := u.API + " " + u.Stage + " " + u.Function; !seen[key] {
			seen[key] = true
			list = append(list, u.URL)
		}
	}
	return strings.Join(list, " ")
}

// stageSummary is a stage with its deployment: "prod:7", or "prod:7+8@10%" with a canary.
func stageSummary(s catalog.Stage) string {
	text := s.Name + ":" + strconv.Itoa(s.Deployment)
	if s.Canary != nil {
		text += fmt.Sprintf("+%d@%s", s.Canary.Deployment, percent(s.Canary.Percent/100))
	}
	return text
}

// unwellMark says of a table's row that not all of it serves as it should; why is told beside the table.
func unwellMark(parts []admin.Part) string {
	n := len(partsOf(parts, unwell))
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d not as it should be)", n)
}

func stageSummaries(stages []catalog.Stage) string {
	list := make([]string, len(stages))
	for i, s := range stages {
		list[i] = stageSummary(s)
	}
	return strings.Join(list, " ")
}

func newAPIList(r *remote) *cobra.Command {
	v := &view[shownAPI]{columns: []string{"NAME", "ID", "PROTOCOL", "PROJECT", "STAGES", "URLS", "RESOURCE NAME"}, name: func(a shownAPI) string { return a.Name },
		row: func(a shownAPI) []string {
			r.std.warnParts(a.Parts)
			return []string{a.Name, a.ID, string(a.Protocol), a.Project, stageSummaries(a.Stages) + unwellMark(a.Parts), firstURLs(a.URLs), a.ARN}
		}}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the APIs: names, ids, protocols, stages with their deployments, URLs, resource names",
		Example: `  postern api list
  postern api list -o json | jq '.[].urls[].url'`,
		Args: cobra.NoArgs,
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, _ []string) error {
			return v.list(r.std.out, withStatus(cmd.Context(), c, c.APIs(cmd.Context())))
		}),
	}
	v.flag(cmd)
	return cmd
}

func newAPIShow(r *remote) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:               "show API",
		Short:             "Show an API with its stages and URLs",
		Example:           `  postern api show orders`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(apiNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			a, err := c.API(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			status, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			shown := shown(a, status)
			facts := []fact{{"name", a.Name}, {"id", a.ID}, {"resource name", a.ARN}, {"protocol", string(a.Protocol)}, {"project", a.Project},
				{"revision", strconv.FormatUint(a.Revision, 10)}, {"newest deployment", number(a.Deployment)}, {"created", localTime(a.Created)}, {"updated", localTime(a.Updated)}}
			for _, s := range a.Stages {
				facts = append(facts, fact{"stage", stageSummary(s)})
				own := partsOf(shown.Parts, func(p admin.Part) bool { return p.Stage == s.Name })
				facts = append(facts, partFacts(own)...)
			}
			for _, u := range shown.URLs {
				facts = append(facts, fact{"url of " + u.Stage, u.URL})
			}
			return printOne(r.std.out, format, shown, facts...)
		}),
	}
	formatFlag(cmd, &format)
	return cmd
}

func newAPIDelete(r *remote) *cobra.Command {
	w := &change{std: r.std}
	cmd := &cobra.Command{
		Use:               "delete API",
		Short:             "Delete an API with its stages and deployments",
		Example:           `  postern api delete old-orders --yes`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(apiNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			a, err := c.API(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return w.remove("api "+a.Name, "its stages "+stageSummaries(a.Stages)+" and every deployment", func(how admin.Write) error {
				return c.DeleteAPI(cmd.Context(), a.Name, how)
			})
		}),
	}
	w.addDelete(cmd)
	return cmd
}

func deploymentView() *view[catalog.Deployment] {
	return &view[catalog.Deployment]{columns: []string{"NUMBER", "ID", "STAGES", "CREATED", "BY", "DESCRIPTION"}, name: func(d catalog.Deployment) string { return strconv.Itoa(d.Number) },
		row: func(d catalog.Deployment) []string {
			return []string{strconv.Itoa(d.Number), d.ID, strings.Join(d.Stages, " "), localTime(d.Created), d.By, d.Description}
		}}
}

func newAPIDeployments(r *remote) *cobra.Command {
	v := deploymentView()
	cmd := &cobra.Command{
		Use:               "deployments API",
		Short:             "List an API's deployments, the newest first",
		Example:           `  postern api deployments orders`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(apiNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			return v.list(r.std.out, byNumber(c.Deployments(cmd.Context(), args[0]), func(d catalog.Deployment) int { return d.Number }))
		}),
	}
	v.flag(cmd)
	return cmd
}

func newAPIDeploy(r *remote) *cobra.Command {
	w := &change{std: r.std}
	var in admin.DeployInput
	var format string
	cmd := &cobra.Command{
		Use:   "deploy API",
		Short: "Make a deployment of an API's head, and point a stage at it",
		Long: `Makes an immutable, numbered copy of the API's newest definition. With --stage, that stage points at it from then on, and is made
if it is not there. A head that is deployed already is not copied again.`,
		Example: `  postern api deploy orders --stage prod --description 'the new prices'
  postern api deploy orders`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(apiNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			if err := checkTable(format); err != nil {
				return err
			}
			a, err := c.API(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			d, err := c.Deploy(cmd.Context(), args[0], in, w.plain())
			return w.done(err, func() error {
				if d.Number <= a.Deployment && !w.dryRun {
					text := fmt.Sprintf("the API's definition is deployment %d already: no other one was made", d.Number)
					if in.Description != "" && in.Description != d.Description {
						text += ", and the description was not taken"
					}
					fmt.Fprintln(r.std.err, text)
				}
				return printOne(r.std.out, format, d, fact{"api", d.API}, fact{"deployment", number(d.Number)}, fact{"id", d.ID}, fact{"stages", strings.Join(d.Stages, " ")})
			})
		}),
	}
	f := cmd.Flags()
	f.StringVar(&in.Stage, "stage", "", "`stage` to point at it")
	r.completeFlag(cmd, "stage", stageNames)
	f.StringVar(&in.Description, "description", "", "`text` that lists of deployments show")
	w.addTo(cmd, shortWait)
	formatFlag(cmd, &format)
	return cmd
}

func newAPIDeleteDeployment(r *remote) *cobra.Command {
	w := &change{std: r.std}
	cmd := &cobra.Command{
		Use:               "delete-deployment API NUMBER",
		Short:             "Delete a deployment that no stage points at",
		Example:           `  postern api delete-deployment orders 3 --yes`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: r.complete(apiNames, deploymentNumbers),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			n, err := positive("the deployment's number", args[1])
			if err != nil {
				return err
			}
			return w.remove(fmt.Sprintf("deployment %d of api %s", n, args[0]), "", func(how admin.Write) error {
				return c.DeleteDeployment(cmd.Context(), args[0], n, how)
			})
		}),
	}
	w.addDelete(cmd)
	return cmd
}

// positive reads a number of a deployment or a version.
func positive(what, text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, usageErrorf("%s is 1, 2, … and not %q", what, text)
	}
	return n, nil
}
