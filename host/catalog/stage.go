package catalog

import (
	"context"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postern/postern/host"
)

// Limits of stage variables (API Gateway's: a key of 64 characters, a value of 512, and 100 of them).
const (
	maxVariables     = 100
	maxVariableKey   = 64
	maxVariableValue = 512
)

var (
	stagePattern    = regexp.MustCompile(`^(\$default|[A-Za-z0-9_-]{1,128})$`)
	variablePattern = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
)

// checkVariables refuses variables that are over a limit.
func checkVariables(variables map[string]string) error {
	if len(variables) > maxVariables {
		return refuse(host.Invalid, "", "there are %d variables, and %d are the most", len(variables), maxVariables)
	}
	for _, key := range sortedKeys(variables) {
		switch {
		case len(key) > maxVariableKey || !variablePattern.MatchString(key):
			return refuse(host.Invalid, "", "the name of the variable %q must be letters, digits and _, at most %d", abridged(key), maxVariableKey)
		case utf8.RuneCountInString(variables[key]) > maxVariableValue:
			return refuse(host.Invalid, "", "the variable %s has %d characters, and %d are the most", key, utf8.RuneCountInString(variables[key]), maxVariableValue)
		case strings.ContainsFunc(variables[key], isControl) || !utf8.ValidString(variables[key]):
			return refuse(host.Invalid, "", "the variable %s has a control character, or is not UTF-8", key)
		}
	}
	return nil
}

// findStage returns a stage that is there.
func (a *apiDoc) findStage(name string) (*stageDoc, error) {
	if s := a.stage(name); s != nil {
		return s, nil
	}
	return nil, missing("stage", name, a.stageNames())
}

// makeStage returns a stage, which is made if it is not there.
func (t *tx) makeStage(a *apiDoc, name string) (*stageDoc, error) {
	if !stagePattern.MatchString(name) {
		return nil, refuse(host.Invalid, "", "the stage's name %q must be $default, or letters, digits, _ and -, at most 128", abridged(name))
	}
	if s := a.stage(name); s != nil {
		return s, nil
	}
	i, _ := slices.BinarySearchFunc(a.Stages, name, func(s stageDoc, name string) int { return strings.Compare(s.Name, name) })
	a.Stages = slices.Insert(a.Stages, i, stageDoc{
		Name: name, AutoDeploy: name == host.DefaultStage && a.Protocol == host.ProtocolHTTP, Updated: t.now, By: t.change.By,
	})
	return &a.Stages[i], nil
}

// serve makes a stage serve a deployment, which ends a canary. It is an error when the deployment could not work there.
func (t *tx) serve(ctx context.Context, a *apiDoc, s *stageDoc, number int) error {
	if err := t.fits(ctx, a, s.Name, number, s.Variables); err != nil {
		return err
	}
	if s.Deployment == number && s.Canary == nil {
		return nil
	}
	if s.Deployment != 0 && s.Deployment != number {
		s.History = slices.Insert(s.History, 0, Move{Deployment: s.Deployment, Until: t.now, By: s.By})
		s.History = s.History[:min(len(s.History), MaxHistory)]
	}
	s.Deployment, s.Canary, s.Updated, s.By = number, nil, t.now, t.change.By
	return nil
}

// fits refuses a deployment that is not there, or that needs what is not there: variables of the stage, secrets, functions.
func (t *tx) fits(ctx context.Context, a *apiDoc, stage string, number int, variables map[string]string) error {
	d := a.deployment(number)
	if d == nil {
		return missingDeployment(a, number)
	}
	for _, name := range d.Variables {
		if _, ok := variables[name]; !ok {
			return refuse(host.Invalid, "", "the deployment %d reads the variable %q, which the stage %s does not set: set it there first", number, name, stage)
		}
	}
	for _, name := range d.Secrets {
		switch _, rev, err := t.catalog.readSecret(ctx, name); {
		case err != nil:
			return err
		case rev == 0:
			return refuse(host.Invalid, "", "the deployment %d reads the secret %q, which the store does not have: put it there first (postern secret set %s)", number, name, name)
		}
	}
	for _, f := range d.Functions {
		if err := t.reachable(ctx, f); err != nil {
			return refuse(host.Conflict, "", "the deployment %d calls a function that it cannot reach: %w", number, err)
		}
	}
	return nil
}

// ownedStage refuses to change by hand what the definition of a project says of a stage.
func (t *tx) ownedStage(a *apiDoc, api string, s *stageDoc) error {
	if a.Project == "" || !s.Owned || t.change.Force {
		return nil
	}
	return refuse(host.Conflict, "", "the stage %s of the API %s belongs to the project %q: change it there and apply the project, or force the change (force=true, or --force of the command), which the next apply takes back",
		s.Name, api, a.Project)
}

// changeStage changes a stage that is there.
func (c *Catalog) changeStage(ctx context.Context, what, api, name string, change Change, f func(t *tx, a *apiDoc, s *stageDoc) error) (Stage, error) {
	var out Stage
	op := what + " " + strconv.Quote(abridged(name)) + " of the API " + strconv.Quote(abridged(api))
	err := c.changeAPI(ctx, op, api, change, func(t *tx, a *apiDoc) error {
		s, err := a.findStage(name)
		if err != nil {
			return err
		}
		if err := f(t, a, s); err != nil {
			return err
		}
		out = a.stage(name).show(api)
		return nil
	})
	return out, err
}

// PutStage creates or replaces a stage: deployment 0 is the one it has, or else the newest. A canary that is given is begun too.
func (c *Catalog) PutStage(ctx context.Context, api string, stage Stage, change Change) (Stage, error) {
	var out Stage
	op := "put the stage " + strconv.Quote(abridged(stage.Name)) + " of the API " + strconv.Quote(abridged(api))
	err := c.changeAPI(ctx, op, api, change, func(t *tx, a *apiDoc) error {
		if err := checkVariables(stage.Variables); err != nil {
			return err
		}
		s, err := t.makeStage(a, stage.Name)
		if err != nil {
			return err
		}
		number := stage.Deployment
		if number == 0 {
			number = s.Deployment
		}
		if number == 0 {
			number = a.newest()
		}
		if number == 0 {
			return refuse(host.Conflict, "", "the API has no deployment that a stage could serve: deploy it first")
		}
		if !maps.Equal(s.Variables, stage.Variables) || s.AutoDeploy != stage.AutoDeploy {
			if err := t.ownedStage(a, api, s); err != nil {
				return err
			}
			s.Variables, s.AutoDeploy, s.Updated, s.By = maps.Clone(stage.Variables), stage.AutoDeploy, t.now, t.change.By
		}
		running := s.Canary
		if err := t.serve(ctx, a, s, number); err != nil {
			return err
		}
		if stage.Canary != nil {
			if err := t.setCanary(ctx, a, s, running, stage.Canary); err != nil {
				return err
			}
		}
		out = s.show(api)
		return nil
	})
	return out, err
}

// newest is the number of the newest deployment, 0 for none.
func (a *apiDoc) newest() int {
	if n := len(a.Deployments); n > 0 {
		return a.Deployments[n-1].Number
	}
	return 0
}

// DeleteStage deletes a stage that no domain leads to.
func (c *Catalog) DeleteStage(ctx context.Context, api, stage string, change Change) error {
	op := "delete the stage " + strconv.Quote(abridged(stage)) + " of the API " + strconv.Quote(abridged(api))
	return c.changeAPI(ctx, op, api, change, func(t *tx, a *apiDoc) error {
		s, err := a.findStage(stage)
		if err != nil {
			return err
		}
		if err := t.ownedStage(a, api, s); err != nil {
			return err
		}
		from, err := t.domainsTo(ctx, a.Project, api, stage)
		if err != nil {
			return err
		}
		if len(from) > 0 {
			return inUse(op, from)
		}
		a.removeStage(stage)
		return nil
	})
}

func (a *apiDoc) removeStage(name string) {
	a.Stages = slices.DeleteFunc(a.Stages, func(s stageDoc) bool { return s.Name == name })
}

// RollbackStage points a stage at the deployment before, or at a certain one; a canary ends. Doing it again goes back further. Variables
// stay as they are.
func (c *Catalog) RollbackStage(ctx context.Context, api, stage string, to int, change Change) (Stage, error) {
	return c.changeStage(ctx, "roll back the stage", api, stage, change, func(t *tx, a *apiDoc, s *stageDoc) error {
		if to != 0 {
			return t.serve(ctx, a, s, to)
		}
		for i, move := range s.History {
			if move.Deployment == s.Deployment || a.deployment(move.Deployment) == nil {
				continue // it was deleted
			}
			rest := s.History[i+1:]
			err := t.serve(ctx, a, s, move.Deployment)
			s.History = rest
			return err
		}
		return refuse(host.Conflict, "", "the stage %s of the API %s has served no other deployment that is still there: say to which one (to, or --to of the command)", s.Name, api)
	})
}

// SetCanary begins or changes a stage's canary; nil ends it. Deployment 0 is the canary's that runs, or else the newest.
func (c *Catalog) SetCanary(ctx context.Context, api, stage string, canary *Canary, change Change) (Stage, error) {
	return c.changeStage(ctx, "set the canary of the stage", api, stage, change, func(t *tx, a *apiDoc, s *stageDoc) error {
		if canary == nil {
			if s.Canary != nil {
				s.Canary, s.Updated, s.By = nil, t.now, t.change.By
			}
			return nil
		}
		return t.setCanary(ctx, a, s, s.Canary, canary)
	})
}

func (t *tx) setCanary(ctx context.Context, a *apiDoc, s *stageDoc, running, wanted *Canary) error {
	if p := wanted.Percent; math.IsNaN(p) || p < 0 || p > 100 {
		return refuse(host.Invalid, "", "the percentage of the canary must be from 0 to 100")
	}
	if err := checkVariables(wanted.Variables); err != nil {
		return err
	}
	number := wanted.Deployment
	if number == 0 && running != nil {
		number = running.Deployment
	}
	if number == 0 {
		number = a.newest()
	}
	merged := mergeVariables(s.Variables, wanted.Variables)
	if err := checkVariables(merged); err != nil {
		return err
	}
	if err := t.fits(ctx, a, s.Name+canaryLabel, number, merged); err != nil {
		return err
	}
	next := &Canary{Deployment: number, Percent: wanted.Percent, Variables: maps.Clone(wanted.Variables)}
	if !next.equal(running) {
		s.Updated, s.By = t.now, t.change.By
	}
	s.Canary = next
	return nil
}

func (c *Canary) equal(other *Canary) bool {
	return other != nil && c.Deployment == other.Deployment && c.Percent == other.Percent && maps.Equal(c.Variables, other.Variables)
}

// mergeVariables are the stage's, with the canary's instead of those of the same name.
func mergeVariables(stage, canary map[string]string) map[string]string {
	if len(stage)+len(canary) == 0 {
		return nil
	}
	merged := make(map[string]string, len(stage)+len(canary))
	maps.Copy(merged, stage)
	maps.Copy(merged, canary)
	return merged
}

// PromoteCanary makes the canary the stage: its deployment, and the stage's variables with the canary's in their place.
func (c *Catalog) PromoteCanary(ctx context.Context, api, stage string, change Change) (Stage, error) {
	return c.changeStage(ctx, "promote the canary of the stage", api, stage, change, func(t *tx, a *apiDoc, s *stageDoc) error {
		if s.Canary == nil {
			return refuse(host.Conflict, "", "the stage %s of the API %s has no canary", s.Name, api)
		}
		number := s.Canary.Deployment
		s.Variables = mergeVariables(s.Variables, s.Canary.Variables)
		return t.serve(ctx, a, s, number)
	})
}
