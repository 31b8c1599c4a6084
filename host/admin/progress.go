package admin

import (
	"bytes"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/postern/postern/host/catalog"
)

// lines writes newline-delimited JSON as it comes. The response begins with the first line. It is safe for concurrent use.
type lines struct {
	mu  sync.Mutex
	w   *response
	err error
}

// begin sends the head of the response.
func (l *lines) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w.begun {
		return
	}
	_ = l.w.control.EnableFullDuplex() // the body may still be read while lines go out; HTTP/2 always can
	l.w.Header().Set("Content-Type", TypeNDJSON)
	l.w.WriteHeader(http.StatusOK)
	l.err = l.w.control.Flush()
}

// write sends one value, and reports whether there is still a reader.
func (l *lines) write(v any) bool {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return false
	}
	l.begin()
	return l.send(line.Bytes())
}

func (l *lines) send(line []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.w.begun {
		return true
	}
	if l.err == nil {
		if _, l.err = l.w.Write(line); l.err == nil {
			l.err = l.w.control.Flush()
		}
	}
	return l.err == nil
}

// begun reports whether the head of the response was sent.
func (l *lines) begun() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.begun
}

// beat sends an empty line now and then, once the response has begun, so that nothing between takes a quiet stream for a dead one, and a reader
// who has gone is noticed: lost is called then. Readers of JSON pass over empty lines. The caller calls stop before it returns.
func (l *lines) beat(every time.Duration, lost func()) (stop func()) {
	done := make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				if !l.send([]byte("\n")) {
					lost()
					return
				}
			}
		}
	})
	return func() { close(done); beating.Wait() }
}

// stream performs a long operation and tells how it goes. What is refused before anything went on has its own status; behind the first line
// the status is 200, and the last line has the outcome.
func (c *call) stream() {
	c.out = &lines{w: c.w}
	defer c.out.beat(c.delays.heartbeat, func() {})()
	c.r = c.r.WithContext(catalog.WithProgress(c.r.Context(), func(text string) { c.out.write(ProgressLine{Progress: text}) }))
	rep, err := c.perform()
	if err != nil {
		c.fail(c.refuse(err), err)
		return
	}
	result, err := json.Marshal(rep.body)
	if err != nil {
		c.fail(c.refuse(err), err)
		return
	}
	c.out.write(ProgressLine{Result: result})
}

// fail tells a problem in the way that the response has begun.
func (c *call) fail(p *Problem, err error) {
	switch {
	case c.out != nil && c.out.begun():
		c.out.write(ProgressLine{Error: p})
	case c.w.begun: // what has come must not be taken for whole
		panic(http.ErrAbortHandler)
	default:
		c.writeProblem(p, err)
	}
}
