package access

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

func TestLimit(t *testing.T) {
	opts := open(t)
	clock := newClock()
	opts.Now = clock.now
	a := New(opts)
	_, used, err := a.CreateToken(t.Context(), Grant{Name: "used", Role: Viewer})
	if err != nil {
		t.Fatal(err)
	}
	_, fresh, err := a.CreateToken(t.Context(), Grant{Name: "fresh", Role: Viewer})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(bearer(used), netip.MustParseAddr("203.0.113.9"), false); err != nil {
		t.Fatal(err)
	}
	wrong := "pst_" + strings.Repeat("A", 43)
	for i := range loginBurst {
		if _, err := a.Authenticate(bearer(wrong), home, false); !errors.Is(err, host.Unauthenticated) {
			t.Fatalf("failure %d: %v; want Kind Unauthenticated", i+1, err)
		}
	}
	var throttle *Throttle
	_, err = a.Authenticate(bearer(wrong), home, false)
	if !errors.Is(err, host.Throttled) || !errors.As(err, &throttle) || throttle.Wait <= 0 || throttle.Wait > time.Minute {
		t.Fatalf("the next: %v; want Kind Throttled with a wait of a minute at most", err)
	}
	if _, err := a.Authenticate(bearer(fresh), home, false); !errors.Is(err, host.Throttled) {
		t.Errorf("a right token that was never used: %v; want Kind Throttled, or guesses are not limited", err)
	}
	if _, err := a.Authenticate(bearer(used), home, false); err != nil {
		t.Errorf("a token that has worked before: %v; want it accepted, for it shares the address", err)
	}
	if _, err := a.Authenticate(bearer(fresh), netip.MustParseAddr("192.0.2.2"), false); err != nil {
		t.Errorf("from another address: %v", err)
	}
	clock.pass(throttle.Wait)
	if _, err := a.Authenticate(bearer(wrong), home, false); !errors.Is(err, host.Unauthenticated) {
		t.Errorf("after the wait: %v; want Kind Unauthenticated", err)
	}
	if _, err := a.Authenticate(bearer(wrong), home, false); !errors.Is(err, host.Throttled) {
		t.Errorf("and then: %v; want Kind Throttled", err)
	}
}

func TestLimitByNetwork(t *testing.T) {
	var l limiter
	now := time.Now()
	for i := range loginBurst {
		l.fail(netip.MustParseAddr(fmt.Sprintf("2001:db8:0:1::%x", i)), now)
	}
	for address, limited := range map[string]bool{"2001:db8:0:1:ffff::1": true, "fe80::1%eth0": false, "2001:db8:0:2::1": false, "192.0.2.1": false} {
		if got := l.wait(netip.MustParseAddr(address), now) > 0; got != limited {
			t.Errorf("%s is limited: %v; want %v", address, got, limited)
		}
	}
	for range loginBurst {
		l.fail(netip.MustParseAddr("::ffff:192.0.2.1"), now)
	}
	if l.wait(netip.MustParseAddr("192.0.2.1"), now) == 0 {
		t.Error("an IPv4 address is another one in IPv6")
	}
	for range loginBurst {
		l.fail(netip.Addr{}, now)
	}
	if l.wait(netip.Addr{}, now) == 0 {
		t.Error("an address that is not known is not limited")
	}
}

// TestLimitEnds: whatever fails from an address, it waits for no longer than a minute.
func TestLimitEnds(t *testing.T) {
	var l limiter
	now := time.Now()
	for range 100_000 {
		l.fail(home, now)
	}
	if wait := l.wait(home, now); wait <= 0 || wait > time.Minute {
		t.Errorf("wait is %v", wait)
	}
	if wait := l.wait(home, now.Add(time.Minute)); wait != 0 {
		t.Errorf("a minute later wait is %v", wait)
	}
}

func TestLimitBounded(t *testing.T) {
	var l limiter
	now := time.Now()
	for i := range 3 * maxAddresses {
		l.fail(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
		if len(l.at) > maxAddresses {
			t.Fatalf("%d addresses are kept", len(l.at))
		}
	}
	later := now.Add(time.Hour)
	for i := range maxAddresses {
		l.fail(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), later)
	}
	if n := len(l.at); n > maxAddresses {
		t.Errorf("%d addresses are kept", n)
	}
}
