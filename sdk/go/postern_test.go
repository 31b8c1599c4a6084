package postern

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestStrings(t *testing.T) {
	for in, want := range map[string]Strings{`"a"`: {"a"}, `["a","b"]`: {"a", "b"}, `null`: nil, `[]`: {}} {
		var got Strings
		if err := json.Unmarshal([]byte(in), &got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v", in, got, err)
		}
	}
	if err := json.Unmarshal([]byte(`7`), new(Strings)); err == nil {
		t.Error("a number is no list")
	}
}

func TestParams(t *testing.T) {
	p := MappingParams{Path: map[string]string{"id": "path"}, QueryString: map[string]string{"id": "query", "q": "query"}, Header: map[string]string{"h": "header"}}
	for name, want := range map[string]string{"id": "path", "q": "query", "h": "header", "none": ""} {
		if got := p.Get(name); got != want {
			t.Errorf("%s: got %q; want %q", name, got, want)
		}
	}
}

// A test of a plugin may call what reaches outside: it fails plainly.
func TestWithoutHost(t *testing.T) {
	if _, err := Secret("x"); !errors.Is(err, ErrNoHost) {
		t.Errorf("Secret: %v", err)
	}
	if _, err := Fetch(&FetchRequest{URL: "http://example.com"}); !errors.Is(err, ErrNoHost) {
		t.Errorf("Fetch: %v", err)
	}
	_, get := KVGet("x")
	_, put := KVPut("x", nil, 0)
	_, update := KVUpdate("x", nil, 0, 1)
	_, keys := KVKeys("", "")
	_, context := Context()
	for name, err := range map[string]error{"KVGet": get, "KVPut": put, "KVUpdate": update, "KVKeys": keys, "KVDelete": KVDelete("x"),
		"KVDeleteRevision": KVDeleteRevision("x", 1), "Count": Count("x", 1), "Gauge": Gauge("x", 1), "Record": Record("x", 1), "Context": context} {
		if !errors.Is(err, ErrNoHost) {
			t.Errorf("%s: %v", name, err)
		}
	}
	StartSpan("x").End(nil)
	defer func() {
		if text, _ := recover().(string); !strings.Contains(text, "test the function that you pass") {
			t.Errorf("Handle: %q", text)
		}
	}()
	Handle(func(*Request) (*Response, error) { return nil, nil })
}
