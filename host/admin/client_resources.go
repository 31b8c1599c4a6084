package admin

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
)

// clientList yields a list, page by page. The first error ends it.
func clientList[T any](ctx context.Context, c *Client, query url.Values, segments ...string) iter.Seq2[T, error] {
	return clientListOf[T](ctx, c, MaxLimit, query, segments...)
}

// clientListOf is clientList with pages of a size.
func clientListOf[T any](ctx context.Context, c *Client, limit int, query url.Values, segments ...string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for after := ""; ; {
			list, err := clientGet[List[T]](ctx, c, clientPage(query, limit, after), segments...)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range list.Items {
				if !yield(item, nil) {
					return
				}
			}
			if after = list.Next; after == "" {
				return
			}
		}
	}
}

// Whoami tells whom the host takes the client for.
func (c *Client) Whoami(ctx context.Context) (Whoami, error) {
	return clientGet[Whoami](ctx, c, nil, "v1", "whoami")
}

// Status tells what the host serves, and what it should.
func (c *Client) Status(ctx context.Context) (FullStatus, error) {
	return clientGet[FullStatus](ctx, c, nil, "v1", "status")
}

// Parts tells what the host should serve, and what it does.
func (c *Client) Parts(ctx context.Context) ([]Part, error) {
	list, err := clientGet[List[Part]](ctx, c, nil, "v1", "parts")
	return list.Items, err
}

// Plugins tells how the host's open plugins are.
func (c *Client) Plugins(ctx context.Context) ([]Plugin, error) {
	list, err := clientGet[List[Plugin]](ctx, c, nil, "v1", "plugins")
	return list.Items, err
}

// Projects yields the projects, sorted by name.
func (c *Client) Projects(ctx context.Context) iter.Seq2[catalog.Project, error] {
	return clientList[catalog.Project](ctx, c, nil, "v1", "projects")
}

// Project reads one project.
func (c *Client) Project(ctx context.Context, name string) (catalog.Project, error) {
	return clientGet[catalog.Project](ctx, c, nil, "v1", "projects", name)
}

// Bundle reads a project's definition as it was applied last.
func (c *Client) Bundle(ctx context.Context, project string) (catalog.Bundle, error) {
	return clientGet[catalog.Bundle](ctx, c, nil, "v1", "projects", project, "bundle")
}

// Apply makes a project what its definition says. The blobs that it names must be saved (SaveBlob).
func (c *Client) Apply(ctx context.Context, project string, in catalog.Input, w Write) (catalog.Plan, error) {
	return clientSend[catalog.Plan](ctx, c, http.MethodPost, in, w, "v1", "projects", project, "apply")
}

// DeleteProject deletes a project and all that it owns.
func (c *Client) DeleteProject(ctx context.Context, name string, w Write) error {
	return clientDelete(ctx, c, w, "v1", "projects", name)
}

// APIs yields the APIs, sorted by name.
func (c *Client) APIs(ctx context.Context) iter.Seq2[catalog.API, error] {
	return clientList[catalog.API](ctx, c, nil, "v1", "apis")
}

// API reads one API with its stages.
func (c *Client) API(ctx context.Context, name string) (catalog.API, error) {
	return clientGet[catalog.API](ctx, c, nil, "v1", "apis", name)
}

// PutAPI creates or replaces the head of an API that no project owns.
func (c *Client) PutAPI(ctx context.Context, name string, in catalog.Input, w Write) (catalog.API, error) {
	return clientSend[catalog.API](ctx, c, http.MethodPut, in, w, "v1", "apis", name)
}

// DeleteAPI deletes an API with its stages and deployments.
func (c *Client) DeleteAPI(ctx context.Context, name string, w Write) error {
	return clientDelete(ctx, c, w, "v1", "apis", name)
}

// Deployments yields an API's deployments, sorted by number.
func (c *Client) Deployments(ctx context.Context, api string) iter.Seq2[catalog.Deployment, error] {
	return clientList[catalog.Deployment](ctx, c, nil, "v1", "apis", api, "deployments")
}

// Deploy makes a deployment of an API's head, and points a stage at it if one is named.
func (c *Client) Deploy(ctx context.Context, api string, in DeployInput, w Write) (catalog.Deployment, error) {
	return clientSend[catalog.Deployment](ctx, c, http.MethodPost, in, w, "v1", "apis", api, "deployments")
}

// DeleteDeployment deletes a deployment that no stage points at.
func (c *Client) DeleteDeployment(ctx context.Context, api string, number int, w Write) error {
	return clientDelete(ctx, c, w, "v1", "apis", api, "deployments", strconv.Itoa(number))
}

// Stages yields an API's stages, sorted by name.
func (c *Client) Stages(ctx context.Context, api string) iter.Seq2[catalog.Stage, error] {
	return clientList[catalog.Stage](ctx, c, nil, "v1", "apis", api, "stages")
}

// Stage reads one stage.
func (c *Client) Stage(ctx context.Context, api, stage string) (catalog.Stage, error) {
	return clientGet[catalog.Stage](ctx, c, nil, "v1", "apis", api, "stages", stage)
}

// PutStage creates or replaces a stage.
func (c *Client) PutStage(ctx context.Context, api, stage string, in StageInput, w Write) (catalog.Stage, error) {
	return clientSend[catalog.Stage](ctx, c, http.MethodPut, in, w, "v1", "apis", api, "stages", stage)
}

// DeleteStage deletes a stage; its deployments stay.
func (c *Client) DeleteStage(ctx context.Context, api, stage string, w Write) error {
	return clientDelete(ctx, c, w, "v1", "apis", api, "stages", stage)
}

// RollbackStage points a stage at the deployment before, or at deployment to where that is not 0.
func (c *Client) RollbackStage(ctx context.Context, api, stage string, to int, w Write) (catalog.Stage, error) {
	return clientSend[catalog.Stage](ctx, c, http.MethodPost, RollbackInput{To: to}, w, "v1", "apis", api, "stages", stage, "rollback")
}

// PutCanary begins or changes a stage's canary.
func (c *Client) PutCanary(ctx context.Context, api, stage string, canary catalog.Canary, w Write) (catalog.Stage, error) {
	return clientSend[catalog.Stage](ctx, c, http.MethodPut, canary, w, "v1", "apis", api, "stages", stage, "canary")
}

// DeleteCanary ends a stage's canary.
func (c *Client) DeleteCanary(ctx context.Context, api, stage string, w Write) error {
	return clientDelete(ctx, c, w, "v1", "apis", api, "stages", stage, "canary")
}

// PromoteCanary makes a stage's canary the stage.
func (c *Client) PromoteCanary(ctx context.Context, api, stage string, w Write) (catalog.Stage, error) {
	return clientSend[catalog.Stage](ctx, c, http.MethodPost, nil, w, "v1", "apis", api, "stages", stage, "canary", "promote")
}

// Secrets yields what is known of the store's secrets, sorted by name. Their values are never told.
func (c *Client) Secrets(ctx context.Context) iter.Seq2[catalog.Secret, error] {
	return clientList[catalog.Secret](ctx, c, nil, "v1", "secrets")
}

// PutSecret keeps a value in the store, sealed.
func (c *Client) PutSecret(ctx context.Context, name string, value host.SecretValue, w Write) (catalog.Secret, error) {
	r := clientRequest{method: http.MethodPut, query: w.query(), header: w.header(), long: true}
	r.header.Set("Content-Type", TypeOctets)
	r.text(value.Reveal())
	return clientChange[catalog.Secret](ctx, c, r, w, "v1", "secrets", name)
}

// DeleteSecret deletes a secret.
func (c *Client) DeleteSecret(ctx context.Context, name string, w Write) error {
	return clientDelete(ctx, c, w, "v1", "secrets", name)
}

// Tokens yields the tokens, without their texts.
func (c *Client) Tokens(ctx context.Context) iter.Seq2[Token, error] {
	return clientList[Token](ctx, c, nil, "v1", "tokens")
}

// CreateToken makes a token. Its text cannot be had again.
func (c *Client) CreateToken(ctx context.Context, in CredentialInput, w Write) (NewToken, error) {
	return clientSend[NewToken](ctx, c, http.MethodPost, in, w, "v1", "tokens")
}

// DeleteToken ends a token.
func (c *Client) DeleteToken(ctx context.Context, id string, w Write) error {
	return clientDelete(ctx, c, w, "v1", "tokens", id)
}

// Keys yields the access keys, without their secrets.
func (c *Client) Keys(ctx context.Context) iter.Seq2[Key, error] {
	return clientList[Key](ctx, c, nil, "v1", "keys")
}

// CreateKey makes an access key. Its secret cannot be had again.
func (c *Client) CreateKey(ctx context.Context, in CredentialInput, w Write) (NewKey, error) {
	return clientSend[NewKey](ctx, c, http.MethodPost, in, w, "v1", "keys")
}

// DeleteKey ends an access key.
func (c *Client) DeleteKey(ctx context.Context, id string, w Write) error {
	return clientDelete(ctx, c, w, "v1", "keys", id)
}

// Audit yields the changes and refused logins. query filters them, as admin.openapi.yaml says.
func (c *Client) Audit(ctx context.Context, query url.Values) iter.Seq2[AuditEntry, error] {
	return clientList[AuditEntry](ctx, c, query, "v1", "audit")
}
