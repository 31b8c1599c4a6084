package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

const (
	secretsKey    host.Key = "secrets" // above the documents of the secrets
	maxSecret              = 64 << 10  // bytes of a value, as Secrets Manager has it
	secretWriters          = 10        // attempts of one write, while others are first
)

// A secretDoc is a secret, in a document of the store that is its own: it is rotated without a change of the state.
type secretDoc struct {
	Sealed  []byte    `json:"sealed"`
	Same    string    `json:"same"` // Sealer.Same of the value
	Updated time.Time `json:"updated"`
	By      string    `json:"by,omitempty"`
}

var secretName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

// projectSecret names the value of a project's file among the secrets. It is kept with the project.
func projectSecret(project, file string) string {
	return projectSecretPrefix(project) + path.Clean(file)
}

func projectSecretPrefix(project string) string { return "project/" + project + ":" }

func secretKey(name string) host.Key { return secretsKey + "/" + host.Key(name) }

// Secrets returns all secrets without their values, also those of the projects' files.
func (c *Catalog) Secrets(ctx context.Context) ([]Secret, error) {
	s, err := c.state(ctx)
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	_, err = s.users(ctx, func(u use) bool {
		if u.Kind == "secret" {
			users[u.Name] = append(users[u.Name], u.From)
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	all, err := s.fileSecrets(ctx)
	if err != nil {
		return nil, err
	}
	for entry, err := range c.opts.Store.List(ctx, secretsKey) {
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(string(entry.Key), string(secretsKey)+"/")
		doc, err := decodeSecret(name, entry)
		if err != nil {
			return nil, err
		}
		all = append(all, doc.public(name, entry.Rev))
	}
	for i := range all {
		from := users[all[i].Name]
		slices.Sort(from)
		all[i].UsedBy = slices.Compact(from)
	}
	slices.SortFunc(all, func(a, b Secret) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (d *secretDoc) public(name string, rev uint64) Secret {
	return Secret{Name: name, Rev: rev, Updated: d.Updated, By: d.By}
}

func decodeSecret(name string, entry host.Entry) (*secretDoc, error) {
	doc := &secretDoc{}
	if err := decode(entry.Value, doc); err != nil {
		return nil, refuse(host.Internal, "", "the document of the secret %q is damaged: put it again", name)
	}
	return doc, nil
}

// readSecret returns a secret's document and revision; nil and 0 when there is none.
func (c *Catalog) readSecret(ctx context.Context, name string) (*secretDoc, uint64, error) {
	entry, err := c.opts.Store.Get(ctx, secretKey(name))
	if errors.Is(err, host.NotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	doc, err := decodeSecret(name, entry)
	return doc, entry.Rev, err
}

// PutSecret creates a secret, or gives it another value. The same value changes nothing.
func (c *Catalog) PutSecret(ctx context.Context, name string, value []byte, change Change) (Secret, error) {
	if !secretName.MatchString(name) || strings.Trim(name, ".") == "" { // a path of dots alone reaches no secret
		return Secret{}, refuse(host.Invalid, "", "the secret's name %q must be letters, digits, _, . and -, at most 128, and not dots alone", abridged(name))
	}
	op := fmt.Sprintf("put the secret %q", name)
	switch {
	case len(value) == 0:
		return Secret{}, refuse(host.Invalid, op, "the value is empty")
	case len(value) > maxSecret:
		return Secret{}, refuse(host.TooLarge, op, "the value has %d bytes, and %d are the most", len(value), maxSecret)
	case c.opts.Sealer == nil:
		return Secret{}, refuse(host.Unavailable, op, "this host has no key to seal secrets with")
	}
	for attempt := 1; ; attempt++ {
		secret, err := c.tryPutSecret(ctx, op, name, value, change)
		if !errors.Is(err, errSecond) {
			return secret, err
		}
		if attempt == secretWriters {
			return Secret{}, refuse(host.Conflict, op, "others changed it %d times meanwhile: try again", attempt)
		}
	}
}

func (c *Catalog) tryPutSecret(ctx context.Context, op, name string, value []byte, change Change) (Secret, error) {
	old, rev, err := c.readSecret(ctx, name)
	if err != nil && rev == 0 { // a damaged one is written over
		return Secret{}, err
	}
	if err := expectSecret(op, old, rev, change); err != nil {
		return Secret{}, err
	}
	doc := &secretDoc{Same: c.opts.Sealer.Same(value), Updated: time.Now().UTC(), By: change.By}
	if old != nil && err == nil && old.Same == doc.Same {
		return old.public(name, rev), nil
	}
	if change.DryRun {
		return doc.public(name, rev), nil
	}
	if doc.Sealed, err = c.opts.Sealer.Seal(value); err != nil {
		return Secret{}, err
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return Secret{}, refuse(host.Internal, op, "%w", err)
	}
	written, err := c.opts.Store.Put(ctx, secretKey(name), text, rev)
	if errors.Is(err, host.Conflict) {
		return Secret{}, errSecond
	}
	return doc.public(name, written), err
}

// expectSecret refuses a change that was made for another revision.
func expectSecret(op string, doc *secretDoc, rev uint64, change Change) error {
	if change.Revision == 0 || change.Revision == rev {
		return nil
	}
	if doc == nil {
		return refuse(host.Conflict, op, "it has not revision %d: it is not there. Leave out the revision to make it", change.Revision)
	}
	by := doc.By
	if by == "" {
		by = "somebody"
	}
	return refuse(host.Conflict, op, "it has revision %d and not %d: %s changed it at %s. Leave out the revision to change it all the same",
		rev, change.Revision, by, doc.Updated.Format(time.RFC3339))
}

// DeleteSecret deletes a secret that nothing uses. An upload that begins to use it at the same moment is not seen, and tells then what it
// misses.
func (c *Catalog) DeleteSecret(ctx context.Context, name string, change Change) error {
	op := fmt.Sprintf("delete the secret %q", abridged(name))
	if strings.HasPrefix(name, "project/") {
		return refuse(host.Conflict, op, "it is the value of a file of a project, and goes when the project has no use for it")
	}
	if !secretName.MatchString(name) {
		return refuse(host.NotFound, op, "there is none with such a name")
	}
	s, err := c.state(ctx)
	if err != nil {
		return err
	}
	from, err := s.users(ctx, func(u use) bool { return u.Kind == "secret" && u.Name == name })
	if err != nil {
		return err
	}
	if len(from) > 0 {
		return inUse(op, from)
	}
	doc, rev, err := c.readSecret(ctx, name)
	if err != nil && rev == 0 {
		return err
	}
	if rev == 0 {
		return c.missingSecret(ctx, name)
	}
	if err := expectSecret(op, doc, rev, change); err != nil || change.DryRun {
		return err
	}
	err = c.opts.Store.Delete(ctx, secretKey(name), rev)
	if errors.Is(err, host.Conflict) {
		return refuse(host.Conflict, op, "somebody changed it at this moment: look at it, and try again")
	}
	return err
}

// missingSecret is the error of a secret that is not there.
func (c *Catalog) missingSecret(ctx context.Context, name string) error {
	var known []string
	for entry, err := range c.opts.Store.List(ctx, secretsKey) {
		if err != nil {
			return err
		}
		known = append(known, strings.TrimPrefix(string(entry.Key), string(secretsKey)+"/"))
	}
	return missing("secret", name, known)
}

// reveal gives secrets their values of now.
func (s *state) reveal(ctx context.Context, project string, secrets []host.Secret) error {
	for i := range secrets {
		if err := s.revealOne(ctx, project, &secrets[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) revealOne(ctx context.Context, project string, secret *host.Secret) error {
	value, err := s.secretValue(ctx, project, SecretRef{Env: secret.Env, File: secret.File, Store: secret.Store})
	if err != nil {
		return &host.Error{Op: fmt.Sprintf("secret %s", secret.Name), Kind: host.KindOf(err), Err: err}
	}
	secret.Value = value
	return nil
}

// secretValue returns the value of a secret. One that is not there has Kind Invalid: what names it is wrong, or comes too early.
func (s *state) secretValue(ctx context.Context, project string, ref SecretRef) (host.SecretValue, error) {
	c := s.catalog
	switch {
	case ref.Env != "":
		value, ok := c.opts.Env(ref.Env)
		if !ok {
			return "", refuse(host.Invalid, "", "the environment variable %s is not set where this host runs", ref.Env)
		}
		return host.SecretValue(value), nil
	case ref.File != "":
		return s.fileSecret(ctx, project, ref.File)
	}
	doc, rev, err := c.readSecret(ctx, ref.Store)
	switch {
	case err != nil:
		return "", err
	case rev == 0:
		return "", refuse(host.Invalid, "", "%w: put it into the store first (postern secret set %s)", c.missingSecret(ctx, ref.Store), ref.Store)
	case c.opts.Sealer == nil:
		return "", refuse(host.Unavailable, "", "this host has no key to open the secret %q with", ref.Store)
	}
	value, err := c.opts.Sealer.Open(doc.Sealed)
	if err != nil {
		return "", refuse(host.KindOf(err), "", "the secret %q cannot be opened: %w", ref.Store, err)
	}
	return host.SecretValue(value), nil
}
