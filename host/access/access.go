// Package access says who calls the admin API, and what they may do: tokens for people and tools, access keys for clients that sign
// as AWS's SDKs do, roles, and a limit on failed logins.
//
// Each token and each access key is a document of its own in the store, so that a leak of the store gives nobody access: of a token
// only its SHA-256 is kept, which suffices because a token is 256 random bits, and the secret of an access key, which its signatures
// need, is sealed. What was read is remembered for half a second, so a credential that was revoked, on this host or on another, is
// refused within a second. When the store does not answer nobody is let in.
package access

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/sigv4"
)

// A Sealer keeps the secrets of access keys from whoever can read the store. host/sealed has one.
type Sealer interface {
	Seal(value []byte) (sealed []byte, err error)
	Open(sealed []byte) (value []byte, err error)
}

// Options are what an Access works with. Store and Sealer must be set.
type Options struct {
	Store  host.Store
	Sealer Sealer
	Logger *slog.Logger     // is told why a login was refused, which the client is not; nil discards
	Now    func() time.Time // nil is time.Now
}

// Access is safe for concurrent use, as are several over one store.
type Access struct {
	store   host.Store
	sealer  Sealer
	log     *slog.Logger
	now     func() time.Time
	replays sigv4.Replays
	limit   limiter

	mu    sync.Mutex
	cache map[host.Key]cached
	used  map[host.Key]time.Time // when a credential was last accepted by this process
}

// New returns an Access. Nothing is read yet.
func New(opts Options) *Access {
	a := &Access{store: opts.Store, sealer: opts.Sealer, log: opts.Logger, now: opts.Now,
		cache: map[host.Key]cached{}, used: map[host.Key]time.Time{}}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.now == nil {
		a.now = time.Now
	}
	return a
}

// A Principal is who calls.
type Principal struct {
	Kind    string // "token" or "key"
	ID      string
	Name    string
	Role    Role
	Expires time.Time // zero for never
}

// By returns what histories say of the principal: "token ci", "key PSTKABCDEFGHIJKLMNOP".
func (p Principal) By() string {
	if p.Kind == "key" {
		return "key " + p.ID
	}
	return p.Kind + " " + p.Name
}

// A Throttle is how long an address must wait after too many failed logins. It is in the chain of errors of Kind Throttled.
type Throttle struct{ Wait time.Duration }

// Error says how long.
func (t *Throttle) Error() string {
	return "too many failed logins from this address: wait " + t.Wait.Round(time.Second).String()
}

// Authenticate says who sent a request from an address, by its Authorization header: "Bearer TOKEN", or a signature of version 4, for one of
// the services "lambda", "execute-api" and "postern". unsigned allows signatures without the body, as over TLS and on loopback. The body
// of a signed request is read and put back.
//
// Whoever is not known is Unauthenticated. Of a token the text is always the same; a signature's error has a sigv4.Refusal. After too
// many failures from its address a request is refused with Kind Throttled and a Throttle; a credential that this process has accepted
// before is looked at even then, so that nobody can lock out those who work behind the same address.
func (a *Access) Authenticate(r *http.Request, from netip.Addr, unsigned bool) (Principal, error) {
	login, err := a.login(r, unsigned)
	if err != nil && login.anonymous {
		return Principal{}, err
	}
	wait := a.limit.wait(from, a.now())
	if wait > 0 && !a.known(login.key) {
		return Principal{}, &host.Error{Op: "login", Kind: host.Throttled, Err: &Throttle{wait}}
	}
	var p Principal
	if err == nil {
		p, err = login.check(r.Context())
	}
	if err != nil {
		if errors.Is(err, host.Unauthenticated) {
			a.limit.fail(from, a.now())
			if wait == 0 { // so the log is limited too
				a.log.Warn("login refused", "from", from, "credential", string(login.key), "reason", reasonOf(err))
			}
		}
		return Principal{}, err
	}
	a.accepted(login.key)
	return p, nil
}

// A login is what a request says of who sent it, before anything of it is checked.
type login struct {
	anonymous bool     // it says nothing: no attempt
	key       host.Key // of the document that it must match; "" when it is malformed
	check     func(context.Context) (Principal, error)
}

func (a *Access) login(r *http.Request, unsigned bool) (login, error) {
	if sigv4.Signed(r) {
		return a.signedLogin(r, unsigned)
	}
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return login{anonymous: true}, &host.Error{Op: "login", Kind: host.Unauthenticated, Err: errors.New("a token is needed: Authorization: Bearer TOKEN")}
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return login{}, denied("not one Bearer token")
	}
	text = strings.TrimSpace(text)
	key, ok := tokenKey(text)
	if !ok {
		return login{}, denied("malformed")
	}
	return login{key: key, check: func(ctx context.Context) (Principal, error) { return a.VerifyToken(ctx, text) }}, nil
}

func (a *Access) signedLogin(r *http.Request, unsigned bool) (login, error) {
	s, err := sigv4.Parse(r)
	if err != nil {
		return login{}, err
	}
	if !keyPattern.MatchString(s.KeyID) {
		return login{}, unknownKey("malformed")
	}
	opts := sigv4.Options{Services: []string{"lambda", "execute-api", "postern"}, Now: a.now, Unsigned: unsigned, Replays: &a.replays}
	return login{key: host.Key("keys/" + s.KeyID), check: func(ctx context.Context) (Principal, error) { return a.verifyKey(ctx, r, s, opts) }}, nil
}

// known reports whether a credential was accepted before.
func (a *Access) known(key host.Key) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.used[key]
	return ok
}

func (a *Access) accepted(key host.Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used[key] = a.now()
}

// A refusal is a credential that is not accepted. Its text is for the client, and the same for every reason.
type refusal struct {
	reason string // for the log
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func denied(reason string) error {
	return &host.Error{Op: "login", Kind: host.Unauthenticated, Err: &refusal{reason, errors.New("the token is not valid")}}
}

// unknownKey is denied for access keys, in Amazon's words.
func unknownKey(reason string) error {
	return &host.Error{Op: "login", Kind: host.Unauthenticated,
		Err: &refusal{reason, &sigv4.Refusal{Code: sigv4.UnrecognizedClient, Reason: "the access key is not valid"}}}
}

func reasonOf(err error) string {
	var r *refusal
	if errors.As(err, &r) {
		return r.reason
	}
	return err.Error()
}
