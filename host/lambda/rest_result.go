package lambda

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/postern/postern/host"
)

// remapped stands before the name of a field that a rest API does not let a function set (reference 1.4.6 [REC]).
const remapped = "x-amzn-Remapped-"

// errNotBase64 is the one failure of a result that is a 500 and no 502.
var errNotBase64 = errors.New("body is not base64, but isBase64Encoded is true")

// ParseRESTResult is ParseResult for a function behind a rest API (reference 1.6, "Response 1.0" and "Binary out"). acceptsBinary says that
// the first media type that the client accepts is one of the API's binary media types (IsBinary): only then is a body that is in base64
// decoded, else the client gets the base64. Bytes beside the JSON are sent as they are.
//
// A result that is not as the format wants it has Kind BadGateway and Code IntegrationFailure, which makes it a 502; a body that is to be decoded
// and is no base64 has Kind Internal and Code APIConfigurationError, a 500. A response has a Content-Type always. The fields Connection and
// Content-Length are remapped here; others that concern the connection are left out.
func ParseRESTResult(meta []byte, body io.ReadCloser, acceptsBinary bool) (*host.Response, error) {
	resp, err := parseREST(meta, body, acceptsBinary)
	if err == nil {
		return resp, nil
	}
	if body != nil {
		_ = body.Close()
	}
	if errors.Is(err, errNotBase64) {
		return nil, &host.Error{Op: "function result", Kind: host.Internal, Code: host.APIConfigurationError, Err: err}
	}
	return nil, &host.Error{Op: "function result", Kind: host.BadGateway, Code: host.IntegrationFailure, Err: err}
}

func parseREST(meta []byte, body io.ReadCloser, acceptsBinary bool) (*host.Response, error) {
	if len(bytes.TrimSpace(meta)) == 0 && body != nil {
		meta = []byte("{}") // a guest that wrote a body alone
	}
	fields, err := parseObject(meta)
	if err != nil {
		return nil, err
	}
	resp, err := parseHead(fields, Format1, restField)
	if err != nil {
		return nil, err
	}
	text, inline, err := restBody(fields, acceptsBinary)
	if err != nil {
		return nil, err
	}
	if !resp.Header.Has("Content-Type") {
		resp.Header.Add("Content-Type", defaultType)
	}
	if body == nil || inline {
		if body != nil {
			_ = body.Close()
		}
		return respond(resp, text), nil
	}
	return stream(resp, body), nil
}

// restBody reads the body within a result, and whether there is one.
func restBody(fields map[string]json.RawMessage, decode bool) (text []byte, inline bool, err error) {
	s, encoded, inline, err := bodyText(fields)
	if err != nil || !inline || !encoded || !decode {
		return []byte(s), inline, err
	}
	if text, err = base64.StdEncoding.DecodeString(s); err != nil {
		return nil, false, errNotBase64
	}
	return text, true, nil
}

// restField is the name by which a field of a function's result goes on; false leaves it out.
func restField(name string) (string, bool) {
	switch {
	case strings.EqualFold(name, "Connection"), strings.EqualFold(name, "Content-Length"):
		return remapped + name, true
	}
	return name, !host.IsConnectionField(name)
}

// checkKeys refuses what format 1.0 does not have [REC].
func checkKeys(fields map[string]json.RawMessage) error {
	for k := range fields {
		switch k {
		case "isBase64Encoded", "statusCode", "headers", "multiValueHeaders", "body":
		default:
			return fmt.Errorf("a result of format 1.0 has no %s", k)
		}
	}
	return nil
}
