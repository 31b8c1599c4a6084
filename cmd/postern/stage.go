package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
)

func newStage(std *streams) *cobra.Command {
	r := &remote{std: std}
	cmd := group("stage", "The stages of an API: what each serves, canaries, roll back",
		`A stage points at one deployment of its API, with variables of its own; with a canary, a share of its requests goes to another one.`,
		newStageList(r), newStageShow(r), newStageSet(r), newStageRollback(r), newStageCanary(r), newStagePromote(r), newStageHistory(r), newStageDelete(r))
	r.addTo(cmd)
	return cmd
}

func stageNames(ctx context.Context, c *admin.Client, before []string) ([]string, error) {
	return namesOf(c.Stages(ctx, before[0]), func(s catalog.Stage) string { return s.Name })
}

func deploymentNumbers(ctx context.Context, c *admin.Client, before []string) ([]string, error) {
	return namesOf(c.Deployments(ctx, before[0]), func(d catalog.Deployment) string { return strconv.Itoa(d.Number) })
}

func newStageList(r *remote) *cobra.Command {
	v := &view[catalog.Stage]{columns: []string{"API", "STAGE", "DEPLOYMENT", "CANARY", "AUTO-DEPLOY", "UPDATED", "BY"}, name: func(s catalog.Stage) string { return s.Name },
		row: func(s catalog.Stage) []string {
			canary := ""
			if s.Canary != nil {
				canary = fmt.Sprintf("%d@%s", s.Canary.Deployment, percent(s.Canary.Percent/100))
			}
			return []string{s.API, s.Name, number(s.Deployment), canary, strconv.FormatBool(s.AutoDeploy), localTime(s.Updated), s.By}
		}}
	cmd := &cobra.Command{
		Use:               "list API",
		Short:             "List an API's stages",
		Example:           `  postern stage list orders`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(apiNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			return v.list(r.std.out, c.Stages(cmd.Context(), args[0]))
		}),
	}
	v.flag(cmd)
	return cmd
}

// A shownStage is a stage with what serves of it.
type shownStage struct {
	catalog.Stage
	Parts []admin.Part `json:"parts"` // desired and applied, and why they differ
}

func newStageShow(r *remote) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:               "show API STAGE",
		Short:             "Show a stage: what it should serve and what it does, variables, canary",
		Example:           `  postern stage show orders prod`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: r.complete(apiNames, stageNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			s, err := c.Stage(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			shown := shownStage{Stage: s, Parts: []admin.Part{}}
			parts, err := c.Parts(cmd.Context())
			if err != nil {
				return err
			}
			for _, p := range parts {
				if p.API == s.API && p.Stage == s.Name {
					shown.Parts = append(shown.Parts, p)
				}
			}
			return printOne(r.std.out, format, shown, append(stageFacts(s), partFacts(shown.Parts)...)...)
		}),
	}
	formatFlag(cmd, &format)
	return cmd
}

func stageFacts(s catalog.Stage) []fact {
	same := func(v string) string { return v }
	facts := []fact{{"api", s.API}, {"stage", s.Name}, {"resource name", s.ARN}, {"deployment", number(s.Deployment)}, {"variables", pairs(s.Variables, same)}}
	if s.Canary != nil {
		facts = append(facts, fact{"canary", fmt.Sprintf("deployment %d, %s of the requests", s.Canary.Deployment, percent(s.Canary.Percent/100))},
			fact{"canary's variables", pairs(s.Canary.Variables, same)})
	}
	if s.AutoDeploy {
		facts = append(facts, fact{"auto-deploy", "true"})
	}
	return append(facts, fact{"updated", localTime(s.Updated)}, fact{"by", s.By})
}

func partFacts(parts []admin.Part) []fact {
	var facts []fact
	for _, p := range parts {
		name := "serves"
		if p.Canary {
			name = "canary serves"
		}
		text := number(p.Applied)
		switch {
		case p.Desired != p.Applied:
			text = p.String()
		case p.Reason != "":
			text += ": " + p.Reason
		}
		facts = append(facts, fact{name, text})
	}
	return facts
}

// printStage ends a change of a stage.
func (w *change) printStage(s catalog.Stage, err error, format string) error {
	return w.done(err, func() error { return printOne(w.std.out, format, s, stageFacts(s)...) })
}

func newStageSet(r *remote) *cobra.Command {
	w := &change{std: r.std}
	var variables, unset []string
	var deployment int
	var auto bool
	var format string
	cmd := &cobra.Command{
		Use:   "set API STAGE [NAME=VALUE…]",
		Short: "Set a stage's variables, or the deployment that it points at; make it if it is not there",
		Example: `  postern stage set orders prod backend=http://10.0.0.7:9000
  postern stage set orders test --deployment 7 --auto-deploy`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: r.complete(apiNames, stageNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			set, err := assignments("the variables", append(variables, args[2:]...))
			if err := errors.Join(err, checkTable(format)); err != nil {
				return err
			}
			how := w.plain()
			in := admin.StageInput{Deployment: deployment, Variables: map[string]string{}, AutoDeploy: auto}
			now, err := c.Stage(cmd.Context(), args[0], args[1]) // which is not there, the stage or its API, the change itself will say
			if err != nil && !notFound(err) {
				return err
			}
			for k, v := range now.Variables {
				in.Variables[k] = v
			}
			for k, v := range set {
				in.Variables[k] = v
			}
			for _, k := range unset {
				delete(in.Variables, k)
			}
			if !cmd.Flags().Changed("auto-deploy") {
				in.AutoDeploy = now.AutoDeploy
			}
			s, err := c.PutStage(cmd.Context(), args[0], args[1], in, how)
			return w.printStage(s, err, format)
		}),
	}
	f := cmd.Flags()
	f.StringArrayVar(&variables, "var", nil, "a `NAME=VALUE`, as an argument; may be repeated")
	f.StringArrayVar(&unset, "unset", nil, "`name` of a variable to remove; may be repeated")
	f.IntVar(&deployment, "deployment", 0, "`number` of the deployment to point at; 0 is the one it has, or else the newest")
	r.completeFlag(cmd, "deployment", deploymentNumbers)
	f.BoolVar(&auto, "auto-deploy", false, "deploy each new definition here at once")
	w.addTo(cmd, shortWait)
	formatFlag(cmd, &format)
	return cmd
}

func newStageRollback(r *remote) *cobra.Command {
	w := &change{std: r.std}
	var to int
	var format string
	cmd := &cobra.Command{
		Use:   "rollback API STAGE",
		Short: "Point a stage at the deployment that it had before; a canary ends",
		Example: `  postern stage rollback orders prod
  postern stage rollback orders prod --to 4`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: r.complete(apiNames, stageNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			if err := checkTable(format); err != nil {
				return err
			}
			s, err := c.RollbackStage(cmd.Context(), args[0], args[1], to, w.plain())
			return w.printStage(s, err, format)
		}),
	}
	cmd.Flags().IntVar(&to, "to", 0, "`number` of a deployment; 0 is the one before")
	r.completeFlag(cmd, "to", deploymentNumbers)
	w.addTo(cmd, shortWait)
	formatFlag(cmd, &format)
	return cmd
}

func newStageCanary(r *remote) *cobra.Command {
	w := &change{std: r.std}
	var share string
	var deployment int
	var variables []string
	var end bool
	var format string
	cmd := &cobra.Command{
		Use:   "canary API STAGE",
		Short: "Send a share of a stage's requests to another deployment, or end that",
		Example: `  postern stage canary orders prod --percent 10 --deployment 8
  postern stage canary orders prod --percent 50 --deployment 8 --var backend=http://10.0.0.8:9000
  postern stage canary orders prod --end`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: r.complete(apiNames, stageNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			if end {
				err := c.DeleteCanary(cmd.Context(), args[0], args[1], w.plain())
				return w.done(err, func() error {
					_, err := fmt.Fprintf(r.std.out, "the canary of stage %s of api %s ended\n", args[1], args[0])
					return err
				})
			}
			vars, err := assignments("--var", variables)
			if err := errors.Join(err, checkTable(format)); err != nil {
				return err
			}
			canary, err := canaryOf(cmd, c, args, share, deployment)
			if err != nil {
				return err
			}
			canary.Variables = vars
			s, err := c.PutCanary(cmd.Context(), args[0], args[1], canary, w.plain())
			return w.printStage(s, err, format)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&share, "percent", "", "`share` of the requests, 0 to 100")
	f.IntVar(&deployment, "deployment", 0, "`number` of the deployment that gets them; 0 is the API's newest")
	r.completeFlag(cmd, "deployment", deploymentNumbers)
	f.StringArrayVar(&variables, "var", nil, "a `NAME=VALUE` that replaces the stage's there; may be repeated")
	f.BoolVar(&end, "end", false, "end the canary")
	w.addTo(cmd, shortWait)
	formatFlag(cmd, &format)
	return cmd
}

func canaryOf(cmd *cobra.Command, c *admin.Client, args []string, share string, deployment int) (catalog.Canary, error) {
	if share == "" {
		return catalog.Canary{}, usageErrorf("--percent is missing: the share of the requests that the canary gets; --end ends it")
	}
	if last := len(share) - 1; share[last] == '%' {
		share = share[:last]
	}
	p, err := strconv.ParseFloat(share, 64)
	if err != nil || !(p >= 0 && p <= 100) {
		return catalog.Canary{}, usageErrorf("--percent: %q is no number from 0 to 100", share)
	}
	if deployment == 0 {
		a, err := c.API(cmd.Context(), args[0])
		if err != nil {
			return catalog.Canary{}, err
		}
		deployment = a.Deployment
	}
	return catalog.Canary{Deployment: deployment, Percent: p}, nil
}

func newStagePromote(r *remote) *cobra.Command {
	w := &change{std: r.std}
	var format string
	cmd := &cobra.Command{
		Use:               "promote API STAGE",
		Short:             "Make a stage's canary the stage: its deployment and its variables",
		Example:           `  postern stage promote orders prod`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: r.complete(apiNames, stageNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			if err := checkTable(format); err != nil {
				return err
			}
			s, err := c.PromoteCanary(cmd.Context(), args[0], args[1], w.plain())
			return w.printStage(s, err, format)
		}),
	}
	w.addTo(cmd, shortWait)
	formatFlag(cmd, &format)
	return cmd
}

func newStageHistory(r *remote) *cobra.Command {
	v := moveView("DEPLOYMENT", func(m catalog.Move) int { return m.Deployment })
	cmd := &cobra.Command{
		Use:               "history API STAGE",
		Short:             "List where a stage pointed before, the newest first",
		Example:           `  postern stage history orders prod`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: r.complete(apiNames, stageNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			s, err := c.Stage(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return v.list(r.std.out, all(s.History))
		}),
	}
	v.flag(cmd)
	return cmd
}

// moveView shows where a stage or an alias pointed before.
func moveView(column string, of func(catalog.Move) int) *view[catalog.Move] {
	return &view[catalog.Move]{columns: []string{column, "UNTIL", "BY"}, name: func(m catalog.Move) string { return strconv.Itoa(of(m)) },
		row: func(m catalog.Move) []string { return []string{number(of(m)), localTime(m.Until), m.By} }}
}

// all yields a slice.
func all[T any](list []T) func(func(T, error) bool) {
	return func(yield func(T, error) bool) {
		for _, item := range list {
			if !yield(item, nil) {
				return
			}
		}
	}
}

func newStageDelete(r *remote) *cobra.Command {
	w := &change{std: r.std}
	cmd := &cobra.Command{
		Use:               "delete API STAGE",
		Short:             "Delete a stage; its deployments stay",
		Example:           `  postern stage delete orders test --yes`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: r.complete(apiNames, stageNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			s, err := c.Stage(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			what := fmt.Sprintf("stage %s of api %s", s.Name, s.API)
			return w.remove(what, fmt.Sprintf("its variables and its history since %s", localTime(oldest(s))), func(how admin.Write) error {
				return c.DeleteStage(cmd.Context(), s.API, s.Name, how)
			})
		}),
	}
	w.addDelete(cmd)
	return cmd
}

func oldest(s catalog.Stage) time.Time {
	if n := len(s.History); n > 0 {
		return s.History[n-1].Until
	}
	return s.Updated
}
