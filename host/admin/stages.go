package admin

import (
	"slices"

	"github.com/postern/postern/host/catalog"
)

// ofStage are the parts of one stage.
func ofStage(api, stage string) func(Part) bool {
	return func(p Part) bool { return p.API == api && p.Stage == stage }
}

func (c *call) listStages() (*reply, error) {
	api, err := c.Catalog.API(c.r.Context(), c.r.PathValue("api"))
	if err != nil {
		return nil, err
	}
	return pageByName(c, api.Stages, func(s catalog.Stage) string { return s.Name })
}

func (c *call) getStage() (*reply, error) {
	api, err := c.Catalog.API(c.r.Context(), c.r.PathValue("api"))
	if err != nil {
		return nil, err
	}
	name := c.r.PathValue("stage")
	known := make([]string, len(api.Stages))
	for i, s := range api.Stages {
		if s.Name == name {
			return &reply{body: s, rev: api.Revision}, nil
		}
		known[i] = s.Name
	}
	return nil, missingOf("the API "+api.Name, "stage", name, known)
}

// stageReply answers with a stage that was changed. Its revision is that of its API.
func (c *call) stageReply(stage catalog.Stage, err error) (*reply, error) {
	if err != nil {
		return nil, err
	}
	rep := &reply{body: stage, parts: ofStage(stage.API, stage.Name)}
	if !c.change.DryRun {
		if api, err := c.Catalog.API(c.r.Context(), stage.API); err == nil {
			rep.rev = api.Revision
			rep.digest = c.deploymentDigest(stage)
		}
	}
	return rep, nil
}

// deploymentDigest is the digest of what a stage serves, "" when it cannot be told.
func (c *call) deploymentDigest(stage catalog.Stage) string {
	deployments, err := c.Catalog.Deployments(c.r.Context(), stage.API)
	if err != nil {
		return ""
	}
	i := slices.IndexFunc(deployments, func(d catalog.Deployment) bool { return d.Number == stage.Deployment })
	if i < 0 {
		return ""
	}
	return deployments[i].Digest
}

func (c *call) putStage() (*reply, error) {
	var in StageInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Deployment < 0 {
		return nil, malformed("deployment must be a number of one, or left out")
	}
	stage := catalog.Stage{API: c.r.PathValue("api"), Name: c.r.PathValue("stage"), Deployment: in.Deployment, Variables: in.Variables, AutoDeploy: in.AutoDeploy}
	return c.stageReply(c.Catalog.PutStage(c.r.Context(), stage.API, stage, c.change))
}

func (c *call) deleteStage() (*reply, error) {
	api, stage := c.r.PathValue("api"), c.r.PathValue("stage")
	return &reply{parts: ofStage(api, stage)}, c.Catalog.DeleteStage(c.r.Context(), api, stage, c.change)
}

func (c *call) rollbackStage() (*reply, error) {
	var in RollbackInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.To < 0 {
		return nil, malformed("to must be a deployment's number, or left out for the one before")
	}
	return c.stageReply(c.Catalog.RollbackStage(c.r.Context(), c.r.PathValue("api"), c.r.PathValue("stage"), in.To, c.change))
}

func (c *call) putCanary() (*reply, error) {
	var canary catalog.Canary
	if err := c.decode(&canary); err != nil {
		return nil, err
	}
	return c.stageReply(c.Catalog.SetCanary(c.r.Context(), c.r.PathValue("api"), c.r.PathValue("stage"), &canary, c.change))
}

func (c *call) deleteCanary() (*reply, error) {
	return c.stageReply(c.Catalog.SetCanary(c.r.Context(), c.r.PathValue("api"), c.r.PathValue("stage"), nil, c.change))
}

func (c *call) promoteCanary() (*reply, error) {
	return c.stageReply(c.Catalog.PromoteCanary(c.r.Context(), c.r.PathValue("api"), c.r.PathValue("stage"), c.change))
}
