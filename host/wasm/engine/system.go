package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

// Bounds of what a guest writes, beside its limits.
const (
	MaxLogLine = 16 << 10 // bytes; the rest of a line is cut off
	maxTail    = 4 << 10  // of standard error, kept for the error of a guest that exits
)

// A system is what an instance sees of the world through WASI. wazero takes clocks and streams when an instance is
// made, but effects belong to a call, so this stands between and is pointed at each call's effects when it begins.
type system struct {
	plugin         *host.PluginConfig
	process        *Process // of a command that runs; nil otherwise
	ctx            context.Context
	fx             host.Effects
	base           time.Time
	monotonic      int64
	lines, bytes   int64 // that were logged in this call; lines is -1 once it was too much
	stdout, stderr lineWriter
	tail           []byte
	slept          time.Duration // in this call
}

func (s *system) init(i *Instance) {
	s.plugin = &i.pool.plugin
	s.stdout = lineWriter{system: s, level: slog.LevelInfo}
	s.stderr = lineWriter{system: s, level: slog.LevelWarn}
	s.base = i.pool.born
}

func (s *system) begin(ctx context.Context, fx host.Effects) {
	s.ctx, s.fx = ctx, fx
	s.lines, s.bytes, s.tail, s.slept = 0, 0, s.tail[:0], 0
}

func (s *system) end() {
	s.stdout.flush()
	s.stderr.flush()
	s.ctx, s.fx = nil, nil
}

// A stdin is a command's standard input, and empty for other guests.
type stdin struct{ *system }

// Read fails with what the guest sees as an I/O error.
func (s stdin) Read(p []byte) (n int, err error) {
	if s.process == nil || s.process.Stdin == nil {
		return 0, io.EOF
	}
	s.wait(func() { n, err = s.process.Stdin.Read(p) })
	return n, err
}

// A stdout is a command's standard output, and log lines of other guests.
type stdout struct{ *system }

// Write fails with what the guest sees as an I/O error.
func (s stdout) Write(p []byte) (n int, err error) {
	if s.process == nil {
		return s.system.stdout.Write(p)
	}
	s.wait(func() { n, err = s.process.Stdout.Write(p) })
	return n, err
}

func (s *system) walltime() (sec int64, nsec int32) {
	now := s.fx.Now()
	return now.Unix(), int32(now.Nanosecond())
}

// nanotime never goes back, which guests rely on, whatever clock the effects have: one that is behind, as that of a test is, goes on from
// where the last one was. It is never 0, which Go takes for a clock that is broken.
func (s *system) nanotime() int64 {
	now := s.fx.Now()
	if since := 1 + int64(now.Sub(s.base)); since >= s.monotonic {
		s.monotonic = since
	} else {
		s.base = now.Add(time.Duration(1 - s.monotonic))
	}
	return s.monotonic
}

func (s *system) nanosleep(ns int64) {
	begun := time.Now()
	s.wait(func() {
		_ = s.fx.Sleep(s.ctx, time.Duration(ns)) // when ctx ends, so does the guest
		s.slept += time.Since(begun)
	})
}

// wait runs what may wait for somebody else, while others execute. It ends the guest if its call has ended by then.
func (s *system) wait(f func()) {
	call := fromContext(s.ctx)
	call.guest.Wait(call, f)
}

// mustGoOn ends the guest if its call has ended: one call of WASI may write, or ask for, any number of pieces.
func (s *system) mustGoOn() {
	if s.ctx.Err() != nil {
		panic(interrupt{})
	}
}

// log passes one line on, as long as the call is within its limits.
func (s *system) log(ctx context.Context, level slog.Level, line string) {
	lines, size := s.plugin.Limits.LogLines, s.plugin.Limits.LogBytes
	switch {
	case s.lines < 0:
		return
	case s.lines == lines.Value:
		s.lines = -1
		line = fmt.Sprintf("more than %d lines in one call (limits.logLines: %s); the rest is dropped", lines.Value, lines.Origin())
	case s.bytes+int64(min(len(line), MaxLogLine)) > size.Value:
		s.lines = -1
		line = fmt.Sprintf("more than %d bytes of lines in one call (limits.logBytes: %s); the rest is dropped", size.Value, size.Origin())
	}
	if s.lines < 0 {
		s.fx.Log(ctx, slog.LevelWarn, line)
		return
	}
	if len(line) > MaxLogLine {
		line = line[:MaxLogLine] + "…"
	}
	s.lines++
	s.bytes += int64(len(line))
	s.fx.Log(ctx, level, strings.ToValidUTF8(line, "\uFFFD"))
}

// Log writes a line of the guest's, within the bounds of the call.
func (i *Instance) Log(ctx context.Context, level slog.Level, line string) {
	i.system.log(ctx, level, line)
}

// A lineWriter turns what a guest writes to a stream into log lines.
type lineWriter struct {
	system *system
	level  slog.Level
	line   []byte // unfinished; no longer than MaxLogLine, and a little to see that it was
}

// Write never fails: a guest cannot do anything about its log. It may write all of its memory at once.
func (w *lineWriter) Write(p []byte) (int, error) {
	if w.level == slog.LevelWarn {
		w.system.keepTail(p)
	}
	for piece := range slices.Chunk(p, MaxLogLine) {
		w.system.mustGoOn()
		w.write(piece)
	}
	return len(p), nil
}

func (w *lineWriter) write(p []byte) {
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if room := MaxLogLine + 1 - len(w.line); len(line) > room {
			line = line[:room]
		}
		w.line = append(w.line, line...)
		if whole {
			w.flush()
		}
		rest = after
	}
}

func (w *lineWriter) flush() {
	if len(w.line) > 0 {
		w.system.log(w.system.ctx, w.level, string(w.line))
		w.line = w.line[:0]
	}
}

// keepTail remembers the last bytes: a language's runtime that gives up writes its reason there.
func (s *system) keepTail(p []byte) {
	p = p[max(0, len(p)-maxTail):]
	if over := len(s.tail) + len(p) - maxTail; over > 0 {
		s.tail = append(s.tail[:0], s.tail[over:]...)
	}
	s.tail = append(s.tail, p...)
}

// randomReader is the source behind WASI's random_get.
type randomReader struct{ *system }

// Read fails beyond MaxRandom, which the guest sees as an I/O error.
func (r randomReader) Read(p []byte) (int, error) {
	r.mustGoOn()
	if len(p) > MaxRandom {
		return 0, fmt.Errorf("%d random bytes asked for; the limit is %d a call", len(p), MaxRandom)
	}
	r.fx.Rand(p)
	return len(p), nil
}
