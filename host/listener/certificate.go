package listener

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/postern/postern/host"
)

// selfSignedLife is how long a certificate in memory is valid; a new process makes a new one.
const selfSignedLife = 30 * 24 * time.Hour

// SelfSigned makes a certificate in memory, signed by its own key (ECDSA on P-256), for names and addresses alike.
// Without any it is for localhost, *.execute-api.localhost, *.function.localhost, 127.0.0.1 and ::1.
func SelfSigned(hosts ...string) (tls.Certificate, error) {
	if len(hosts) == 0 {
		hosts = []string{"localhost", "*.execute-api.localhost", "*.function.localhost", "127.0.0.1", "::1"}
	}
	const op = "make a certificate"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, &host.Error{Op: op, Err: err}
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, &host.Error{Op: op, Err: err}
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: hosts[0], Organization: []string{"Postern, self-signed"}},
		NotBefore:             time.Now().Add(-time.Hour), // clocks differ
		NotAfter:              time.Now().Add(selfSignedLife),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true, // clients may take it as their root
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, &host.Error{Op: op, Kind: host.Invalid, Err: err}
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, &host.Error{Op: op, Err: err}
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// LoadCertificate reads a chain and its key, both PEM. Errors have Kind Forbidden when a file may not be read, and
// otherwise Invalid: no such file, not PEM, a key of another certificate, expired or not yet valid.
func LoadCertificate(certFile, keyFile string) (tls.Certificate, error) {
	const op = "load certificate"
	fail := func(kind host.Kind, err error) (tls.Certificate, error) {
		return tls.Certificate{}, &host.Error{Op: op, Kind: kind, Err: err}
	}
	var contents [2][]byte
	for i, name := range []string{certFile, keyFile} {
		content, err := os.ReadFile(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fail(host.Invalid, fmt.Errorf("%s does not exist", name))
		case errors.Is(err, fs.ErrPermission):
			return fail(host.Forbidden, fmt.Errorf("%s may not be read", name))
		case err != nil:
			return fail(host.Invalid, err)
		}
		if block, _ := pem.Decode(content); block == nil {
			return fail(host.Invalid, fmt.Errorf("%s is not PEM: it has no BEGIN line", name))
		}
		contents[i] = content
	}
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return fail(host.Invalid, fmt.Errorf("%s and %s: %w", certFile, keyFile, err))
	}
	now := time.Now()
	if now.After(pair.Leaf.NotAfter) {
		return fail(host.Invalid, fmt.Errorf("%s expired on %s", certFile, pair.Leaf.NotAfter.Format(time.DateOnly)))
	}
	if now.Before(pair.Leaf.NotBefore) {
		return fail(host.Invalid, fmt.Errorf("%s is not valid before %s", certFile, pair.Leaf.NotBefore.Format(time.DateOnly)))
	}
	return pair, nil
}
