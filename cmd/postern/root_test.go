package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

func TestExitCodes(t *testing.T) {
	kind := func(k host.Kind) error {
		return fmt.Errorf("wrapped: %w", &host.Error{Op: "test", Kind: k, Err: errors.New("x")})
	}
	for want, list := range map[int][]error{
		exitFailed:      {errors.New("x"), kind(host.Internal), kind(host.Conflict), &conflictError{&definition.Error{Message: "x"}}},
		exitBadInput:    {usageErrorf("x"), definition.Errors{{Message: "x"}}, &definition.Error{Message: "x"}, kind(host.Invalid), kind(host.Unsupported), kind(host.NotFound)},
		exitUnreachable: {kind(host.Unavailable), kind(host.BadGateway)},
		exitDenied:      {kind(host.Forbidden), kind(host.Unauthenticated)},
		exitTimeout:     {kind(host.Timeout)},
	} {
		for _, err := range list {
			if got := exitCode(errors.Join(err, nil)); got != want {
				t.Errorf("%v: exit code %d, want %d", err, got, want)
			}
		}
	}
}

// TestProblems takes errors apart, and loses none.
func TestProblems(t *testing.T) {
	at := host.Position{File: "a.js", Line: 3, Column: 7}
	err := errors.Join(
		definition.Errors{{Pos: at, Message: "one"}, {Message: "two"}},
		&host.Error{Op: "load", Pos: at, Err: errors.New("three")},
		&host.Error{Op: "open", Pos: host.Position{File: "postern.yaml"}, Err: &host.GuestError{Type: "Error", Message: "four", Pos: at}},
		usageErrorf("five: %w", errors.New("six")),
		fmt.Errorf("seven"))
	var got []string
	for _, e := range problems(err) {
		got = append(got, strings.TrimSpace(e.Pos.String()+" "+e.Message))
	}
	want := []string{"a.js:3:7 one", "two", "a.js:3:7 load: three", "a.js:3:7 open: Error: four", "five: six", "seven"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCaret(t *testing.T) {
	for line, want := range map[string]string{"\tab": "\t ^", "日本語": "  ^", "a": " ^"} {
		if got := caret(line, 3); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
