package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/definition"
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
	folder   bool            // the project's name is that of its folder
	before   catalog.Project // as it was when the definition was loaded; zero where it was not there
	asked    bool            // the user has agreed to what would change
	serves   func(admin.URL) bool
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
		Use:   "apply [DIR | DOCUMENT]",
		Short: "Bring the project in DIR to a host: make what runs there what its definition says",
		Long: `Makes the project on a host what the definition in DIR (or the current folder) says, and prints what changed.` + applied + `

With --wait it returns when everything is live on the host, or says which stage is not and why (exit code 1; 124 when the time is over).`,
		Example: `  postern apply examples/orders --stage prod --wait
  postern apply shop.json                                   an OpenAPI document, and the functions beside it
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
		Use:   "plan [DIR | DOCUMENT]",
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
	cmd.Flags().BoolVarP(&ignored, "yes", "y", false, "")
	for _, name := range []string{"yes", "wait", "message", "dry-run"} { // so that a line of apply can be tried
		_ = cmd.Flags().MarkHidden(name)
	}
	r.addTo(cmd)
	return cmd
}

func (a *application) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.stage, "stage", "", "deploy this `stage` alone")
	_ = cmd.RegisterFlagCompletionFunc("stage", definedStages)
	f.BoolVar(&a.prune, "prune", false, "delete what the project owned and its definition has no longer")
	f.StringVar(&a.project, "project", "", "the project's `name` on the host; the folder's name without it")
	a.addTo(cmd, 0)
	formatFlag(cmd, &a.format)
	a.settings.addDocument()
	a.settings.addBuild(cmd)
}

// definedStages are the stages of the definition in the folder that is named.
func definedStages(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	p, err := project.Define(firstOf(append(args, ".")...), project.Options{AllowUnsupported: true})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, api := range p.Snapshot.APIs {
		for _, s := range api.Stages {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
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
	a.folder = a.project == ""
	a.project = firstOf(a.project, loaded.Name())
	a.serves = func(u admin.URL) bool {
		return slices.ContainsFunc(loaded.Snapshot.APIs, func(api *host.API) bool { return api.Name == u.API }) ||
			slices.ContainsFunc(loaded.Snapshot.Functions, func(f *host.Function) bool { return f.Name == u.Function })
	}
	if a.before, err = c.Project(cmd.Context(), a.project); err != nil && !notFound(err) {
		return none, err
	}
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
		return a.named(err)
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
	plan, err := a.send(cmd.Context(), c, in, a.write(tell))
	return a.done(a.named(err), func() error {
		printErr := a.print(plan)
		switch {
		case a.dryRun || err != nil:
		case a.wait > 0:
			fmt.Fprintf(a.std.err, "live after %s\n", time.Since(started).Round(time.Millisecond))
			a.tellURLs(cmd.Context(), c)
		case plan.Changed:
			fmt.Fprintln(a.std.err, "the host makes it live now; --wait waits for that")
		}
		return printErr
	})
}

// send makes the change. When the project is not any more what it was as the definition was loaded, a user who has agreed to a plan has
// to look again, as that plan was for another state; else the last one wins, and is told over what.
func (a *application) send(ctx context.Context, c *admin.Client, in catalog.Input, how admin.Write) (catalog.Plan, error) {
	how.Revision = a.before.Revision
	plan, err := c.Apply(ctx, a.project, in, how)
	if how.Revision == 0 || !errors.Is(err, host.Conflict) {
		return plan, err
	}
	now, lookErr := c.Project(ctx, a.project)
	var meanwhile string
	switch {
	case notFound(lookErr):
		meanwhile = fmt.Sprintf("the project %s was deleted meanwhile", a.project)
	case lookErr != nil, now.Revision == a.before.Revision:
		return plan, err // it is about something else
	default:
		meanwhile = fmt.Sprintf("the project %s was changed meanwhile, by %s at %s", a.project, firstOf(now.By, "somebody"), localTime(now.Applied))
		if now.Message != "" {
			meanwhile += fmt.Sprintf(" (%s)", now.Message)
		}
	}
	if a.asked {
		return plan, &conflictError{&definition.Error{Message: meanwhile + "; nothing was applied", Hint: "what you agreed to may not be what would change now: look with postern plan, and apply again"}}
	}
	a.std.warn(&definition.Error{Message: meanwhile + "; this apply takes its place"})
	how.Revision = 0
	return c.Apply(ctx, a.project, in, how)
}

// ofProject finds whose a name is, in what a host says of one that is taken.
var ofProject = regexp.MustCompile(`belongs to the project "([^"]+)"`)

// named adds to the refusal of a name that another project has that this one's name is its folder's, as a copy's or a clone's may be
// another.
func (a *application) named(err error) error {
	if !a.folder || !errors.Is(err, host.Conflict) {
		return err
	}
	owner := ofProject.FindStringSubmatch(err.Error())
	if owner == nil || owner[1] == a.project {
		return err
	}
	return &remoteError{err, fmt.Sprintf("this is applied as the project %[1]s, by its folder's name; if it is the project %[2]s: --project %[2]s", a.project, owner[1])}
}

// shownURLs is how many addresses are told after an apply.
const shownURLs = 10

// tellURLs tells where what was applied answers.
func (a *application) tellURLs(ctx context.Context, c *admin.Client) {
	status, err := c.Status(ctx)
	if err != nil {
		return // all is done, and postern api list tells them too
	}
	urls := strings.Fields(firstURLs(urlsOf(status.URLs, a.serves)))
	for _, u := range urls[:min(len(urls), shownURLs)] {
		fmt.Fprintln(a.std.err, "url "+u)
	}
	if more := len(urls) - shownURLs; more > 0 {
		fmt.Fprintf(a.std.err, "and %d more: postern api list\n", more)
	}
}

// askPrune shows what would be deleted, and asks.
func (a *application) askPrune(cmd *cobra.Command, c *admin.Client, in catalog.Input, tell *progress) error {
	dry := a.write(tell)
	dry.DryRun = true
	plan, err := c.Apply(cmd.Context(), a.project, in, dry)
	if err != nil {
		return a.named(err)
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
	a.asked = true
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
