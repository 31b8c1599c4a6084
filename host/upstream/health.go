package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

// checkAgent is what a health check calls itself.
const checkAgent = "postern-health-check"

// maxCheckBody is how much of a health check's answer is read: enough for all that is meant for one.
const maxCheckBody = 64 << 10

// A check is a health check, compiled.
type check struct {
	*host.HealthCheck
	status *regexp.Regexp
}

func newCheck(def *host.HealthCheck) (*check, error) {
	c := *def
	c.Interval = orDefault(c.Interval, host.DefaultHealthInterval)
	c.Timeout = orDefault(c.Timeout, min(c.Interval, host.DefaultHealthTimeout))
	c.Healthy = orDefault(c.Healthy, host.DefaultHealthySuccess)
	c.Unhealthy = orDefault(c.Unhealthy, host.DefaultHealthyFailures)
	if c.Status == "" {
		c.Status = host.DefaultHealthStatus
	}
	if !strings.HasPrefix(c.Path, "/") {
		return nil, fmt.Errorf("the health check's path %q does not start with /", c.Path)
	}
	status, err := regexp.Compile("^(?:" + c.Status + ")$")
	if err != nil {
		return nil, fmt.Errorf("the health check's status: %w", err)
	}
	return &check{&c, status}, nil
}

// active is what health checks say of an endpoint.
type active struct {
	unwell bool
	passed bool // a check since the endpoint came
	streak int  // results in a row that contradict unwell
}

// keepChecked checks the endpoint until ctx ends, from the start on. Checks of several gateways and endpoints drift apart: each interval is
// up to a tenth longer or shorter.
func (e *endpoint) keepChecked(ctx context.Context) {
	c := e.pool.check
	// A connection of its own each time: it tests that too, and needs no place among those of requests.
	w := e.pool.wireOf(e.target, nil)
	w.dial = e.dialCheck
	transport := newTransport(w)
	transport.DisableKeepAlives = true
	for ctx.Err() == nil {
		err := e.checkOnce(ctx, transport)
		if ctx.Err() == nil {
			e.noteCheck(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(jitter(c.Interval)):
		}
	}
	transport.CloseIdleConnections()
}

// jitter returns d, up to a tenth longer or shorter.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

// checkOnce returns why the endpoint is not well.
func (e *endpoint) checkOnce(ctx context.Context, transport *http.Transport) error {
	ctx, cancel := context.WithTimeout(ctx, e.pool.check.Timeout)
	defer cancel()
	resp, err := once(ctx, transport, &host.Request{
		Method: "GET",
		Scheme: e.target.scheme,
		Host:   e.target.host,
		Target: e.pool.check.Path,
		Header: host.Header{{Name: "User-Agent", Value: checkAgent}},
	})
	if err != nil {
		return err
	}
	if resp.Body != nil {
		defer resp.Body.Close()
		if _, err := io.CopyN(io.Discard, resp.Body, maxCheckBody); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	if !e.pool.check.status.MatchString(strconv.Itoa(resp.Status)) {
		return fmt.Errorf("it answered %d", resp.Status)
	}
	return nil
}

// noteCheck takes a result in. Until an endpoint has passed a check, the first failure is enough: it is taken for well when
// it comes, so that a start waits for nothing.
func (e *endpoint) noteCheck(err error) {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	s, c := &e.active, e.pool.check
	well := err == nil
	need := c.Unhealthy
	if s.unwell {
		need = c.Healthy
	}
	if !s.passed {
		need = 1
	}
	s.passed = s.passed || well
	if well == !s.unwell {
		s.streak = 0
		return
	}
	if s.streak++; s.streak < need || e.retired {
		return
	}
	s.unwell, s.streak = !well, 0
	if well {
		e.tell(slog.LevelInfo, "upstream target healthy")
	} else {
		e.tell(slog.LevelWarn, "upstream target unhealthy", "error", err.Error())
	}
}
