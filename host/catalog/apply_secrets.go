package catalog

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

// A fileSecret is the value of a file of a project. It stands in the project's document and not in one of the store, so that a new value
// comes with the change that brings it, or not at all.
type fileSecret struct {
	Same    string    `json:"same"` // Sealer.Same of the value
	Sealed  []byte    `json:"sealed"`
	Updated time.Time `json:"updated"`
	By      string    `json:"by,omitempty"`
}

// applySecrets seals the values that are new.
func (r *attempt) applySecrets(context.Context) error {
	secrets := maps.Clone(r.project.Secrets)
	if secrets == nil {
		secrets = map[string]fileSecret{}
	}
	for _, file := range sortedKeys(r.in.Secrets) {
		sealer := r.catalog.opts.Sealer
		if sealer == nil {
			return refuse(host.Unavailable, "", "this host has no key to seal secrets with")
		}
		value := []byte(r.in.Secrets[file])
		same := sealer.Same(value)
		old, had := secrets[file]
		if had && old.Same == same {
			continue
		}
		sealed, done := r.sealed[file]
		if !done {
			var err error
			if sealed, err = sealer.Seal(value); err != nil {
				return err
			}
			r.sealed[file] = sealed
		}
		secrets[file] = fileSecret{Same: same, Sealed: sealed, Updated: r.t.now, By: r.t.change.By}
		action := actionUpdate
		if !had {
			action = actionCreate
		}
		r.plan.add(Difference{Action: action, Kind: "secret", Name: file, Detail: []string{"the value of the file; it is kept sealed"}})
	}
	return r.keepSecrets(secrets)
}

// keepSecrets writes the project with other secrets, so that what is composed of this transaction has their values.
func (r *attempt) keepSecrets(secrets map[string]fileSecret) error {
	equal := func(a, b fileSecret) bool { return a.Same == b.Same }
	if maps.EqualFunc(secrets, r.project.Secrets, equal) {
		return nil
	}
	r.project.Secrets = secrets
	return r.t.put(kindProject, r.name, r.project)
}

// forgetSecrets drops the values of files that no definition and no version reads any more that is still there.
func (r *attempt) forgetSecrets(ctx context.Context) error {
	if len(r.project.Secrets) == 0 {
		return nil
	}
	needed := map[string]bool{}
	apis, err := r.t.ownedBy(ctx, kindAPI, r.name)
	if err != nil {
		return err
	}
	for _, name := range apis {
		a, err := read[apiDoc](ctx, &r.t.state, kindAPI, name)
		if err != nil {
			return err
		}
		for _, d := range slices.Concat([]definitionDoc{a.Head}, definitions(a.Deployments)) {
			for _, file := range d.Files {
				needed[file] = true
			}
		}
	}
	for _, u := range r.snapshot.Upstreams { // of one that no API uses yet too: its key was sent
		if u.TLS.KeyFile.Value != "" {
			needed[path.Clean(u.TLS.KeyFile.Value)] = true
		}
	}
	_, err = r.t.users(ctx, func(u use) bool {
		if file, ok := strings.CutPrefix(u.Name, projectSecretPrefix(r.name)); ok && u.Kind == "secret" {
			needed[file] = true
		}
		return false
	})
	if err != nil {
		return err
	}
	secrets := maps.Clone(r.project.Secrets)
	for _, file := range sortedKeys(secrets) {
		if !needed[file] {
			delete(secrets, file)
			r.plan.add(Difference{Action: actionDelete, Kind: "secret", Name: file, Detail: []string{"nothing reads it any more"}})
		}
	}
	return r.keepSecrets(secrets)
}

func definitions(deployments []deploymentDoc) []definitionDoc {
	list := make([]definitionDoc, len(deployments))
	for i, d := range deployments {
		list[i] = d.definitionDoc
	}
	return list
}

// fileSecret returns the value of a file of a project. One that is not there has Kind Invalid.
func (s *state) fileSecret(ctx context.Context, project, file string) (host.SecretValue, error) {
	file = path.Clean(file)
	if !s.has(kindProject, project) {
		return "", refuse(host.Invalid, "", "the value of the file %s is kept by the project %q, which is not there", file, project)
	}
	p, err := read[projectDoc](ctx, s, kindProject, project)
	if err != nil {
		return "", err
	}
	kept, ok := p.Secrets[file]
	switch {
	case !ok:
		return "", refuse(host.Invalid, "", "the project %q has no value of the file %s: apply it again", project, file)
	case s.catalog.opts.Sealer == nil:
		return "", refuse(host.Unavailable, "", "this host has no key to open secrets with")
	}
	value, err := s.catalog.opts.Sealer.Open(kept.Sealed)
	if err != nil {
		return "", refuse(host.KindOf(err), "", "the secret of the file %s cannot be opened: %w", file, err)
	}
	return host.SecretValue(value), nil
}

// fileSecrets lists the secrets that come from files of projects.
func (s *state) fileSecrets(ctx context.Context) ([]Secret, error) {
	var list []Secret
	for _, project := range s.names(kindProject) {
		p, err := read[projectDoc](ctx, s, kindProject, project)
		if err != nil {
			return nil, err
		}
		for _, file := range sortedKeys(p.Secrets) {
			kept := p.Secrets[file]
			list = append(list, Secret{Name: projectSecret(project, file), Project: project, Rev: p.Revision, Updated: kept.Updated, By: kept.By})
		}
	}
	return list, nil
}
