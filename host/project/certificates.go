package project

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// certificates reads whom an upstream's TLS trusts, and who the gateway is there. No message holds anything of the key.
func (l *loader) certificates(u *host.Upstream) {
	const certificates = "it must hold one or more certificates: -----BEGIN CERTIFICATE----- …"
	u.TLS.CA = l.pemFile(u, "ca", u.TLS.CAFile, checkCertificates, certificates)
	u.TLS.Cert = l.pemFile(u, "cert", u.TLS.CertFile, checkCertificates, certificates)
	key := l.pemFile(u, "key", u.TLS.KeyFile, checkKey, "it must hold one private key without a password: -----BEGIN PRIVATE KEY----- …")
	u.TLS.Key = host.SecretValue(key)
	if u.TLS.Cert != nil && key != nil {
		_, err := tls.X509KeyPair(u.TLS.Cert, key)
		if err == nil {
			return
		}
		e := tlsProblem(u, "key", u.TLS.KeyFile)
		e.Rule, e.Message = definition.RuleConflict, u.TLS.KeyFile.Value+" is not the key of "+u.TLS.CertFile.Value
		e.Hint = "the first certificate of the file must be the one that the key was made for"
		l.fail(e)
	}
	u.TLS.Cert, u.TLS.Key = nil, "" // half a pair, or none: what opens it would say so again
}

func tlsProblem(u *host.Upstream, what string, file host.Setting[string]) *definition.Error {
	return &definition.Error{Pos: file.Pos, Path: definition.KeyPath("upstreams", u.Name) + ".tls." + what}
}

// pemFile reads a file of the project in PEM. It returns nil without one, and when it has reported what is wrong with it.
func (l *loader) pemFile(u *host.Upstream, what string, file host.Setting[string], check func([]byte) error, hint string) []byte {
	name := file.Value
	if name == "" || !filepath.IsLocal(filepath.FromSlash(name)) { // the definition's own error
		return nil
	}
	l.input(path.Clean(name))
	data, err := l.read(name, maxSecret)
	if err != nil {
		e, at := l.unreadable(name, err), tlsProblem(u, what, file)
		e.Pos, e.Path = at.Pos, at.Path
		l.fail(e)
		return nil
	}
	if err := check(data); err != nil {
		e := tlsProblem(u, what, file)
		e.Rule, e.Message, e.Hint = definition.RuleInvalidValue, name+" "+err.Error(), hint
		l.fail(e)
		return nil
	}
	return data
}

// checkCertificates wants every block to be a certificate: x509.CertPool skips what it does not understand.
func checkCertificates(data []byte) error {
	n := 0
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("holds a %s", strings.ToLower(block.Type))
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("holds a certificate that cannot be read: %w", err)
		}
		data = rest
		n++
	}
	if n == 0 {
		return errors.New("holds no certificate in PEM")
	}
	return nil
}

// checkKey wants one private key that can be read as it is. Parameters of a curve may stand before it, as openssl writes them.
func checkKey(data []byte) error {
	n := 0
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		switch {
		case block.Type == "EC PARAMETERS":
		case strings.Contains(block.Type, "ENCRYPTED"), strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return errors.New("holds a private key with a password")
		case block.Type == "PRIVATE KEY", strings.HasSuffix(block.Type, " PRIVATE KEY"):
			n++
		default:
			return fmt.Errorf("holds a %s", strings.ToLower(block.Type))
		}
		data = rest
	}
	if n != 1 {
		return fmt.Errorf("holds %d private keys in PEM", n)
	}
	return nil
}
