package web

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/go-sourcemap/sourcemap"
)

const vlq = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// SourceMap reads a source map and moves all its columns by one. goja hands its columns, which count from 1, to a
// library in which they count from 0, and prints the answer as it is; with a map that counts from 1 on both
// sides, that is right, and error.stack has the user's own positions wherever a script looks at it.
func SourceMap(text []byte) (*sourcemap.Consumer, error) {
	var m struct {
		Version  int               `json:"version"`
		Sources  []string          `json:"sources"`
		Names    []json.RawMessage `json:"names,omitempty"`
		Mappings string            `json:"mappings"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	if m.Mappings == "" || len(m.Sources) == 0 {
		return nil, errors.New("there is no code in it: the file is empty, or holds comments alone")
	}
	var err error
	if m.Mappings, err = moveMappings(m.Mappings, len(m.Sources), len(m.Names)); err != nil {
		return nil, err
	}
	moved, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return sourcemap.Parse("", moved)
}

// moveMappings moves the columns. It also checks every number: the library panics on a source or a name that is not there.
func moveMappings(mappings string, sources, names int) (string, error) {
	lines := strings.Split(mappings, ";")
	sourceMoved := false
	var at [5]int // generated column, source, line, column, name
	limits := [5]int{1 << 30, sources, 1 << 30, 1 << 30, names}
	for i, line := range lines {
		if line == "" {
			continue
		}
		at[0] = 0
		segments := strings.Split(line, ",")
		for j, segment := range segments {
			fields, err := decodeVLQ(segment)
			if err != nil {
				return "", err
			}
			if n := len(fields); n != 1 && n != 4 && n != 5 {
				return "", errVLQ
			}
			for k, n := range fields {
				if at[k] += n; at[k] < 0 || at[k] >= limits[k] {
					return "", errVLQ
				}
			}
			// All other numbers are differences to the one before.
			if j == 0 {
				fields[0]++
			}
			if len(fields) >= 4 && !sourceMoved {
				fields[3]++
				sourceMoved = true
			}
			if j == 0 || sourceMoved {
				segments[j] = encodeVLQ(fields)
			}
		}
		lines[i] = strings.Join(segments, ",")
	}
	return strings.Join(lines, ";"), nil
}

var errVLQ = errors.New("malformed mappings in the source map")

func decodeVLQ(s string) ([]int, error) {
	var fields []int
	value, shift := 0, 0
	for i := range len(s) {
		digit := strings.IndexByte(vlq, s[i])
		if digit < 0 || shift > 30 {
			return nil, errVLQ
		}
		value |= digit & 31 << shift
		if shift += 5; digit&32 != 0 {
			continue
		}
		if n := value >> 1; value&1 != 0 {
			fields = append(fields, -n)
		} else {
			fields = append(fields, n)
		}
		value, shift = 0, 0
	}
	if shift != 0 || len(fields) == 0 {
		return nil, errVLQ
	}
	return fields, nil
}

func encodeVLQ(fields []int) string {
	var out []byte
	for _, n := range fields {
		v := n << 1
		if n < 0 {
			v = -n<<1 | 1
		}
		for v > 31 {
			out = append(out, vlq[v&31|32])
			v >>= 5
		}
		out = append(out, vlq[v])
	}
	return string(out)
}
