package upstream

import (
	"hash/fnv"
	"io"
	"math"

	"github.com/postern/postern/host"
)

// A balancer chooses one of the candidates, of which there is at least one. key is a request's hash. Its pool's mutex guards it.
type balancer interface {
	choose(candidates []*endpoint, key uint64) *endpoint
}

func newBalancer(b host.Balance) balancer {
	switch b {
	case host.BalanceLeastRequests:
		return leastRequests{}
	case host.BalanceConsistentHash:
		return consistentHash{}
	}
	return roundRobin{}
}

// roundRobin is smooth and weighted: weights 5, 1, 1 give a a b a c a a, not five at once.
type roundRobin struct{}

func (roundRobin) choose(candidates []*endpoint, _ uint64) *endpoint {
	var best *endpoint
	var total float64
	for _, e := range candidates {
		total += e.weight
		e.current += e.weight
		if best == nil || e.current > best.current {
			best = e
		}
	}
	best.current -= total
	return best
}

// leastRequests takes the endpoint that would have the fewest requests in flight for its weight, of all of them: two at random
// come close where counting all is dear or the counts are old, and here they are neither. Equals take turns.
type leastRequests struct{}

func (leastRequests) choose(candidates []*endpoint, _ uint64) *endpoint {
	least := math.Inf(1)
	var equal []*endpoint
	for _, e := range candidates {
		switch load := float64(e.inFlight+1) / e.weight; {
		case load < least:
			least, equal = load, append(equal[:0], e)
		case load == least:
			equal = append(equal, e)
		}
	}
	return roundRobin{}.choose(equal, 0)
}

// consistentHash is weighted rendezvous hashing: each endpoint has a score for each key, and the highest wins. When an endpoint
// leaves, its keys alone move, to their second best, spread over all others. It needs no table, and no memory that keys
// could fill. Every gateway of the same definition decides alike.
type consistentHash struct{}

func (consistentHash) choose(candidates []*endpoint, key uint64) *endpoint {
	var best *endpoint
	highest := math.Inf(-1)
	for _, e := range candidates {
		// A number between 0 and 1 to the power of 1/weight wins in proportion to the weight; so does weight / -ln.
		// The sum is exact, so that it is never rounded to 1, whose score would be none.
		uniform := (float64(mix(key^e.hash)>>12) + 0.5) / (1 << 52)
		if score := e.weight / -math.Log(uniform); score > highest {
			best, highest = e, score
		}
	}
	return best
}

func hashOf(s string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, s)
	return mix(h.Sum64())
}

// mix spreads every bit over all (the finalizer of SplitMix64): FNV alone leaves names that differ in their end close together.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
