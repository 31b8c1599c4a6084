package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

const (
	// cacheTime is how long a document is taken as it was read.
	cacheTime = 500 * time.Millisecond

	// maxCache bounds the documents that are remembered. They are small, and only those that are there are.
	maxCache = 4096
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

// A document is a token or an access key in the store.
type document struct {
	Name    string    `json:"name,omitempty"`
	Role    Role      `json:"role"`
	Hash    string    `json:"hash,omitempty"`   // of a token: SHA-256, in hexadecimal
	Secret  []byte    `json:"secret,omitempty"` // of an access key: sealed
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	By      string    `json:"by,omitempty"`
	Revoked bool      `json:"revoked,omitempty"` // of a first token, which is not deleted
}

// A Grant is what a new token or access key is to be.
type Grant struct {
	Name    string // [A-Za-z0-9_.-]{1,128}, of a token unique; of an access key it may be empty
	Role    Role
	Expires time.Time // zero for never
	By      string    // who makes it
}

func (a *Access) check(g Grant) error {
	var err error
	switch {
	case !namePattern.MatchString(g.Name) || strings.Trim(g.Name, ".") == "":
		err = fmt.Errorf("the name %.40q must have 1 to 128 of A-Z a-z 0-9 _ . - and not dots alone", g.Name)
	case g.Role < Viewer || g.Role > Admin:
		err = errors.New("a role is needed: viewer, deployer or admin")
	case !g.Expires.IsZero() && !g.Expires.After(a.now()):
		err = fmt.Errorf("it would have expired already: %s", g.Expires.Format(time.RFC3339))
	default:
		return nil
	}
	return &host.Error{Op: "access", Kind: host.Invalid, Err: err}
}

func (a *Access) put(ctx context.Context, key host.Key, d document) error {
	value, err := json.Marshal(d)
	if err != nil {
		return &host.Error{Op: "access", Kind: host.Internal, Err: err}
	}
	_, err = a.store.Put(ctx, key, value, 0)
	return err
}

// A cached document, with the secret of an access key opened.
type cached struct {
	document
	secret string
	until  time.Time
}

// get returns a document, which may be as old as cacheTime.
func (a *Access) get(ctx context.Context, key host.Key) (cached, error) {
	a.mu.Lock()
	c, ok := a.cache[key]
	a.mu.Unlock()
	now := a.now()
	if ok && now.Before(c.until) && !now.Before(c.until.Add(-cacheTime)) {
		return c, nil
	}
	entry, err := a.store.Get(ctx, key)
	if err != nil {
		if errors.Is(err, host.NotFound) {
			a.forget(key)
		}
		return cached{}, err
	}
	c = cached{until: now.Add(cacheTime)}
	if c.document, err = parse(entry); err != nil {
		return cached{}, err
	}
	if len(c.Secret) > 0 {
		secret, err := a.sealer.Open(c.Secret)
		if err != nil {
			return cached{}, &host.Error{Op: "access: " + string(key), Kind: host.Internal, Err: err}
		}
		c.secret = string(secret)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.cache) >= maxCache {
		clear(a.cache)
	}
	a.cache[key] = c
	return c, nil
}

func (a *Access) forget(key host.Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.cache, key)
	delete(a.used, key)
}

func parse(entry host.Entry) (document, error) {
	var d document
	if err := json.Unmarshal(entry.Value, &d); err != nil {
		return d, &host.Error{Op: "access: " + string(entry.Key), Kind: host.Internal, Err: fmt.Errorf("the document is damaged: %w", err)}
	}
	return d, nil
}

// expired reports whether a document's time is over.
func (d document) expired(now time.Time) bool { return !d.Expires.IsZero() && !now.Before(d.Expires) }

// list yields the documents below a folder, sorted by id, with when this process has accepted them last.
func (a *Access) list(ctx context.Context, folder string, each func(id string, d document, used time.Time)) error {
	for entry, err := range a.store.List(ctx, host.Key(folder)) {
		if err != nil {
			return err
		}
		id, ok := strings.CutPrefix(string(entry.Key), folder+"/")
		if !ok {
			continue
		}
		d, err := parse(entry)
		if err != nil {
			return err
		}
		if d.Revoked {
			continue
		}
		a.mu.Lock()
		used := a.used[entry.Key]
		a.mu.Unlock()
		each(id, d, used)
	}
	return nil
}

// revoke deletes a document, which is then refused everywhere within cacheTime. That of a first token stays, and says that it was revoked:
// its text lies in the host's folder, and must not be made valid again.
func (a *Access) revoke(ctx context.Context, what, id string, key host.Key) error {
	missing := &host.Error{Op: "access", Kind: host.NotFound, Err: fmt.Errorf("there is no %s with the id %.40q", what, id)}
	if !idPattern.MatchString(id) {
		return missing
	}
	entry, err := a.store.Get(ctx, key)
	if err == nil {
		err = a.end(ctx, entry)
	}
	if errors.Is(err, host.NotFound) || errors.Is(err, host.Conflict) { // only another revocation changes one
		return missing
	}
	if err == nil {
		a.forget(key)
	}
	return err
}

func (a *Access) end(ctx context.Context, entry host.Entry) error {
	d, err := parse(entry)
	if err != nil || d.By != firstBy { // one that is damaged can be revoked, too
		return a.store.Delete(ctx, entry.Key, entry.Rev)
	}
	if d.Revoked {
		return host.NotFound
	}
	d.Revoked = true
	value, err := json.Marshal(d)
	if err != nil {
		return &host.Error{Op: "access", Kind: host.Internal, Err: err}
	}
	_, err = a.store.Put(ctx, entry.Key, value, entry.Rev)
	return err
}
