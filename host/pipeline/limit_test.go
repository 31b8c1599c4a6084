package pipeline

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

// pieces is a body that comes in pieces of varying size, with its end in the last read or in one of its own.
type pieces struct {
	left   []byte
	random *rand.Rand
	closed bool
}

func (p *pieces) Read(buf []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(buf, p.left[:1+p.random.IntN(len(p.left))])
	p.left = p.left[n:]
	if len(p.left) == 0 && p.random.IntN(2) == 0 {
		return n, io.EOF
	}
	return n, nil
}

func (p *pieces) Close() error {
	p.closed = true
	return nil
}

// A body within its limit arrives whole; of a longer one, exactly the limit arrives before the error.
func FuzzLimitedBody(f *testing.F) {
	f.Add([]byte("hello"), int64(5), uint64(1))
	f.Add([]byte("hello"), int64(4), uint64(2))
	f.Add([]byte(""), int64(0), uint64(3))
	f.Fuzz(func(t *testing.T, content []byte, limit int64, seed uint64) {
		if limit < 0 || limit > 1<<20 {
			t.Skip()
		}
		random := rand.New(rand.NewPCG(seed, seed))
		fits := int64(len(content)) <= limit
		want := content[:min(int64(len(content)), limit)]

		b := &limitedBody{ReadCloser: &pieces{left: content, random: random}, left: limit, limit: &bodyLimit{max: host.Default(limit)}}
		var got []byte
		var err error
		for err == nil {
			buf := make([]byte, random.IntN(9))
			var n int
			n, err = b.Read(buf)
			got = append(got, buf[:n]...)
		}
		if !bytes.Equal(got, want) || (err == io.EOF) != fits || !fits && !errors.Is(err, host.TooLarge) {
			t.Fatalf("limited to %d, %q gave %q, %v", limit, content, got, err)
		}
		if _, again := b.Read(make([]byte, 1)); again == nil {
			t.Fatal("there was something behind the end")
		}

		source := &pieces{left: content, random: random}
		all, err := readAll(source, limit)
		if fits && (err != nil || !bytes.Equal(all, content)) || !fits && !errors.Is(err, host.TooLarge) || !source.closed {
			t.Fatalf("readAll of %d bytes within %d: %d, %v; closed: %v", len(content), limit, len(all), err, source.closed)
		}
	})
}

// Overrides replace the parameters of their names; all others keep their order and their spelling.
func FuzzOverrideQuery(f *testing.F) {
	f.Add("/a?x=1&y=2&x=3", "x", "9")
	f.Add("/a", "x", "a&b=c#d")
	f.Add("/a?%78=1&&=&y=%zz&a;b", "x", "")
	f.Fuzz(func(t *testing.T, target, name, value string) {
		if strings.Contains(target, "#") {
			t.Skip()
		}
		got := overrideQuery(target, host.Header{{Name: name, Value: value}})
		path, query, _ := strings.Cut(target, "?")
		gotPath, gotQuery, _ := strings.Cut(got, "?")
		var want []string
		for _, part := range strings.Split(query, "&") {
			raw, _, _ := strings.Cut(part, "=")
			decoded, err := url.QueryUnescape(raw)
			if part != "" && (err == nil && decoded != name || err != nil && raw != name) {
				want = append(want, part)
			}
		}
		parts := strings.Split(gotQuery, "&")
		last := parts[len(parts)-1]
		if diff := cmp.Diff(append(want, last), parts); diff != "" || gotPath != path {
			t.Fatalf("%q became %q: %s", target, got, diff)
		}
		rawName, rawValue, _ := strings.Cut(last, "=")
		if n, err := url.QueryUnescape(rawName); err != nil || n != name {
			t.Fatalf("%q: name %q, %v", got, n, err)
		}
		if v, err := url.QueryUnescape(rawValue); err != nil || v != value {
			t.Fatalf("%q: value %q, %v", got, v, err)
		}
	})
}
