package upstream

import (
	"log/slog"
	"time"

	"github.com/postern/postern/host"
)

// A verdict is what an attempt says of its endpoint.
type verdict uint8

const (
	verdictNone verdict = iota // it says nothing: the caller left, or was itself to blame
	verdictGood
	verdictBad // an answer of 502, 503 or 504, or none at all
)

// judge tells what an attempt says of its endpoint. Where a request's body has stalled, who sends it may be as slow as
// it likes without a target being blamed: clients could throw targets out.
func judge(status int, err error, body *requestBody) verdict {
	if err == nil {
		if status == 502 || status == 503 || status == 504 {
			return verdictBad
		}
		return verdictGood
	}
	switch CauseOf(err) {
	case CauseRefused, CauseUnreachable, CauseName, CauseTLS, CauseConnectTimeout, CauseMalformed, CauseHeaderTooLarge:
		return verdictBad
	case CauseClosed, CauseHeaderTimeout, CauseTimeout:
		if !body.stalled() {
			return verdictBad
		}
	}
	return verdictNone
}

// passive is what real requests say of an endpoint.
type passive struct {
	failures int // in a row
	rounds   int // ejections since the last good answer
	ejected  bool
	timer    *time.Timer // that readmits it
}

// maxEjection is how many times its first length an ejection may last.
const maxEjection = 10

// note takes a verdict in, and ejects the endpoint when it was the last that was lacking. Behind an ejection, one more bad answer
// ejects again, for twice as long, until a good one is there.
func (e *endpoint) note(v verdict) {
	cfg := e.pool.def.Ejection
	if cfg == nil || v == verdictNone {
		return
	}
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	s := &e.passive
	switch {
	case s.ejected || e.retired || e.pool.closed:
		return
	case v == verdictGood:
		s.failures, s.rounds = 0, 0
		return
	}
	if s.failures++; s.failures < cfg.Failures || !e.pool.mayEject(cfg) {
		return
	}
	length := min(cfg.For<<min(s.rounds, 4), maxEjection*cfg.For)
	s.ejected, s.failures = true, cfg.Failures-1
	s.rounds++
	e.pool.ejected++
	s.timer = time.AfterFunc(length, func() {
		e.pool.mu.Lock()
		defer e.pool.mu.Unlock()
		if e.readmit() {
			e.tell(slog.LevelInfo, "upstream target back after its ejection")
		}
	})
	e.tell(slog.LevelWarn, "upstream target ejected", "failures", cfg.Failures, "for", length.String())
}

// mayEject reports whether one more endpoint may be out. One always may: where it is the only one, it is used all the same.
func (p *Pool) mayEject(cfg *host.Ejection) bool {
	return p.ejected < max(1, len(p.endpoints)*cfg.Max/100)
}

// readmit ends an ejection, and reports whether there was one.
func (e *endpoint) readmit() bool {
	s := &e.passive
	if !s.ejected {
		return false
	}
	s.timer.Stop()
	s.ejected = false
	e.pool.ejected--
	return true
}
