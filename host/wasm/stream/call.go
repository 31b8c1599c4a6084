package stream

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"
)

// A Call is one call of a guest, whose output may be read while the guest still makes it.
type Call struct {
	In  *Input
	Out Output

	mu     sync.Mutex
	cancel context.CancelFunc // nil before Run
	done   chan struct{}
}

// New makes a call that reads body, which may be nil.
func New(body io.Reader) *Call {
	c := &Call{In: NewInput(body), done: make(chan struct{})}
	c.Out.init()
	return c
}

// A Guest is what Run runs.
type Guest struct {
	// Run runs the guest to its end under ctx, which ends when the guest must.
	Run func(ctx context.Context) error
	// End is called when the guest has ended, before who reads its output learns of that.
	End func()
	// Late is after how long Run's caller is let go of with the error of Overdue, although the guest could not be stopped;
	// 0 for never.
	Late    time.Duration
	Overdue func() error
}

// Run runs a guest on a goroutine of its own. It returns true once the output has begun; or false when the guest has ended, or is
// late, with its error. It must be called once.
func (c *Call) Run(ctx context.Context, g Guest) (begun bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	c.cancel = cancel
	c.mu.Unlock()
	ended := make(chan error, 2)
	var late *time.Timer
	if g.Late > 0 {
		late = time.AfterFunc(g.Late, func() {
			err := g.Overdue()
			c.In.Close()
			c.Out.End(err)
			ended <- err
		})
	}
	go func() {
		defer cancel()
		err := g.Run(ctx)
		if late != nil {
			late.Stop()
		}
		g.End()
		close(c.done)
		c.Out.End(err)
		ended <- err
	}()
	select {
	case err := <-ended:
		return false, err
	case <-c.Out.begun:
		return true, nil
	}
}

// Ended reports whether the guest has ended.
func (c *Call) Ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Done is closed when the guest has ended.
func (c *Call) Done() <-chan struct{} { return c.done }

// Body returns the output of a call that has begun. Closing it early lets the guest know, and ends it if it does not end by
// itself within Grace.
func (c *Call) Body() io.ReadCloser { return &body{c} }

// Whole returns the output of a call that has ended without having begun. It tells its length by Len.
func (c *Call) Whole() io.ReadCloser { return &whole{*bytes.NewReader(c.Out.Bytes())} }

type whole struct{ bytes.Reader }

func (*whole) Close() error { return nil }

type body struct{ call *Call }

func (b *body) Read(p []byte) (int, error) { return b.call.Out.Read(p) }

func (b *body) Close() error {
	b.call.Abandon()
	return nil
}

// Abandon lets a guest know that both its sides have gone, and ends it if it does not end by itself within Grace.
func (c *Call) Abandon() {
	c.In.Close()
	if running := c.Out.close(); !running {
		return
	}
	time.AfterFunc(Grace, c.Stop)
}

// Stop ends the guest.
func (c *Call) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel()
	}
}
