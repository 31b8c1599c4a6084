package lambda

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// The header that a result may have. Clients refuse far less: net/http a megabyte, browsers and proxies 256 KiB.
const (
	maxFields      = 256
	maxHeaderBytes = 64 << 10
)

// leaveOut leaves out the fields that belong to the connection: the listener sets them.
func leaveOut(name string) (string, bool) { return name, !host.IsConnectionField(name) }

// resultHeader reads the header of a result, sorted by name, as JSON objects have no order. rename says by which name a field goes on, if it does.
func resultHeader(fields map[string]json.RawMessage, format string, rename func(string) (string, bool)) (host.Header, error) {
	var h host.Header
	fieldsLeft, bytesLeft := maxFields, maxHeaderBytes
	add := func(name, value string) error {
		value = strings.Trim(value, " \t")
		if err := checkField(name, value); err != nil {
			return err
		}
		fieldsLeft, bytesLeft = fieldsLeft-1, bytesLeft-len(name)-len(value)
		if fieldsLeft < 0 || bytesLeft < 0 {
			return fmt.Errorf("a result's header is over %d fields or %d bytes", maxFields, maxHeaderBytes)
		}
		if name, keep := rename(name); keep {
			h.Add(name, value)
		}
		return nil
	}
	if err := each(fields, "headers", scalar, add); err != nil {
		return nil, err
	}
	if format == Format2 {
		return h, cookiesTo(fields["cookies"], add)
	}
	single := h
	h = nil
	if err := each(fields, "multiValueHeaders", scalars, add); err != nil {
		return nil, err
	}
	return merge(h, single), nil
}

// merge puts values of one name together, those of the multi map first and in its case [REC] (reference 1.6, 1.16).
func merge(multi, single host.Header) host.Header {
	h := append(multi, single...)
	slices.SortStableFunc(h, func(a, b host.Field) int { return compareFold(a.Name, b.Name) })
	for i := 1; i < len(h); i++ {
		if compareFold(h[i-1].Name, h[i].Name) == 0 {
			h[i].Name = h[i-1].Name
		}
	}
	return h
}

// each calls add for the values of every member of an object, by name.
func each(fields map[string]json.RawMessage, key string, values func(json.RawMessage) ([]string, bool), add func(name, value string) error) error {
	raw := fields[key]
	if raw == nil || isNull(raw) { // [REC]
		return nil
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return fmt.Errorf("%s is not an object", key)
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		vs, ok := values(m[name])
		if !ok {
			return fmt.Errorf("%s: the value of %q has the wrong type", key, name)
		}
		for _, v := range vs {
			if err := add(name, v); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	return nil
}

// scalar reads a string, boolean or number as text, and null as nothing.
func scalar(raw json.RawMessage) ([]string, bool) {
	if s, ok := parseString(raw); ok {
		return []string{s}, true
	}
	text := string(bytes.TrimSpace(raw))
	switch text[0] {
	case 'n':
		return nil, true
	case '{', '[':
		return nil, false
	}
	return []string{text}, true
}

// scalars reads a list of them [REC].
func scalars(raw json.RawMessage) ([]string, bool) {
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil || elements == nil && !isNull(raw) {
		return nil, false
	}
	var list []string
	for _, e := range elements {
		vs, ok := scalar(e)
		if !ok {
			return nil, false
		}
		list = append(list, vs...)
	}
	return list, true
}

func cookiesTo(raw json.RawMessage, add func(name, value string) error) error {
	if raw == nil || isNull(raw) {
		return nil
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return errors.New("cookies is not a list of strings")
	}
	for _, c := range list {
		if err := add("Set-Cookie", c); err != nil {
			return fmt.Errorf("cookies: %w", err)
		}
	}
	return nil
}

// checkField keeps a guest from writing anything but one field line (RFC 9110, sections 5.1 and 5.5).
func checkField(name, value string) error {
	if !host.IsToken(name) {
		return fmt.Errorf("%q is no name for a field", name)
	}
	if !host.IsFieldValue(value) {
		return fmt.Errorf("the value of %s has a control character", name)
	}
	return nil
}
