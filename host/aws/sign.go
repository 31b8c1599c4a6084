package aws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/postern/postern/host"
)

const (
	amzPrefix    = "x-amz-"
	targetHeader = "X-Amz-Target"
	hashHeader   = "X-Amz-Content-Sha256"
	jsonType     = "application/x-amz-json-"
	formType     = "application/x-www-form-urlencoded"
	globalRegion = "us-east-1"
)

// A signatory tells who signs. It is a function, since fmt prints the texts of unexported fields, behind pointers too.
type signatory func() aws.Credentials

func newSignatory(access *host.ServiceAccess) (signatory, error) {
	if access == nil || access.AccessKeyID.Value == "" || access.SecretAccessKey.Value == "" {
		return nil, errors.New("no credentials for AWS services: write aws: {accessKeyId: …, secretAccessKey: …}")
	}
	id, secret, token := access.AccessKeyID.Value, access.SecretAccessKey.Value, access.SessionToken.Value
	if strings.ContainsAny(id.Reveal(), "/=, ") || !host.IsFieldValue(id.Reveal()) {
		return nil, errors.New("aws.accessKeyId is not the id of an access key")
	}
	if !host.IsFieldValue(token.Reveal()) {
		return nil, errors.New("aws.sessionToken has characters that no header field can hold")
	}
	return func() aws.Credentials {
		return aws.Credentials{AccessKeyID: id.Reveal(), SecretAccessKey: secret.Reveal(), SessionToken: token.Reveal()}
	}, nil
}

// dropped reports whether a field is not sent: those of the connection, those that signing sets, what would have the answer compressed, and
// Referer (reference 1.4.6, "dropped from AWS").
func dropped(name string) bool {
	switch strings.ToLower(name) {
	case "host", "expect", "authorization", "proxy-authorization", "proxy-authenticate", "referer", "accept-encoding",
		"x-amz-date", "x-amz-security-token", "x-amz-content-sha256":
		return true
	}
	return host.IsConnectionField(name)
}

func outbound(h host.Header) host.Header {
	out := make(host.Header, 0, len(h)+6)
	for _, f := range h {
		if !dropped(f.Name) {
			out = append(out, f)
		}
	}
	return out
}

// isSigned reports whether a field is signed: what AWS's guide asks for ("Create a signed AWS API request": host, content-type, x-amz-*), and what
// says which bytes are meant.
func isSigned(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, amzPrefix) || name == "content-type" || name == "content-md5" || name == "range"
}

// sign adds a signature of version 4 to a request whose target is encoded. The signer wants a request of net/http, which is thrown away.
func (c *Client) sign(ctx context.Context, region string, out *host.Request, body []byte) error {
	if c.known.global && !strings.HasPrefix(region, "cn-") && !strings.HasPrefix(region, "us-gov-") {
		region = globalRegion
	}
	path, query, _ := strings.Cut(out.Target, "?")
	signed := &http.Request{
		Method: out.Method, Host: out.Host, Header: http.Header{},
		URL: &url.URL{Scheme: out.Scheme, Host: out.Host, Opaque: "//" + out.Host + path, RawQuery: query},
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	objects := c.call.Service == "s3"
	if objects {
		out.Header.Set(hashHeader, hash)
	}
	for _, f := range out.Header {
		if isSigned(f.Name) {
			signed.Header.Add(f.Name, f.Value)
		}
	}
	err := c.signer.SignHTTP(ctx, c.signatory(), signed, hash, c.known.signing, region, c.now(),
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = objects })
	if err != nil {
		return &host.Error{Op: "sign", Kind: host.Internal, Err: err}
	}
	for _, name := range [...]string{"X-Amz-Date", "X-Amz-Security-Token", "Authorization"} {
		if value := signed.Header.Get(name); value != "" {
			out.Header.Set(name, value)
		}
	}
	return nil
}
