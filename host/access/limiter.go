package access

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// loginBurst failures are free, and another is every loginInterval: ten in a minute.
	loginBurst    = 10
	loginInterval = time.Minute / loginBurst

	// maxAddresses bounds the memory of addresses that have failed: under 2 MB.
	maxAddresses = 10_000
)

// A limiter counts failed logins by address, with the generic cell rate algorithm. The zero value is ready.
type limiter struct {
	mu sync.Mutex
	at map[netip.Prefix]time.Time // when all of an address's failures are forgotten
}

// Client returns what counts as one client: an IPv6 network of 64 bits is one, for whoever has one address of it has all.
func Client(from netip.Addr) netip.Prefix {
	from = from.Unmap().WithZone("")
	bits := 64
	if from.Is4() {
		bits = 32
	}
	prefix, _ := from.Prefix(bits) // an address that is not known is the zero prefix: all of them are one client
	return prefix
}

// wait returns how long an address must wait; 0 when it need not.
func (l *limiter) wait(from netip.Addr, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, counted := l.at[Client(from)]
	if !counted {
		return 0
	}
	return max(0, until.Add(-(loginBurst-1)*loginInterval).Sub(now))
}

// fail counts a failure.
func (l *limiter) fail(from netip.Addr, now time.Time) {
	who := Client(from)
	l.mu.Lock()
	defer l.mu.Unlock()
	until, counted := l.at[who]
	if !counted {
		l.room(now)
	}
	if until.Before(now) {
		until = now
	}
	// A known credential's failures count also while the address waits; it never waits for longer than a minute.
	l.at[who] = minTime(until.Add(loginInterval), now.Add(loginBurst*loginInterval))
}

// room keeps the memory bounded: it drops some addresses that have nothing left to forget, or else any.
func (l *limiter) room(now time.Time) {
	if l.at == nil {
		l.at = map[netip.Prefix]time.Time{}
	}
	looked := 0
	for who, until := range l.at { // in no order
		if !until.After(now) || len(l.at) >= maxAddresses && looked > 8 {
			delete(l.at, who)
		}
		if looked++; looked > 16 {
			return
		}
	}
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
