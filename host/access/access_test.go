package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/jetstream"
	"github.com/postern/postern/host/sealed"
)

var home = netip.MustParseAddr("192.0.2.1")

// A clock is one that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func open(t *testing.T) Options {
	t.Helper()
	state, err := jetstream.Open(t.Context(), jetstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := state.Close(); err != nil {
			t.Error(err)
		}
	})
	key, err := sealed.Memory()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Store: state.Store(), Sealer: key}
}

func bearer(text string) *http.Request {
	return &http.Request{Method: "GET", Header: http.Header{"Authorization": {"Bearer " + text}}, URL: must("/v1/apis"), Host: "h"}
}

func TestToken(t *testing.T) {
	opts := open(t)
	a, other := New(opts), New(opts)
	made, text, err := a.CreateToken(t.Context(), Grant{Name: "ci", Role: Deployer, By: "token admin"})
	if err != nil {
		t.Fatal(err)
	}
	if !tokenPattern.MatchString(text) {
		t.Errorf("the text is %q", text)
	}
	want := Principal{Kind: "token", ID: made.ID, Name: "ci", Role: Deployer}
	for name, a := range map[string]*Access{"here": a, "on another host": other} {
		got, err := a.Authenticate(bearer(text), home, false)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	if want.By() != "token ci" {
		t.Errorf("By is %q", want.By())
	}
	if _, _, err := other.CreateToken(t.Context(), Grant{Name: "ci", Role: Viewer}); !errors.Is(err, host.Conflict) {
		t.Errorf("a second token of that name: %v; want Kind Conflict", err)
	}
	all, err := a.Tokens(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != made.ID || all[0].LastUsed.IsZero() || all[0].By != "token admin" {
		t.Errorf("Tokens = %+v, %v", all, err)
	}
	for entry, err := range opts.Store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(entry.Value, []byte(text)) || bytes.Contains(entry.Value, []byte(text[4:])) || strings.Contains(string(entry.Key), text[4:20]) {
			t.Errorf("the store has the token's text in %s", entry.Key)
		}
	}

	if err := a.RevokeToken(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := a.VerifyToken(t.Context(), text); !errors.Is(err, host.Unauthenticated) {
		t.Errorf("revoked here: %v; want Kind Unauthenticated", err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, err := other.VerifyToken(t.Context(), text)
		if errors.Is(err, host.Unauthenticated) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still accepted on another host: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := a.RevokeToken(t.Context(), made.ID); !errors.Is(err, host.NotFound) {
		t.Errorf("revoked again: %v; want Kind NotFound", err)
	}
	for _, id := range []string{"", "../state", "a/b", "nothing", strings.Repeat("x", 10_000)} {
		if err := a.RevokeToken(t.Context(), id); !errors.Is(err, host.NotFound) {
			t.Errorf("revoke %.20q: %v; want Kind NotFound", id, err)
		}
	}
}

// TestCacheTime: with a clock that stands, a token that another host revoked is still taken for cacheTime, and no longer.
func TestCacheTime(t *testing.T) {
	opts := open(t)
	clock := newClock()
	opts.Now = clock.now
	a, other := New(opts), New(opts)
	made, text, err := a.CreateToken(t.Context(), Grant{Name: "x", Role: Viewer})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.VerifyToken(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	if err := a.RevokeToken(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := other.VerifyToken(t.Context(), text); err != nil {
		t.Errorf("it was not remembered: %v", err)
	}
	clock.pass(cacheTime)
	if _, err := other.VerifyToken(t.Context(), text); !errors.Is(err, host.Unauthenticated) {
		t.Errorf("after %v: %v; want Kind Unauthenticated", cacheTime, err)
	}
}

func TestRefusalsAreAlike(t *testing.T) {
	opts := open(t)
	clock := newClock()
	var log bytes.Buffer
	opts.Now, opts.Logger = clock.now, slog.New(slog.NewTextHandler(&log, nil))
	a := New(opts)
	_, expiring, err := a.CreateToken(t.Context(), Grant{Name: "e", Role: Admin, Expires: clock.now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	made, revoked, err := a.CreateToken(t.Context(), Grant{Name: "r", Role: Admin})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.RevokeToken(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if p, err := a.Authenticate(bearer(expiring), home, false); err != nil || p.Expires.IsZero() {
		t.Errorf("before it expires: %+v, %v", p, err)
	}
	clock.pass(time.Hour)
	cases := map[string]struct{ text, reason string }{
		"expired":   {expiring, "expired"},
		"revoked":   {revoked, "revoked"},
		"wrong":     {"pst_" + strings.Repeat("A", 43), "not known"},
		"one off":   {expiring[:46] + "-", ""},
		"empty":     {"", "malformed"},
		"malformed": {"pst_/../state", "malformed"},
		"huge":      {"pst_" + strings.Repeat("A", 1<<20), "malformed"},
		"control":   {"pst_\x00", "malformed"},
	}
	texts := map[string]bool{}
	for name, c := range cases {
		log.Reset()
		p, err := a.Authenticate(bearer(c.text), netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", len(texts)+2)), false)
		if !errors.Is(err, host.Unauthenticated) || p != (Principal{}) {
			t.Errorf("%s: %+v, %v; want Kind Unauthenticated", name, p, err)
			continue
		}
		texts[err.Error()] = true
		if !strings.Contains(log.String(), c.reason) || len(c.text) > 4 && strings.Contains(log.String(), c.text) {
			t.Errorf("%s: the log says %.300s; want the reason %q and not the token", name, log.String(), c.reason)
		}
	}
	if len(texts) != 1 {
		t.Errorf("the client can tell reasons: %v", texts)
	}
	for name, values := range map[string][]string{"basic": {"Basic eDp5"}, "two": {"Bearer " + expiring, "Bearer " + expiring}} {
		r := bearer("")
		r.Header["Authorization"] = values
		if _, err := a.Authenticate(r, netip.MustParseAddr("192.0.2.99"), false); !errors.Is(err, host.Unauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGrant(t *testing.T) {
	a := New(open(t))
	ok := Grant{Name: "a.B_c-1", Role: Viewer}
	for name, change := range map[string]func(*Grant){
		"no name": func(g *Grant) { g.Name = "" }, "slash": func(g *Grant) { g.Name = "a/b" }, "long": func(g *Grant) { g.Name = strings.Repeat("x", 129) },
		"dots": func(g *Grant) { g.Name = ".." }, "space": func(g *Grant) { g.Name = "a b" }, "line": func(g *Grant) { g.Name = "a\n" }, "no role": func(g *Grant) { g.Role = 0 },
		"role 9": func(g *Grant) { g.Role = 9 }, "past": func(g *Grant) { g.Expires = time.Now().Add(-time.Second) },
	} {
		g := ok
		change(&g)
		if _, _, err := a.CreateToken(t.Context(), g); !errors.Is(err, host.Invalid) {
			t.Errorf("token, %s: %v; want Kind Invalid", name, err)
		}
		if _, _, err := a.CreateKey(t.Context(), g); !errors.Is(err, host.Invalid) && g.Name != "" {
			t.Errorf("key, %s: %v; want Kind Invalid", name, err)
		}
	}
	if _, _, err := a.CreateToken(t.Context(), ok); err != nil {
		t.Error(err)
	}
}

func TestFirst(t *testing.T) {
	opts := open(t)
	clock := newClock()
	opts.Now = clock.now
	a := New(opts)
	text, err := a.First(t.Context(), func(fresh string) (string, error) { return fresh, nil })
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.VerifyToken(t.Context(), text)
	if err != nil || p.Role != Admin || p.Name != "admin" {
		t.Errorf("the first token is %+v, %v", p, err)
	}
	if again, err := New(opts).First(t.Context(), func(fresh string) (string, error) { return fresh, nil }); err != nil || again != "" {
		t.Errorf("after a restart: %q, %v; want none", again, err)
	}
	if _, _, err := a.CreateToken(t.Context(), Grant{Name: "short", Role: Admin, Expires: clock.now().Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.CreateToken(t.Context(), Grant{Name: "ci", Role: Deployer}); err != nil {
		t.Fatal(err)
	}
	if err := a.RevokeToken(t.Context(), p.ID); err != nil {
		t.Fatal(err)
	}
	if err := a.RevokeToken(t.Context(), p.ID); !errors.Is(err, host.NotFound) {
		t.Errorf("revoked again: %v; want Kind NotFound", err)
	}
	if _, err := New(opts).VerifyToken(t.Context(), text); !errors.Is(err, host.Unauthenticated) {
		t.Errorf("the first token after it was revoked: %v; want Kind Unauthenticated", err)
	}
	if again, err := a.First(t.Context(), func(fresh string) (string, error) { return fresh, nil }); err != nil || again != "" {
		t.Errorf("while another admin is there: %q, %v; want none", again, err)
	}
	clock.pass(time.Minute)
	if again, err := a.First(t.Context(), func(string) (string, error) { return text, nil }); !errors.Is(err, host.Conflict) || again != "" {
		t.Errorf("a text that was kept and revoked: %q, %v; want Kind Conflict", again, err)
	}
	if _, err := New(opts).VerifyToken(t.Context(), text); !errors.Is(err, host.Unauthenticated) {
		t.Errorf("a revoked token is valid again: %v", err)
	}
	if text, err = a.First(t.Context(), func(fresh string) (string, error) { return fresh, nil }); err != nil || text == "" {
		t.Errorf("when no admin's token is valid: %q, %v; want one", text, err)
	}
}

func TestAllow(t *testing.T) {
	lowest := map[Action]Role{Read: Viewer, Contents: Deployer, Change: Deployer, Invoke: Deployer, Administer: Admin, 99: 99}
	for action, role := range lowest {
		for _, r := range []Role{0, Viewer, Deployer, Admin} {
			err := Allow(Principal{Role: r}, action)
			if (err == nil) != (r >= role) || err != nil && !errors.Is(err, host.Forbidden) {
				t.Errorf("%v, action %d: %v", r, action, err)
			}
		}
	}
	for _, name := range []string{"viewer", "deployer", "admin"} {
		if r, err := ParseRole(name); err != nil || r.String() != name {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
	for _, name := range []string{"", "none", "Admin", "root"} {
		if r, err := ParseRole(name); !errors.Is(err, host.Invalid) || r != 0 {
			t.Errorf("%q: %v, %v; want Kind Invalid", name, r, err)
		}
	}
}

// TestStoreAway: a store that does not answer lets nobody in, and is not the caller's fault.
func TestStoreAway(t *testing.T) {
	state, err := jetstream.Open(t.Context(), jetstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	clock := newClock()
	a := New(Options{Store: state.Store(), Now: clock.now})
	_, text, err := a.CreateToken(t.Context(), Grant{Name: "x", Role: Admin})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.VerifyToken(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	if err := state.Close(); err != nil {
		t.Fatal(err)
	}
	clock.pass(time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for range 20 {
		_, err := a.Authenticate(bearer(text).WithContext(ctx), home, false)
		if err == nil || slices.Contains([]host.Kind{host.Unauthenticated, host.Throttled, host.NotFound}, host.KindOf(err)) {
			t.Fatalf("without a store: %v", err)
		}
	}
}

func TestAnonymous(t *testing.T) {
	a := New(open(t))
	for range 50 {
		r := bearer("")
		r.Header.Del("Authorization")
		if _, err := a.Authenticate(r, home, false); !errors.Is(err, host.Unauthenticated) {
			t.Fatalf("%v; want Kind Unauthenticated, and no failure counted", err)
		}
	}
}

// TestAtOnce: many use tokens while they are made and revoked.
func TestAtOnce(t *testing.T) {
	a := New(open(t))
	_, stays, err := a.CreateToken(t.Context(), Grant{Name: "stays", Role: Viewer})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			from := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
			for n := range 10 {
				made, text, err := a.CreateToken(t.Context(), Grant{Name: fmt.Sprintf("t-%d-%d", i, n), Role: Admin})
				if err != nil {
					t.Error(err)
					return
				}
				if p, err := a.Authenticate(bearer(text), from, false); err != nil || p.ID != made.ID {
					t.Errorf("%+v, %v", p, err)
				}
				if err := a.RevokeToken(t.Context(), made.ID); err != nil {
					t.Error(err)
				}
				if _, err := a.Authenticate(bearer(stays), from, false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if all, err := a.Tokens(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%d tokens are left, %v; want one", len(all), err)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	state, err := jetstream.Open(b.Context(), jetstream.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = state.Close() }() // the benchmark is over
	key, err := sealed.Memory()
	if err != nil {
		b.Fatal(err)
	}
	a := New(Options{Store: state.Store(), Sealer: key})
	_, text, err := a.CreateToken(b.Context(), Grant{Name: "x", Role: Viewer})
	if err != nil {
		b.Fatal(err)
	}
	r := bearer(text)
	for b.Loop() {
		if _, err := a.Authenticate(r, home, false); err != nil {
			b.Fatal(err)
		}
	}
}
