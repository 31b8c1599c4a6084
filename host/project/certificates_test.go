package project_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/project"
	"github.com/postern/postern/host/upstream"
)

// pair returns a new certificate and its key, in PEM.
func pair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, data []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", encoded)
}

const mutual = "upstreams:\n  u:\n    targets: [\"https://x\"]\n    tls: {ca: ./ca.pem, cert: ./client.pem, key: ./client.key}\n"

func TestClientCertificates(t *testing.T) {
	cert, key := pair(t)
	dir := write(t, map[string]string{"postern.yaml": one("./f.wasm") + mutual, "f.wasm": module, "ca.pem": cert, "client.pem": cert, "client.key": key})
	s := load(t, dir, options(t)).Snapshot
	tls := s.Upstreams[0].TLS
	if string(tls.CA) != cert || string(tls.Cert) != cert || tls.Key.Reveal() != key {
		t.Errorf("got %+v", tls)
	}
	printed, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Split(key, "\n")[1]
	if text := string(printed) + fmt.Sprintf("%v %+v %#v", tls, tls, tls); strings.Contains(text, line) {
		t.Error("the private key is printed")
	}
	// Another encoding of the same key is another file, and so another revision.
	put(t, dir, "client.key", "# mine\n"+key)
	again := load(t, dir, options(t)).Snapshot
	if again.Revision == s.Revision {
		t.Error("the key's file changed, and the revision did not")
	}
}

func TestBadClientCertificates(t *testing.T) {
	cert, key := pair(t)
	_, other := pair(t)
	block := func(kind string) string { return "-----BEGIN " + kind + "-----\nAAAA\n-----END " + kind + "-----\n" }
	for _, test := range []struct {
		name, cert, key string
		at, rule, text  string
	}{
		{"no certificate", "", key, "7:31", "missing-file", "there is no ./client.pem"},
		{"no key", cert, "", "7:50", "missing-file", "there is no ./client.key"},
		{"a certificate that is none", "hello", key, "7:31", "invalid-value", "no certificate"},
		{"a certificate that is broken", block("CERTIFICATE"), key, "7:31", "invalid-value", "cannot be read"},
		{"a key for a certificate", key, key, "7:31", "invalid-value", "holds a private key"},
		{"a certificate for a key", cert, cert, "7:50", "invalid-value", "holds a certificate"},
		{"a key that is none", cert, "secret-hello", "7:50", "invalid-value", "holds 0 private keys"},
		{"two keys", cert, key + other, "7:50", "invalid-value", "holds 2 private keys"},
		{"a key with a password", cert, block("ENCRYPTED PRIVATE KEY"), "7:50", "invalid-value", "with a password"},
		{"a key that is broken", cert, block("PRIVATE KEY"), "7:50", "conflict", "is not the key of"},
		{"another key", cert, other, "7:50", "conflict", "is not the key of"},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{"postern.yaml": one("./f.wasm") + mutual, "f.wasm": module, "ca.pem": cert}
			for name, data := range map[string]string{"client.pem": test.cert, "client.key": test.key} {
				if data != "" {
					files[name] = data
				}
			}
			// One mistake is one error: what opening the upstream would say besides is about the same.
			_, err := project.Validate(t.Context(), write(t, files), options(t), func(_ context.Context, s *host.Snapshot) error {
				pool, err := upstream.Open(s.Upstreams[0], upstream.Options{Idle: true})
				if err == nil {
					pool.Close()
				}
				return err
			})
			errs, got := problemsOf(t, err)
			if diff := cmp.Diff([]string{"postern.yaml:" + test.at + " " + test.rule}, got); diff != "" || !strings.Contains(errs.Error(), test.text) {
				t.Errorf("%s\n%v", diff, errs)
			}
			if strings.Contains(errs.Error(), "secret-hello") {
				t.Error("the key's file is repeated")
			}
		})
	}
	if tls := (host.UpstreamTLS{Key: host.SecretValue(key)}); strings.Contains(fmt.Sprint(tls), "BEGIN") {
		t.Error("the key is printed")
	}
}
