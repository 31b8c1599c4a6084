package quickjs

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js/web"
)

// webOps are those of URLs, forms, headers, cryptography and compression.
func webOps() map[string]op {
	return map[string]op{
		"parseURL": func(_ context.Context, _ *call, a args) (any, error) {
			var base *web.URL
			if a.at(1) != nil {
				var err error
				if base, err = web.ParseURL(a.text(1), nil); err != nil {
					return null{}, nil
				}
			}
			return record(web.ParseURL(a.text(0), base))
		},
		"setURL": func(_ context.Context, _ *call, a args) (any, error) {
			u, err := web.ParseURL(a.text(0), nil)
			if err == nil && !u.Set(a.text(1), a.text(2)) {
				return null{}, nil
			}
			return record(u, err)
		},
		"href": func(_ context.Context, _ *call, a args) (any, error) {
			u, err := web.ParseURL(a.text(0), nil)
			if err != nil {
				return nil, wrong("Invalid URL")
			}
			return u.Href(), nil
		},
		"isIdentifier": func(_ context.Context, _ *call, a args) (any, error) {
			return web.IsIdentifier(a.text(0), a.yes(1)), nil
		},
		"decodeForm": decodeForm,
		"encodeForm": func(_ context.Context, _ *call, a args) (any, error) {
			var b strings.Builder
			pairs, _ := a.at(0).([]any)
			for _, pair := range pairs {
				two, _ := pair.([]any)
				web.EncodeForm(&b, args(two).text(0), args(two).text(1))
			}
			return b.String(), nil
		},
		"parseMultipart": parseMultipart,
		"headerName": func(_ context.Context, _ *call, a args) (any, error) {
			if !host.IsToken(a.text(0)) {
				return nil, wrong("Invalid header name " + strconv.Quote(a.text(0)))
			}
			return strings.ToLower(a.text(0)), nil
		},
		"headerValue": func(_ context.Context, _ *call, a args) (any, error) {
			value := strings.Trim(a.text(0), "\t\n\r ")
			if strings.ContainsAny(value, "\x00\r\n") {
				return nil, wrong("Invalid header value")
			}
			return value, nil
		},
		"isToken":           func(_ context.Context, _ *call, a args) (any, error) { return host.IsToken(a.text(0)), nil },
		"isConnectionField": func(_ context.Context, _ *call, a args) (any, error) { return host.IsConnectionField(a.text(0)), nil },
		"path":              path,
		"hash":              func(_ context.Context, _ *call, a args) (any, error) { return web.Hash(a.text(0), a.bytes(1)) },
		"hmac": func(_ context.Context, _ *call, a args) (any, error) {
			return web.HMAC(a.text(0), a.bytes(1), a.bytes(2))
		},
		"sameBytes": func(_ context.Context, _ *call, a args) (any, error) {
			return subtle.ConstantTimeCompare(a.bytes(0), a.bytes(1)) == 1, nil
		},
		"subtle": runSubtle,
		"codec": func(_ context.Context, c *call, a args) (any, error) {
			k, err := web.NewCodec(a.text(0), a.yes(1))
			if err != nil {
				return nil, err
			}
			c.open.add(k)
			return c.handle(k), nil
		},
		"codecWrite": func(_ context.Context, c *call, a args) (any, error) {
			k, err := of[*web.Codec](c, a, 0)
			if err == nil {
				k.Write(a.bytes(1))
			}
			return nil, err
		},
		"codecEnd": func(_ context.Context, c *call, a args) (any, error) {
			k, err := of[*web.Codec](c, a, 0)
			if err == nil {
				k.End()
			}
			return nil, err
		},
		"codecDrop": func(_ context.Context, c *call, a args) (any, error) {
			if k, err := of[*web.Codec](c, a, 0); err == nil {
				c.open.close(k)
			}
			return nil, nil
		},
		"codecNext": codecNext,
	}
}

func record(u *web.URL, err error) (any, error) {
	if err != nil {
		return null{}, nil
	}
	return u.Record(), nil
}

func decodeForm(ctx context.Context, _ *call, a args) (any, error) {
	pairs, bounded := []any{}, a.yes(1)
	for name, value := range web.DecodeForm(a.text(0)) {
		if bounded && len(pairs) == web.MaxParts {
			return nil, wrong("The form has more than 10,000 parts")
		}
		if len(pairs)%1024 == 0 && ctx.Err() != nil {
			break // the guest is at its end
		}
		pairs = append(pairs, []any{name, value})
	}
	return pairs, nil
}

func parseMultipart(_ context.Context, _ *call, a args) (any, error) {
	parts, err := web.Multipart(a.bytes(0), a.text(1))
	if err != nil {
		return nil, err
	}
	list := make([]any, len(parts))
	for i, p := range parts {
		var filename any = null{}
		if p.Filename != nil {
			filename = *p.Filename
		}
		list[i] = []any{p.Name, filename, p.Type, p.Body}
	}
	return list, nil
}

// path is the steps of a definite JSONPath, each a name or an index.
func path(_ context.Context, _ *call, a args) (any, error) {
	steps, err := web.ParsePath(a.text(0))
	if err != nil {
		return nil, wrong(err.Error())
	}
	list := make([]any, len(steps))
	for i, s := range steps {
		if list[i] = s.Name; s.IsIndex {
			list[i] = s.Index
		}
	}
	return list, nil
}

func codecNext(_ context.Context, c *call, a args) (any, error) {
	k, err := of[*web.Codec](c, a, 0)
	if err != nil {
		return nil, wrong("The stream was made in a call that has ended")
	}
	piece, err := k.Next()
	switch {
	case errors.Is(err, web.ErrEnded):
		c.open.close(k)
		return nil, wrong("The stream was made in a call that has ended")
	case err != nil:
		c.open.close(k)
		return nil, wrong("The data is malformed: " + err.Error())
	case piece == nil:
		if k.Ended() {
			c.open.close(k)
		}
		return null{}, nil
	}
	return piece, nil
}

// runSubtle computes at once, [true, result], or, when that takes long, beside the guest, [false, number].
func runSubtle(_ context.Context, c *call, a args) (any, error) {
	r := c.plugin.module.runtime
	op, known := r.crypto[a.text(0)]
	if !known {
		return nil, wrong("no such operation")
	}
	random, given := web.RandomReader{From: c.fx.Effects}, make([]any, op.Args())
	size := 0
	for i := range given {
		switch v := a.at(i + 1).(type) {
		case []byte:
			given[i] = bytes.Clone(v)
			size += len(v)
			if v == nil {
				given[i] = []byte{}
			}
		case float64:
			given[i] = int64(max(min(v, 1<<62), -1<<62))
		case string, bool:
			given[i] = v
		case handle:
			if key, ok := c.kept.handles[v].(*web.Key); ok {
				given[i] = key
			}
		}
	}
	beside, heavy := op.Beside(size)
	if c.loading != nil || !beside {
		v, err := op.Run(c.ctx, random, given)
		if err != nil {
			return nil, err
		}
		return []any{true, c.subtleResult(v)}, nil
	}
	if c.crunch == nil {
		c.crunch = make(chan struct{}, 1) // what has begun cannot be stopped: a call has one at a time
	}
	turns := []chan struct{}{c.crunch}
	if heavy {
		turns = append(turns, r.crunch)
	}
	id := c.id()
	_, bring := c.loop.expect(c.ctx)
	c.loop.beside(func() {
		v, err := op.RunBeside(c.ctx, random, given, turns...)
		bring(func() []any {
			var told *web.Exception
			switch {
			case err == nil:
				return doneEvent(id, c.subtleResult(v))
			case errors.As(err, &told):
				return failedEvent(id, told)
			}
			return failedEvent(id, &web.Exception{Name: "OperationError", Message: "The operation failed"})
		})
	})
	return []any{false, id}, nil
}

func (c *call) subtleResult(v any) any {
	switch x := v.(type) {
	case []byte:
		return buffer(x)
	case *web.Key:
		return c.handle(x)
	case []any:
		list := make([]any, len(x))
		for i := range x {
			list[i] = c.subtleResult(x[i])
		}
		return list
	}
	return v
}

// textOps are those of text and bytes.
func textOps() map[string]op {
	return map[string]op{
		"atob": func(_ context.Context, _ *call, a args) (any, error) {
			raw, ok := web.Atob(a.text(0))
			if !ok {
				return nil, &web.Exception{Name: "InvalidCharacterError", Message: "The string is not correctly encoded"}
			}
			return latin1(raw, 0xff), nil
		},
		"btoa": func(_ context.Context, _ *call, a args) (any, error) {
			encoded, ok := web.Btoa(a.text(0))
			if !ok {
				return nil, &web.Exception{Name: "InvalidCharacterError", Message: "The string contains a character outside of Latin-1"}
			}
			return encoded, nil
		},
		"encode": func(_ context.Context, _ *call, a args) (any, error) { return []byte(a.text(0)), nil },
		"decode": func(_ context.Context, _ *call, a args) (any, error) {
			text, ok := web.Decode(a.text(0), a.bytes(1), a.yes(2))
			if !ok {
				return null{}, nil
			}
			return text, nil
		},
		"decodeText": decodeText,
		"encodeText": encodeText,
		"unescapeBytes": func(_ context.Context, _ *call, a args) (any, error) {
			return web.RepairUTF8([]byte(web.PercentDecode(a.text(0)))), nil
		},
		"cleanStack": func(_ context.Context, c *call, a args) (any, error) {
			stack, _ := c.plugin.module.userStack(a.text(0))
			return stack, nil
		},
	}
}

func latin1(b []byte, mask byte) utf16 {
	units := make(utf16, len(b))
	for i := range b {
		units[i] = uint16(b[i] & mask)
	}
	return units
}

// decodeText is the text of bytes in one of Node's encodings; null for what is no UTF-8 when the encoding is "strict".
func decodeText(_ context.Context, _ *call, a args) (any, error) {
	b := a.bytes(0)
	switch a.text(1) {
	case "strict":
		if !utf8.Valid(b) {
			return null{}, nil
		}
	case "hex":
		return hex.EncodeToString(b), nil
	case "base64":
		return web.Base64(b), nil
	case "base64url":
		return base64.RawURLEncoding.EncodeToString(b), nil
	case "latin1":
		return latin1(b, 0xff), nil
	case "ascii":
		return latin1(b, 0x7f), nil
	case "utf16le":
		units := make(utf16, len(b)/2)
		for i := range units {
			units[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
		}
		return units, nil
	}
	return web.RepairUTF8(b), nil
}

// encodeText is text's bytes in one of Node's encodings. Those that take UTF-16 apart are boot.js's.
func encodeText(_ context.Context, _ *call, a args) (any, error) {
	switch a.text(1) {
	case "hex":
		return web.HexBytes(a.text(0)), nil
	case "base64", "base64url":
		return web.Unbase64(a.text(0)), nil
	}
	return []byte(a.text(0)), nil
}

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
