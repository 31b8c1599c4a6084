package sigv4

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

// The defaults of Options.
const (
	DefaultSkew    = 5 * time.Minute // as Amazon allows
	DefaultMaxBody = 6 << 20         // bytes: Lambda's limit for the payload of a synchronous call
)

// Options are what Verify goes by.
type Options struct {
	Services []string         // that a signature may be for
	Skew     time.Duration    // between the clocks of client and host, either way; 0 is DefaultSkew
	MaxBody  int64            // bytes of a body, which is read into memory to be compared; 0 is DefaultMaxBody
	Now      func() time.Time // nil is time.Now

	// Unsigned allows UNSIGNED-PAYLOAD, where only the header is signed. Allow it where nobody can change a body on its way: over TLS and
	// on loopback.
	Unsigned bool

	// Replays remembers the signatures of requests that may change something, and refuses them a second time. nil allows them again for
	// as long as the clocks' difference does, as Amazon's own services do.
	Replays *Replays
}

// Verify checks a signature against the secret of its access key, and the body against what was signed. The body is read and put
// back, after everything else has been checked where the header tells its hash. Errors have a Refusal; a body that is too
// large has Kind TooLarge, and one that cannot be read has Kind Invalid.
func (s *Signature) Verify(r *http.Request, secret string, opts Options) error {
	if !slices.Contains(opts.Services, s.Service) {
		return Refuse(InvalidSignature, "Credential must be for the service "+strings.Join(opts.Services, " or "))
	}
	now := time.Now
	if opts.Now != nil {
		now = opts.Now
	}
	if err := s.checkDate(now(), opts.skew()); err != nil {
		return err
	}
	hash, err := payloadHash(r, opts)
	if err != nil {
		return err
	}
	early := hash != ""
	if !early {
		if hash, err = hashBody(r, opts.maxBody()); err != nil {
			return err
		}
	}
	canonical, err := s.canonicalRequest(r, hash)
	if err != nil {
		return err
	}
	if !hmac.Equal(s.sum, s.sign(secret, canonical)) {
		return Refuse(InvalidSignature, "the signature does not match: check the secret, the region, and that nothing between changes the request")
	}
	if early && hash != unsigned {
		if err := checkBody(r, hash, opts.maxBody()); err != nil {
			return err
		}
	}
	if opts.Replays != nil && changes(r.Method) && !opts.Replays.first(s.sum, now(), 2*opts.skew()) {
		return Refuse(InvalidSignature, "a request with this signature was handled already: sign it again, in another second or with a header that differs")
	}
	return nil
}

// BodyFirst reports whether Verify has to read the body of a signed request before it can tell who sent it: where the header does not have
// its hash, as of most of AWS's SDKs.
func BodyFirst(r *http.Request) bool { return len(r.Header.Values(hashHeader)) == 0 }

func (o Options) skew() time.Duration {
	if o.Skew == 0 {
		return DefaultSkew
	}
	return o.Skew
}

func (o Options) maxBody() int64 {
	if o.MaxBody == 0 {
		return DefaultMaxBody
	}
	return o.MaxBody
}

// changes leaves out the methods that RFC 9110, 9.2.1 calls safe.
func changes(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}

func (s *Signature) checkDate(now time.Time, skew time.Duration) error {
	now = now.UTC()
	switch {
	case s.Date.Before(now.Add(-skew)):
		return Refuse(InvalidSignature, fmt.Sprintf("Signature expired: it is of %s, and the host's clock says %s", s.Date.Format(dateLayout), now.Format(dateLayout)))
	case s.Date.After(now.Add(skew)):
		return Refuse(InvalidSignature, fmt.Sprintf("Signature not yet current: it is of %s, and the host's clock says %s", s.Date.Format(dateLayout), now.Format(dateLayout)))
	}
	return nil
}

// payloadHash returns what the header says of the body; "" when it says nothing.
func payloadHash(r *http.Request, opts Options) (string, error) {
	values := r.Header.Values(hashHeader)
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", Refuse(Incomplete, "the request has more than one "+hashHeader)
	case values[0] == unsigned && opts.Unsigned:
		return unsigned, nil
	case values[0] == unsigned:
		return "", Refuse(InvalidSignature, unsigned+" is accepted over TLS and on loopback only: sign the body")
	case strings.HasPrefix(values[0], "STREAMING-"):
		return "", Refuse(InvalidSignature, "streaming signatures are not accepted: sign the whole body")
	}
	if sum, err := hex.DecodeString(values[0]); err != nil || len(sum) != sha256.Size || strings.ToLower(values[0]) != values[0] {
		return "", Refuse(Incomplete, hashHeader+" must be 64 hexadecimal digits in lower case, or "+unsigned)
	}
	return values[0], nil
}

func checkBody(r *http.Request, hash string, limit int64) error {
	sum, err := hashBody(r, limit)
	if err != nil {
		return err
	}
	if sum != hash { // both are known to the client
		return Refuse(InvalidSignature, "the body is not the one that "+hashHeader+" was made of")
	}
	return nil
}

// hashBody reads the body, puts it back, and returns its SHA-256 in hexadecimal.
func hashBody(r *http.Request, limit int64) (string, error) {
	if r.ContentLength > limit {
		return "", tooLarge(limit)
	}
	var data []byte
	if r.Body != nil {
		var err error
		if data, err = io.ReadAll(io.LimitReader(r.Body, limit+1)); err != nil {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				return "", tooLarge(large.Limit)
			}
			return "", &host.Error{Op: "signature: read the body", Kind: host.Invalid, Err: err}
		}
		if int64(len(data)) > limit {
			return "", tooLarge(limit)
		}
		if err := r.Body.Close(); err != nil {
			return "", &host.Error{Op: "signature: read the body", Kind: host.Invalid, Err: err}
		}
		r.Body = io.NopCloser(bytes.NewReader(data))
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

func tooLarge(limit int64) error {
	return &host.Error{Op: "signature", Kind: host.TooLarge,
		Err: fmt.Errorf("a signed body may have %d bytes at most: send a larger one with a token", limit)}
}

// sign returns the signature of a canonical request: the guide's steps 2 to 4.
func (s *Signature) sign(secret, canonical string) []byte {
	day := s.Date.Format(dayLayout)
	sum := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{algorithm, s.Date.Format(dateLayout),
		strings.Join([]string{day, s.Region, s.Service, terminator}, "/"), hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range [...]string{day, s.Region, s.Service, terminator} {
		key = mac(key, part)
	}
	return mac(key, text)
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// canonicalRequest is the guide's step 1.
func (s *Signature) canonicalRequest(r *http.Request, hash string) (string, error) {
	path, query := target(r)
	if s.Service != "s3" { // all others encode the path that was sent a second time
		path = encodePath(path)
	}
	query, err := canonicalQuery(query)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(r.Method + "\n" + path + "\n" + query + "\n")
	for _, name := range s.Headers {
		values, _ := headerValues(r, name)
		b.WriteString(name + ":")
		for i, value := range values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(collapse(value))
		}
		b.WriteByte('\n')
	}
	b.WriteString("\n" + strings.Join(s.Headers, ";") + "\n" + hash)
	return b.String(), nil
}

// target returns path and query as they were sent: what net/http has decoded would lose the difference of "/" and "%2F".
func target(r *http.Request) (path, query string) {
	path = r.URL.EscapedPath()
	if strings.HasPrefix(r.RequestURI, "/") {
		path, _, _ = strings.Cut(r.RequestURI, "?")
	}
	if path == "" {
		path = "/"
	}
	return path, r.URL.RawQuery
}

func encodePath(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = encode(segment)
	}
	return strings.Join(segments, "/")
}

// encode leaves only the unreserved characters of RFC 3986, 2.3 as they are.
func encode(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// canonicalQuery reads a query as the handlers of a request do, so that what is signed is what they see.
func canonicalQuery(raw string) (string, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return "", Refuse(InvalidSignature, "the query is malformed")
	}
	var pairs [][2]string
	for name, values := range query {
		for _, value := range values {
			pairs = append(pairs, [2]string{encode(name), encode(value)})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	parts := make([]string, len(pairs))
	for i, pair := range pairs {
		parts[i] = pair[0] + "=" + pair[1]
	}
	return strings.Join(parts, "&"), nil
}

// headerValues returns a field's values, also of those that net/http keeps elsewhere.
func headerValues(r *http.Request, name string) (values []string, there bool) {
	if name == "host" {
		return []string{r.Host}, true
	}
	values = r.Header.Values(name)
	if len(values) == 0 && name == "content-length" && r.ContentLength >= 0 {
		values = []string{strconv.FormatInt(r.ContentLength, 10)}
	}
	return values, len(values) > 0
}

// collapse trims a value, and makes one space of several.
func collapse(value string) string {
	value = strings.TrimSpace(value)
	for strings.Contains(value, "  ") {
		value = strings.ReplaceAll(value, "  ", " ")
	}
	return value
}
