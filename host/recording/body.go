package recording

import (
	"bytes"
	"io"
)

// A passing body is read, and written down as it is.
type passing struct {
	tape *tape
	from io.ReadCloser
	note *Body
	what string // for the reason of a cut
	left bool   // to tell when it is closed before its end
}

// A sizer is a body that is all there.
type sizer interface{ Len() int }

type passingSized struct {
	*passing
	sizer
}

func (t *tape) body(note *Body, from io.ReadCloser, what string) io.ReadCloser {
	p := &passing{tape: t, from: from, note: note, what: what}
	if sized, ok := from.(sizer); ok {
		note.Sized = true
		return passingSized{p, sized}
	}
	return p
}

// result is body for what a guest answers.
func (t *tape) result(note *Body, from io.ReadCloser) io.ReadCloser {
	p := &passing{tape: t, from: from, note: note, what: "the result", left: true}
	if sized, ok := from.(sizer); ok {
		return passingSized{p, sized}
	}
	return p
}

// Read writes down what it gives.
func (p *passing) Read(b []byte) (int, error) {
	n, err := p.from.Read(b)
	p.tape.mu.Lock()
	defer p.tape.mu.Unlock()
	p.write(b[:n], err)
	return n, err
}

// write notes one read. The lock is held.
func (p *passing) write(b []byte, err error) {
	note := p.note
	if note.Ended || note.Cut || len(b) == 0 && err == nil {
		return
	}
	if len(note.Data)+len(b) > MaxBody {
		note.Cut = true
		p.tape.cut(tooLong(p.what))
		return
	}
	note.Data = append(note.Data, b...)
	note.Pieces = append(note.Pieces, len(b))
	if err != nil {
		note.Ended = true
		if err != io.EOF {
			note.Failure = failureOf(err)
		}
	}
}

// Close closes the body.
func (p *passing) Close() error {
	err := p.from.Close()
	p.tape.mu.Lock()
	defer p.tape.mu.Unlock()
	if sized, ok := p.from.(sizer); p.left && !p.note.Ended && !(ok && sized.Len() == 0) {
		p.tape.cut(cutReader)
	}
	return err
}

// A replaying body gives what was read, as it was.
type replaying struct {
	side  *replaySide
	note  *Body
	rest  []byte
	piece int // of which given bytes were given
	given int
}

func (s *replaySide) body(note *Body) io.ReadCloser {
	r := &replaying{side: s, note: note, rest: bytes.Clone(note.Data)}
	if note.Sized {
		return replayingSized{r}
	}
	return r
}

type replayingSized struct{ *replaying }

// Len is what was not read yet.
func (r replayingSized) Len() int { return len(r.rest) }

// Read gives at most as much as the recorded read gave.
func (r *replaying) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n := min(len(b), len(r.rest))
	if r.piece < len(r.note.Pieces) {
		n = min(n, r.note.Pieces[r.piece]-r.given)
	}
	copy(b, r.rest[:n])
	r.rest = r.rest[n:]
	if r.given += n; r.piece < len(r.note.Pieces) && r.given == r.note.Pieces[r.piece] {
		r.piece, r.given = r.piece+1, 0
	}
	switch {
	case n > 0 && (r.piece < len(r.note.Pieces) || len(r.rest) > 0):
		return n, nil
	case r.note.Ended && r.note.Failure != nil:
		return n, r.note.Failure.err()
	case r.note.Ended || r.note.Sized && n == 0:
		return n, io.EOF
	case n > 0:
		return n, nil
	}
	return 0, r.side.readsOn()
}

// Close has nothing to free.
func (*replaying) Close() error { return nil }
