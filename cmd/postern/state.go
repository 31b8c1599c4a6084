package main

import (
	"os"
	"path/filepath"

	"github.com/postern/postern/host/jetstream"
	"github.com/postern/postern/host/server"
)

// hostState is where the state of a host is.
type hostState struct{ server.State }

// addState adds the flags of a host with a state.
func (s *settings) addState() {
	f := s.flags
	f.StringVar(&s.data, "data", "", "data `folder` of a host whose APIs and functions are deployed while it runs")
	f.StringVar(&s.sync, "sync", syncInterval, "when the embedded store's writes reach the disk: interval (they survive kill -9) or always (and a power cut)")
	f.StringVar(&s.nats, "nats", "", "`URL` of an external NATS that keeps the state, or several with commas")
	f.StringVar(&s.natsCreds, "nats-creds", "", "`file` with NATS credentials")
	f.StringVar(&s.natsNKey, "nats-nkey", "", "`file` with an NKey seed")
	f.StringVar(&s.natsCA, "nats-ca", "", "PEM `file` with the authorities that NATS's certificate is checked against")
	f.StringVar(&s.natsCert, "nats-cert", "", "PEM `file` with the client certificate for NATS")
	f.StringVar(&s.natsKey, "nats-key", "", "PEM `file` with its private key")
	f.IntVar(&s.natsReplicas, "nats-replicas", 1, "copies of all state that a NATS cluster keeps, 1 to 5")
	f.StringVar(&s.natsPrefix, "nats-prefix", "postern", "of the buckets and streams: hosts with one prefix share their state")
	f.StringVar(&s.secretsKey, "secrets-key", "", "`file` with the age identities that seal secrets; by default secrets.key in the data folder, made at the first start")
	f.BoolVar(&s.allowGoja, "allow-goja", false, "run scripts that are uploaded on goja, unless they say otherwise: faster, and without a cap on their memory")
	f.IntVar(&s.keep, "keep-versions", 0, "versions of a function, and deployments of an API, to keep that nothing points at; 0 keeps all")
	f.StringVar(&s.adminCert, "admin-tls-cert", "", "PEM `file` with the admin listener's certificate chain")
	f.StringVar(&s.adminKey, "admin-tls-key", "", "PEM `file` with its private key")
}

// The values of --sync.
const (
	syncInterval = "interval"
	syncAlways   = "always"
)

// state makes the server's configuration of the flags.
func (s *settings) state() (*hostState, error) {
	changed := func(name string) bool { return s.flags.Lookup(name).Value.String() != s.flags.Lookup(name).DefValue }
	if s.sync != syncInterval && s.sync != syncAlways {
		return nil, usageErrorf("--sync: %q is neither %s nor %s", s.sync, syncInterval, syncAlways)
	}
	if s.nats == "" {
		for _, name := range []string{"nats-creds", "nats-nkey", "nats-ca", "nats-cert", "nats-key", "nats-replicas", "nats-prefix"} {
			if changed(name) {
				return nil, usageErrorf("--%s goes with --nats", name)
			}
		}
	} else if s.sync == syncAlways {
		return nil, usageErrorf("--sync is for the embedded store; an external NATS has its own setting, sync_interval")
	}
	if (s.natsCert == "") != (s.natsKey == "") {
		return nil, usageErrorf("--nats-cert and --nats-key go together")
	}
	if (s.adminCert == "") != (s.adminKey == "") {
		return nil, usageErrorf("--admin-tls-cert and --admin-tls-key go together")
	}
	if s.keep < 0 {
		return nil, usageErrorf("--keep-versions: %d is less than 0", s.keep)
	}
	if s.data == "" {
		dir, err := stateDir()
		if err != nil {
			return nil, usageErrorf("--nats needs --data, a folder for the sealing key and the admin token: %w", err)
		}
		s.data = dir
	}
	program, err := itself()
	if err != nil {
		return nil, err
	}
	return &hostState{server.State{
		DataDir: s.data, Quarantine: []string{program, compileCheck}, SecretsKey: s.secretsKey, Keep: s.keep, AllowGoja: s.allowGoja,
		Store: jetstream.Options{URL: s.nats, Credentials: s.natsCreds, NKey: s.natsNKey, CA: s.natsCA, Cert: s.natsCert, Key: s.natsKey,
			SyncAlways: s.sync == syncAlways, Replicas: s.natsReplicas, Prefix: s.natsPrefix},
	}}, nil
}

// stateDir is where a user's programs keep their state (XDG Base Directory Specification).
func stateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "postern"), nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "state", "postern"), err
}

// developmentState keeps everything in memory, and little of what was before.
func developmentState() *hostState { return &hostState{server.State{Open: true, Keep: 1}} }
