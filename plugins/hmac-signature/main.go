// Command hmac-signature is a filter that lets pass only requests which their sender has signed with a shared key: HTTP Message Signatures
// (RFC 9421) with hmac-sha256, and Content-Digest (RFC 9530) for the body.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/postern/postern/sdk/go"
)

func main() {}

//go:wasmexport filter_request
func filterRequest() int32 { return postern.FilterRequest(check) }

// check lets a request pass, answers it, or fails: for what is wrong with the plugin's own settings, with which nothing passes.
func check(r *postern.LiveRequest) (*postern.RequestEdits, error) {
	s, err := readSettings()
	if err != nil {
		return nil, err
	}
	sig, err := s.verify(r)
	var body []byte
	if err == nil {
		body, err = s.body(r, sig)
	}
	if err == nil {
		err = s.once(sig)
	}
	var no *refusal
	if errors.As(err, &no) {
		postern.Log(slog.LevelInfo, "signature refused: "+no.reason)
		return &postern.RequestEdits{Response: s.answer(no)}, nil
	}
	if err != nil {
		return nil, err
	}
	edits := &postern.RequestEdits{}
	edits.SetHeaders = postern.Fields{{s.Header, sig.keyID}}
	if sig.covers("content-digest") {
		edits.Body = func(w *postern.Writer) error {
			_, err := w.Write(body)
			return err
		}
	}
	return edits, nil
}

// A refusal is why a request does not pass. The reason is for the log: a client is told the status alone.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string { return r.reason }

// refuse is a signature that is missing or wrong.
func refuse(format string, args ...any) error {
	return &refusal{401, fmt.Sprintf(format, args...)}
}

// answer is a refusal for the client, with what has to be signed (RFC 9421, section 5).
func (s *settings) answer(no *refusal) *postern.Response {
	if no.status != 401 {
		return postern.JSON(no.status, map[string]string{"message": "Request Entity Too Large"})
	}
	res := postern.JSON(401, map[string]string{"message": "Unauthorized"})
	quoted := make([]string, 0, len(s.Components)+1)
	for _, name := range s.Components {
		quoted = append(quoted, `"`+name+`"`)
	}
	if s.ContentDigest == digestRequired && !strings.Contains(strings.Join(quoted, " "), `"content-digest"`) {
		quoted = append(quoted, `"content-digest"`)
	}
	res.Headers["accept-signature"] = s.label() + "=(" + strings.Join(quoted, " ") + `);created;alg="` + algorithm + `"`
	res.Headers["www-authenticate"] = "Signature" // a 401 has one (RFC 9110, section 15.5.2)
	return res
}

// body reads the body and holds it against its digest, where the signature covers that. Otherwise the body passes unread.
func (s *settings) body(r *postern.LiveRequest, sig *signature) ([]byte, error) {
	if !sig.covers("content-digest") {
		if s.ContentDigest == digestRequired && r.Length != 0 {
			return nil, refuse("the body is not signed: content-digest is not covered")
		}
		return nil, nil
	}
	if r.Length > s.MaxBody {
		return nil, &refusal{413, fmt.Sprintf("the body has %d bytes, and maxBody is %d", r.Length, s.MaxBody)}
	}
	var body bytes.Buffer
	if _, err := io.Copy(&body, io.LimitReader(r.Body, s.MaxBody+1)); err != nil {
		return nil, err
	}
	if int64(body.Len()) > s.MaxBody {
		return nil, &refusal{413, fmt.Sprintf("the body is over maxBody, %d bytes", s.MaxBody)}
	}
	value, _ := fieldValue(r.Headers, "content-digest")
	return body.Bytes(), checkDigest(value, body.Bytes())
}
