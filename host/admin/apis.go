package admin

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/postern/postern/host/catalog"
)

func (c *call) listProjects() (*reply, error) {
	projects, err := c.Catalog.Projects(c.r.Context())
	if err != nil {
		return nil, err
	}
	return pageByName(c, projects, func(p catalog.Project) string { return p.Name })
}

func (c *call) getProject() (*reply, error) {
	project, _, err := c.Catalog.Project(c.r.Context(), c.r.PathValue("project"))
	return &reply{body: project, rev: project.Revision}, err
}

func (c *call) getBundle() (*reply, error) {
	project, bundle, err := c.Catalog.Project(c.r.Context(), c.r.PathValue("project"))
	return &reply{body: bundle, rev: project.Revision}, err
}

func (c *call) applyProject() (*reply, error) {
	name := c.r.PathValue("project")
	var in catalog.Input
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	plan, err := c.Catalog.Apply(c.r.Context(), name, in, c.change)
	if err != nil {
		return nil, err
	}
	rep := &reply{body: plan, parts: ofChanges(plan)}
	if !c.change.DryRun {
		if project, _, err := c.Catalog.Project(c.r.Context(), name); err == nil {
			rep.rev, rep.digest, rep.parts = project.Revision, project.Digest, ofProject(project)
		}
	}
	return rep, nil
}

// ofChanges are the parts that a plan names.
func ofChanges(plan *catalog.Plan) func(Part) bool {
	return func(p Part) bool {
		return slices.ContainsFunc(plan.Changes, func(d catalog.Difference) bool { return d.Name == p.API || d.Name == p.Function })
	}
}

// ofProject are the parts that a project owns.
func ofProject(project catalog.Project) func(Part) bool {
	return func(p Part) bool {
		return p.API != "" && slices.Contains(project.APIs, p.API) || p.Function != "" && slices.Contains(project.Functions, p.Function)
	}
}

// ofAPI are the parts of one API, and ofFunction those of one function.
func ofAPI(name string) func(Part) bool      { return func(p Part) bool { return p.API == name } }
func ofFunction(name string) func(Part) bool { return func(p Part) bool { return p.Function == name } }

func (c *call) deleteProject() (*reply, error) {
	name := c.r.PathValue("project")
	return &reply{parts: func(Part) bool { return false }}, c.Catalog.DeleteProject(c.r.Context(), name, c.change)
}

func (c *call) listAPIs() (*reply, error) {
	apis, err := c.Catalog.APIs(c.r.Context())
	if err != nil {
		return nil, err
	}
	apis = slices.DeleteFunc(apis, func(a catalog.API) bool {
		return !fits(c.query.Get("project"), a.Project) || !fits(c.query.Get("protocol"), string(a.Protocol))
	})
	return pageByName(c, apis, func(a catalog.API) string { return a.Name })
}

func (c *call) getAPI() (*reply, error) {
	api, err := c.Catalog.API(c.r.Context(), c.r.PathValue("api"))
	return &reply{body: api, rev: api.Revision}, err
}

func (c *call) putAPI() (*reply, error) {
	var in catalog.Input
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	api, err := c.Catalog.PutAPI(c.r.Context(), c.r.PathValue("api"), in, c.change)
	return &reply{body: api, rev: api.Revision, digest: api.Digest, parts: ofAPI(api.Name)}, err
}

func (c *call) deleteAPI() (*reply, error) {
	name := c.r.PathValue("api")
	return &reply{parts: ofAPI(name)}, c.Catalog.DeleteAPI(c.r.Context(), name, c.change)
}

func (c *call) listDeployments() (*reply, error) {
	deployments, err := c.Catalog.Deployments(c.r.Context(), c.r.PathValue("api"))
	if err != nil {
		return nil, err
	}
	return pageByNumber(c, deployments, func(d catalog.Deployment) int { return d.Number })
}

func (c *call) getDeployment() (*reply, error) {
	deployments, err := c.Catalog.Deployments(c.r.Context(), c.r.PathValue("api"))
	if err != nil {
		return nil, err
	}
	number := c.pathNumber()
	i := slices.IndexFunc(deployments, func(d catalog.Deployment) bool { return d.Number == number })
	if i < 0 {
		return nil, missing("deployment", strconv.Itoa(number), nil)
	}
	return &reply{body: deployments[i]}, nil
}

// pathNumber is the number in the path, which checkNames has looked at.
func (c *call) pathNumber() int {
	n, _ := strconv.Atoi(c.r.PathValue("number"))
	return n
}

func (c *call) createDeployment() (*reply, error) {
	var in DeployInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	api := c.r.PathValue("api")
	if in.Stage != "" && !names["stage"].MatchString(in.Stage) {
		return nil, malformed("%.80q is not a stage: one matches %s", in.Stage, names["stage"])
	}
	if err := checkMessage(in.Description); err != nil {
		return nil, err
	}
	before, err := c.Catalog.API(c.r.Context(), api)
	if err != nil {
		return nil, err
	}
	d, err := c.Catalog.Deploy(c.r.Context(), api, in.Stage, in.Description, c.change)
	location := "/v1/apis/" + api + "/deployments/" + strconv.Itoa(d.Number)
	return &reply{status: madeSince(before.Deployment, d.Number), body: d, location: location, digest: d.Digest, parts: ofAPI(api)}, err
}

// madeSince is 201 for a number that was not there before, and 200 for one that was: what equals the newest is not made again.
func madeSince(before, number int) int {
	if number > before {
		return http.StatusCreated
	}
	return http.StatusOK
}

func (c *call) deleteDeployment() (*reply, error) {
	return &reply{}, c.Catalog.DeleteDeployment(c.r.Context(), c.r.PathValue("api"), c.pathNumber(), c.change)
}
