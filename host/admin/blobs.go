package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"

	"github.com/postern/postern/host"
)

func (c *call) headBlob() (*reply, error) {
	blob, err := c.Blobs.Stat(c.r.Context(), c.r.PathValue("digest"))
	if err != nil {
		return nil, err
	}
	c.w.Header().Set("Content-Type", TypeOctets)
	c.w.Header().Set("Content-Length", strconv.FormatInt(blob.Size, 10))
	c.w.WriteHeader(http.StatusOK)
	return nil, nil
}

func (c *call) getBlob() (*reply, error) {
	digest := c.r.PathValue("digest")
	blob, err := c.Blobs.Stat(c.r.Context(), digest)
	if err != nil {
		return nil, err
	}
	content, err := c.Blobs.Open(c.r.Context(), digest)
	if err != nil {
		return nil, err
	}
	defer content.Close() // it was read
	h := c.w.Header()
	h.Set("Content-Type", TypeOctets)
	h.Set("Content-Disposition", "attachment")
	h.Set("Content-Length", strconv.FormatInt(blob.Size, 10))
	if _, err := io.Copy(c.w, content); err != nil {
		c.cutOff(err)
	}
	return nil, nil
}

// cutOff ends a response that cannot be finished, so that its reader does not take it for whole.
func (c *call) cutOff(err error) {
	c.log.WarnContext(c.r.Context(), "admin response was cut off", "operation", c.op.id, "error", err)
	panic(http.ErrAbortHandler)
}

// putBlob saves a content. It is sent again when it is there already, for that keeps it from being collected.
func (c *call) putBlob() (*reply, error) {
	digest := c.r.PathValue("digest")
	status := http.StatusCreated
	if _, err := c.Blobs.Stat(c.r.Context(), digest); err == nil {
		status = http.StatusOK
	} else if !errors.Is(err, host.NotFound) {
		return nil, err
	}
	body := &digested{r: c.r.Body, sum: sha256.New(), want: digest}
	if c.change.DryRun {
		n, err := io.Copy(io.Discard, body)
		return &reply{body: BlobInfo{digest, n}, digest: digest}, err
	}
	blob, err := c.Blobs.Save(c.r.Context(), body)
	if body.err != nil {
		return nil, body.err
	}
	return &reply{status: status, body: BlobInfo{blob.Digest, blob.Size}, digest: digest}, err
}

// A digested reader fails at its end when the content is not what was announced, so that it is not saved.
type digested struct {
	r    io.Reader
	sum  hash.Hash
	want string
	err  error // why it ended early
}

func (d *digested) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	d.sum.Write(p[:n])
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		if got := hex.EncodeToString(d.sum.Sum(nil)); got != d.want {
			d.err = faultf(host.Invalid, 0, "the content's SHA-256 is %s, and not the one in the path", got)
			return 0, d.err
		}
	default:
		d.err = bodyError(err)
		return 0, d.err
	}
	return n, err
}
