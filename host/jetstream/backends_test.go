package jetstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/postern/postern/host/jetstream"
)

// patience bounds what a test waits for; nothing is expected to take so long.
const patience = 30 * time.Second

func open(t *testing.T, o jetstream.Options) *jetstream.State {
	t.Helper()
	s, err := jetstream.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// backends run the same test against every place where state can be.
func backends(t *testing.T, test func(t *testing.T, s *jetstream.State)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, open(t, jetstream.Options{})) })
	t.Run("disk", func(t *testing.T) { test(t, open(t, jetstream.Options{Dir: t.TempDir()})) })
	t.Run("disk, sync always", func(t *testing.T) { test(t, open(t, jetstream.Options{Dir: t.TempDir(), SyncAlways: true})) })
	t.Run("external", func(t *testing.T) {
		files := certificates(t)
		srv := external(t, func(o *server.Options) {
			o.Username, o.Password = "postern", "pass word"
			o.TLSConfig, o.TLS = files.server, true
		})
		test(t, open(t, jetstream.Options{URL: address(srv, "tls", "postern:pass%20word"), CA: files.ca}))
	})
	t.Run("cluster of three", func(t *testing.T) {
		test(t, open(t, jetstream.Options{URL: clusterURL(cluster(t)), Replicas: 3}))
	})
}

// external starts a real server on loopback, with JetStream on disk.
func external(t *testing.T, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}
	if change != nil {
		change(o)
	}
	return start(t, o)
}

func start(t *testing.T, o *server.Options) *server.Server {
	t.Helper()
	srv, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { stop(srv) })
	if !srv.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	return srv
}

func stop(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}

func address(srv *server.Server, scheme, user string) string {
	u := &url.URL{Scheme: scheme, Host: srv.Addr().String()}
	if user == "" {
		return u.String()
	}
	return strings.Replace(u.String(), "://", "://"+user+"@", 1)
}

// cluster starts three servers that know each other, and waits until they have a leader.
func cluster(t *testing.T) []*server.Server {
	t.Helper()
	ports := freePorts(t, 3)
	var routes []*url.URL
	for _, p := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", p)})
	}
	var servers []*server.Server
	for i, p := range ports {
		servers = append(servers, external(t, func(o *server.Options) {
			o.ServerName = fmt.Sprintf("node%d", i)
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: p}
			o.Routes = routes
		}))
	}
	eventually(t, func() bool {
		for _, s := range servers {
			if s.JetStreamIsLeader() {
				return len(s.JetStreamClusterPeers()) == 3
			}
		}
		return false
	})
	return servers
}

func clusterURL(servers []*server.Server) string {
	var all []string
	for _, s := range servers {
		all = append(all, address(s, "nats", ""))
	}
	return strings.Join(all, ",")
}

func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come to be")
		}
	}
}

// pki is a certificate authority with a server's and a client's certificate.
type pki struct {
	server        *tls.Config
	ca, cert, key string // files; the last two are the client's
}

func certificates(t *testing.T) pki {
	t.Helper()
	dir := t.TempDir()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	caKey := key()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	file := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	sign := func(cert *x509.Certificate, k *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, cert, ca, &k.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	leaf := func(name string) (cert, keyFile string) {
		k := key()
		der, err := x509.MarshalECPrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
		return file(name+".pem", "CERTIFICATE", sign(c, k)), file(name+".key", "EC PRIVATE KEY", der)
	}
	p := pki{ca: file("ca.pem", "CERTIFICATE", sign(ca, caKey))}
	serverCert, serverKey := leaf("server")
	p.cert, p.key = leaf("client")
	pair, err := tls.LoadX509KeyPair(serverCert, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	data, _ := os.ReadFile(p.ca)
	pool.AppendCertsFromPEM(data)
	p.server = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, MinVersion: tls.VersionTLS12}
	return p
}
