package jetstream

import (
	"strings"
	"testing"

	"github.com/postern/postern/host"
)

// FuzzKey: a key that is taken comes back as it was, in NATS's alphabet, and an error is no longer than a line or two.
func FuzzKey(f *testing.F) {
	for _, key := range []string{"state", "a/b", "$default", "a.b/=2E", "\xff/\x00", "a//b", "/", strings.Repeat("€", 400)} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		token, err := encodeKey(host.Key(key))
		if err != nil {
			if host.KindOf(err) != host.Invalid || len(err.Error()) > 800 {
				t.Fatal(err)
			}
			return
		}
		if len(token) > maxKey || strings.Trim(token, "-_=.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" ||
			strings.HasPrefix(token, ".") || strings.HasSuffix(token, ".") || strings.Contains(token, "..") {
			t.Fatalf("%q becomes %q", key, token)
		}
		if back, ok := decodeKey(token); !ok || string(back) != key {
			t.Fatalf("%q comes back as %q", key, back)
		}
	})
}

// FuzzSubject: what is decoded is encoded as it was, so that no two subjects are one key.
func FuzzSubject(f *testing.F) {
	for _, s := range []string{"a.b", "=41", "=2E", "=2e", "a..b", "=", "=2", "€"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		key, ok := decodeKey(subject)
		if !ok {
			return
		}
		if again, err := encodeKey(key); err == nil && again != subject {
			t.Fatalf("%q is %q, and that is %q", subject, key, again)
		}
	})
}
