package aws

import (
	"testing"
	"time"

	"github.com/postern/postern/host"
)

// AWS's published vectors: the SigV4 test suite (service "service"), and "Signature Calculations for the Authorization Header: Transferring
// Payload in a Single Chunk" of the S3 API reference.
func TestPublishedSignatures(t *testing.T) {
	const (
		scope   = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
		s3Scope = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
		token   = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
	)
	tests := []struct {
		name, service, method, target, token string
		header                               host.Header
		body, want                           string
	}{
		{"get-vanilla", "service", "GET", "/", "", nil, "",
			scope + "SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-vanilla-query-order-key-case", "service", "GET", "/?Param2=value2&Param1=value1", "", nil, "",
			scope + "SignedHeaders=host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{"post-vanilla", "service", "POST", "/", "", nil, "",
			scope + "SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{"post-x-www-form-urlencoded", "service", "POST", "/", "", host.Header{{Name: "Content-Type", Value: "application/x-www-form-urlencoded"}}, "Param1=value1",
			scope + "SignedHeaders=content-type;host;x-amz-date, Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
		{"post-sts-header-before", "service", "POST", "/", token, nil, "",
			scope + "SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
		{"S3: GET object", "s3", "GET", "/test.txt", "", host.Header{{Name: "Range", Value: "bytes=0-9"}}, "",
			s3Scope + "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"S3: GET bucket lifecycle", "s3", "GET", "/?lifecycle=", "", nil, "",
			s3Scope + "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"S3: GET bucket", "s3", "GET", "/?max-keys=2&prefix=J", "", nil, "",
			s3Scope + "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			access := &host.ServiceAccess{Region: "us-east-1"}
			access.AccessKeyID.Value, access.SecretAccessKey.Value = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
			name, at := "example.amazonaws.com", time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
			if test.service == "s3" {
				access.AccessKeyID.Value, access.SecretAccessKey.Value = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
				name, at = "examplebucket.s3.amazonaws.com", time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
			}
			access.SessionToken.Value = host.SecretValue(test.token)
			c, err := NewClient(&host.ServiceCall{Service: test.service, Access: access}, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			c.now = func() time.Time { return at }
			out := &host.Request{Method: test.method, Scheme: "https", Host: name, Target: test.target, Header: test.header}
			if err := c.sign(t.Context(), "us-east-1", out, []byte(test.body)); err != nil {
				t.Fatal(err)
			}
			if have := out.Header.Get("Authorization"); have != test.want {
				t.Errorf("have %s\nwant %s", have, test.want)
			}
			if have := out.Header.Get("X-Amz-Security-Token"); have != test.token {
				t.Errorf("the session token is %q", have)
			}
		})
	}
}
