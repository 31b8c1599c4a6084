package native

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

// A kvState is what a call remembers of the plugin's map.
type kvState struct {
	revision int64 // of what was got or put last

	// What did not fit into the guest's room is kept for the same question, if that is the next: the guest asks again with the room
	// that the answer needs, and what it gets then is what it was told the length of.
	question string
	answer   []byte
}

// ask answers a question about the map, whose answer is a value.
func (c *call) ask(g guest, op, question string, ptr, length uint64, fn func() ([]byte, error)) int32 {
	room := g.Bytes(op, ptr, length)
	question = op + " " + question
	answer := c.kv.answer
	if answer == nil || c.kv.question != question {
		var err error
		if answer, err = fn(); err != nil {
			c.kv.answer = nil
			return c.refuseKV(op, err)
		}
	}
	c.kv.question, c.kv.answer = question, nil
	if len(answer) > len(room) {
		c.kv.answer = answer
	}
	copy(room, answer)
	return int32(len(answer))
}

// refuseKV is the result of a host function of the map that failed.
func (c *call) refuseKV(op string, err error) int32 {
	result := int32(resultFailed)
	switch {
	case errors.Is(err, host.NotFound):
		result = resultNotFound
	case errors.Is(err, host.Conflict):
		result = resultConflict
	case errors.Is(err, host.TooLarge):
		result = resultTooLarge
	case errors.Is(err, host.Invalid):
		result = resultInvalid
	case errors.Is(err, host.Forbidden):
		result = resultDenied
	case errors.Is(err, host.Timeout), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		result = resultTimeout
	}
	return c.refuse(result, op+": "+err.Error())
}

// key reads a key, or what one begins with. What is too long for one is not copied.
func key(g guest, op string, ptr, length uint64) (string, error) {
	p := g.Bytes(op, ptr, length)
	if len(p) > host.MaxKVKey {
		return "", &host.Error{Op: "key", Kind: host.Invalid, Err: fmt.Errorf("%d bytes; the limit is %d", len(p), host.MaxKVKey)}
	}
	return string(p), nil
}

func kvGet(ctx context.Context, g guest, s []uint64) int32 {
	const op = "kv_get"
	c := g.call
	name, err := key(g, op, s[0], s[1])
	if err != nil {
		return c.refuseKV(op, err)
	}
	return c.ask(g, op, name, s[2], s[3], func() ([]byte, error) {
		defer c.hostTime(time.Now())
		entry, err := c.fx.KVGet(ctx, name)
		c.kv.revision = entry.Revision
		return entry.Value, err
	})
}

func kvKeys(ctx context.Context, g guest, s []uint64) int32 {
	const op = "kv_keys"
	c := g.call
	prefix, err := key(g, op, s[0], s[1])
	after, err2 := key(g, op, s[2], s[3])
	if err = errors.Join(err, err2); err != nil {
		return c.refuseKV(op, err)
	}
	return c.ask(g, op, prefix+"\x00"+after, s[4], s[5], func() ([]byte, error) {
		defer c.hostTime(time.Now())
		keys, err := c.fx.KVKeys(ctx, prefix, after)
		if err != nil {
			return nil, err
		}
		var list bytes.Buffer
		enc := json.NewEncoder(&list)
		enc.SetEscapeHTML(false)
		if keys == nil {
			keys = []string{}
		}
		err = enc.Encode(keys)
		return bytes.TrimSuffix(list.Bytes(), []byte("\n")), err
	})
}

func kvPut(ctx context.Context, g guest, s []uint64) int32 {
	const op = "kv_put"
	c := g.call
	name, err := key(g, op, s[0], s[1])
	value := g.Bytes(op, s[2], s[3])
	ttl, revision := int64(s[4]), int64(s[5])
	c.kv.answer = nil
	switch {
	case err != nil:
		return c.refuseKV(op, err)
	case len(value) > host.MaxKVValue:
		return c.refuse(resultTooLarge, fmt.Sprintf("kv_put: a value of %d bytes; the limit is %d", len(value), host.MaxKVValue))
	case ttl < 0 || ttl > math.MaxInt64/int64(time.Millisecond):
		return c.refuse(resultInvalid, fmt.Sprintf("kv_put: a time of %d ms", ttl))
	case revision < host.AnyRevision:
		return c.refuse(resultInvalid, fmt.Sprintf("kv_put: there is no revision %d", revision))
	}
	defer c.hostTime(time.Now())
	// The map may keep the value, and the memory is the guest's.
	made, err := c.fx.KVPut(ctx, name, bytes.Clone(value), host.KVOptions{TTL: time.Duration(ttl) * time.Millisecond, Revision: revision})
	if err != nil {
		return c.refuseKV(op, err)
	}
	c.kv.revision = made
	return 0
}

func kvDelete(ctx context.Context, g guest, s []uint64) int32 {
	const op = "kv_delete"
	c := g.call
	name, err := key(g, op, s[0], s[1])
	revision := int64(s[2])
	c.kv.answer = nil
	switch {
	case err != nil:
		return c.refuseKV(op, err)
	case revision < host.AnyRevision:
		return c.refuse(resultInvalid, fmt.Sprintf("kv_delete: there is no revision %d", revision))
	}
	defer c.hostTime(time.Now())
	if err := c.fx.KVDelete(ctx, name, revision); err != nil {
		return c.refuseKV(op, err)
	}
	return 0
}

func metric(ctx context.Context, g guest, s []uint64) int32 {
	const op = "metric"
	c, title := g.call, name(g, op, s[1], s[2])
	kind, err := metricKind(s[0])
	if err == nil {
		err = c.fx.Metric(ctx, kind, strings.ToValidUTF8(title, "\uFFFD"), math.Float64frombits(s[3]))
	} else {
		return c.refuse(resultInvalid, err.Error())
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, host.Invalid):
		return c.refuse(resultInvalid, err.Error())
	case errors.Is(err, host.TooLarge):
		return c.refuse(resultBusy, err.Error())
	}
	return c.refuse(resultFailed, err.Error())
}
