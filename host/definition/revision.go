package definition

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"reflect"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// Revision is a SHA-256 over everything in a snapshot that changes what it does: every field but positions, with code
// as its digest and secrets as a hash. So moving a line of the definition is no new revision, and a changed secret is one.
// Moving a line of a script is one too: its source map says where the script fails.
func Revision(s *host.Snapshot) string {
	c := canon{sha256.New()}
	c.value(reflect.ValueOf(s))
	return hex.EncodeToString(c.h.Sum(nil))
}

// A canon writes values in one way only: each with its kind and length, maps in the order of their keys.
type canon struct{ h hash.Hash }

func (c canon) mark(kind byte, n int) {
	var b [9]byte
	b[0] = kind
	binary.BigEndian.PutUint64(b[1:], uint64(n))
	c.h.Write(b[:])
}

func (c canon) text(s string) {
	c.mark('s', len(s))
	c.h.Write([]byte(s))
}

func (c canon) value(v reflect.Value) {
	switch x := v.Interface().(type) {
	case host.Position:
		return
	case host.SecretValue:
		digest := sha256.Sum256([]byte(x.Reveal()))
		c.text(string(digest[:]))
		return
	case host.Source:
		c.text(x.Runtime)
		c.text(x.Digest)
		c.text(mapDigest(&x))
		return
	}
	switch v.Kind() {
	case reflect.String:
		c.text(v.String())
	case reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		c.text(fmt.Sprint(v.Interface()))
	case reflect.Pointer:
		if v.IsNil() {
			c.mark('0', 0)
			return
		}
		c.mark('p', 1)
		c.value(v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			c.text(string(v.Bytes()))
			return
		}
		c.mark('l', v.Len())
		for i := range v.Len() {
			c.value(v.Index(i))
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		c.mark('m', len(keys))
		for _, k := range keys {
			c.value(k)
			c.value(v.MapIndex(k))
		}
	case reflect.Struct:
		c.fields(v)
	default:
		panic("definition: a snapshot holds a " + v.Kind().String()) // plain data does not; a test encodes every field
	}
}

// fields writes the fields that are not zero: so a field that a later version of Postern adds changes no revision of what does not use it.
func (c canon) fields(v reflect.Value) {
	var written []int
	for i := range v.NumField() {
		if v.Type().Field(i).Name != "Revision" && !isEmpty(v.Field(i)) {
			written = append(written, i)
		}
	}
	c.mark('t', len(written))
	for _, i := range written {
		c.text(v.Type().Field(i).Name)
		c.value(v.Field(i))
	}
}

// isEmpty reports whether there is nothing in a value but positions.
func isEmpty(v reflect.Value) bool {
	if _, ok := v.Interface().(host.Position); ok || v.Kind() != reflect.Struct {
		return ok || v.IsZero()
	}
	for i := range v.NumField() {
		if !isEmpty(v.Field(i)) {
			return false
		}
	}
	return true
}

// mapDigest is the digest of a source's map, "" without one.
func mapDigest(s *host.Source) string {
	if s.MapDigest != "" || len(s.SourceMap) == 0 {
		return s.MapDigest
	}
	digest := sha256.Sum256(s.SourceMap)
	return hex.EncodeToString(digest[:])
}
