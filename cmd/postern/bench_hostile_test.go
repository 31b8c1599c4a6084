package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	hostileCopies  = 8                     // of each guest: a breaker leaves one alone, and the others go on
	hostileClients = 24                    // that call them at once, and as many again who leave, or never send
	hostileRoom    = 256                   // MiB that all instances together may have, so that those of good routes need not make room
	hostileQuiet   = 10 * time.Second      // without them, and then
	hostileSiege   = 20 * time.Second      // with them, in turns
	hostileTurns   = 3                     // of both
	hostilePace    = 25 * time.Millisecond // between the beginnings of good requests, of which each asks every route
)

// A tally is how long requests took, by what they asked for.
type tally struct {
	mu    sync.Mutex
	took  map[string][]time.Duration
	lost  int
	first error // of those that were lost
}

func (l *tally) add(what string, took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.took == nil {
		l.took = map[string][]time.Duration{}
	}
	l.took[what] = append(l.took[what], took)
	if err != nil {
		l.lost++
		if l.first == nil {
			l.first = err
		}
	}
}

// at is what a share of the requests took at most.
func (l *tally) at(what string, share float64) time.Duration {
	took := slices.Sorted(slices.Values(l.took[what]))
	if len(took) == 0 {
		return 0
	}
	return took[min(len(took)-1, int(share*float64(len(took))))]
}

// benchHostile asks the good routes at a steady pace, whatever becomes of earlier requests, by turns without hostile neighbours and beside all of them.
func benchHostile(t *testing.T) {
	b := besiege(t, hostileCopies, hostileRoom)
	var quiet, siege, late tally
	var attacks, answered atomic.Int64
	b.paced(time.Second, &tally{}) // warm
	for range hostileTurns {
		b.paced(hostileQuiet, &quiet)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { b.siege(ctx, &late, &attacks, &answered); close(ended) }()
		b.paced(hostileSiege, &siege)
		cancel()
		<-ended
	}
	for _, what := range []string{"wasm", "js", "proxy", "healthz"} {
		t.Logf("%-8s alone: p50 %v, p99 %v; beside hostile guests: p50 %v, p99 %v, %.1f times; most %v", what, quiet.at(what, 0.5), quiet.at(what, 0.99),
			siege.at(what, 0.5), siege.at(what, 0.99), float64(siege.at(what, 0.99))/float64(quiet.at(what, 0.99)), siege.at(what, 1))
	}
	t.Logf("good requests: %d alone, %d lost; %d beside %d hostile calls (%d of them executed), %d lost: %v", len(quiet.took["wasm"])*3, quiet.lost,
		len(siege.took["wasm"])*3, attacks.Load(), answered.Load(), siege.lost, siege.first)
	t.Logf("guests that are stopped at their deadline, as their clients see it: %d, p50 %v after it, p99 %v, most %v", len(late.took["late"]), late.at("late", 0.5),
		late.at("late", 0.99), late.at("late", 1))
	t.Logf("the host had %d MiB resident at most; its bound is %d (--plugin-memory %d MiB and %d); pauses of the garbage collection at most %s s", b.peak(t),
		hostileRoom+hostileRest, hostileRoom, hostileRest, b.pause(t))
	b.ends(t)
}

// paced asks for so long, and waits for all answers.
func (b *besieged) paced(lasts time.Duration, into *tally) {
	var group sync.WaitGroup
	tick := time.NewTicker(hostilePace)
	defer tick.Stop()
	end := time.Now().Add(lasts)
	for n := 0; time.Now().Before(end); n++ {
		at := <-tick.C
		for _, q := range b.questions(n)[:3] {
			group.Go(func() {
				err := b.ask(q)
				into.add(strings.Split(q.path, "/")[1], time.Since(at), err)
			})
		}
		group.Go(func() {
			got, err := answer(context.Background(), b.web, http.MethodGet, b.admin+"/healthz", "", "")
			if err == nil && !strings.HasPrefix(got, "200 ") {
				err = fmt.Errorf("healthz: %s", got)
			}
			into.add("healthz", time.Since(at), err)
		})
	}
	group.Wait()
}

// siege calls hostile guests at random until ctx ends.
func (b *besieged) siege(ctx context.Context, late *tally, attacks, answered *atomic.Int64) {
	names := hostileNames()
	var group sync.WaitGroup
	for range hostileClients {
		group.Go(func() {
			for ctx.Err() == nil {
				name := names[rand.IntN(len(names))]
				begun := time.Now()
				refused, err := b.attack(context.Background(), name, 1+rand.IntN(hostileCopies))
				took := time.Since(begun)
				attacks.Add(1)
				if err == nil && !refused {
					answered.Add(1)
					if hostileStatus[name] == http.StatusGatewayTimeout {
						late.add("late", took-hostileTimeout, nil)
					}
				}
				time.Sleep(5 * time.Millisecond) // refusals are quick, and would be all that happens
			}
		})
		group.Go(func() {
			for ctx.Err() == nil {
				b.leave(names[rand.IntN(len(names))])
				attacks.Add(1)
			}
		})
	}
	for range hostileClients / 4 {
		group.Go(func() { b.withhold(ctx) })
	}
	group.Wait()
}

// pause is the longest pause of a garbage collection, in seconds, as the host's metrics have it.
func (b *besieged) pause(t *testing.T) string {
	t.Helper()
	got, err := answer(t.Context(), b.web, http.MethodGet, b.admin+"/metrics", "", b.token)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^go_gc_duration_seconds\{quantile="1"\} (\S+)`).FindStringSubmatch(got)
	if found == nil {
		return "unknown"
	}
	return found[1]
}

// TestBenchHostile is a part of TestBench that can be run alone.
func TestBenchHostile(t *testing.T) {
	if os.Getenv("POSTERN_BENCH") == "" {
		t.Skip("run it with: make bench")
	}
	benchHostile(t)
}
