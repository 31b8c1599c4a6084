package lambda

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// A pair is a header field or query parameter, decoded.
type pair struct{ name, value string }

// A style says how pairs become the members of an object.
type style struct {
	compare func(a, b string) int       // zero for names that are one
	name    func([]byte, string) []byte // appends a name, escaped
	value   func([]byte, []pair) []byte // appends what all pairs of one name become
}

// members writes pairs, in which those of one name stand together, as one object.
func (o *object) members(k string, ps []pair, s style) {
	o.open(k)
	for i := 0; i < len(ps); {
		j := i + 1
		for j < len(ps) && s.compare(ps[i].name, ps[j].name) == 0 {
			j++
		}
		if o.comma {
			o.b = append(o.b, ',')
		}
		o.comma = true
		o.b = append(s.name(append(o.b, '"'), ps[i].name), '"', ':')
		o.b = s.value(o.b, ps[i:j])
		i = j
	}
	o.close()
}

// joined writes the values of one name, comma-joined.
func joined(b []byte, ps []pair) []byte {
	b = append(b, '"')
	for i, p := range ps {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendEscaped(b, p.value)
	}
	return append(b, '"')
}

// last writes the last value of one name.
func last(b []byte, ps []pair) []byte { return appendString(b, ps[len(ps)-1].value) }

// list writes all values of one name.
func list(b []byte, ps []pair) []byte {
	b = append(b, '[')
	for i, p := range ps {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, p.value)
	}
	return append(b, ']')
}

// headers appends the fields that an event shows, sorted by name regardless of case: those of the request without
// what concerns the connection alone (reference 1.4.6, first row), with Host and the forwarded fields.
func headers(ps []pair, x *host.Exchange) []pair {
	r := x.Request
	for _, f := range r.Header {
		if !dropped(f.Name) {
			ps = append(ps, pair{f.Name, f.Value})
		}
	}
	if r.Host != "" {
		ps = append(ps, pair{"Host", r.Host})
	}
	ps = forwarded(ps, r)
	if isREST(x) {
		ps = slices.DeleteFunc(ps, func(p pair) bool { return compareFold(p.name, host.TraceField) == 0 })
		ps = append(ps, pair{host.TraceField, x.AmazonTrace()})
	}
	slices.SortStableFunc(ps, func(a, b pair) int { return compareFold(a.name, b.name) })
	return ps
}

// forwarded appends X-Forwarded-For, -Port and -Proto (reference 1.4.6, "Lambda proxy event"). What a trusted proxy said of itself
// stands; what anybody else said is replaced.
func forwarded(ps []pair, r *host.Request) []pair {
	client := address(r)
	said := func(name string) string {
		if !r.Peer.Trusted {
			return ""
		}
		return strings.Join(r.Header.Values(name), ", ")
	}
	chain := said("X-Forwarded-For")
	if chain != "" && r.Peer.Remote.IsValid() {
		chain += ", " + r.Peer.Remote.Addr().Unmap().String()
	}
	port := ""
	if r.Peer.Local.IsValid() {
		port = strconv.Itoa(int(r.Peer.Local.Port()))
	}
	for _, p := range [...]pair{
		{"X-Forwarded-For", cmp.Or(chain, client)},
		{"X-Forwarded-Port", cmp.Or(said("X-Forwarded-Port"), port)},
		{"X-Forwarded-Proto", cmp.Or(said("X-Forwarded-Proto"), r.Scheme)},
	} {
		if p.value != "" {
			ps = append(ps, p)
		}
	}
	return ps
}

// address returns the client's address, "" when it is not known.
func address(r *host.Request) string {
	if !r.Peer.Addr.IsValid() {
		return ""
	}
	return r.Peer.Addr.Unmap().String()
}

// dropped reports whether an event leaves out a request's field: those of the connection (reference 1.4.6, first row; RFC 9110,
// section 7.6.1), and those that headers writes anew.
func dropped(name string) bool {
	for _, d := range [...]string{
		"te", "host", "expect", "server", "trailer", "upgrade", "connection", "keep-alive", "content-md5", "max-forwards", "content-length",
		"x-forwarded-for", "www-authenticate", "x-forwarded-port", "proxy-connection", "transfer-encoding", "x-forwarded-proto", "proxy-authenticate",
	} {
		if len(d) == len(name) && strings.EqualFold(d, name) {
			return true
		}
	}
	return false
}

// query appends the parameters of a query, decoded as forms are (reference 1.3, "Query" [REC]), sorted by name.
func query(ps []pair, raw string) []pair {
	for name, value := range host.QueryParams(raw) {
		ps = append(ps, pair{name, value})
	}
	slices.SortStableFunc(ps, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	return ps
}
