package quickjs

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js/web"
)

// webOps are those of URLs, forms, headers and paths.
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
	}
}

// cryptoOps are those of cryptography and compression.
func cryptoOps() map[string]op {
	return map[string]op{
		"hash": func(_ context.Context, _ *call, a args) (any, error) { return web.Hash(a.text(0), a.bytes(1)) },
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
