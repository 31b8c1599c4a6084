package upstream

import "testing"

// Every hash has a score, the highest too: rounded to 1 it would have none, and a request no endpoint.
func TestEveryHashHasAScore(t *testing.T) {
	only := &endpoint{weight: 1, hash: hashOf("http://a.example")}
	for _, mixed := range []uint64{0, 1, 1 << 63, 1<<64 - 1} {
		key := unmix(mixed) ^ only.hash
		if mix(key^only.hash) != mixed {
			t.Fatalf("unmix is not the inverse at %x", mixed)
		}
		if got := (consistentHash{}).choose([]*endpoint{only}, key); got != only {
			t.Errorf("hash %x: nobody is chosen", mixed)
		}
	}
}

// unmix undoes mix.
func unmix(x uint64) uint64 {
	x = (x ^ x>>31 ^ x>>62) * 0x319642b2d24d8ec3
	x = (x ^ x>>27 ^ x>>54) * 0x96de1b173f119089
	return x ^ x>>30 ^ x>>60
}
