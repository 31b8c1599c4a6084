package jetstream

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/postern/postern/host"
)

// A ledger is a file beside an embedded server's, with a line for each write of a document that was acknowledged: its revision, its key, and
// a checksum. When NATS finds a damaged block after a crash, it takes what comes before the damage for all there was, and says
// nothing. The ledger tells that from a store that is whole. It is written after the acknowledgement and never fsynced, so it is
// behind the store at most, but after a power cut: then it may know what the disk has not kept.
type ledger struct {
	mu    sync.Mutex
	file  *os.File
	lines int
	last  map[string]uint64 // revision by key, as a subject
	path  string
	boot  string

	sameBoot bool // as it was read: its lines are of this boot of the machine
}

// compactAt is when a ledger is written anew, with one line a key: so many lines, and several for each key.
const compactAt = 10_000

const ledgerName = "documents.ledger"

// readLedger reads the acknowledged revisions. A line that is not whole is left out, and makes the check weaker.
func readLedger(path string) (*ledger, error) {
	l := &ledger{path: path, last: map[string]uint64{}, boot: bootID()}
	if cut, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".ledger-*")); err == nil {
		for _, name := range cut { // by a kill in rewrite
			_ = os.Remove(name)
		}
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, &host.Error{Op: "read the ledger", Kind: host.Unavailable, Err: err}
	}
	first, rest, _ := strings.Cut(string(data), "\n")
	boot, ok := checked(first)
	l.sameBoot = ok && l.boot != "" && boot == "boot "+l.boot
	for each := range strings.Lines(rest) {
		text, ok := checked(strings.TrimSuffix(each, "\n"))
		rev, key, found := strings.Cut(text, " ")
		n, err := strconv.ParseUint(rev, 10, 64)
		if !ok || !found || err != nil {
			continue
		}
		l.last[key] = max(l.last[key], n)
	}
	return l, nil
}

// compare returns what is wrong with the revisions that were found, in words, and whether a document is there and cannot be read: its
// revision is 0.
func (l *ledger) compare(found map[string]uint64) (wrong []string, unreadable bool) {
	for token, rev := range found {
		if rev == 0 {
			unreadable = true
			wrong = append(wrong, nameOf(token)+": it cannot be read")
		}
	}
	for token, rev := range l.last {
		switch now, there := found[token]; {
		case !there:
			wrong = append(wrong, fmt.Sprintf("%s: revision %d was acknowledged, and none is there", nameOf(token), rev))
		case now != 0 && now < rev:
			wrong = append(wrong, fmt.Sprintf("%s: revision %d was acknowledged, and %d is there", nameOf(token), rev, now))
		}
	}
	slices.Sort(wrong)
	return wrong, unreadable
}

func nameOf(token string) string {
	key, ok := decodeKey(token)
	if !ok {
		return short(token)
	}
	return short(string(key))
}

// checked returns a line without its checksum.
func checked(line string) (text string, ok bool) {
	i := strings.LastIndexByte(line, ' ')
	if i < 0 {
		return "", false
	}
	return line[:i], line[i+1:] == checksum(line[:i])
}

func checksum(text string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) }

func line(text string) string { return text + " " + checksum(text) + "\n" }

// rewrite starts the file anew with what is known.
func (l *ledger) rewrite() error {
	var b strings.Builder
	b.WriteString(line("boot " + l.boot))
	for key, rev := range l.last {
		b.WriteString(line(strconv.FormatUint(rev, 10) + " " + key))
	}
	f, err := os.CreateTemp(filepath.Dir(l.path), ".ledger-*")
	if err != nil {
		return err
	}
	if _, err = f.WriteString(b.String()); err == nil {
		err = os.Rename(f.Name(), l.path)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
		return err
	}
	if l.file != nil {
		_ = l.file.Close()
	}
	l.file, l.lines = f, len(l.last)
	return nil
}

// add notes an acknowledged write. One that cannot be noted, as on a full disk, is acknowledged all the same: the ledger is behind then.
func (l *ledger) add(key string, rev uint64) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[key] = max(l.last[key], rev)
	if l.file == nil {
		return
	}
	if _, err := l.file.WriteString(line(strconv.FormatUint(rev, 10) + " " + key)); err != nil {
		return
	}
	if l.lines++; l.lines > compactAt && l.lines > 4*len(l.last) {
		_ = l.rewrite() // tried again with the next write
	}
}

func (l *ledger) close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close() // what was written is with the system
		l.file = nil
	}
}

// bootID names this run of the machine; "" where that is not known, and damage is then told rather than refused.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
