package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/postern/postern/host"
)

// filesDir is where NATS keeps an embedded server's files, below the data folder.
const filesDir = "jetstream"

// Names of the copies of the documents' files: while they are checked, and of files that were damaged.
const (
	checkingName = "documents.checking"
	damagedName  = "documents.damaged"
)

func (s *State) onDisk() bool { return s.opts.Dir != "" }

func (s *State) inFiles(name string) string { return filepath.Join(s.opts.Dir, filesDir, name) }

// documentsFiles is the folder of the documents' files.
func (s *State) documentsFiles() string {
	return s.inFiles(filepath.Join("$G", "streams", s.documentsConfig().Name))
}

// keepDocuments copies the files of the documents before NATS reads them, because what it takes for damaged it cuts off. A disk
// that has no room for the copy is no reason not to start.
func (s *State) keepDocuments() error {
	from, to := s.documentsFiles(), s.inFiles(checkingName)
	err := os.RemoveAll(to)
	if err == nil {
		if _, statErr := os.Stat(from); errors.Is(statErr, fs.ErrNotExist) {
			return nil
		}
		err = os.CopyFS(to, os.DirFS(from))
	}
	if err == nil {
		return nil
	}
	_ = os.RemoveAll(to) // the first error says more
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		s.log.Warn("documents' files are checked without a copy: the disk is full", "error", err)
		return nil
	}
	return &host.Error{Op: "copy the documents' files before they are opened", Kind: host.Unavailable,
		Err: fmt.Errorf("%w (is the disk read-only?)", err)}
}

// verify compares the documents that NATS has found with those that it should have. Where some are missing the state is not
// opened, and the files as they were are kept; unless the machine went down without SyncAlways, which may take the last seconds: that is
// told, and goes on.
func (s *State) verify(ctx context.Context) error {
	l, err := readLedger(s.inFiles(ledgerName))
	if err != nil {
		return err
	}
	found, err := s.found(ctx)
	if err != nil {
		return err
	}
	wrong, unreadable := l.compare(found)
	if unreadable || len(wrong) > 0 && (l.sameBoot || s.opts.SyncAlways) {
		return s.damaged(wrong)
	}
	if s.lost = wrong; len(wrong) > 0 {
		s.log.Error("the machine went down, and the store has lost its last writes; with --sync always it keeps them", "documents", wrong)
	}
	l.last = found
	if err := l.rewrite(); err != nil {
		return &host.Error{Op: "write the ledger", Kind: host.Unavailable, Err: err}
	}
	s.ledger = l
	if err := os.RemoveAll(s.inFiles(checkingName)); err != nil {
		s.log.Warn("copy of the documents' files was not removed", "error", err)
	}
	return nil
}

// found reads the revision of every document that NATS's index knows, by key as a subject; 0 of one that cannot be read.
func (s *State) found(ctx context.Context) (map[string]uint64, error) {
	info, err := s.docs.Info(ctx, jetstream.WithSubjectFilter(s.documentsPrefix()+">"))
	if err != nil {
		return nil, s.fail("check the documents", err)
	}
	found := map[string]uint64{}
	for subject := range info.State.Subjects {
		token := strings.TrimPrefix(subject, s.documentsPrefix())
		msg, err := s.docs.GetLastMsgForSubject(ctx, subject)
		switch {
		case err == nil:
			found[token] = msg.Sequence
		case errors.Is(err, jetstream.ErrMsgNotFound):
			found[token] = 0
		default:
			return nil, s.fail("check the documents", err)
		}
	}
	return found, nil
}

// damaged refuses a store, and keeps its files as they were found. The first such copy is the one that counts: NATS has cut what the next
// start finds. To go on without the ledger is not enough where NATS's own index names what it cannot read: it would lose what is written over it.
func (s *State) damaged(wrong []string) error {
	kept := s.inFiles(damagedName)
	if _, err := os.Stat(kept); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(s.inFiles(checkingName), kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Error("damaged files were not kept", "error", err)
		}
	}
	copied := ""
	if _, err := os.Stat(kept); err == nil {
		copied = " The files as they were are kept in " + kept + "."
	}
	more := ""
	if len(wrong) > 5 {
		more = fmt.Sprintf("; and %d more", len(wrong)-5)
		wrong = wrong[:5]
	}
	return &host.Error{Op: "open the state in " + s.opts.Dir, Kind: host.Internal,
		Err: fmt.Errorf("the store is damaged: %s%s.%s Restore a backup into a new folder; or, to go on with what is left, remove %s and %s",
			strings.Join(wrong, "; "), more, copied, s.inFiles(ledgerName), filepath.Join(s.documentsFiles(), "msgs", "index.db"))}
}

// Lost tells the documents whose last writes a crash of the machine has taken, in words; nil for none. They were fewer than
// syncInterval old.
func (s *State) Lost() []string { return slices.Clone(s.lost) }
