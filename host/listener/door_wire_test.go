package listener

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// addCorpus gives a fuzz target what the corpus sends.
func addCorpus(f *testing.F, add func(send []byte)) {
	files, err := filepath.Glob("testdata/corpus/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if line, ok := strings.CutPrefix(line, "> "); ok {
				send, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.TrimSuffix(line, "\n"), `"`, `\"`) + `"`)
				if err != nil {
					f.Fatal(err)
				}
				add([]byte(send))
			}
		}
	}
}

// FuzzWire: what is read in pieces is what is read at once, and where no fault is found, net/http sees the same messages.
func FuzzWire(f *testing.F) {
	addCorpus(f, func(send []byte) { f.Add(send, 3) })
	f.Fuzz(func(t *testing.T, send []byte, step int) {
		var whole, pieces wire
		good := whole.feed(send)
		if (whole.fault != "") != (good < len(send)) {
			t.Fatalf("fault %q after %d of %d bytes", whole.fault, good, len(send))
		}
		var ends []int
		read := 0
		for read < len(send) && pieces.fault == "" {
			n := pieces.feed(send[read : read+1])
			read += n
			if n == 1 && pieces.step == stepStart && !pieces.head.blank {
				ends = append(ends, read)
			}
		}
		if read != good || pieces != whole {
			t.Fatalf("byte by byte %d, %+v; at once %d, %+v", read, pieces, good, whole)
		}
		if step = step & 0xff; step > 0 {
			pieces, read = wire{}, 0
			for read < len(send) && pieces.fault == "" {
				read += pieces.feed(send[read:min(read+step, len(send))])
			}
			if read != good || pieces.fault != whole.fault {
				t.Fatalf("by %d bytes %d, %q; at once %d, %q", step, read, pieces.fault, good, whole.fault)
			}
		}
		agree(t, send[:good], ends)
	})
}

// agree reads messages with net/http, each of which must end where the wire says.
func agree(t *testing.T, send []byte, ends []int) {
	t.Helper()
	from := bytes.NewReader(send)
	br := bufio.NewReader(from)
	for _, end := range ends {
		r, err := http.ReadRequest(br)
		if err != nil {
			return // net/http refuses more, which no two readers can differ about
		}
		_, err = io.Copy(io.Discard, r.Body)
		if at := len(send) - from.Len() - br.Buffered(); err == nil && at != end {
			t.Fatalf("a message ends at %d, for net/http at %d: %q", end, at, send)
		}
		if err != nil {
			return
		}
	}
}

// FuzzPoison: wherever a fault is, what net/http reads instead makes the message one that it refuses.
func FuzzPoison(f *testing.F) {
	addCorpus(f, func(send []byte) { f.Add(send) })
	f.Fuzz(func(t *testing.T, send []byte) {
		var w wire
		good := w.feed(send)
		if w.fault == "" {
			return
		}
		br := bufio.NewReader(io.MultiReader(bytes.NewReader(send[:good]), strings.NewReader(strings.Repeat(poison, 1000))))
		for range len(send) {
			if first, _ := br.Peek(1); len(first) == 0 || first[0] == 0 {
				return // the fault was in the first byte of a message, or behind a blank line
			}
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, err = io.Copy(io.Discard, r.Body)
			if err != nil {
				return
			}
			for name, values := range r.Trailer {
				if strings.ContainsRune(name+strings.Join(values, ""), 0) {
					t.Fatalf("poison is a trailer: %q of %q", r.Trailer, send)
				}
			}
		}
		t.Fatalf("nothing was refused in %q", send)
	})
}

func BenchmarkWire(b *testing.B) {
	head := []byte("GET /orders/12345?expand=lines HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101\r\n" +
		"Accept: application/json, text/plain, */*\r\nAccept-Encoding: gzip, deflate, br\r\nAuthorization: Bearer " + strings.Repeat("x", 400) + "\r\nCookie: " +
		strings.Repeat("c", 200) + "\r\n\r\n")
	b.SetBytes(int64(len(head)))
	var w wire
	w.next()
	for b.Loop() {
		if w.feed(head) != len(head) {
			b.Fatal(w.fault)
		}
	}
}

// FuzzFrames: frames in pieces count as at once.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678\x00\x00\x00\x04\x00\x00\x00\x00\x00"), 1)
	f.Add([]byte("\xff\xff\xff\x00\x00\x00\x00\x00\x01"), 5)
	f.Fuzz(func(t *testing.T, send []byte, step int) {
		whole, pieces := frames{balance: frameBurst}, frames{balance: frameBurst}
		step = max(step&0xff, 1)
		ok := whole.feed(send)
		for p := send; len(p) > 0; p = p[min(step, len(p)):] {
			if !pieces.feed(p[:min(step, len(p))]) {
				break
			}
		}
		if whole.balance != pieces.balance || ok && (whole.left != pieces.left || whole.have != pieces.have || whole.slow != pieces.slow) {
			t.Fatalf("%d, %d of %d; in pieces %d, %d of %d", whole.balance, whole.have, whole.left, pieces.balance, pieces.have, pieces.left)
		}
	})
}
