package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/datadir"
	"github.com/postern/postern/host/jetstream"
	"github.com/postern/postern/host/quarantine"
	"github.com/postern/postern/host/sealed"
)

// State says where a gateway's catalog is kept. A gateway with a catalog serves what that says, and is changed while it runs.
type State struct {
	// DataDir is the data folder: the embedded store's files, the sealing key, the first admin token, and what is being received. With an
	// external store only the last three. "" keeps everything in memory, which ends with the process.
	DataDir string
	Store   jetstream.Options // Dir and Logger are set from DataDir and the gateway's log

	SecretsKey string // the file with the sealing key; "" is secrets.key in the data folder, which is made when it is not there
	Keep       int    // as catalog.Options.Keep
	Open       bool   // for development: the admin API asks for no token, and its listener must be on loopback

	// AllowGoja runs the scripts that this host is given on goja where they do not say otherwise: it is fast, and cannot cap their memory.
	// Without it they run on QuickJS, within limits, and naming the runtime js is an error. In development scripts are one's own.
	AllowGoja bool

	// Quarantine is the command that starts a child for foreign code, as quarantine.Options.Command; nil compiles in this process, as for
	// one's own code. What has passed is remembered in the data folder, and not checked again at a restart.
	Quarantine []string

	Retry time.Duration // before the second attempt of an asynchronous call, twice that before the third; 0 is DefaultRetry
}

// DefaultRetry is how long Lambda waits before it retries an asynchronous call (Lambda developer guide, "Asynchronous invocation").
const DefaultRetry = time.Minute

// Names in the data folder.
const (
	secretsKeyName = "secrets.key"
	passedName     = "passed"
	// TokenName is the file of the first admin token.
	TokenName = "admin.token"
)

// Bounds of what is kept for readers.
const (
	auditAge       = 400 * 24 * time.Hour // a little over a year
	auditBytes     = 256 << 20
	deadLetterAge  = 14 * 24 * time.Hour // SQS's maximum, where Lambda's dead letters go
	deadLetterByte = 256 << 20
)

// A control is what a gateway with a catalog has beside the serving.
type control struct {
	State
	server  *Server
	log     *slog.Logger
	dir     *datadir.Dir // nil in memory
	state   *jetstream.State
	key     *sealed.Key
	catalog *catalog.Catalog
	access  *access.Access
	audit   *jetstream.Journal
	foreign *quarantine.Quarantine // nil compiles in this process
	events  *jetstream.Queue

	ctx   context.Context // ends with Close: of what follows the state
	end   context.CancelFunc
	group sync.WaitGroup

	readers    context.Context // ends when the admin listener drains: of those who follow the log, which have no end of their own
	endReaders context.CancelFunc

	changed chan struct{}   // has one when the state is to be tried
	told    map[string]bool // why parts do not serve, as the log has it already; guarded by the server's mu
	serving served
	checked heldPipelines
	pinned  pinnedVersions
}

// openControl opens the state and what works on it. On an error nothing stays open.
func openControl(s *Server, o State) (c *control, err error) {
	if o.Retry == 0 {
		o.Retry = DefaultRetry
	}
	c = &control{State: o, server: s, log: s.log, changed: make(chan struct{}, 1)}
	c.ctx, c.end = context.WithCancel(context.Background())
	c.readers, c.endReaders = context.WithCancel(c.ctx)
	c.serving.tried = make(chan struct{})
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if o.DataDir != "" {
		if c.dir, err = datadir.Open(c.ctx, o.DataDir, datadir.Options{Release: s.cfg.Version, Logger: s.log}); err != nil {
			return c, err
		}
	}
	c.quarantine()
	store := o.Store
	store.Logger = s.log
	if store.URL == "" {
		store.Dir = o.DataDir
	}
	if c.state, err = jetstream.Open(c.ctx, store); err != nil {
		return c, err
	}
	if err := c.openKey(); err != nil {
		return c, err
	}
	for _, lost := range c.state.Lost() {
		s.log.Error("the store has lost something; restore a backup if it is missed", "what", lost)
	}
	if c.audit, err = c.state.Journal(c.ctx, "audit", jetstream.Bounds{MaxAge: auditAge, MaxBytes: auditBytes}); err != nil {
		return c, err
	}
	c.events, err = c.state.Queue(c.ctx, "invocations", jetstream.QueueBounds{Dead: jetstream.Bounds{MaxAge: deadLetterAge, MaxBytes: deadLetterByte}})
	if err != nil {
		return c, err
	}
	c.catalog = catalog.New(catalog.Options{Store: c.state.Store(), Blobs: c.state.Blobs(), Maps: c.state.Maps(), Sealer: c.key, Env: secretEnv, Check: c.check, Domain: s.cfg.Domain, Keep: o.Keep, Scripts: o.scripts()})
	c.access = access.New(access.Options{Store: c.state.Store(), Sealer: c.key, Logger: s.log})
	return c, nil
}

// scripts is what runs scripts that name no runtime.
func (o *State) scripts() string {
	if o.Open || o.AllowGoja {
		return host.RuntimeJS
	}
	return host.RuntimeQuickJS
}

// secretEnv is the environment as secrets see it: without the host's own settings, which may hold what leads into the store. Everything else
// of it is open to whoever may deploy.
func secretEnv(name string) (string, bool) {
	if strings.HasPrefix(name, "POSTERN_") {
		return "", false
	}
	return os.LookupEnv(name)
}

// openKey opens the sealing key, or makes it where nothing is sealed yet: with another key, what is would be lost.
func (c *control) openKey() (err error) {
	path := c.SecretsKey
	if path == "" {
		if c.dir == nil {
			if c.Store.URL != "" {
				return &host.Error{Op: "open the sealing key", Kind: host.Invalid, Err: errors.New(
					"an external store outlives this process, and so must the key: name a data folder or a file with the key")}
			}
			c.key, err = sealed.Memory()
			return err
		}
		path = c.dir.Path(secretsKeyName)
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			if err := c.nothingSealed(path); err != nil {
				return err
			}
			c.key, err = sealed.Create(path)
			return err
		}
	}
	c.key, err = sealed.Open(path)
	return err
}

// nothingSealed refuses to go on without the key of what is in the store.
func (c *control) nothingSealed(path string) error {
	for _, prefix := range []host.Key{"secrets", "keys"} {
		for entry, err := range c.state.Store().List(c.ctx, prefix) {
			if err != nil {
				return err
			}
			return &host.Error{Op: "open the sealing key", Kind: host.Invalid, Err: fmt.Errorf(
				"%s is not there, and the store has what was sealed with it (%s): copy the file from the host that made it, or name it with --secrets-key", path, entry.Key)}
		}
	}
	return nil
}

// FirstToken returns the first admin token where this start has made it, "" otherwise, and the file that keeps it.
func (s *Server) FirstToken(ctx context.Context) (token, file string, err error) {
	c := s.control
	if c == nil || c.Open || c.dir == nil {
		return "", "", nil
	}
	file = c.dir.Path(TokenName)
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	token, err = c.access.First(ctx, func(fresh string) (string, error) {
		kept, err := c.dir.Secret(TokenName, func() ([]byte, error) { return []byte(fresh + "\n"), nil })
		return strings.TrimSpace(string(kept)), err
	})
	return token, file, err
}

// quarantine puts a child before each runtime: what is compiled from now on has passed there.
func (c *control) quarantine() {
	if len(c.Quarantine) == 0 {
		return
	}
	o := quarantine.Options{Command: c.Quarantine, Temp: c.temp(), CacheDir: wasmCache(c.server.cfg.CacheDir), Scripts: c.scripts(), Logger: c.log}
	if c.dir != nil {
		o.Passed = c.dir.Path(passedName)
	}
	c.foreign = quarantine.New(o)
	for name, r := range c.server.runtimes {
		c.server.runtimes[name] = c.foreign.Runtime(name, r)
	}
}

// temp is where uploads are unpacked.
func (c *control) temp() string {
	if c.dir == nil {
		return ""
	}
	return c.dir.Temp()
}

// close ends what follows the state, then closes it.
func (c *control) close() error {
	c.end()
	c.group.Wait()
	c.checked.close()
	c.pinned.close()
	var errs []error
	if c.state != nil {
		errs = append(errs, c.state.Close())
	}
	if c.dir != nil {
		errs = append(errs, c.dir.Close())
	}
	return errors.Join(errs...)
}
