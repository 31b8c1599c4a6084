package definition

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// units are the suffixes of sizes, longest first.
var units = []struct {
	suffix string
	bytes  int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

// size parses a written size from least to most bytes, and else returns the default.
func (b *builder) size(v val[any], def, least, most int64) host.Setting[int64] {
	if !v.written() {
		return host.Default(def)
	}
	n, ok := int64(0), true
	switch value := v.Value.(type) {
	case int64:
		n = value
	case string:
		n, ok = parseSize(value)
	default:
		ok = false
	}
	switch {
	case !ok || n > most:
		b.add(v.place, RuleInvalidValue, "the size is more than "+sizeText(most)+", the most that is possible")
	case n < least:
		b.add(v.place, RuleInvalidValue, "the size must be at least "+sizeText(least))
	}
	return setting(n, v.place)
}

// ParseSize reads a size as the definition has them: "64KiB", "10MiB", "2GiB" or a number of bytes. The error has Kind Invalid.
func ParseSize(s string) (int64, error) {
	n, ok := parseSize(s)
	if !ok || n < 0 {
		return 0, &host.Error{Op: "size", Kind: host.Invalid, Err: fmt.Errorf("%q is no size: write a number of bytes, or one with KiB, MiB, GiB or TiB", s)}
	}
	return n, nil
}

// parseSize reads "64KiB", and reports whether it fits.
func parseSize(s string) (int64, bool) {
	for _, u := range units {
		if digits, found := strings.CutSuffix(s, u.suffix); found {
			n, err := strconv.ParseInt(digits, 10, 64)
			return n * u.bytes, err == nil && n <= math.MaxInt64/u.bytes
		}
	}
	return 0, false
}

func sizeText(n int64) string {
	for _, u := range units {
		if n >= u.bytes && n%u.bytes == 0 && u.suffix != "B" {
			if u.suffix == "" {
				return strconv.FormatInt(n, 10) + " bytes"
			}
			return strconv.FormatInt(n/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10) + " bytes"
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$`)

// webSchemes are those that browsers and fetch know. A target may also be spoken to in HTTP/2 with prior knowledge (RFC 9113,
// section 3.3), which has no scheme of its own; h2c is the customary one.
var (
	webSchemes    = []string{"http", "https"}
	targetSchemes = []string{"http", "https", "h2c"}
)

// origin checks scheme://host[:port] with one of the schemes. With wildcards, the host may be *.example.com.
func (b *builder) origin(v val[string], what string, schemes []string, wildcards bool) {
	if !v.written() || v.Value == "" {
		return
	}
	if problem, hint := originProblem(v.Value, schemes, wildcards); problem != "" {
		b.add(v.place, RuleInvalidValue, what+" "+quote(v.Value)+" "+problem).Hint = hint
	}
}

func originProblem(s string, schemes []string, wildcards bool) (problem, hint string) {
	const form = "write scheme://host[:port], such as https://example.com"
	scheme, rest, found := strings.Cut(s, "://")
	switch {
	case !found:
		return "has no scheme", form
	case !slices.Contains(schemes, scheme):
		return "must begin with " + strings.Join(schemes[:len(schemes)-1], "://, ") + ":// or " + schemes[len(schemes)-1] + "://", schemeHint(schemes, scheme, rest)
	}
	if i := strings.IndexAny(rest, "/?#@"); i >= 0 {
		hint = "write " + quote(scheme+"://"+rest[:i])
		if rest[i] == '@' {
			hint = form
		}
		return "must be only scheme, host and port", hint
	}
	u, err := url.Parse(s)
	if err != nil || !validPort(u) {
		return "is not a host with a port from 1 to 65535", form
	}
	name := u.Hostname()
	if wild, ok := strings.CutPrefix(name, "*."); ok && wildcards {
		name = wild
	}
	if _, err := netip.ParseAddr(name); err == nil || len(name) <= 253 && hostName.MatchString(name) {
		return "", ""
	}
	if strings.Contains(name, "*") {
		if wildcards {
			return "may have * only as the first label of its host", "write *.example.com"
		}
		return "must not have *", ""
	}
	return "has no valid host", form
}

// schemeHint says what to write for a scheme that others have for the same thing.
func schemeHint(schemes []string, scheme, rest string) string {
	if !slices.Contains(schemes, "h2c") {
		return ""
	}
	switch lower := strings.ToLower(scheme); {
	case slices.Contains(schemes, lower):
		return "write " + quote(lower+"://"+rest)
	case lower == "grpc" || lower == "grpcs":
		return "write " + quote("h2c://"+rest) + ", or " + quote("https://"+rest) + " with TLS"
	case lower == "ws":
		return "write " + quote("http://"+rest) + "; it takes WebSockets too"
	case lower == "wss" || lower == "h2":
		return "write " + quote("https://"+rest)
	}
	return ""
}

func validPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && n > 0
}
