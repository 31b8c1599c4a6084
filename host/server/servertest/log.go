package servertest

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// A Log keeps what a gateway logged. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write takes a line.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A Line is one line of the log, by key.
type Line map[string]any

// Text returns a field as text, "" when there is none.
func (l Line) Text(key string) string {
	if v, ok := l[key]; ok {
		return fmt.Sprint(v)
	}
	return ""
}

// Lines returns every line so far.
func (l *Log) Lines() []Line {
	var lines []Line
	for text := range strings.Lines(l.String()) {
		var line Line
		if json.Unmarshal([]byte(text), &line) == nil {
			lines = append(lines, line)
		}
	}
	return lines
}

// Wait waits for a line that fits and returns the last of them.
func (l *Log) Wait(tb testing.TB, what string, fits func(Line) bool) Line {
	tb.Helper()
	var found Line
	Eventually(tb, "the log has "+what, func() bool {
		for _, line := range l.Lines() {
			if fits(line) {
				found = line
			}
		}
		return found != nil
	})
	return found
}

// Request waits for the access log's line about a response, by its request id.
func (l *Log) Request(tb testing.TB, reply Reply) Line {
	tb.Helper()
	id := reply.Header.Get("Apigw-Requestid")
	if id == "" {
		tb.Fatalf("the response has no request id: %+v", reply)
	}
	return l.Wait(tb, "a line for request "+id, func(line Line) bool {
		return line.Text("msg") == "request" && line.Text("request_id") == id
	})
}
