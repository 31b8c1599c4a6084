package access

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/sigv4"
)

// keyPattern is of 10 random bytes in base32, behind a prefix as Amazon's AKIA.
var keyPattern = regexp.MustCompile(`^PSTK[A-Z2-7]{16}$`)

// A Key is an access key, without its secret.
type Key struct {
	ID       string
	Name     string
	Role     Role
	Created  time.Time
	Expires  time.Time // zero for never
	By       string
	LastUsed time.Time // as far as this process knows: it is kept in memory alone. Zero when it was not
}

// CreateKey makes an access key. Its secret is returned this once.
func (a *Access) CreateKey(ctx context.Context, g Grant) (Key, string, error) {
	named := g
	if named.Name == "" {
		named.Name = "unnamed"
	}
	if err := a.check(named); err != nil {
		return Key{}, "", err
	}
	random := make([]byte, 10+30)
	_, _ = rand.Read(random) // never fails
	id := "PSTK" + base32.StdEncoding.EncodeToString(random[:10])
	secret := base64.RawURLEncoding.EncodeToString(random[10:])
	sealed, err := a.sealer.Seal([]byte(secret))
	if err != nil {
		return Key{}, "", err
	}
	d := document{Name: g.Name, Role: g.Role, Secret: sealed, Created: a.now().UTC(), Expires: g.Expires.UTC(), By: g.By}
	if err := a.put(ctx, host.Key("keys/"+id), d); err != nil {
		return Key{}, "", err
	}
	return key(id, d, time.Time{}), secret, nil
}

func key(id string, d document, used time.Time) Key {
	return Key{ID: id, Name: d.Name, Role: d.Role, Created: d.Created, Expires: d.Expires, By: d.By, LastUsed: used}
}

// Keys returns all access keys, sorted by id, also those that have expired.
func (a *Access) Keys(ctx context.Context) ([]Key, error) {
	var all []Key
	err := a.list(ctx, "keys", func(id string, d document, used time.Time) { all = append(all, key(id, d, used)) })
	return all, err
}

// RevokeKey ends an access key. One that is not there has Kind NotFound.
func (a *Access) RevokeKey(ctx context.Context, id string) error {
	return a.revoke(ctx, "access key", id, host.Key("keys/"+id))
}

// verifyKey says whose a signature is. One text stands for keys that are not known, revoked or expired; a signature that does not match
// is told apart, as Amazon does, for ids are no secret.
func (a *Access) verifyKey(ctx context.Context, r *http.Request, s *sigv4.Signature, opts sigv4.Options) (Principal, error) {
	c, err := a.get(ctx, host.Key("keys/"+s.KeyID))
	if errors.Is(err, host.NotFound) {
		return Principal{}, unknownKey("not known, or revoked")
	}
	if err != nil {
		return Principal{}, err
	}
	if c.expired(a.now()) {
		return Principal{}, unknownKey("expired " + c.Expires.Format(time.RFC3339))
	}
	if strings.TrimSpace(c.secret) == "" {
		return Principal{}, &host.Error{Op: "access: keys/" + s.KeyID, Kind: host.Internal, Err: errors.New("the document has no secret")}
	}
	if err := s.Verify(r, c.secret, opts); err != nil {
		return Principal{}, err
	}
	return Principal{Kind: "key", ID: s.KeyID, Name: c.Name, Role: c.Role, Expires: c.Expires}, nil
}
