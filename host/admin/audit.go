package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postern/postern/host/jetstream"
)

// auditPatience is how long a change waits for the audit log to take its entry.
const auditPatience = 5 * time.Second

// record writes the entry of a change that was carried out or refused. A change that is done stays done when the log does not take its
// entry: the host's own log has the entry then, as an error. To undo it could fail as well, and would be one more change.
func (c *call) record(rep *reply, p *Problem, after uint64) {
	c.recorded = true
	e := AuditEntry{
		Time: time.Now().UTC(), By: c.who.By, From: addressOf(c.r).String(), Action: c.op.id, Resource: c.r.URL.EscapedPath(),
		Message: c.change.Message, DryRun: c.change.DryRun, Force: c.change.Force, Before: c.before, After: after, Outcome: "ok",
	}
	if p != nil {
		e.Status, e.Outcome, e.Detail = p.Status, p.Kind, shorten(p.Error())
	} else {
		e.Status, e.Digest, e.Subject = rep.code(), rep.digest, rep.subject
	}
	c.keep(e)
}

// maxAuditDetail bounds what an entry says about a failure, and its resource, in bytes.
const maxAuditDetail = 2048

func shorten(text string) string {
	if len(text) <= maxAuditDetail {
		return text
	}
	return strings.ToValidUTF8(text[:maxAuditDetail], "") + "…"
}

// keep writes an entry, also when the client has left meanwhile.
func (c *call) keep(e AuditEntry) {
	if c.Audit == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), auditPatience)
	defer cancel()
	e.Resource = shorten(e.Resource)
	data, err := json.Marshal(e)
	if err == nil {
		_, err = c.Audit.Append(ctx, jetstream.Record{Topic: e.Action, Data: data})
	}
	if err != nil {
		c.log.ErrorContext(ctx, "the audit log did not take an entry", "error", err, "entry", string(data))
	}
}

// recordLogin writes the entry of a refused login: one a minute for each address, with the number of those between.
func (c *call) recordLogin(from netip.Addr, f *fault) {
	count, due := c.refused.count(from, time.Now())
	if !due {
		return
	}
	c.keep(AuditEntry{Time: time.Now().UTC(), From: from.String(), Action: "login", Resource: c.r.URL.EscapedPath(),
		Status: http.StatusUnauthorized, Outcome: f.err.Kind.String(), Detail: detail(f), Count: count})
}

// The sampling of refused logins.
const (
	refusalInterval = time.Minute
	maxRefusals     = 1024 // addresses
)

// refusals counts refused logins by address. It is bounded: beyond its size it forgets everything, so that too much is written and
// not too little.
type refusals struct {
	mu   sync.Mutex
	from map[netip.Addr]*refusal
}

type refusal struct {
	written time.Time
	more    int
}

// count counts one, and reports whether it is to be written, and how many were not since the last.
func (r *refusals) count(from netip.Addr, now time.Time) (more int, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.from == nil || len(r.from) >= maxRefusals {
		r.from = map[netip.Addr]*refusal{}
	}
	last := r.from[from]
	if last == nil {
		last = &refusal{}
		r.from[from] = last
	}
	if now.Sub(last.written) < refusalInterval {
		last.more++
		return 0, false
	}
	more, last.more, last.written = last.more, 0, now
	return more, true
}

// auditFilter is what ?by= and the others choose.
type auditFilter struct {
	by, action, resource, outcome string
	since                         time.Time
}

func (c *call) auditFilter() (auditFilter, error) {
	f := auditFilter{by: c.query.Get("by"), action: c.query.Get("action"), resource: c.query.Get("resource"), outcome: c.query.Get("outcome")}
	text := c.query.Get("since")
	if text == "" {
		return f, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		f.since = time.Now().Add(-d)
		return f, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return f, malformed("since must be a time as 2026-01-31T12:00:00Z, or a duration as 24h, and not %.80q", text)
	}
	f.since = at
	return f, nil
}

func (f auditFilter) fits(e AuditEntry) bool {
	return fits(f.by, e.By) && fits(f.action, e.Action) && fits(f.outcome, e.Outcome) && strings.HasPrefix(e.Resource, f.resource)
}

// maxAuditRead bounds the entries that one page looks at, so that a filter that fits nothing does not read years of them.
const maxAuditRead = 20_000

func (c *call) listAudit() (*reply, error) {
	limit, err := c.limit()
	if err != nil {
		return nil, err
	}
	after, err := c.sequence("after")
	if err != nil {
		return nil, err
	}
	filter, err := c.auditFilter()
	if err != nil {
		return nil, err
	}
	list := List[AuditEntry]{Items: []AuditEntry{}}
	if c.Audit == nil {
		return &reply{body: list}, nil
	}
	// Without the topic: the journal would look for it through all years.
	q := jetstream.Query{After: after, Limit: MaxLimit, Newest: true}
	for read := 0; ; read += q.Limit {
		records, next, err := c.Audit.Read(c.r.Context(), q)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			if r.Time.Before(filter.since) {
				return &reply{body: list}, nil
			}
			if len(list.Items) == limit || read >= maxAuditRead {
				list.Next = strconv.FormatUint(q.After, 10)
				return &reply{body: list}, nil
			}
			q.After = r.Sequence
			if e, ok := auditEntry(r); ok && filter.fits(e) {
				list.Items = append(list.Items, e)
			}
		}
		if next == 0 {
			return &reply{body: list}, nil
		}
		q.After = next
	}
}

// auditEntry reads a record. One that cannot be read was not written by a host, and is left out.
func auditEntry(r jetstream.Record) (AuditEntry, bool) {
	var e AuditEntry
	err := json.Unmarshal(r.Data, &e)
	e.Sequence = r.Sequence
	return e, err == nil
}
