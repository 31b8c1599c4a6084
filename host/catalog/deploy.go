package catalog

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

func (a *apiDoc) showDeployment(api string, d *deploymentDoc) Deployment {
	stages := a.pointers(d.Number)
	if stages == nil {
		stages = []string{}
	}
	return Deployment{API: api, Number: d.Number, ID: d.Digest[:10], Digest: d.Digest, Description: d.Description, Stages: stages, Created: d.Created, By: d.By}
}

// Deployments lists the deployments of an API by number.
func (c *Catalog) Deployments(ctx context.Context, api string) ([]Deployment, error) {
	s, err := c.state(ctx)
	if err != nil {
		return nil, err
	}
	a, err := read[apiDoc](ctx, s, kindAPI, api)
	if err != nil {
		return nil, err
	}
	list := make([]Deployment, len(a.Deployments))
	for i := range a.Deployments {
		list[i] = a.showDeployment(api, &a.Deployments[i])
	}
	return list, nil
}

// deploy makes a deployment of the head, unless the newest is one, and returns it.
func (t *tx) deploy(a *apiDoc, description string) (d *deploymentDoc, made bool) {
	if n := len(a.Deployments); n > 0 && a.Deployments[n-1].Digest == a.Head.Digest {
		return &a.Deployments[n-1], false
	}
	a.Last++
	a.Deployments = append(a.Deployments, deploymentDoc{
		definitionDoc: a.Head, Number: a.Last, Description: description, Created: t.now, By: t.change.By,
	})
	return &a.Deployments[len(a.Deployments)-1], true
}

// Deploy makes a deployment of the API's head, and points the stage at it, which is made if it is not there. "" makes a deployment
// alone. A head that is deployed already is not copied again.
func (c *Catalog) Deploy(ctx context.Context, api, stage, description string, change Change) (Deployment, error) {
	var out Deployment
	err := c.changeAPI(ctx, "deploy the API "+strconv.Quote(abridged(api)), api, change, func(t *tx, a *apiDoc) error {
		if len(description) > maxMessage {
			return refuse(host.TooLarge, "", "the description has more than %d bytes", maxMessage)
		}
		d, _ := t.deploy(a, description)
		number := d.Number
		if stage != "" {
			s, err := t.makeStage(a, stage)
			if err != nil {
				return err
			}
			if err := t.serve(ctx, a, s, number); err != nil {
				return err
			}
		}
		out = a.showDeployment(api, a.deployment(number))
		return nil
	})
	return out, err
}

// DeleteDeployment deletes a deployment that no stage points at.
func (c *Catalog) DeleteDeployment(ctx context.Context, api string, number int, change Change) error {
	op := "delete the deployment " + strconv.Itoa(number) + " of the API " + strconv.Quote(abridged(api))
	return c.changeAPI(ctx, op, api, change, func(_ *tx, a *apiDoc) error {
		if a.deployment(number) == nil {
			return missingDeployment(a, number)
		}
		if stages := a.pointers(number); len(stages) > 0 { // Amazon's own words, and which they are
			return refuse(host.Conflict, "", "Active stages pointing to this deployment must be moved or deleted: %s", strings.Join(stages, ", "))
		}
		a.Deployments = slices.DeleteFunc(a.Deployments, func(d deploymentDoc) bool { return d.Number == number })
		return nil
	})
}

func missingDeployment(a *apiDoc, number int) error {
	var have []string
	for _, d := range a.Deployments[max(0, len(a.Deployments)-10):] {
		have = append(have, strconv.Itoa(d.Number))
	}
	switch len(have) {
	case 0:
		return refuse(host.NotFound, "", "the API has no deployment %d, and no other one", number)
	case 1:
		return refuse(host.NotFound, "", "the API has no deployment %d: its only one is %s", number, have[0])
	}
	return refuse(host.NotFound, "", "the API has no deployment %d: its newest are %s", number, strings.Join(have, ", "))
}

// changeAPI changes one API by f.
func (c *Catalog) changeAPI(ctx context.Context, op, name string, change Change, f func(t *tx, a *apiDoc) error) error {
	_, err := c.change(ctx, change, func(ctx context.Context, t *tx) error {
		a, err := read[apiDoc](ctx, &t.state, kindAPI, name)
		if err != nil {
			return err
		}
		if err := t.expect(kindAPI, name, &a.meta); err != nil {
			return err
		}
		if err := f(t, a); err != nil {
			return err
		}
		return t.putAPI(name, a)
	})
	return within(op, err)
}

// within says what was tried when an error came that does not say it.
func within(op string, err error) error {
	if e, ok := err.(*host.Error); ok && e.Op == "" {
		told := *e
		told.Op = op
		return &told
	}
	return err
}
