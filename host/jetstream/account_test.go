package jetstream_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/jetstream"
)

// documented reads the permissions that spec/state.md tells an operator to give.
func documented(t *testing.T) *server.Permissions {
	t.Helper()
	text, err := os.ReadFile("../../spec/state.md")
	if err != nil {
		t.Fatal(err)
	}
	list := func(word string) (subjects []string) {
		m := regexp.MustCompile(`(?s)` + word + `: \{allow: \[(.*?)\]\}`).FindStringSubmatch(string(text))
		if m == nil {
			t.Fatalf("spec/state.md has no %s permissions", word)
		}
		for _, s := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(m[1], -1) {
			subjects = append(subjects, s[1])
		}
		return subjects
	}
	return &server.Permissions{Publish: &server.SubjectPermission{Allow: list("publish")}, Subscribe: &server.SubjectPermission{Allow: list("subscribe")}}
}

// TestPermissions: what spec/state.md lists is enough for everything, and one that lacks is named.
func TestPermissions(t *testing.T) {
	t.Parallel()
	p := documented(t)
	limited := func(p *server.Permissions) jetstream.Options {
		srv := external(t, func(o *server.Options) {
			o.Users = []*server.User{{Username: "postern", Password: "x", Permissions: p}}
		})
		return jetstream.Options{URL: address(srv, "nats", "postern:x")}
	}
	s := open(t, limited(p))
	testSwap(t, s.Store())
	testWatch(t, s.Store())
	blob := save(t, s.Blobs(), content(1<<20, 1))
	if _, err := load(t, s.Blobs(), blob.Digest); err != nil {
		t.Error(err)
	}
	if err := s.Blobs().Delete(t.Context(), blob.Digest, time.Time{}); err != nil {
		t.Error(err)
	}
	q, err := s.Queue(t.Context(), "q", jetstream.QueueBounds{})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan int, 10)
	consume(t, q, 1, func(_ context.Context, j jetstream.Job) jetstream.Verdict {
		got <- j.Attempt
		return jetstream.Verdict{Again: j.Attempt == 1}
	})
	send(t, q, "f", "", "1")
	if next(t, got) != 1 || next(t, got) != 2 {
		t.Error("attempts")
	}
	if _, err := q.Dead().Append(t.Context(), jetstream.Record{Topic: "f"}); err != nil {
		t.Error(err)
	}
	if err := q.Dead().PurgeUpTo(t.Context(), "f", 0); err != nil {
		t.Error(err)
	}
	if err := s.Health(t.Context()); err != nil {
		t.Error(err)
	}

	without := *p
	without.Publish = &server.SubjectPermission{}
	for _, subject := range p.Publish.Allow {
		if !strings.HasPrefix(subject, "$KV.") {
			without.Publish.Allow = append(without.Publish.Allow, subject)
		}
	}
	s = open(t, limited(&without))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err = s.Store().Put(ctx, "a", nil, 0)
	wantKind(t, err, host.Forbidden, "$KV.postern_documents.a", "spec/state.md")
}

// TestCredentials uses a credentials file of an account of its own, as an operator of a NATS system hands it out.
func TestCredentials(t *testing.T) {
	t.Parallel()
	key := func(make func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		pair, err := make()
		if err != nil {
			t.Fatal(err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return pair, public
	}
	operator, operatorID := key(nkeys.CreateOperator)
	system, systemID := key(nkeys.CreateAccount)
	account, accountID := key(nkeys.CreateAccount)
	user, userID := key(nkeys.CreateUser)
	_ = system
	resolver := &server.MemAccResolver{}
	claim := func(id string, disk int64) {
		c := jwt.NewAccountClaims(id)
		c.Limits.DiskStorage = disk
		token, err := c.Encode(operator)
		if err != nil {
			t.Fatal(err)
		}
		if err := resolver.Store(id, token); err != nil {
			t.Fatal(err)
		}
	}
	claim(systemID, 0)
	claim(accountID, 64<<20)
	trusted, err := jwt.NewOperatorClaims(operatorID).Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := jwt.DecodeOperatorClaims(trusted)
	if err != nil {
		t.Fatal(err)
	}
	srv := external(t, func(o *server.Options) {
		o.TrustedOperators = []*jwt.OperatorClaims{claims}
		o.AccountResolver, o.SystemAccount = resolver, systemID
	})
	creds := func(expires int64) string {
		c := jwt.NewUserClaims(userID)
		c.IssuerAccount, c.Expires = "", expires
		token, err := c.Encode(account)
		if err != nil {
			t.Fatal(err)
		}
		seed, _ := user.Seed()
		data, err := jwt.FormatUserConfig(token, seed)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "postern.creds")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	o := jetstream.Options{URL: address(srv, "nats", ""), Credentials: creds(0)}
	put(t, open(t, o).Store(), "a", "1", 0)
	o.Credentials = creds(time.Now().Add(-time.Hour).Unix())
	refused(t, o, host.Unauthenticated, "expired")
	o.Credentials = ""
	refused(t, o, host.Unauthenticated)
	claim(accountID, 0)
	none := external(t, func(o *server.Options) {
		o.TrustedOperators = []*jwt.OperatorClaims{claims}
		o.AccountResolver, o.SystemAccount = resolver, systemID
	})
	refused(t, jetstream.Options{URL: address(none, "nats", ""), Credentials: creds(0)}, host.Unsupported, "for this account")
}
