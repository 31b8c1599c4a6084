package pipeline

import "time"

// SetClock has the breakers of the plugins that are open go by another clock.
func (s *Shared) SetClock(now func() time.Time) {
	for _, b := range s.breakers.values() {
		b.mu.Lock()
		b.now = now
		b.mu.Unlock()
	}
}
