package listener_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

func prefixes(list string) []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range strings.Fields(list) {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

func TestListenErrors(t *testing.T) {
	taken := start(t, listener.Config{Handler: hello})
	for addr, want := range map[string]host.Kind{
		taken.addr:                  host.Conflict,
		"127.0.0.1":                 host.Invalid, // no port
		"127.0.0.1:99999":           host.Invalid,
		"127.0.0.1:no-such-service": host.Invalid,
		"192.0.2.1:0":               host.Invalid, // not ours: RFC 5737
		"no.such.host.invalid:0":    host.Invalid,
	} {
		_, err := listener.Listen(listener.Config{Name: "x", Addr: addr, Handler: hello})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, not %v", addr, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is more than a line", err)
		}
	}
	if os.Getuid() != 0 {
		if _, err := listener.Listen(listener.Config{Addr: "127.0.0.1:1", Handler: hello}); !errors.Is(err, host.Forbidden) {
			t.Error(err)
		}
	}
	if _, err := listener.Listen(listener.Config{Addr: "127.0.0.1:0", Handler: hello, TLS: &tls.Config{}}); !errors.Is(err, host.Invalid) {
		t.Error(err)
	}
}

func TestLoadCertificate(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, blocks ...*pem.Block) string {
		var b []byte
		for _, block := range blocks {
			b = append(b, pem.EncodeToMemory(block)...)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pair := func(name string, from, to time.Time) (string, string) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: to, DNSNames: []string{"localhost"}}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		k, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return write(name+".pem", &pem.Block{Type: "CERTIFICATE", Bytes: der}), write(name+".key", &pem.Block{Type: "PRIVATE KEY", Bytes: k})
	}
	now := time.Now()
	cert, key := pair("good", now.Add(-time.Hour), now.Add(time.Hour))
	_, other := pair("other", now.Add(-time.Hour), now.Add(time.Hour))
	old, oldKey := pair("old", now.Add(-2*time.Hour), now.Add(-time.Hour))
	early, earlyKey := pair("early", now.Add(time.Hour), now.Add(2*time.Hour))
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listener.LoadCertificate(cert, key); err != nil {
		t.Error(err)
	}
	for _, tc := range []struct{ cert, key, says string }{
		{filepath.Join(dir, "none"), key, "does not exist"},
		{cert, filepath.Join(dir, "none"), "does not exist"},
		{garbage, key, "not PEM"},
		{cert, other, "does not match"},
		{old, oldKey, "expired"},
		{early, earlyKey, "not valid before"},
		{key, key, "certificate"},
	} {
		_, err := listener.LoadCertificate(tc.cert, tc.key)
		if !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s, %s: %v", tc.cert, tc.key, err)
		}
	}
}

func TestSelfSigned(t *testing.T) {
	cert, err := listener.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	for _, name := range []string{"localhost", "orders.execute-api.localhost", "f.function.localhost", "127.0.0.1", "::1"} {
		if _, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Error(err)
		}
	}
	if _, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: "example.com", Roots: roots}); err == nil {
		t.Error("it is good for example.com")
	}
}
