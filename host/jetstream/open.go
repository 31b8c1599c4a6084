package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/postern/postern/host"
)

// Options say where the state is. The zero value is a server in the process and in memory.
type Options struct {
	Dir string // the data folder: an embedded server keeps its files in its folder "jetstream". The caller holds the folder's lock
	URL string // of an external server, nats:// or tls://, or several with commas; not beside Dir

	Credentials string // a file of NATS credentials (user JWT and seed), for URL
	NKey        string // a file with an NKey seed, for URL
	CA          string // a PEM file of the authorities that may sign the server's certificate; empty: the system's
	Cert, Key   string // PEM files: the client certificate, for URL

	SyncAlways bool   // embedded: fsync before each acknowledgement
	Replicas   int    // copies of all state in a cluster, 1 to 5; 0 is 1
	Prefix     string // of every bucket and stream, [A-Za-z0-9_-]; empty: "postern". Two hosts with one prefix share their state

	Logger *slog.Logger // of the server's and the connection's messages; nil: none
}

// syncInterval is how often an embedded server without SyncAlways fsyncs what was written.
const syncInterval = 5 * time.Second

const defaultPrefix = "postern"

var prefixPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// A State is an open store of a host. It is safe for concurrent use.
type State struct {
	opts   Options
	log    *slog.Logger
	server *server.Server // nil when external
	told   *serverLog     // of server
	nc     *nats.Conn
	js     jetstream.JetStream
	docs   jetstream.Stream
	blobs  jetstream.Stream
	link   link
	ledger *ledger         // nil unless embedded on disk
	lost   []string        // by a crash of the machine
	ctx    context.Context // ends at Close: for what runs behind
	end    context.CancelFunc
	behind sync.WaitGroup
	closed sync.Once
}

// Open starts or reaches the server and makes the buckets that are missing. The errors name what to do: Kind Invalid for options
// that contradict each other, Unauthenticated and Forbidden for credentials, Unsupported for a server that is too old or has no
// JetStream, Unavailable for one that is not there and for a folder that cannot be written, Internal for damaged files.
func Open(ctx context.Context, o Options) (*State, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &State{opts: o, log: o.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.ctx, s.end = context.WithCancel(context.WithoutCancel(ctx))
	s.link.init(s.ctx)
	if err := s.open(ctx); err != nil {
		_ = s.Close() // the first error says more
		return nil, err
	}
	return s, nil
}

func (s *State) open(ctx context.Context) error {
	var err error
	if s.opts.URL == "" {
		err = s.embed()
	} else {
		err = s.connect()
	}
	if err != nil {
		return err
	}
	if s.js, err = jetstream.New(s.nc); err != nil {
		return s.fail("open the state", err)
	}
	if err := s.checkServer(ctx); err != nil {
		return err
	}
	if s.docs, err = s.openStream(ctx, s.documentsConfig()); err != nil {
		return err
	}
	if s.blobs, err = s.openStream(ctx, s.blobsConfig()); err != nil {
		return err
	}
	if s.onDisk() {
		if err := s.verify(ctx); err != nil {
			return err
		}
	}
	return s.collect(ctx)
}

func (o *Options) check() error {
	invalid := func(format string, args ...any) error {
		return &host.Error{Op: "open the state", Kind: host.Invalid, Err: fmt.Errorf(format, args...)}
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	external := o.Credentials != "" || o.NKey != "" || o.CA != "" || o.Cert != "" || o.Key != ""
	switch {
	case o.Dir != "" && o.URL != "":
		return invalid("state is kept either in a data folder or by the NATS server %s, not both", o.URL)
	case o.URL == "" && external:
		return invalid("credentials and certificates are for an external NATS server, and no URL is given")
	case o.URL == "" && o.Replicas > 1:
		return invalid("%d replicas need an external NATS cluster; the embedded server is one", o.Replicas)
	case o.Replicas < 0 || o.Replicas > 5:
		return invalid("%d replicas: NATS keeps 1 to 5", o.Replicas)
	case (o.Cert == "") != (o.Key == ""):
		return invalid("a client certificate needs both its certificate and its key file")
	case o.Credentials != "" && o.NKey != "":
		return invalid("give either a credentials file or an NKey seed file, not both")
	case !prefixPattern.MatchString(o.Prefix):
		return invalid("the prefix %q: 1 to 64 letters, digits, - and _", o.Prefix)
	}
	return nil
}

// openStream makes a stream, or finds it. One whose settings are others, as of an earlier release, is updated.
func (s *State) openStream(ctx context.Context, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	cfg.Replicas = s.opts.Replicas
	cfg.Storage = s.storage()
	// Followers may lag: with more than one copy only the leader answers, so that a reader sees what was acknowledged before.
	cfg.AllowDirect = cfg.Replicas == 1
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	made, err := s.js.CreateStream(ctx, cfg)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		made, err = s.js.UpdateStream(ctx, cfg)
	}
	if err != nil {
		return nil, s.fail("open the stream "+cfg.Name, err)
	}
	return made, nil
}

func (s *State) storage() jetstream.StorageType {
	if s.opts.URL == "" && s.opts.Dir == "" {
		return jetstream.MemoryStorage
	}
	return jetstream.FileStorage
}

// openTimeout bounds what Open waits for the server at one step: a cluster elects a leader for each new stream.
const openTimeout = 20 * time.Second

// Store returns the documents.
func (s *State) Store() host.Store { return &store{s} }

// Blobs returns the contents.
func (s *State) Blobs() host.Blobs { return &blobs{s} }

// Close ends the connection and an embedded server. Calls that are under way fail with Kind Unavailable.
func (s *State) Close() error {
	s.closed.Do(func() {
		s.end()
		s.behind.Wait()
		if s.nc != nil {
			s.nc.Close()
		}
		if s.server != nil {
			s.server.Shutdown()
			s.server.WaitForShutdown()
		}
		s.ledger.close()
	})
	return nil
}
