package lambda

import (
	"strings"

	"github.com/postern/postern/host"
)

// MaxARN is how many bytes the ARN of what is called may have on rest APIs: beyond, the answer is 414 (reference 1.3, "ARN").
const MaxARN = 1600

// RouteARN names what is called, as policies have it: arn:postern:execute-api:local:000000000000:{api}/{stage}/{METHOD}/{path}. On rest
// APIs the partition is aws, because authorizers for them build their policies by that name.
//
// Paths that lead to one route have one name, so that who spells a path in another way does not escape a policy that denies it: escapes of
// unreserved octets are undone (RFC 3986, section 6.2.2), and on rest APIs slashes that count for nothing are left out. An asterisk in the
// method or the path is percent-encoded: an authorizer that allows what it was asked about shall not allow a pattern that the caller chose.
func RouteARN(x *host.Exchange) string {
	partition, path := "postern", x.Match.Path
	if isREST(x) {
		partition, path = "aws", restPath(path)
		if len(path) > 1 {
			path = strings.TrimSuffix(path, "/")
		}
	}
	asked := x.Request.Method + "/" + unreserved(strings.TrimPrefix(path, "/"))
	return "arn:" + partition + ":execute-api:local:" + AccountID + ":" + apiID(x) + "/" + stage(x) + "/" + strings.ReplaceAll(asked, "*", "%2A")
}

// unreserved undoes the escapes of unreserved octets, and writes others with capital digits (RFC 3986, sections 2.3 and 6.2.2).
func unreserved(path string) string {
	if strings.IndexByte(path, '%') < 0 {
		return path
	}
	b := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if !host.IsEscape(path, i) {
			b = append(b, path[i])
			continue
		}
		escape := path[i : i+3]
		if c := host.Unescape(escape)[0]; isUnreserved(c) {
			b = append(b, c)
		} else {
			b = append(b, strings.ToUpper(escape)...)
		}
		i += 2
	}
	return string(b)
}

func isUnreserved(c byte) bool {
	letter := c | 0x20
	return 'a' <= letter && letter <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
