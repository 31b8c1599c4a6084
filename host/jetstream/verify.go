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

// keepDocuments copies the files of the documents before NATS reads them, because what it takes for damaged it cuts off.
func (s *State) keepDocuments() error {
	from := s.inFiles(filepath.Join("$G", "streams", s.documentsConfig().Name))
	to := s.inFiles(checkingName)
	err := os.RemoveAll(to)
	if err == nil {
		if _, statErr := os.Stat(from); errors.Is(statErr, fs.ErrNotExist) {
			return nil
		}
		err = os.CopyFS(to, os.DirFS(from))
	}
	if err != nil {
		_ = os.RemoveAll(to) // the first error says more
		return &host.Error{Op: "copy the documents' files before they are opened", Kind: host.Unavailable,
			Err: fmt.Errorf("%w (is the disk full, or read-only?)", err)}
	}
	return nil
}

// verify compares the documents that NATS has found with those that it should have. Where some are missing the state is not
// opened, and the files as they were are kept; unless the machine went down without SyncAlways, which may take the last seconds: that is
// told, and goes on.
func (s *State) verify(ctx context.Context) error {
	l, sameBoot, err := readLedger(s.inFiles(ledgerName))
	if err != nil {
		return err
	}
	found, indexed, err := s.found(ctx)
	if err != nil {
		return err
	}
	var wrong []string
	for token, rev := range l.last {
		if found[token] < rev {
			wrong = append(wrong, fmt.Sprintf("%s: revision %d was acknowledged, and %s is there", name(token), rev, revision(found[token])))
		}
	}
	unreadable := len(wrong)
	for _, token := range indexed {
		if found[token] == 0 && l.last[token] == 0 {
			wrong = append(wrong, name(token)+": cannot be read")
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		if sameBoot || s.opts.SyncAlways || len(wrong) > unreadable {
			return s.damaged(wrong)
		}
		s.log.Error("the machine went down, and the store has lost its last writes; with --sync always it keeps them", "documents", wrong)
		s.lost = wrong
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

// found reads the revision of every document, by key as a subject, and the keys that NATS's index knows.
func (s *State) found(ctx context.Context) (found map[string]uint64, indexed []string, err error) {
	all := s.documentsPrefix() + ">"
	info, err := s.docs.Info(ctx, jetstream.WithSubjectFilter(all))
	if err != nil {
		return nil, nil, s.fail("check the documents", err)
	}
	for subject := range info.State.Subjects {
		indexed = append(indexed, strings.TrimPrefix(subject, s.documentsPrefix()))
	}
	found = map[string]uint64{}
	for msg, err := range s.scan(ctx, s.docs, []string{all}) {
		if err != nil {
			return nil, nil, s.fail("check the documents", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return nil, nil, s.fail("check the documents", err)
		}
		found[strings.TrimPrefix(msg.Subject(), s.documentsPrefix())] = meta.Sequence.Stream
	}
	return found, indexed, nil
}

func name(token string) string {
	key, ok := decodeKey(token)
	if !ok {
		return short(token)
	}
	return short(string(key))
}

func revision(rev uint64) string {
	if rev == 0 {
		return "none"
	}
	return fmt.Sprint(rev)
}

// damaged refuses a store, and keeps its files as they were found. The first such copy is the one that counts.
func (s *State) damaged(wrong []string) error {
	kept := s.inFiles(damagedName)
	if _, err := os.Stat(kept); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(s.inFiles(checkingName), kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Error("damaged files were not kept", "error", err)
		}
	}
	more := ""
	if len(wrong) > 5 {
		more = fmt.Sprintf("; and %d more", len(wrong)-5)
		wrong = wrong[:5]
	}
	return &host.Error{Op: "open the state in " + s.opts.Dir, Kind: host.Internal,
		Err: fmt.Errorf("the store is damaged: %s%s. The files as they were are kept in %s. Restore a backup into a new folder; or, to go on with what is left, remove %s",
			strings.Join(wrong, "; "), more, kept, s.inFiles(ledgerName))}
}

// Lost tells the documents whose last writes a crash of the machine has taken, in words; nil for none. They were fewer than
// SyncInterval old.
func (s *State) Lost() []string { return slices.Clone(s.lost) }
