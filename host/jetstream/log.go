package jetstream

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// serverLog hands an embedded server's messages to slog. What it calls a notice is a detail to a host's reader.
type serverLog struct {
	log *slog.Logger

	mu     sync.Mutex
	broken string   // why a stream has stopped writing, if one has
	worst  []string // warnings and errors since the start, a few: they say why it does not start
}

func (l *serverLog) Noticef(format string, v ...any) {
	l.log.Debug("nats", "message", fmt.Sprintf(format, v...))
}
func (l *serverLog) Debugf(string, ...any)          {}
func (l *serverLog) Tracef(string, ...any)          {}
func (l *serverLog) Warnf(format string, v ...any)  { l.tell(slog.LevelWarn, format, v) }
func (l *serverLog) Errorf(format string, v ...any) { l.tell(slog.LevelError, format, v) }
func (l *serverLog) Fatalf(format string, v ...any) { l.tell(slog.LevelError, format, v) }

func (l *serverLog) tell(level slog.Level, format string, v []any) {
	message := fmt.Sprintf(format, v...)
	l.log.Log(context.Background(), level, "nats", "message", message)
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.Contains(message, "ritical write error") || strings.Contains(message, "out of resources") {
		l.broken = message
	}
	if len(l.worst) < 20 {
		l.worst = append(l.worst, strings.TrimSpace(message))
	}
}

// said returns the warnings and errors so far.
func (l *serverLog) said() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.worst...)
}

// stopped returns why a stream has stopped writing; "" when none has.
func (l *serverLog) stopped() string {
	if l == nil {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}
