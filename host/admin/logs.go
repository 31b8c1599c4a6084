package admin

import (
	"context"
	"net/http"
	"regexp"
	"slices"
)

// The filters of logs.
var (
	logStatus = regexp.MustCompile(`^([1-5]xx|[1-5][0-9][0-9](-[1-5][0-9][0-9])?)$`)
	logLevels = []string{"debug", "info", "warn", "error"}
)

// maxLast bounds ?last= of logs, in lines.
const maxLast = 10_000

func (c *call) readLogs() (*reply, error) {
	follow, err := c.flag("follow", false)
	if err != nil {
		return nil, err
	}
	last := 100
	if follow {
		last = 0
	}
	last, err = c.number("last", last)
	if err != nil {
		return nil, err
	}
	f := LogFilter{API: c.query.Get("api"), Stage: c.query.Get("stage"), Route: c.query.Get("route"), Function: c.query.Get("function"),
		Status: c.query.Get("status"), Level: c.query.Get("level"), Last: last, Follow: follow}
	switch {
	case last > maxLast:
		return nil, malformed("last must be at most %d", maxLast)
	case f.Status != "" && !logStatus.MatchString(f.Status):
		return nil, malformed("status must be as 404, 5xx or 400-499, and not %.80q", f.Status)
	case f.Level != "" && !slices.Contains(logLevels, f.Level):
		return nil, malformed("level must be debug, info, warn or error, and not %.80q", f.Level)
	}
	return nil, c.sendLogs(f)
}

// sendLogs streams the lines, until the reader leaves if it follows.
func (c *call) sendLogs(f LogFilter) error {
	head := c.r.Method == http.MethodHead
	if f.Follow && !head {
		done, err := c.linger()
		if err != nil {
			return err
		}
		defer done()
	}
	out := &lines{w: c.w}
	out.begin() // the reader knows at once that it is connected
	if head {
		return nil
	}
	ctx, lost := context.WithCancel(c.r.Context())
	defer lost()
	defer out.beat(c.delays.heartbeat, lost)()
	for line := range c.Gateway.Logs(ctx, f) {
		if !out.write(line) {
			break
		}
	}
	return nil
}
