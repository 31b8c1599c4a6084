package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

var background = context.Background()

func TestInput(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		body io.Reader
		want string
		err  error
	}{
		"none":         {nil, "", io.EOF},
		"in memory":    {strings.NewReader("some"), "some", io.EOF},
		"a stream":     {io.MultiReader(strings.NewReader("so"), strings.NewReader("me")), "some", io.EOF},
		"broken off":   {io.MultiReader(strings.NewReader("some"), failing{broken}), "some", broken},
		"no progress":  {lazy{}, "", io.ErrNoProgress},
		"a panic":      {failing{nil}, "", nil},
		"a large read": {io.MultiReader(bytes.NewReader(make([]byte, 3*Buffer))), string(make([]byte, 3*Buffer)), io.EOF},
	} {
		in := NewInput(test.body)
		if n, err := in.Read(background, nil); n != 0 || err != nil {
			t.Errorf("%s: a read of nothing: %d, %v", name, n, err)
		}
		var got []byte
		p := make([]byte, 2*Buffer)
		var err error
		for err == nil {
			var n int
			n, err = in.Read(background, p)
			got = append(got, p[:n]...)
		}
		if string(got) != test.want || test.err != nil && err != test.err || in.Count() != int64(len(test.want)) {
			t.Errorf("%s: got %d bytes, %v", name, len(got), err)
		}
		if _, again := in.Read(background, p); again.Error() != err.Error() {
			t.Errorf("%s: then %v, and again %v", name, err, again)
		}
	}
}

// failing fails with its error, and panics without one.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		panic("no error")
	}
	return 0, f.err
}

type lazy struct{}

func (lazy) Read([]byte) (int, error) { return 0, nil }

// A read of a silent sender ends when the time is over, and when somebody closes the input.
func TestInputIsInterrupted(t *testing.T) {
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	ctx, cancel := context.WithCancel(background)
	cancel()
	in := NewInput(r)
	if _, err := in.Read(ctx, make([]byte, 8)); err != ErrDeadline {
		t.Errorf("got %v", err)
	}
	if _, err := in.Read(background, make([]byte, 8)); err != ErrClosed {
		t.Errorf("afterwards: %v", err)
	}
	in = NewInput(r)
	go in.Close()
	if _, err := in.Read(background, make([]byte, 8)); err != ErrClosed {
		t.Errorf("closed: %v", err)
	}
}

// Nothing that is written is lost or comes twice, whatever the sizes.
func FuzzOutput(f *testing.F) {
	f.Add(1, 1, 10)
	f.Add(Buffer+1, 7, 3*Buffer)
	f.Add(100, 3*Buffer, 2*Buffer+5)
	f.Fuzz(func(t *testing.T, write, read, total int) {
		write, read, total = bound(write), bound(read), bound(total)
		want := make([]byte, total)
		for i := range want {
			want[i] = byte(i ^ i>>8)
		}
		c := New(nil)
		begun, err := c.Run(background, Guest{End: func() {}, Run: func(ctx context.Context) error {
			c.Out.Begin()
			for p := want; len(p) > 0; p = p[min(write, len(p)):] {
				if err := c.Out.Write(ctx, p[:min(write, len(p))]); err != nil {
					return err
				}
			}
			return nil
		}})
		var got []byte
		switch {
		case begun:
			got, err = io.ReadAll(&small{c.Body(), read})
		case err == nil: // it ended before anybody looked: it fitted
			got = c.Out.Bytes()
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d of %d bytes, %v", len(got), total, err)
		}
	})
}

func bound(n int) int { return max(1, n&(4*Buffer-1)) }

// A small reads n bytes at a time at most.
type small struct {
	io.Reader
	n int
}

func (s *small) Read(p []byte) (int, error) { return s.Reader.Read(p[:min(s.n, len(p))]) }

// A writer who should hurry gives up when its reader does not read, and what was read before is known to be cut.
func TestHurry(t *testing.T) {
	c := New(nil)
	begun, err := c.Run(background, Guest{End: func() {}, Run: func(ctx context.Context) error {
		c.Out.Begin()
		if err := c.Out.Write(ctx, make([]byte, 2*Buffer)); err != ErrClosed {
			t.Errorf("the write: %v", err)
		}
		return nil
	}})
	if !begun || err != nil {
		t.Fatal(begun, err)
	}
	c.Out.Hurry()
	<-c.Done()
	n, err := io.Copy(io.Discard, c.Body())
	if n != Buffer || err != errCut {
		t.Errorf("read %d bytes, %v", n, err)
	}
	// A reader who reads is waited for.
	c = New(nil)
	if _, err := c.Run(background, Guest{End: func() {}, Run: func(ctx context.Context) error {
		c.Out.Begin()
		return c.Out.Write(ctx, make([]byte, 8*Buffer))
	}}); err != nil {
		t.Fatal(err)
	}
	c.Out.Hurry()
	if n, err := io.Copy(io.Discard, c.Body()); n != 8*Buffer || err != nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
}
