package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

var (
	// tokenPattern is of 32 random bytes. The prefix is for people, and for tools that look for secrets where none should be.
	tokenPattern = regexp.MustCompile(`^pst_[A-Za-z0-9_-]{43}$`)
	idPattern    = regexp.MustCompile(`^[A-Za-z0-9]{1,40}$`)
)

// firstBy is who has made a first token. It is the name of no principal.
const firstBy = "the host, at its start"

// A Token is one for Authorization: Bearer, without its text.
type Token struct {
	ID       string
	Name     string
	Role     Role
	Created  time.Time
	Expires  time.Time // zero for never
	By       string
	LastUsed time.Time // as far as this process knows: it is kept in memory alone. Zero when it was not
}

// tokenKey returns the key of a token's document, which is made of its hash: so one read finds it, and no list of tokens is in memory.
func tokenKey(text string) (host.Key, bool) {
	if !tokenPattern.MatchString(text) {
		return "", false
	}
	sum := sha256.Sum256([]byte(text))
	return host.Key("tokens/" + tokenID(sum)), true
}

func tokenID(sum [32]byte) string {
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

// CreateToken makes a token. Its text is returned this once. A name that another token has is a Conflict.
func (a *Access) CreateToken(ctx context.Context, g Grant) (Token, string, error) {
	if err := a.check(g); err != nil {
		return Token{}, "", err
	}
	all, err := a.Tokens(ctx)
	if err != nil {
		return Token{}, "", err
	}
	for _, other := range all {
		if other.Name == g.Name {
			return Token{}, "", &host.Error{Op: "access", Kind: host.Conflict,
				Err: fmt.Errorf("there is a token with the name %q, %s: revoke it first, or choose another name", g.Name, other.ID)}
		}
	}
	return a.createToken(ctx, g)
}

func (a *Access) createToken(ctx context.Context, g Grant) (Token, string, error) {
	text := newText()
	made, err := a.tokenOf(ctx, text, g)
	return made, text, err
}

// newText returns the text of a new token.
func newText() string {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	return "pst_" + base64.RawURLEncoding.EncodeToString(random)
}

// tokenOf makes the token that has a text.
func (a *Access) tokenOf(ctx context.Context, text string, g Grant) (Token, error) {
	sum := sha256.Sum256([]byte(text))
	d := document{Name: g.Name, Role: g.Role, Hash: hex.EncodeToString(sum[:]), Created: a.now().UTC(), Expires: g.Expires.UTC(), By: g.By}
	id := tokenID(sum)
	if err := a.put(ctx, host.Key("tokens/"+id), d); err != nil {
		return Token{}, err
	}
	return token(id, d, time.Time{}), nil
}

func token(id string, d document, used time.Time) Token {
	return Token{ID: id, Name: d.Name, Role: d.Role, Created: d.Created, Expires: d.Expires, By: d.By, LastUsed: used}
}

// Tokens returns all tokens, sorted by id, also those that have expired.
func (a *Access) Tokens(ctx context.Context) ([]Token, error) {
	var all []Token
	err := a.list(ctx, "tokens", func(id string, d document, used time.Time) { all = append(all, token(id, d, used)) })
	return all, err
}

// RevokeToken ends a token. One that is not there has Kind NotFound.
func (a *Access) RevokeToken(ctx context.Context, id string) error {
	return a.revoke(ctx, "token", id, host.Key("tokens/"+id))
}

// VerifyToken says whose a token is. One that is malformed, not known, revoked or expired is Unauthenticated, with one text for
// all. It does not count failures, as Authenticate does.
func (a *Access) VerifyToken(ctx context.Context, text string) (Principal, error) {
	key, ok := tokenKey(text)
	if !ok {
		return Principal{}, denied("malformed")
	}
	c, err := a.get(ctx, key)
	if errors.Is(err, host.NotFound) {
		return Principal{}, denied("not known, or revoked")
	}
	if err != nil {
		return Principal{}, err
	}
	sum := sha256.Sum256([]byte(text))
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(c.Hash)) != 1 {
		return Principal{}, denied("not known")
	}
	if c.Revoked {
		return Principal{}, denied("revoked")
	}
	if c.expired(a.now()) {
		return Principal{}, denied("expired " + c.Expires.Format(time.RFC3339))
	}
	return Principal{Kind: "token", ID: strings.TrimPrefix(string(key), "tokens/"), Name: c.Name, Role: c.Role, Expires: c.Expires}, nil
}

// First makes a token for an admin when there is none that is valid, and returns its text; "" when there is one. So who can restart a
// host and read its data folder can always come in. keep is given a fresh text, which it keeps and returns, or another that it has
// kept before: it is durable before it is valid, so that a kill between leaves nobody outside. What it kept before and what was valid
// once is a Conflict: it was revoked, and must be removed first. Two hosts that start at once may make one each.
func (a *Access) First(ctx context.Context, keep func(fresh string) (string, error)) (string, error) {
	all, err := a.Tokens(ctx)
	if err != nil {
		return "", err
	}
	taken := map[string]bool{}
	for _, t := range all {
		if t.Role == Admin && (t.Expires.IsZero() || a.now().Before(t.Expires)) {
			return "", nil
		}
		taken[t.Name] = true
	}
	name := "admin"
	for i := 2; taken[name]; i++ {
		name = fmt.Sprintf("admin-%d", i)
	}
	text, err := keep(newText())
	if err != nil {
		return "", err
	}
	if _, ok := tokenKey(text); !ok {
		return "", &host.Error{Op: "first token", Kind: host.Invalid, Err: errors.New("what was kept is no token; remove it, and a new one is made")}
	}
	_, err = a.tokenOf(ctx, text, Grant{Name: name, Role: Admin, By: firstBy})
	if errors.Is(err, host.Conflict) {
		return "", &host.Error{Op: "first token", Kind: host.Conflict, Err: errors.New("the token that was kept was revoked, and no other admin's is valid: remove it, and a new one is made")}
	}
	if err != nil {
		return "", err
	}
	return text, nil
}
