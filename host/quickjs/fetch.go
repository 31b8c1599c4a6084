package quickjs

import (
	"bytes"
	"context"
	"net/http"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js/web"
)

// fetch begins a request: its body is nil for none, text, bytes, a source, or the number of a stream in a list.
func fetch(_ context.Context, c *call, a args) (any, error) {
	if c.loading != nil {
		return nil, wrong("fetch is possible within a call only, not while the script is loaded")
	}
	job, err := web.NewFetch(a.text(0), a.text(1), a.text(3))
	if err != nil {
		return nil, err
	}
	fields, _ := a.at(2).([]any)
	for _, field := range fields {
		two, _ := field.([]any)
		job.Header.Add(args(two).text(0), args(two).text(1))
	}
	c.fetchBody(job, a.at(4))
	return c.startFetch(job), nil
}

// fetchBody gives a fetch its body. A source or a stream cannot be sent twice.
func (c *call) fetchBody(job *web.Fetch, v any) {
	job.HasBody = v != nil
	switch b := v.(type) {
	case string:
		job.Body = []byte(b)
	case []byte:
		job.Body = bytes.Clone(b)
	case handle:
		if s, ok := c.kept.handles[b].(*source); ok && s.body != nil {
			job.Stream, job.Length = s.pass(), s.length
		}
	case []any:
		if p := c.pipes[args(b).int(0)]; p != nil {
			job.Stream, job.Length = p, -1
		}
	}
}

func (c *call) startFetch(job *web.Fetch) int {
	ctx, cancel := context.WithCancel(c.ctx)
	id, fx := c.id(), c.fx.Effects // the second half of a filter brings other ones
	if c.fetches == nil {
		c.fetches = map[int]context.CancelFunc{}
	}
	c.fetches[id] = cancel
	ctx, bring := c.loop.expect(ctx)
	c.loop.beside(func() {
		resp, err := job.Run(ctx, fx)
		if err == nil && resp.Body != nil {
			c.open.add(resp.Body) // here, because the call may end before the script hears of it
		}
		bring(func() []any {
			if err != nil {
				cancel()
				delete(c.fetches, id)
				return failedEvent(id, fetchFailed(err))
			}
			return doneEvent(id, c.response(job, resp, cancel))
		})
	})
	return id
}

func fetchFailed(err error) *web.Exception {
	return &web.Exception{Name: "TypeError", Message: web.FetchFailed(err)}
}

// response is what the guest hears of a response.
func (c *call) response(job *web.Fetch, resp *host.Response, cancel context.CancelFunc) any {
	fields := []any{}
	for f := range web.Shown(resp.Header) {
		fields = append(fields, []any{f.Name, f.Value})
	}
	body := &source{call: c, reject: fetchFailed, length: resp.Length, closer: func() {
		cancel()
		if resp.Body != nil {
			c.open.close(resp.Body)
		}
	}}
	if resp.Body != nil {
		body.body = resp.Body
	}
	return []any{resp.Status, http.StatusText(resp.Status), fields, job.URL(), job.Redirected(), c.handle(body)}
}
