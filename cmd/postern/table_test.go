package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
)

type thing struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

func things() *view[thing] {
	return &view[thing]{columns: []string{"NAME", "N"}, name: func(t thing) string { return t.Name }, row: func(t thing) []string { return []string{t.Name, number(t.N)} }}
}

func TestView(t *testing.T) {
	list := []thing{{"one", 1}, {"two\n\x1b[2J", 0}}
	for format, want := range map[string]string{
		formatTable: "NAME      N\none       1\ntwo  [2J  -\n",
		formatName:  "one\ntwo\n\x1b[2J\n",
		formatJSON:  "[\n  {\n    \"name\": \"one\",\n    \"n\": 1\n  },\n  {\n    \"name\": \"two\\n\\u001b[2J\",\n    \"n\": 0\n  }\n]\n",
	} {
		v := things()
		v.format = format
		var out bytes.Buffer
		if err := v.list(&out, all(list)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
	v := things()
	v.format = formatJSON
	var out bytes.Buffer
	if err := v.list(&out, all[thing](nil)); err != nil || out.String() != "[]\n" {
		t.Errorf("an empty list is %q, %v", out.String(), err)
	}
	v.format = "yaml"
	if err := v.list(&out, all(list)); exitCode(err) != exitBadInput {
		t.Errorf("%v", err)
	}
}

// TestViewOfAnError prints nothing of a list that is not whole.
func TestViewOfAnError(t *testing.T) {
	broken := errors.New("broken")
	var out bytes.Buffer
	v := things()
	v.format = formatTable
	err := v.list(&out, func(yield func(thing, error) bool) {
		_ = yield(thing{Name: "one"}, nil) && yield(thing{}, broken)
	})
	if !errors.Is(err, broken) || out.Len() != 0 {
		t.Errorf("%v, %q", err, out.String())
	}
}

func TestByNumber(t *testing.T) {
	names, err := namesOf(byNumber(all([]thing{{"a", 1}, {"c", 3}, {"b", 2}}), func(t thing) int { return t.N }), func(t thing) string { return t.Name })
	if err != nil || strings.Join(names, "") != "cba" {
		t.Errorf("%v, %v", names, err)
	}
}

func TestUnits(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 3 << 20: "3.0 MiB", 5 << 30: "5.0 GiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for text, want := range map[string]float64{"10%": 0.1, "0.25": 0.25, " 50% ": 0.5, "0.5%": 0.005} {
		if got, err := share(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "10", "100%", "0%", "0", "1", "-1%", "NaN", "NaN%", "x%", "1e999%"} {
		if got, err := share(text); exitCode(err) != exitBadInput {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]time.Duration{"30d": 30 * 24 * time.Hour, "12h": 12 * time.Hour} {
		if got, err := days(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"d", "0d", "-1d", "1.5d", "99999999d", "0s", "x", "-1h"} {
		if got, err := days(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestSecretRefs(t *testing.T) {
	got, err := secretRefs([]string{"A=store:a", "B=env:B_VALUE"})
	if diff := cmp.Diff(map[string]catalog.SecretRef{"A": {Store: "a"}, "B": {Env: "B_VALUE"}}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, bad := range []string{"A", "A=hunter2", "A=store:", "A=hunter2:x", "=store:a"} {
		_, err := secretRefs([]string{bad})
		if exitCode(err) != exitBadInput || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad, err) // what was given may be the secret itself
		}
	}
}

func TestCodeEndings(t *testing.T) {
	for _, tt := range []struct{ lang, code, want string }{
		{"", "export const handler = () => 1", ".js .ts"}, {"ts", "const a: number = 1", ".ts"}, {"", "\x00asm\x01", ".wasm"}, {"wasm", "x", ".wasm"},
		{"", "PK\x03\x04", ".zip"}, {"", " \n", ""}, {"py", "x", ""},
	} {
		got, err := codeEndings(tt.lang, []byte(tt.code))
		if strings.Join(got, " ") != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%q %q: %q, %v", tt.lang, tt.code, got, err)
		}
	}
}

func TestCompact(t *testing.T) {
	for text, want := range map[string]string{"{\n  \"a\": [1,\n 2]\n}\n": `{"a":[1,2]}`, "no JSON": "no JSON"} {
		if got := compact([]byte(text)); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestUnwell: what does not serve is not listed as if all were well.
func TestUnwell(t *testing.T) {
	status := admin.FullStatus{Parts: []admin.Part{
		{API: "a", Stage: "prod", Desired: 2, Applied: 1, Reason: "no secret"}, {API: "a", Stage: "test", Desired: 1, Applied: 1},
		{API: "b", Stage: "prod", Desired: 1}, {Function: "f", Desired: 1, Applied: 1, Reason: "slow"},
	}}
	var said bytes.Buffer
	std := &streams{err: &said, color: "never"}
	for name, want := range map[string]string{"a": " (1 not as it should be)", "b": " (1 not as it should be)", "c": ""} {
		a := shown(catalog.API{Name: name}, status)
		if got := unwellMark(a.Parts); got != want {
			t.Errorf("%s: %q", name, got)
		}
		if name == "a" {
			std.warnParts(a.Parts)
		}
	}
	if want := "warning: stage prod of api a: deployment 2 does not serve, and 1 still does: no secret\n"; said.String() != want {
		t.Errorf("%s", said.String())
	}
}

func TestJoinWait(t *testing.T) {
	for line, want := range map[string]string{
		"apply --wait 30s dir": "apply --wait=30s dir", "apply --wait dir": "apply --wait dir", "apply dir --wait": "apply dir --wait",
		"apply --wait=5s 30s": "apply --wait=5s 30s", "apply -- --wait 30s": "apply -- --wait 30s", "stage set a b --wait 0 x=1": "stage set a b --wait=0 x=1",
	} {
		if got := strings.Join(joinWait(strings.Fields(line)), " "); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestPrintPlan(t *testing.T) {
	plan := catalog.Plan{Project: "shop", Changed: true, Changes: []catalog.Difference{
		{Action: "create", Kind: "api", Name: "orders", After: "1"},
		{Action: "deploy", Kind: "stage", Name: "orders/prod", Before: "3", After: "4", Detail: []string{"route POST /orders: timeout 10s -> 5s"}},
		{Action: "delete", Kind: "function", Name: "old\x1b", Before: "7"},
	}, Orphans: []catalog.Difference{{Action: "delete", Kind: "api", Name: "legacy"}}}
	var out bytes.Buffer
	if err := printPlan(&streams{out: &out, color: "never"}, plan, true); err != nil {
		t.Fatal(err)
	}
	want := `project shop would change:
  + create  api       orders       1
  ~ deploy  stage     orders/prod  3 → 4
      route POST /orders: timeout 10s -> 5s
  - delete  function  old          was 7
no longer in the definition; --prune deletes:
  - delete  api  legacy
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestProgress draws on a terminal alone, and leaves no half line.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := &progress{w: &out}
	p.bytes("x", 1, 2)
	p.end()
	p.say("compiling\x1b[2J")
	if got := out.String(); got != "compiling [2J\n" {
		t.Errorf("%q", got)
	}
	out.Reset()
	p = &progress{w: &out, terminal: true}
	p.bytes("x", 1<<10, 2<<10)
	p.bytes("x", 1<<10+1, 2<<10) // too soon
	p.bytes("x", 2<<10, 2<<10)
	p.say("done")
	if got := out.String(); got != "\rx: 1.0 KiB of 2.0 KiB (50%)\x1b[K\rx: 2.0 KiB of 2.0 KiB (100%)\x1b[K\r\x1b[Kdone\n" {
		t.Errorf("%q", got)
	}
}

// TestAsk wants --yes where there is no terminal.
func TestAsk(t *testing.T) {
	var errs bytes.Buffer
	s := &streams{in: strings.NewReader("y\n"), err: &errs}
	if err := s.ask("Delete it?", true); err != nil || errs.Len() > 0 {
		t.Errorf("%v, %q", err, errs.String())
	}
	if err := s.ask("Delete it?", false); exitCode(err) != exitBadInput || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("%v", err)
	}
}

func TestLogText(t *testing.T) {
	line := admin.LogLine{Time: time.Date(2026, 3, 1, 12, 0, 0, 5e6, time.Local), Level: "INFO", Message: "request", Fields: map[string]any{"status": 200.0, "path": "/a b", "api": "orders", "x": "\x1b[2J"}}
	if got, want := logText(palette{}, line), `12:00:00.005 INFO request api=orders path="/a b" status=200 x="\x1b[2J"`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
