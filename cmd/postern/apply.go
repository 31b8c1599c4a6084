package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/project"
)

// An application brings a project to a host, or says what that would change.
type application struct {
	change
	settings *settings
	project  string
	stage    string
	prune    bool
	format   string
}

// errDifferences is the end of a plan that would change something.
var errDifferences = errors.New("there are differences")

const applied = `

The definition is loaded and everything built on this machine, as postern validate does; then code that the host does not have is
uploaded; then the host checks and compiles all of it, and makes the change at once, or not at all. Every stage that is listed is
deployed, or the one that --stage names. Only --prune deletes what the project owned and its definition has no longer.`

func newApply(std *streams) *cobra.Command {
	r, a := &remote{std: std}, &application{change: change{std: std}, settings: newSettings()}
	cmd := &cobra.Command{
		Use:   "apply [DIR]",
		Short: "Bring the project in DIR to a host: make what runs there what its definition says",
		Long: `Makes the project on a host what the definition in DIR (or the current folder) says, and prints what changed.` + applied + `

With --wait it returns when everything is live on the host, or says which stage is not and why (exit code 1; 124 when the time is over).`,
		Example: `  postern apply examples/orders --stage prod --wait
  postern apply --prune --message 'the old prices are gone'
  postern apply --dry-run -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			return a.apply(cmd, c, args)
		}),
	}
	a.addFlags(cmd)
	cmd.Flags().BoolVarP(&a.yes, "yes", "y", false, "do not ask before something is deleted")
	r.addTo(cmd)
	return cmd
}

func newPlan(std *streams) *cobra.Command {
	r, a := &remote{std: std}, &application{change: change{std: std}, settings: newSettings()}
	var ignored bool
	cmd := &cobra.Command{
		Use:   "plan [DIR]",
		Short: "Say what apply would change; change nothing",
		Long:  `Takes the arguments of postern apply, and says what it would change. The exit code is 2 when there are differences, and 0 without.` + applied,
		Example: `  postern plan examples/orders --stage prod
  postern plan --prune || postern apply --prune`,
		Args: cobra.MaximumNArgs(1),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			a.dryRun = true
			return a.plan(cmd, c, args)
		}),
	}
	a.addFlags(cmd)
	cmd.Flags().BoolVarP(&ignored, "yes", "y", false, "as apply's: plan asks nothing")
	r.addTo(cmd)
	return cmd
}

func (a *application) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.stage, "stage", "", "deploy this `stage` alone")
	f.BoolVar(&a.prune, "prune", false, "delete what the project owned and its definition has no longer")
	f.StringVar(&a.project, "project", "", "the project's `name` on the host; the folder's name without it")
	a.addTo(cmd, 0)
	formatFlag(cmd, &a.format)
	a.settings.addBuild(cmd)
}

// load builds the project and uploads its code.
func (a *application) load(cmd *cobra.Command, c *admin.Client, args []string, tell *progress) (catalog.Input, error) {
	var none catalog.Input
	if err := errors.Join(checkTable(a.format), a.settings.resolve()); err != nil {
		return none, err
	}
	dir, err := projectDir(args, a.std)
	if err != nil {
		return none, err
	}
	options := a.settings.projectOptions(a.std)
	options.Host = true
	loaded, err := project.Load(cmd.Context(), dir, options)
	a.std.warn(loaded.Warnings...)
	if err != nil {
		return none, err
	}
	a.project = firstOf(a.project, loaded.Name())
	in := loaded.Input()
	in.Stage, in.Prune = a.stage, a.prune
	return in, uploadProject(cmd.Context(), c, loaded, tell)
}

// uploads is how many contents are sent at once.
const uploads = 8

// uploadProject saves the code that the host does not have.
func uploadProject(ctx context.Context, c *admin.Client, p *project.Project, tell *progress) error {
	defer tell.end()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(uploads)
	seen := map[string]bool{}
	for _, artifact := range p.Artifacts() {
		for digest, content := range project.Contents(artifact.Source) {
			if seen[digest] {
				continue
			}
			seen[digest] = true
			group.Go(func() error { return sendBlob(ctx, c, artifact.Ref, digest, content, tell) })
		}
	}
	return group.Wait()
}

func (a *application) plan(cmd *cobra.Command, c *admin.Client, args []string) error {
	tell := a.std.progress()
	in, err := a.load(cmd, c, args, tell)
	if err != nil {
		return err
	}
	plan, err := c.Apply(cmd.Context(), a.project, in, a.write(tell))
	if err != nil {
		return err
	}
	if err := a.print(plan); err != nil {
		return err
	}
	if plan.Changed {
		return &toldError{errDifferences}
	}
	return nil
}

func (a *application) apply(cmd *cobra.Command, c *admin.Client, args []string) error {
	tell := a.std.progress()
	in, err := a.load(cmd, c, args, tell)
	if err != nil {
		return err
	}
	if a.prune && !a.yes && !a.dryRun {
		if err := a.askPrune(cmd, c, in, tell); err != nil {
			return err
		}
	}
	started := time.Now()
	plan, err := c.Apply(cmd.Context(), a.project, in, a.write(tell))
	return a.done(err, func() error {
		printErr := a.print(plan)
		if err == nil && a.wait > 0 && !a.dryRun {
			fmt.Fprintf(a.std.err, "live after %s\n", time.Since(started).Round(time.Millisecond))
		}
		return printErr
	})
}

// askPrune shows what would be deleted, and asks.
func (a *application) askPrune(cmd *cobra.Command, c *admin.Client, in catalog.Input, tell *progress) error {
	dry := a.write(tell)
	dry.DryRun = true
	plan, err := c.Apply(cmd.Context(), a.project, in, dry)
	if err != nil {
		return err
	}
	var gone []string
	for _, d := range plan.Changes {
		if d.Action == "delete" {
			gone = append(gone, d.Kind+" "+d.Name)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return a.std.ask("Delete "+strings.Join(gone, ", ")+"?", false)
}

func (a *application) print(plan catalog.Plan) error {
	for _, w := range plan.Warnings {
		fmt.Fprintf(a.std.err, "%s %s\n", a.std.colors(a.std.err).yellow("warning:"), w)
	}
	if a.format == formatJSON {
		return printJSON(a.std.out, plan)
	}
	return printPlan(a.std, plan, a.dryRun)
}
