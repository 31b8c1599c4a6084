package admin

import (
	"net/http"
	"slices"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
)

// grant reads the body of a request for a token or an access key.
func (c *call) grant() (access.Grant, error) {
	if c.Access == nil {
		return access.Grant{}, refused(host.Unavailable, "this host asks for no tokens and keeps none")
	}
	var in CredentialInput
	if err := c.decode(&in); err != nil {
		return access.Grant{}, err
	}
	role, err := access.ParseRole(in.Role)
	if err != nil {
		return access.Grant{}, err
	}
	g := access.Grant{Name: in.Name, Role: role, By: c.who.By}
	if in.Expires != nil {
		g.Expires = *in.Expires
		if !g.Expires.After(time.Now()) {
			return g, refused(host.Invalid, "expires is in the past: %s", g.Expires.Format(time.RFC3339))
		}
	}
	if !names["id"].MatchString(in.Name) {
		return g, refused(host.Invalid, "the name %.80q must have 1 to 128 of A-Z a-z 0-9 _ . -", in.Name)
	}
	return g, nil
}

func (c *call) listTokens() (*reply, error) {
	tokens, err := c.tokens()
	if err != nil {
		return nil, err
	}
	return pageByName(c, tokens, func(t Token) string { return t.ID })
}

func (c *call) tokens() ([]Token, error) {
	if c.Access == nil {
		return nil, nil
	}
	all, err := c.Access.Tokens(c.r.Context())
	tokens := make([]Token, len(all))
	for i, t := range all {
		tokens[i] = tokenOf(t)
	}
	return tokens, err
}

func tokenOf(t access.Token) Token {
	return Token{ID: t.ID, Name: t.Name, Role: t.Role.String(), Created: t.Created, Expires: optionalTime(t.Expires), By: t.By, LastUsed: optionalTime(t.LastUsed)}
}

func (c *call) createToken() (*reply, error) {
	g, err := c.grant()
	if err != nil {
		return nil, err
	}
	if c.change.DryRun {
		tokens, err := c.tokens()
		if slices.ContainsFunc(tokens, func(t Token) bool { return t.Name == g.Name }) {
			return nil, refused(host.Conflict, "there is a token with the name %q", g.Name)
		}
		return &reply{body: NewToken{Token: Token{Name: g.Name, Role: g.Role.String(), Expires: optionalTime(g.Expires), By: g.By}}}, err
	}
	t, text, err := c.Access.CreateToken(c.r.Context(), g)
	return &reply{status: http.StatusCreated, body: NewToken{tokenOf(t), text}, location: "/v1/tokens/" + t.ID, subject: t.ID}, err
}

func (c *call) deleteToken() (*reply, error) {
	id := c.r.PathValue("id")
	if c.Access == nil || c.change.DryRun {
		tokens, err := c.tokens()
		if err == nil && !slices.ContainsFunc(tokens, func(t Token) bool { return t.ID == id }) {
			err = missing("token", id, nil)
		}
		return &reply{}, err
	}
	return &reply{}, c.Access.RevokeToken(c.r.Context(), id)
}

func (c *call) listKeys() (*reply, error) {
	keys, err := c.keys()
	if err != nil {
		return nil, err
	}
	return pageByName(c, keys, func(k Key) string { return k.ID })
}

func (c *call) keys() ([]Key, error) {
	if c.Access == nil {
		return nil, nil
	}
	all, err := c.Access.Keys(c.r.Context())
	keys := make([]Key, len(all))
	for i, k := range all {
		keys[i] = keyOf(k)
	}
	return keys, err
}

func keyOf(k access.Key) Key {
	return Key{ID: k.ID, Name: k.Name, Role: k.Role.String(), Created: k.Created, Expires: optionalTime(k.Expires), By: k.By, LastUsed: optionalTime(k.LastUsed)}
}

func (c *call) createKey() (*reply, error) {
	g, err := c.grant()
	if err != nil {
		return nil, err
	}
	if c.change.DryRun {
		return &reply{body: NewKey{Key: Key{Name: g.Name, Role: g.Role.String(), Expires: optionalTime(g.Expires), By: g.By}}}, nil
	}
	k, secret, err := c.Access.CreateKey(c.r.Context(), g)
	return &reply{status: http.StatusCreated, body: NewKey{keyOf(k), secret}, location: "/v1/keys/" + k.ID, subject: k.ID}, err
}

func (c *call) deleteKey() (*reply, error) {
	id := c.r.PathValue("id")
	if c.Access == nil || c.change.DryRun {
		keys, err := c.keys()
		if err == nil && !slices.ContainsFunc(keys, func(k Key) bool { return k.ID == id }) {
			err = missing("access key", id, nil)
		}
		return &reply{}, err
	}
	return &reply{}, c.Access.RevokeKey(c.r.Context(), id)
}
