package host

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// TraceField is the header field of AWS X-Ray's trace context.
const TraceField = "X-Amzn-Trace-Id"

// ExtendedRequestID returns a rest API's other id of a request, which x-amz-apigw-id has too: 16 characters of which the last is "=", as
// Amazon's (reference 1.4.6 and 1.5.1 [REC]). It follows from the id alone, and is "" for "".
func ExtendedRequestID(id string) string {
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("extended request " + id))
	return base64.URLEncoding.EncodeToString(sum[:11])
}

// ResourceID returns the id of the path of an exchange's route on a rest API: six letters and digits, the same for all methods of a path and
// for as long as the API's name and the path stay. It is "" where no route matched.
func (m *Match) ResourceID() string {
	if m.Route == nil {
		return ""
	}
	key := m.Route.Pattern
	if key == "" {
		key = DefaultRoute
	}
	if m.API != nil {
		key = m.API.Name + "\x00" + key
	}
	const letters = "0123456789abcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte(key))
	id := make([]byte, 6)
	for i := range id {
		id[i] = letters[int(sum[i])%len(letters)]
	}
	return string(id)
}

// AmazonTrace returns the exchange's trace context in AWS X-Ray's form, Root=1-8hex-24hex;Parent=16hex;Sampled=0|1 (reference 1.4.6, "Trace"
// [AST]). One that came whole is kept as it is; one with a root alone gets a parent. It is the same whenever it is asked for.
func (x *Exchange) AmazonTrace() string {
	came := x.Request.Header.Get(TraceField)
	root, whole := "", false
	for part := range strings.SplitSeq(came, ";") {
		part = strings.TrimSpace(part)
		if strings.HasPrefix(part, "Root=") && isTraceRoot(part[len("Root="):]) {
			root = part
		}
		whole = whole || strings.HasPrefix(part, "Parent=")
	}
	if root != "" && whole {
		return came
	}
	sum := sha256.Sum256([]byte("trace " + x.ID))
	if root == "" {
		root = "Root=" + traceRoot(x.TraceID, x.Started, sum[8:20])
	}
	sampled := 0
	if x.TraceID != "" {
		sampled = 1
	}
	return fmt.Sprintf("%s;Parent=%s;Sampled=%d", root, hex.EncodeToString(sum[:8]), sampled)
}

// traceRoot is a W3C trace id in X-Ray's form, or else one of the request's own.
func traceRoot(traceID string, started time.Time, own []byte) string {
	if len(traceID) == 32 {
		return "1-" + traceID[:8] + "-" + traceID[8:]
	}
	return fmt.Sprintf("1-%08x-%s", uint32(started.Unix()), hex.EncodeToString(own))
}

// isTraceRoot reports whether s is 1-8hex-24hex.
func isTraceRoot(s string) bool {
	if len(s) != 35 || s[:2] != "1-" || s[10] != '-' {
		return false
	}
	for _, c := range []byte(s[2:10] + s[11:]) {
		if unhex(c) > 15 {
			return false
		}
	}
	return true
}
