package native

import (
	"encoding/json"
	"fmt"

	"github.com/postern/postern/host"
)

// A filterMeta is what of a filter's answer says whether bytes go with it. All else is the pipeline's to read.
type filterMeta struct {
	Body     bool            `json:"body"`     // the bytes written are the new body
	Response json.RawMessage `json:"response"` // of filter_request: an early answer, whose body they are
}

// filters reports whether the entry is one of a filter's.
func (c *call) filters() bool {
	return c.entry == host.EntryFilterRequest || c.entry == host.EntryFilterResponse
}

// givesBody reports whether a filter's meta, as far as it is written, is whole and announces a body.
func (c *call) givesBody() bool {
	if !c.sealed && c.parsed != len(c.meta) {
		c.parsed = len(c.meta)
		c.edits = filterMeta{}
		_ = json.Unmarshal(c.meta, &c.edits) // not whole yet; what stays malformed, seal reports
	}
	return c.edits.Body || c.entry == host.EntryFilterRequest && len(c.edits.Response) > 0
}

// parseEdits reads a filter's final meta.
func (c *call) parseEdits() error {
	if !c.filters() {
		return nil
	}
	c.parsed, c.edits = len(c.meta), filterMeta{}
	if err := json.Unmarshal(c.meta, &c.edits); err != nil {
		return c.fail(host.Internal, &host.GuestError{Type: host.GuestResult, Message: fmt.Sprintf("%s wrote meta that is no filter's: %v", c.entry, err)})
	}
	if string(c.edits.Response) == "null" {
		c.edits.Response = nil
	}
	return nil
}

// checkFilter refuses a filter that took some of a body that is to pass untouched: its rest would go on without its beginning.
func (c *call) checkFilter() error {
	if n := c.stream.In.Count(); c.filters() && n > 0 && !c.givesBody() {
		return c.fail(host.Internal, &host.GuestError{Type: host.GuestResult, Message: fmt.Sprintf(
			`%s read %d bytes of the body and gives no new one; say "body": true and write it, or leave it unread`, c.entry, n)})
	}
	return nil
}
