package quarantine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/postern/postern/host"
)

// A key names code by all that its compiler is given.
type key [sha256.Size]byte

func keyOf(src *host.Source) key {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(src.Runtime), []byte(src.ABI), src.Code, src.SourceMap} {
		sum := sha256.Sum256(part)
		h.Write(sum[:])
	}
	return key(h.Sum(nil))
}

// maxPassed is how many keys of what has passed are remembered, the last of them.
const maxPassed = 1 << 16

// passed are keys of code that has passed: those of two generations, the older of which is dropped when the newer is full. The file has one key
// a line. Its zero value remembers in memory.
type passed struct {
	mu         sync.Mutex
	file       string
	young, old map[key]bool
}

// load reads what was remembered. What is no line of its own, as after a crash, is passed over.
func (p *passed) load(file string) error {
	p.file, p.young, p.old = file, map[key]bool{}, map[key]bool{}
	if file == "" {
		return nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	lines := bytes.Split(data, []byte("\n"))
	tooMany := len(lines) > 2*maxPassed
	lines = lines[max(0, len(lines)-maxPassed):]
	for _, line := range lines {
		var k key
		if n, err := hex.Decode(k[:], line[:min(len(line), 2*len(k))]); err == nil && n == len(k) && len(line) == 2*len(k) {
			p.old[k] = true
		}
	}
	if tooMany {
		return p.rewrite(bytes.Join(lines, []byte("\n")))
	}
	return nil
}

func (p *passed) rewrite(data []byte) error {
	fresh := p.file + ".new"
	if err := os.WriteFile(fresh, data, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, p.file)
}

func (p *passed) has(k key) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.young[k] || p.old[k]
}

// add remembers a key; its error is of the file alone.
func (p *passed) add(k key) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.young[k] || p.old[k] {
		return nil
	}
	if len(p.young) >= maxPassed {
		p.young, p.old = map[key]bool{}, p.young
	}
	p.young[k] = true
	if p.file == "" {
		return nil
	}
	file, err := os.OpenFile(p.file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(hex.EncodeToString(k[:]) + "\n")
	return errors.Join(err, file.Close())
}

// Code that killed a child is refused for a while without another child: it would keep one of the few busy. Not for ever, because it
// may have been the machine that was slow.
const (
	refusedFor = time.Minute
	maxRefused = 256
)

// refused is why code was refused. Its zero value is ready.
type refused struct {
	mu      sync.Mutex
	reasons map[key]refusal
}

type refusal struct {
	err   error
	until time.Time
}

func (r *refused) why(k key) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if found, ok := r.reasons[k]; ok && time.Now().Before(found.until) {
		return found.err
	}
	return nil
}

func (r *refused) add(k key, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for other, reason := range r.reasons {
		if len(r.reasons) >= maxRefused || now.After(reason.until) {
			delete(r.reasons, other)
		}
	}
	if r.reasons == nil {
		r.reasons = map[key]refusal{}
	}
	r.reasons[k] = refusal{err, now.Add(refusedFor)}
}
