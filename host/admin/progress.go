package admin

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/postern/postern/host/catalog"
)

// lines writes newline-delimited JSON as it comes. The response begins with the first line. It is safe for concurrent use.
type lines struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
	err     error
}

func newLines(w http.ResponseWriter) *lines {
	return &lines{w: w, control: http.NewResponseController(w)}
}

// begin sends the head of the response.
func (l *lines) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begun {
		return
	}
	l.begun = true
	_ = l.control.EnableFullDuplex() // the body may still be read while lines go out; HTTP/2 always can
	l.w.Header().Set("Content-Type", TypeNDJSON)
	l.w.WriteHeader(http.StatusOK)
	l.err = l.control.Flush()
}

// write sends one line, and reports whether there is still a reader.
func (l *lines) write(v any) bool {
	l.begin()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		_ = l.control.SetWriteDeadline(time.Now().Add(writePatience))
		encoder := json.NewEncoder(l.w)
		encoder.SetEscapeHTML(false)
		if l.err = encoder.Encode(v); l.err == nil {
			l.err = l.control.Flush()
		}
	}
	return l.err == nil
}

// stream performs a long operation and tells how it goes. What is refused before anything went on has its own status; behind the first line
// the status is 200, and the last line has the outcome.
func (c *call) stream() {
	out := newLines(c.w)
	c.r = c.r.WithContext(catalog.WithProgress(c.r.Context(), func(text string) { out.write(ProgressLine{Progress: text}) }))
	rep, err := c.perform()
	if err != nil {
		p := c.refuse(err)
		if !out.begun {
			c.writeProblem(p, err)
			return
		}
		out.write(ProgressLine{Error: p})
		return
	}
	result, err := json.Marshal(rep.body)
	if err != nil {
		out.write(ProgressLine{Error: c.refuse(err)})
		return
	}
	out.write(ProgressLine{Result: result})
}
