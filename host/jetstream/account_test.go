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
	testMapLives(t, s)
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

// An operator of a NATS system, with one account for Postern and a user in it.
type operator struct {
	keys, account, user           nkeys.KeyPair
	accountID, systemID, userName string
	claims                        *jwt.OperatorClaims
	resolver                      *server.MemAccResolver
}

func newOperator(t *testing.T) *operator {
	t.Helper()
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
	op := &operator{resolver: &server.MemAccResolver{}}
	var id string
	op.keys, id = key(nkeys.CreateOperator)
	_, op.systemID = key(nkeys.CreateAccount)
	op.account, op.accountID = key(nkeys.CreateAccount)
	op.user, op.userName = key(nkeys.CreateUser)
	trusted, err := jwt.NewOperatorClaims(id).Encode(op.keys)
	if err != nil {
		t.Fatal(err)
	}
	if op.claims, err = jwt.DecodeOperatorClaims(trusted); err != nil {
		t.Fatal(err)
	}
	op.allow(t, op.systemID, 0)
	return op
}

// allow gives an account so many bytes of disk.
func (op *operator) allow(t *testing.T, account string, disk int64) {
	t.Helper()
	c := jwt.NewAccountClaims(account)
	c.Limits.DiskStorage = disk
	token, err := c.Encode(op.keys)
	if err != nil {
		t.Fatal(err)
	}
	if err := op.resolver.Store(account, token); err != nil {
		t.Fatal(err)
	}
}

// server starts a server that trusts the operator, and returns its address.
func (op *operator) server(t *testing.T) string {
	t.Helper()
	return address(external(t, func(o *server.Options) {
		o.TrustedOperators = []*jwt.OperatorClaims{op.claims}
		o.AccountResolver, o.SystemAccount = op.resolver, op.systemID
	}), "nats", "")
}

// credentials writes the file that an operator hands out for the user; expires is in Unix seconds, 0 for never.
func (op *operator) credentials(t *testing.T, expires int64) string {
	t.Helper()
	c := jwt.NewUserClaims(op.userName)
	c.Expires = expires
	token, err := c.Encode(op.account)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := op.user.Seed()
	if err != nil {
		t.Fatal(err)
	}
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

// TestCredentials uses a credentials file of an account of its own, as an operator of a NATS system hands it out. What the account may keep
// is enough for a queue, too.
func TestCredentials(t *testing.T) {
	t.Parallel()
	op := newOperator(t)
	op.allow(t, op.accountID, 64<<20)
	o := jetstream.Options{URL: op.server(t), Credentials: op.credentials(t, 0)}
	s := open(t, o)
	put(t, s.Store(), "a", "1", 0)
	q, err := s.Queue(t.Context(), "q", jetstream.QueueBounds{Dead: jetstream.Bounds{MaxBytes: 256 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	send(t, q, "f", "", "1")
	o.Credentials = op.credentials(t, time.Now().Add(-time.Hour).Unix())
	refused(t, o, host.Unauthenticated, "expired")
	o.Credentials = ""
	refused(t, o, host.Unauthenticated)
	op.allow(t, op.accountID, 0)
	refused(t, jetstream.Options{URL: op.server(t), Credentials: op.credentials(t, 0)}, host.Unsupported, "for this account")
}
