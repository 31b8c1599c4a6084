package document

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	maxSuggested = 64   // bytes of a name that is compared; what is longer was not a slip of the finger
	maxQuoted    = 80   // bytes of a value that a message repeats
	maxListed    = 24   // names that a hint lists
	maxCompared  = 1000 // names that are compared with the one that was meant
)

// Suggest returns the hint for a name that is not one of known: the nearest, or all of them.
func Suggest(name string, known []string) string {
	if best := Nearest(name, known); best != "" {
		return "did you mean " + strconv.Quote(best) + "?"
	}
	if len(known) == 0 || len(known) > maxListed {
		return ""
	}
	return "known here: " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
}

// Nearest returns the name that a third of wrong letters, and at least one, could have made, or "".
func Nearest(name string, known []string) string {
	if len(name) > maxSuggested || len(known) > maxCompared {
		return ""
	}
	best, least := "", max(1, len(name)/3)+1
	for _, k := range known {
		if len(k) > maxSuggested {
			continue
		}
		d := distance(fold(name), fold(k))
		if d < least || d == least && best != "" && k < best {
			best, least = k, d
		}
	}
	return best
}

// fold removes what people mix up without knowing: case, and how words are joined.
func fold(s string) string { return joiners.Replace(strings.ToLower(s)) }

var joiners = strings.NewReplacer("_", "", "-", "")

// distance is the number of letters to insert, delete, replace or swap with their neighbour that make b from a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	before, above := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}

// Quote quotes a value for a message, shortened when it is long.
func Quote(s string) string {
	if len(s) > maxQuoted {
		cut := maxQuoted
		for cut > 0 && s[cut]&0xC0 == 0x80 { // not in the middle of a UTF-8 sequence
			cut--
		}
		s = s[:cut] + "…"
	}
	return fmt.Sprintf("%q", s)
}
