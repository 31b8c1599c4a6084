package admin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/project"
)

// createVersion makes a version of code that is the body, or of code that is a blob already.
func (c *call) createVersion() (*reply, error) {
	kind, err := c.mediaType()
	if err != nil {
		return nil, err
	}
	promote, err := c.flag("promote", true)
	if err != nil {
		return nil, err
	}
	if kind == "application/json" {
		return c.versionOfBlob(promote)
	}
	up := catalog.Upload{Promote: promote}
	if text := c.query.Get("config"); text != "" {
		up.Config = &catalog.FunctionConfig{}
		if err := decodeStrict([]byte(text), up.Config); err != nil {
			return nil, refused(host.Invalid, "the parameter config: %s", detail(err))
		}
	}
	if up.Code, err = c.receive(kind); err != nil {
		return nil, err
	}
	return c.versionReply(up)
}

func (c *call) versionOfBlob(promote bool) (*reply, error) {
	var in UploadInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if c.query.Has("config") {
		return nil, malformed("config stands in the body")
	}
	if in.Promote != nil {
		if c.query.Has("promote") && *in.Promote != promote {
			return nil, malformed("promote stands in the query and in the body, and differs")
		}
		promote = *in.Promote
	}
	if in.Message != "" {
		if err := checkMessage(in.Message); err != nil {
			return nil, err
		}
		c.change.Message = in.Message
	}
	if in.Code == nil && in.Config == nil {
		return nil, malformed("the body needs code, config, or both; to upload code itself, send it with its own Content-Type")
	}
	return c.versionReply(catalog.Upload{Code: in.Code, Config: in.Config, Promote: promote})
}

// wasmMagic is what every WebAssembly binary begins with (WebAssembly Core Specification, 5.5.16).
const wasmMagic = "\x00asm"

// receive reads uploaded code, makes what a runtime takes of it, and saves that. Blobs that no version comes to name are collected later.
func (c *call) receive(kind string) (*catalog.Code, error) {
	switch kind {
	case TypeWasm, TypeJavaScript, "application/javascript", TypeTypeScript, TypeZip, TypeOctets:
	default:
		return nil, faultf(host.Unsupported, 0, "code must come as Content-Type: %s, %s, %s, %s or %s, and the description of a saved blob as application/json; not %.80q",
			TypeWasm, TypeJavaScript, TypeTypeScript, TypeZip, TypeOctets, kind)
	}
	ctx := c.r.Context()
	body := bufio.NewReader(c.r.Body)
	head, err := body.Peek(len(wasmMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, bodyError(err)
	}
	if string(head) == wasmMagic {
		if c.body != nil {
			c.body.pass()
		}
		blob, err := c.Blobs.Save(ctx, body) // as it is, and never as a whole
		if err != nil {
			return nil, limitError(err)
		}
		return &catalog.Code{Runtime: host.RuntimeWasm, Digest: blob.Digest, Size: blob.Size}, nil
	}
	source, err := c.Source(ctx, body, kind, project.UploadLimits{Upload: maxUpload, TempDir: c.TempDir})
	if err != nil {
		return nil, limitError(err)
	}
	code := &catalog.Code{Runtime: source.Runtime, Exports: source.Exports, Size: int64(len(source.Code))}
	if code.Digest, err = c.save(ctx, source.Code); err != nil {
		return nil, err
	}
	if len(source.SourceMap) > 0 {
		if code.SourceMap, err = c.save(ctx, source.SourceMap); err != nil {
			return nil, err
		}
	}
	if len(source.ConfigSchema) > 0 {
		if code.ConfigSchema, err = c.save(ctx, source.ConfigSchema); err != nil {
			return nil, err
		}
	}
	return code, nil
}

func (c *call) save(ctx context.Context, data []byte) (digest string, err error) {
	blob, err := c.Blobs.Save(ctx, bytes.NewReader(data))
	return blob.Digest, err
}
