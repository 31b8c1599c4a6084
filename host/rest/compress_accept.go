package rest

import (
	"slices"
	"strconv"
	"strings"
)

// maxPreferences bounds how much of a client's preferences is read; the rest does not count.
const maxPreferences = 64

// A preference is one element of an Accept or Accept-Encoding field.
type preference struct {
	value   string // with its parameters but q
	quality int    // its weight in thousandths
}

// weighted reads the elements of fields with weights, the highest first, those of the same weight in their order (RFC 9110, section 12.4.2).
// An element whose weight cannot be read is left out.
func weighted(fields []string) []preference {
	var list []preference
	for _, field := range fields {
		for element := range strings.SplitSeq(field, ",") {
			if len(list) == maxPreferences {
				break
			}
			if p, ok := parsePreference(element); ok {
				list = append(list, p)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b preference) int { return b.quality - a.quality })
	return list
}

func parsePreference(element string) (preference, bool) {
	value, params, _ := strings.Cut(element, ";")
	p := preference{strings.TrimSpace(value), 1000}
	for param := range strings.SplitSeq(params, ";") {
		name, weight, found := strings.Cut(strings.TrimSpace(param), "=")
		if !found || !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(weight), 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return preference{}, false
		}
		p.quality = int(q*1000 + 0.5)
	}
	return p, p.value != ""
}

// chooseCoding returns the content coding of an answer: gzip, deflate, or "" for none. Only codings that the client names count, the star does not, and the
// one with the highest weight must be among gzip, deflate and identity; of several with that weight, the first of these is taken (reference 1.15).
func chooseCoding(fields []string) string {
	list := weighted(fields)
	for _, p := range list {
		if p.quality == 0 || p.quality < list[0].quality {
			return ""
		}
		switch coding := strings.ToLower(p.value); coding {
		case codingGzip, codingDeflate:
			return coding
		case "x-gzip": // RFC 9110, section 8.4.1.3
			return codingGzip
		case codingIdentity:
			return ""
		}
	}
	return ""
}
