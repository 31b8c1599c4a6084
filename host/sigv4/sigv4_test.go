package sigv4

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/postern/postern/host"
)

const (
	keyID  = "PSTKABCDEFGHIJKLMNOP"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func options() Options {
	return Options{Services: []string{"lambda", "execute-api", "s3"}, Now: func() time.Time { return noon }}
}

// sign signs a request with Amazon's own signer, at noon.
func sign(t testing.TB, r *http.Request, body, service string, at time.Time) {
	t.Helper()
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	credentials := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
	if err := signer.SignHTTP(context.Background(), credentials, r, hexSum(body), service, "eu-central-1", at); err != nil {
		t.Fatal(err)
	}
}

func hexSum(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// arrive sends a request through its form on the wire, and returns what a server reads.
func arrive(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func verify(r *http.Request, opts Options) error {
	s, err := Parse(r)
	if err != nil {
		return err
	}
	if s.KeyID != keyID {
		return fmt.Errorf("key id %q", s.KeyID)
	}
	return s.Verify(r, secret, opts)
}

func request(t testing.TB, method, target, body string, header http.Header) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, "http://admin.example:8090"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	return r
}

// TestSDK sends what Amazon's signer has signed over a real socket.
func TestSDK(t *testing.T) {
	answer := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := verify(r, options())
		if err == nil {
			_, err = io.Copy(w, r.Body)
		}
		answer <- err
	}))
	defer server.Close()
	paths := []string{"", "/", "/2015-03-31/functions/greet/invocations", "/a b", "/a%20b", "/%2F", "/a%2Fb/c", "//", "//a//b/", "/a/../b/./c", "/ü/漢字",
		"/%C3%BC", "/a:b@c", "/arn:aws:lambda:eu:1:function:f", "/arn%3Aaws%3Alambda", "/a+b", "/a%2Bb", "/%25", "/a%252Fb", "/~-._", "/(a)*'!$&,;=",
		"/a%7Eb", "/%e4%bd%a0", "/$default", "/a%3Fb", "/%00", "/[x]", "/" + strings.Repeat("x", 4000)}
	queries := []string{"", "?", "?a", "?a=", "?=a", "?b=2&a=1", "?a=2&a=1&a=", "?a=b%20c", "?a=b+c", "?a=b%2Bc", "?a=ü", "?%C3%BC=1", "?A=1&a=2&Z=3", "?a=/&b=?",
		"?Qualifier=live", "?a=b=c", "?a==", "?&&a=1&", "?a-b=1&a=2&a%20b=3", "?x=~-._", "?a=%26%3D", "?a=!*'()", "?a%5B%5D=1", "?a=1&ab=2&a%00=3"}
	headers := []http.Header{nil, {"X-Custom": {"  padded   twice  "}}, {"X-Many": {"b", "a", " c  d "}}, {"X-Empty": {""}}, {"X-Amz-Meta": {"ü"}},
		{"X-Tab": {"a\tb"}}, {"X-Quoted": {`"a   b"`}}, {"User-Agent": {"x"}, "X-Amzn-Trace-Id": {"y"}}, {"Content-Type": {"application/json"}},
		{"X-Amz-Content-Sha256": {hexSum("{}")}}}
	n := 0
	send := func(method, target, body string, header http.Header, service string) {
		n++
		name := fmt.Sprintf("%s %.60q %v %s", method, target, header, service)
		u, err := url.Parse(server.URL + target)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r := &http.Request{Method: method, URL: u, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
		for name, values := range header {
			r.Header[name] = append([]string(nil), values...)
		}
		sign(t, r, body, service, noon)
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-answer; err != nil {
			t.Errorf("%s: %v", name, err)
		} else if string(got) != body {
			t.Errorf("%s: the handler read %q after Verify; want %q", name, got, body)
		}
	}
	for _, service := range []string{"lambda", "s3"} {
		for _, path := range paths {
			for _, query := range queries {
				send("POST", path+query, "{}", nil, service)
			}
		}
	}
	for _, method := range []string{"GET", "PUT", "DELETE", "POST"} {
		for _, header := range headers {
			send(method, "/a%20b/c?b=1&a=%20", "{}", header, "execute-api")
		}
	}
	send("POST", "/", "", nil, "lambda")
	send("POST", "/", strings.Repeat("x", 1<<20), nil, "lambda")
	t.Logf("%d requests", n)
}

func TestTampering(t *testing.T) {
	body := `{"a":1}`
	header := http.Header{"X-Custom": {"v"}, "X-Many": {"a", "b"}, "X-Amz-Content-Sha256": {hexSum(body)}, "Content-Type": {"application/json"}}
	signed := func() *http.Request {
		r := request(t, "POST", "/a/b?x=1&y=2", body, header.Clone())
		sign(t, r, body, "lambda", noon)
		return arrive(t, r)
	}
	if err := verify(signed(), options()); err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			before := r.Header.Get("Authorization")
			if after := strings.Replace(before, old, new, 1); after != before {
				r.Header.Set("Authorization", after)
			} else {
				t.Errorf("%s is not in %s", old, before)
			}
		}
	}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	target := func(uri string) func(*http.Request) {
		return func(r *http.Request) {
			r.RequestURI = uri
			r.URL, _ = url.ParseRequestURI(uri)
		}
	}
	cases := map[string]struct {
		change func(*http.Request)
		code   Code
	}{
		"method":           {func(r *http.Request) { r.Method = "PUT" }, InvalidSignature},
		"path":             {target("/a/c?x=1&y=2"), InvalidSignature},
		"path's encoding":  {target("/a%2Fb?x=1&y=2"), InvalidSignature},
		"path's slashes":   {target("/a//b?x=1&y=2"), InvalidSignature},
		"path's dots":      {target("/a/./b?x=1&y=2"), InvalidSignature},
		"query value":      {target("/a/b?x=1&y=3"), InvalidSignature},
		"query added":      {target("/a/b?x=1&y=2&z="), InvalidSignature},
		"query repeated":   {target("/a/b?x=1&y=2&y=2"), InvalidSignature},
		"query gone":       {target("/a/b"), InvalidSignature},
		"query malformed":  {target("/a/b?x=1&y=2&z;"), InvalidSignature},
		"query bad escape": {target("/a/b?x=1&y=2&%zz"), InvalidSignature},
		"host":             {func(r *http.Request) { r.Host = "other.example" }, InvalidSignature},
		"header":           {set("X-Custom", "w"), InvalidSignature},
		"header's case":    {set("X-Custom", "V"), InvalidSignature},
		"header twice":     {func(r *http.Request) { r.Header.Add("X-Custom", "v") }, InvalidSignature},
		"header order":     {func(r *http.Request) { r.Header["X-Many"] = []string{"b", "a"} }, InvalidSignature},
		"header gone":      {func(r *http.Request) { r.Header.Del("X-Custom") }, InvalidSignature},
		"amz header added": {set("X-Amz-Invocation-Type", "Event"), InvalidSignature},
		"body": {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"a":2}`)) },
			InvalidSignature},
		"body cut":         {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"a":`)) }, InvalidSignature},
		"body's hash":      {set(hashHeader, hexSum("x")), InvalidSignature},
		"hash unsigned":    {set(hashHeader, unsigned), InvalidSignature},
		"hash streaming":   {set(hashHeader, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), InvalidSignature},
		"hash malformed":   {set(hashHeader, "abc"), Incomplete},
		"hash upper case":  {set(hashHeader, strings.ToUpper(hexSum(body))), Incomplete},
		"hash twice":       {func(r *http.Request) { r.Header.Add(hashHeader, hexSum(body)) }, Incomplete},
		"date":             {set(dateHeader, "20260504T120001Z"), InvalidSignature},
		"other day":        {set(dateHeader, "20260503T235959Z"), InvalidSignature},
		"date malformed":   {set(dateHeader, "yesterday"), Incomplete},
		"date gone":        {func(r *http.Request) { r.Header.Del(dateHeader) }, InvalidSignature},
		"date twice":       {func(r *http.Request) { r.Header.Add(dateHeader, r.Header.Get(dateHeader)) }, Incomplete},
		"session token":    {set(tokenHeader, "x"), InvalidSignature},
		"region":           {replace("eu-central-1", "us-east-1"), InvalidSignature},
		"service":          {replace("/lambda/", "/execute-api/"), InvalidSignature},
		"service unknown":  {replace("/lambda/", "/iam/"), InvalidSignature},
		"scope's day":      {replace("/20260504/", "/20260505/"), InvalidSignature},
		"scope's end":      {replace("/aws4_request", "/aws5_request"), Incomplete},
		"scope short":      {replace("/lambda/", "/"), Incomplete},
		"fewer headers":    {replace(";x-custom", ""), InvalidSignature},
		"no host":          {replace("host;", ""), Incomplete},
		"no date signed":   {replace("x-amz-date;", ""), Incomplete},
		"headers unsorted": {replace("host;", "zost;"), Incomplete},
		"headers upper":    {replace("host;", "Host;"), Incomplete},
		"headers twice":    {replace("host;", "host;host;"), Incomplete},
		"signature":        {replace("Signature=", "Signature="+strings.Repeat("0", 64)+", X="), Incomplete},
		"signature zero":   {func(r *http.Request) { zero(r) }, InvalidSignature},
		"signature short":  {func(r *http.Request) { cut(r, 2) }, Incomplete},
		"signature gone":   {func(r *http.Request) { cut(r, 64) }, Incomplete},
		"algorithm":        {replace(algorithm, "AWS4-ECDSA-P256-SHA256"), Incomplete},
		"bearer":           {set("Authorization", "Bearer x"), Incomplete},
		"nothing":          {func(r *http.Request) { r.Header.Del("Authorization") }, MissingToken},
		"twice": {func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) },
			Incomplete},
		"huge": {set("Authorization", algorithm+" "+strings.Repeat("x", 1<<20)), Incomplete},
		"presigned": {func(r *http.Request) {
			r.Header.Del("Authorization")
			target("/a/b?X-Amz-Algorithm=AWS4-HMAC-SHA256")(r)
		}, Incomplete},
	}
	for name, c := range cases {
		r := signed()
		c.change(r)
		err := verify(r, options())
		if !errors.Is(err, host.Unauthenticated) || CodeOf(err) != c.code {
			t.Errorf("%s: %v, code %q; want Kind Unauthenticated and %q", name, err, CodeOf(err), c.code)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error tells the secret", name)
		}
	}
	r := signed()
	if s, err := Parse(r); err != nil || s.Verify(r, secret+"x", options()) == nil {
		t.Errorf("another secret is accepted, or %v", err)
	}
}

func zero(r *http.Request) {
	before := r.Header.Get("Authorization")
	r.Header.Set("Authorization", before[:len(before)-64]+strings.Repeat("0", 64))
}

func cut(r *http.Request, n int) {
	before := r.Header.Get("Authorization")
	r.Header.Set("Authorization", before[:len(before)-n])
}

func TestSessionToken(t *testing.T) {
	r := request(t, "POST", "/", "", http.Header{tokenHeader: {"token"}})
	sign(t, r, "", "lambda", noon)
	if err := verify(arrive(t, r), options()); CodeOf(err) != ExpiredToken {
		t.Errorf("%v; want %s", err, ExpiredToken)
	}
}

func TestSkew(t *testing.T) {
	for _, c := range []struct {
		skew time.Duration
		ok   bool
	}{{0, true}, {-5 * time.Minute, true}, {5 * time.Minute, true}, {-5*time.Minute - time.Second, false}, {5*time.Minute + time.Second, false},
		{-24 * time.Hour, false}, {24 * time.Hour, false}} {
		r := request(t, "GET", "/", "", nil)
		sign(t, r, "", "lambda", noon.Add(c.skew))
		err := verify(arrive(t, r), options())
		if (err == nil) != c.ok || err != nil && CodeOf(err) != InvalidSignature {
			t.Errorf("clock %v off: %v; want accepted %v", c.skew, err, c.ok)
		}
	}
}

func TestPayload(t *testing.T) {
	send := func(hash, body string, opts Options) error {
		r := request(t, "POST", "/", body, http.Header{hashHeader: {hash}})
		signer := v4.NewSigner()
		credentials := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
		if err := signer.SignHTTP(context.Background(), credentials, r, hash, "lambda", "eu", noon); err != nil {
			t.Fatal(err)
		}
		return verify(arrive(t, r), opts)
	}
	allowed := options()
	allowed.Unsigned = true
	if err := send(unsigned, "anything", allowed); err != nil {
		t.Errorf("%s where it is allowed: %v", unsigned, err)
	}
	if err := send(unsigned, "anything", options()); CodeOf(err) != InvalidSignature {
		t.Errorf("%s where it is not: %v", unsigned, err)
	}
	for _, hash := range []string{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"} {
		if err := send(hash, "x", allowed); CodeOf(err) != InvalidSignature {
			t.Errorf("%s: %v", hash, err)
		}
	}
	if err := send(hexSum("other"), "x", allowed); CodeOf(err) != InvalidSignature {
		t.Errorf("another body than was signed: %v", err)
	}
	small := options()
	small.MaxBody = 10
	if err := send(hexSum("0123456789"), "0123456789", small); err != nil {
		t.Errorf("a body of the limit: %v", err)
	}
	for _, hashed := range []bool{true, false} {
		header, body := http.Header{}, "0123456789a"
		if hashed {
			header.Set(hashHeader, hexSum(body))
		}
		r := request(t, "POST", "/", body, header)
		sign(t, r, body, "lambda", noon)
		r = arrive(t, r)
		if err := verify(r, small); !errors.Is(err, host.TooLarge) {
			t.Errorf("a larger body: %v; want Kind TooLarge", err)
		}
		r = request(t, "POST", "/", "", header) // as one that is chunked: the length is not known
		r.ContentLength, r.Body = -1, io.NopCloser(strings.NewReader(body))
		sign(t, r, body, "lambda", noon)
		if err := verify(arrive(t, r), small); !errors.Is(err, host.TooLarge) {
			t.Errorf("a larger body in chunks: %v; want Kind TooLarge", err)
		}
	}
}

// TestBodyIsReadLast: who has no secret must not make the host read bodies.
func TestBodyIsReadLast(t *testing.T) {
	r := request(t, "POST", "/", "x", http.Header{hashHeader: {hexSum("x")}})
	sign(t, r, "x", "lambda", noon)
	r = arrive(t, r)
	zero(r)
	r.Body = io.NopCloser(failing{t})
	if err := verify(r, options()); CodeOf(err) != InvalidSignature {
		t.Error(err)
	}
}

type failing struct{ t *testing.T }

func (f failing) Read([]byte) (int, error) {
	f.t.Error("the body was read before the signature was verified")
	return 0, io.EOF
}

func TestSigned(t *testing.T) {
	for authorization, want := range map[string]bool{"": false, "Bearer x": false, "AWS4-HMAC-SHA256 x": true, "AWS4-ECDSA-P256-SHA256": true} {
		r := request(t, "GET", "/", "", http.Header{"Authorization": {authorization}})
		if got := Signed(r); got != want {
			t.Errorf("Signed(%q) = %v", authorization, got)
		}
	}
	if r := request(t, "GET", "/?X-Amz-Algorithm=AWS4-HMAC-SHA256", "", nil); !Signed(r) {
		t.Error("a presigned URL is not seen")
	}
}

func BenchmarkVerify(b *testing.B) {
	r := request(b, "POST", "/2015-03-31/functions/greet/invocations?Qualifier=live", "", nil)
	sign(b, r, "", "lambda", noon)
	r = arrive(b, r)
	for b.Loop() {
		if err := verify(r, options()); err != nil {
			b.Fatal(err)
		}
	}
}
