package admin

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/postern/postern/host/definition"
)

// page answers with one page of items, which are sorted by key. beyond reports whether an item comes behind the key that ?after= has.
func page[T any](c *call, items []T, key func(T) string, beyond func(item T, after string) bool) (*reply, error) {
	limit, err := c.limit()
	if err != nil {
		return nil, err
	}
	after := c.query.Get("after")
	list := List[T]{Items: []T{}}
	for _, item := range items {
		if after != "" && !beyond(item, after) {
			continue
		}
		if len(list.Items) == limit {
			list.Next = key(list.Items[limit-1])
			break
		}
		list.Items = append(list.Items, item)
	}
	return &reply{body: list}, nil
}

// pageByName is page for what is sorted by name. Those whose names do not begin with ?prefix= are left out.
func pageByName[T any](c *call, items []T, name func(T) string) (*reply, error) {
	kept := items
	if prefix := c.query.Get("prefix"); prefix != "" {
		kept = nil
		for _, item := range items {
			if strings.HasPrefix(name(item), prefix) {
				kept = append(kept, item)
			}
		}
	}
	return page(c, kept, name, func(item T, after string) bool { return name(item) > after })
}

// pageByNumber is page for what is sorted by number.
func pageByNumber[T any](c *call, items []T, number func(T) int) (*reply, error) {
	after, err := c.number("after", 0)
	if err != nil {
		return nil, err
	}
	return page(c, items, func(item T) string { return strconv.Itoa(number(item)) },
		func(item T, _ string) bool { return number(item) > after })
}

// limit is ?limit=.
func (c *call) limit() (int, error) {
	n, err := c.number("limit", DefaultLimit)
	if err == nil && (n < 1 || n > MaxLimit) {
		err = malformed("limit must be 1 to %d", MaxLimit)
	}
	return n, err
}

// checkQuery refuses parameters that the operation does not have: one that is misspelt, as dryrun, must not be left out silently.
func (c *call) checkQuery() error {
	if strings.Contains(c.r.URL.RawQuery, ";") {
		return malformed("the query has a semicolon, which must be written as %%3B")
	}
	c.query = c.r.URL.Query()
	for name, values := range c.query {
		known := false
		for _, p := range c.op.parameters() {
			known = known || p == name
		}
		if !known {
			if near := definition.Nearest(name, c.op.parameters()); near != "" {
				return malformed("the query has an unknown parameter %.80q; did you mean %q?", name, near)
			}
			return malformed("the query has an unknown parameter %.80q", name)
		}
		if len(values) > 1 {
			return malformed("the query has %q more than once", name)
		}
	}
	return nil
}

// number is a parameter that is a whole number.
func (c *call) number(name string, otherwise int) (int, error) {
	text := c.query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, malformed("%s must be a number, not %.80q", name, text)
	}
	return n, nil
}

// flag is a parameter that is true or false.
func (c *call) flag(name string, otherwise bool) (bool, error) {
	if !c.query.Has(name) {
		return otherwise, nil
	}
	switch text := c.query.Get(name); text {
	case "true", "1", "":
		return true, nil
	case "false", "0":
		return false, nil
	default:
		return false, malformed("%s must be true or false, not %.80q", name, text)
	}
}

// maxWait bounds ?wait=.
const maxWait = 10 * time.Minute

// duration is a parameter that is a span of time.
func (c *call) duration(name string, most time.Duration) (time.Duration, error) {
	text := c.query.Get(name)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > most {
		return 0, malformed("%s must be a duration of at most %s, as 30s, and not %.80q", name, most, text)
	}
	return d, nil
}

// maxMessage bounds what is said about a change, in bytes.
const maxMessage = 1024

// checkMessage refuses what is no text about a change, for histories: one line.
func checkMessage(text string) error {
	if len(text) > maxMessage {
		return malformed("message is longer than %d bytes", maxMessage)
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return malformed("message has a control character")
	}
	return nil
}
