package jetstream

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/datadir"
)

// startTimeout bounds how long an embedded server may read its files. A large store is read in seconds.
const startTimeout = 5 * time.Minute

// embed starts a server in the process, without a port, and connects to it.
func (s *State) embed() error {
	dir := s.opts.Dir
	if dir == "" {
		// Without files NATS still wants a folder, and takes one in the system's that all servers of a machine would share.
		temp, err := os.MkdirTemp("", "postern-nats-")
		if err != nil {
			return &host.Error{Op: "start the state in memory", Kind: host.Unavailable, Err: err}
		}
		defer func() { _ = os.RemoveAll(temp) }() // it is looked at when the server starts, and never again
		dir = temp
	}
	if s.onDisk() {
		if err := s.keepDocuments(); err != nil {
			return err
		}
	}
	log := &serverLog{log: s.log}
	s.told = log
	o := &server.Options{
		ServerName: "postern", DontListen: true, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: dir, NoSystemAccount: false,
		SyncAlways: s.opts.SyncAlways, SyncInterval: syncInterval,
	}
	if _, err := datadir.Free(dir); err == nil {
		o.JetStreamMaxStore = unbounded // room looks at the disk itself
	}
	srv, err := server.NewServer(o)
	if err != nil {
		return &host.Error{Op: "start the embedded NATS server", Kind: host.Internal, Err: err}
	}
	srv.SetLoggerV2(log, false, false, false)
	s.server = srv
	srv.Start()
	if !srv.ReadyForConnections(startTimeout) || !srv.JetStreamEnabled() {
		return s.notStarted(log)
	}
	s.nc, err = nats.Connect("", append(s.connOptions(), nats.InProcessServer(srv))...)
	if err != nil {
		return &host.Error{Op: "connect to the embedded NATS server", Kind: host.Internal, Err: err}
	}
	return nil
}

// notStarted says why the embedded server is not there, from what it told on the way.
func (s *State) notStarted(log *serverLog) error {
	why := strings.Join(log.said(), "; ")
	if why == "" {
		why = fmt.Sprintf("it was not ready within %s", startTimeout)
	}
	return &host.Error{Op: "start the embedded NATS server", Kind: host.Unavailable,
		Err: fmt.Errorf("%s (folder %s)", why, s.opts.Dir)}
}

// reserve is what an embedded server leaves free on its disk, in bytes. A write that NATS cannot finish stops its stream until it
// is started again, and it cannot note what it has done either: so writes are refused before that.
const reserve = 16 << 20

// unbounded stands where the disk is the bound. NATS's own default is a part of what was free at the start, and a store that has
// grown beyond that would not be written to any more.
const unbounded = 1 << 50

// room refuses a write of n bytes that the disk has no room for.
func (s *State) room(op string, n int) error {
	if !s.onDisk() {
		return nil
	}
	free, err := datadir.Free(s.opts.Dir)
	if err != nil || free >= uint64(n)+reserve { // not known is no reason
		return nil
	}
	return &host.Error{Op: op, Kind: host.Unavailable, Err: fmt.Errorf("the disk is full: %.1f MiB are free at %s, and %d MiB are kept free; free some",
		float64(free)/(1<<20), s.opts.Dir, reserve>>20)}
}
