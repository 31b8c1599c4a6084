package native

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/postern/postern/host"
)

// A callContext is what context_read gives: spec/abi.md, "Host functions".
type callContext struct {
	Deadline  int64            `json:"deadline"` // milliseconds since 1970
	RequestID string           `json:"requestId,omitempty"`
	Function  *functionContext `json:"function,omitempty"`
	Client    json.RawMessage  `json:"client,omitempty"`
}

type functionContext struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	ARN     string `json:"arn"`
}

func contextRead(ctx context.Context, g guest, s []uint64) int32 {
	if g.call == nil {
		return put(g, "context_read", "", s[0], s[1])
	}
	if g.call.context == nil {
		value, err := json.Marshal(g.call.describe(ctx))
		if err != nil {
			return g.call.refuse(resultFailed, err.Error())
		}
		g.call.context = value
	}
	return put(g, "context_read", g.call.context, s[0], s[1])
}

// describe tells when the call's time is over by the guest's own clock, which need not be the system's. A filter's time is how long it may take
// from now on: it has no other.
func (c *call) describe(ctx context.Context) callContext {
	left := time.Until(c.deadline)
	if c.filters() {
		left = c.plugin.Limits.Timeout.Value
	}
	if outer, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(outer))
	}
	if replayed, ok := c.fx.(host.Countdown); ok {
		left = replayed.TimeLeft(left)
	}
	out := callContext{Deadline: c.fx.Now().Add(left).UnixMilli()}
	if f := c.in.Function; f != nil {
		out.RequestID, out.Client = f.RequestID, f.Client
		out.Function = &functionContext{f.Name, f.Version, f.ARN}
	}
	return out
}

func metricKind(kind uint64) (host.MetricKind, error) {
	if k := uint32(kind); k <= uint32(host.MetricHistogram) {
		return host.MetricKind(k), nil
	}
	return 0, fmt.Errorf("metric: there is no kind %d", int32(kind))
}
