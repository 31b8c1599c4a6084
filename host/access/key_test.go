package access

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/sealed"
	"github.com/postern/postern/host/sigv4"
)

func must(target string) *url.URL {
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	return u
}

// signed returns a request that Amazon's signer has signed, as a server reads it.
func signed(t *testing.T, id, secret, body, service string, at time.Time) *http.Request {
	t.Helper()
	r, err := http.NewRequest("POST", "http://h.example/2015-03-31/functions/greet/invocations", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	credentials := aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}
	if err := v4.NewSigner().SignHTTP(context.Background(), credentials, r, hex.EncodeToString(sum[:]), service, "eu-central-1", at); err != nil {
		t.Fatal(err)
	}
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestKey(t *testing.T) {
	opts := open(t)
	clock := newClock()
	opts.Now = clock.now
	a := New(opts)
	made, secret, err := a.CreateKey(t.Context(), Grant{Role: Deployer, Expires: clock.now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if !keyPattern.MatchString(made.ID) || len(secret) != 40 {
		t.Errorf("id %q, secret of %d characters", made.ID, len(secret))
	}
	for entry, err := range opts.Store.List(t.Context(), "keys") {
		if err != nil || bytes.Contains(entry.Value, []byte(secret)) {
			t.Errorf("the store has the secret, or %v", err)
		}
	}
	for _, service := range []string{"lambda", "execute-api", "postern"} {
		r := signed(t, made.ID, secret, `{"a":1}`, service, clock.now())
		p, err := a.Authenticate(r, home, false)
		if err != nil || p.Kind != "key" || p.ID != made.ID || p.Role != Deployer || p.By() != "key "+made.ID {
			t.Errorf("%s: %+v, %v", service, p, err)
		}
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != `{"a":1}` {
			t.Errorf("%s: the body is %q, %v after", service, body, err)
		}
	}
	if all, err := a.Keys(t.Context()); err != nil || len(all) != 1 || all[0].ID != made.ID || all[0].LastUsed.IsZero() {
		t.Errorf("Keys = %+v, %v", all, err)
	}

	unknown := "PSTK" + strings.Repeat("A", 16)
	refused := func(name string, r *http.Request, code sigv4.Code) {
		t.Helper()
		_, err := a.Authenticate(r, netip.MustParseAddr("198.51.100.7"), false)
		if !errors.Is(err, host.Unauthenticated) || sigv4.CodeOf(err) != code || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v, code %q; want Kind Unauthenticated and %q", name, err, sigv4.CodeOf(err), code)
		}
	}
	again := signed(t, made.ID, secret, "again", "lambda", clock.now())
	replay := again.Clone(t.Context())
	replay.Body = io.NopCloser(strings.NewReader("again"))
	if _, err := a.Authenticate(again, home, false); err != nil {
		t.Error(err)
	}
	refused("replay", replay, sigv4.InvalidSignature)
	refused("other secret", signed(t, made.ID, secret+"x", "", "lambda", clock.now()), sigv4.InvalidSignature)
	refused("other service", signed(t, made.ID, secret, "", "iam", clock.now()), sigv4.InvalidSignature)
	refused("old", signed(t, made.ID, secret, "", "lambda", clock.now().Add(-6*time.Minute)), sigv4.InvalidSignature)
	refused("unknown", signed(t, unknown, secret, "", "lambda", clock.now()), sigv4.UnrecognizedClient)
	refused("Amazon's", signed(t, "AKIAIOSFODNN7EXAMPLE", secret, "", "lambda", clock.now()), sigv4.UnrecognizedClient)
	clock.pass(time.Hour)
	refused("expired", signed(t, made.ID, secret, "x", "lambda", clock.now()), sigv4.UnrecognizedClient)

	made, secret, err = a.CreateKey(t.Context(), Grant{Name: "sdk", Role: Viewer})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(signed(t, made.ID, secret, "", "lambda", clock.now()), home, false); err != nil {
		t.Error(err)
	}
	if err := a.RevokeKey(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	refused("revoked", signed(t, made.ID, secret, "x", "lambda", clock.now()), sigv4.UnrecognizedClient)
	if err := a.RevokeKey(t.Context(), made.ID); !errors.Is(err, host.NotFound) {
		t.Errorf("revoked again: %v; want Kind NotFound", err)
	}
}

func TestKeyOfAnotherSealer(t *testing.T) {
	opts := open(t)
	made, secret, err := New(opts).CreateKey(t.Context(), Grant{Role: Admin})
	if err != nil {
		t.Fatal(err)
	}
	if opts.Sealer, err = sealed.Memory(); err != nil {
		t.Fatal(err)
	}
	_, err = New(opts).Authenticate(signed(t, made.ID, secret, "", "lambda", time.Now()), home, false)
	if !errors.Is(err, host.Internal) {
		t.Errorf("%v; want Kind Internal: it is not the caller's fault", err)
	}
}
