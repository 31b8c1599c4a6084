package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
	"github.com/postern/postern/host/backup"
	"github.com/postern/postern/host/catalog"
)

// backup writes what is deployed as it comes. An error behind the first byte cuts the response off: a file that Restore refuses.
func (c *call) backup() (*reply, error) {
	info := backup.Info{Version: c.Gateway.Status().Version, Time: time.Now().UTC(), Recipients: c.Recipients}
	h := c.w.Header()
	h.Set("Content-Type", "application/gzip")
	h.Set("Content-Disposition", `attachment; filename="postern-`+info.Time.Format("20060102-150405")+`.tar.gz"`)
	if c.r.Method == http.MethodHead {
		return nil, nil
	}
	checked := info
	checked.Check = checkState
	err := backup.Write(c.r.Context(), c.w, c.Store, c.Blobs, checked)
	if err == nil {
		c.record(&reply{body: info}, nil, 0)
		return nil, nil
	}
	c.record(nil, problem(err), 0)
	if c.w.begun {
		c.cutOff(err)
	}
	h.Del("Content-Disposition")
	return nil, err
}

// checkState is a backup.Check of all that this host would read of a backup.
func checkState(ctx context.Context, documents map[host.Key][]byte, blobs host.Blobs) error {
	if err := access.Check(documents); err != nil {
		return err
	}
	return catalog.Check(ctx, documents, blobs)
}

func (c *call) restore() (*reply, error) {
	without, err := c.flag("withoutSecrets", false)
	if err != nil {
		return nil, err
	}
	if c.change.DryRun {
		return nil, malformed("a restore cannot be tried: it is refused on a host that has something, and changes nothing when it fails")
	}
	if c.Access == nil {
		return nil, malformed("this host keeps nothing: restore into one that postern serve --data or --nats runs")
	}
	report, err := backup.Restore(c.r.Context(), c.r.Body, c.Store, c.Blobs, backup.Options{Recipients: c.Recipients, WithoutSecrets: without,
		Check: checkState})
	if err != nil {
		return nil, limitError(err)
	}
	restored := Restored{Documents: report.Documents, Blobs: report.Blobs, Taken: report.Manifest.Time, LeftOut: []string{}}
	for _, key := range report.LeftOut {
		restored.LeftOut = append(restored.LeftOut, string(key))
	}
	return &reply{body: restored, parts: func(Part) bool { return true }}, nil
}
