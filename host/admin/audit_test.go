package admin

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/jetstream"
)

// audit reads the audit log.
func (f *fixture) audit(query string) []AuditEntry {
	f.Helper()
	var list List[AuditEntry]
	f.want(200, "GET", "/v1/audit"+query, nil).into(f, &list)
	return list.Items
}

func TestAuditSaysWhoDidWhat(t *testing.T) {
	f := start(t)
	deployer := f.login(access.Deployer)
	f.applied("web", shop)
	f.want(200, "PUT", "/v1/apis/shop/stages/prod?force=true&message=by+hand", StageInput{Variables: map[string]string{"color": "red"}}, "Authorization", deployer)
	f.want(409, "DELETE", "/v1/apis/shop/stages/prod", nil, "Authorization", deployer)
	f.want(403, "DELETE", "/v1/tokens/abc", nil, "Authorization", deployer)
	f.want(200, "POST", "/v1/projects/web/apply?dryRun=true", catalog.Input{Bundle: catalog.Bundle{File: "postern.yaml", Text: shop}})
	f.want(200, "GET", "/v1/apis", nil)
	f.want(401, "GET", "/v1/apis", nil, "Authorization", "Bearer wrong")
	f.want(401, "GET", "/v1/apis", nil, "Authorization", "Bearer wrong")
	var got []string
	for _, e := range f.audit("") {
		got = append(got, strings.Join([]string{e.By, e.Action, e.Resource, e.Outcome}, " "))
		if e.From != "127.0.0.1" || e.Time.IsZero() || e.Sequence == 0 {
			t.Errorf("%+v", e)
		}
	}
	want := []string{
		" login /v1/apis unauthenticated",
		"token root applyProject /v1/projects/web/apply ok",
		"token deployer deleteToken /v1/tokens/abc forbidden",
		"token deployer deleteStage /v1/apis/shop/stages/prod conflict",
		"token deployer putStage /v1/apis/shop/stages/prod ok",
		"token root applyProject /v1/projects/web/apply ok",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	put := f.audit("?action=putStage")[0]
	if put.After != put.Before+1 || !put.Force || put.Message != "by hand" || put.Status != 200 || put.Digest == "" {
		t.Errorf("%+v", put)
	}
	tried := f.audit("?action=applyProject&limit=1")[0]
	if !tried.DryRun || tried.Before != tried.After {
		t.Errorf("%+v", tried)
	}
	if refused := f.audit("?outcome=conflict"); len(refused) != 1 || refused[0].Detail == "" || refused[0].After != 0 {
		t.Errorf("%+v", refused)
	}
	for query, n := range map[string]int{"?by=token+deployer": 3, "?resource=/v1/projects/": 2, "?since=1h": 6, "?since=2099-01-01T00:00:00Z": 0, "?action=nothing": 0} {
		if got := f.audit(query); len(got) != n {
			t.Errorf("%s: %d entries, want %d", query, len(got), n)
		}
	}
	f.wantProblem(400, host.Invalid, "GET", "/v1/audit?since=yesterday", nil)
}

func TestAuditHasPages(t *testing.T) {
	f := start(t)
	for range 5 {
		f.want(200, "PUT", "/v1/secrets/a", "v")
	}
	f.want(404, "DELETE", "/v1/secrets/b", nil)
	var all []uint64
	for after := ""; ; {
		var list List[AuditEntry]
		f.want(200, "GET", "/v1/audit?outcome=ok&limit=2&after="+after, nil).into(t, &list)
		for _, e := range list.Items {
			all = append(all, e.Sequence)
		}
		if after = list.Next; after == "" {
			break
		}
	}
	if len(all) != 5 {
		t.Errorf("%v", all)
	}
	for i := 1; i < len(all); i++ {
		if all[i] >= all[i-1] {
			t.Errorf("not newest first: %v", all)
		}
	}
}

func TestRefusedLoginsAreSampled(t *testing.T) {
	var r refusals
	at, now := netip.MustParseAddr("192.0.2.1"), time.Now()
	if more, due := r.count(at, now); !due || more != 0 {
		t.Error("the first is not written")
	}
	for range 10 {
		if _, due := r.count(at, now.Add(time.Second)); due {
			t.Error("written again within the minute")
		}
	}
	if _, due := r.count(netip.MustParseAddr("192.0.2.2"), now); !due {
		t.Error("another address is not written")
	}
	if more, due := r.count(at, now.Add(2*time.Minute)); !due || more != 10 {
		t.Errorf("%d more, due %v", more, due)
	}
	for i := range 3 * maxRefusals {
		r.count(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), now)
	}
	if len(r.from) > maxRefusals {
		t.Errorf("%d addresses are remembered", len(r.from))
	}
}

func TestAChangeStandsWithoutItsAuditEntry(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config) {
		gone, err := jetstream.Open(t.Context(), jetstream.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if c.Audit, err = gone.Journal(t.Context(), "audit", jetstream.Bounds{}); err != nil {
			t.Fatal(err)
		}
		if err := gone.Close(); err != nil {
			t.Fatal(err)
		}
	})
	f.want(200, "PUT", "/v1/secrets/a", "v")
	if log := f.log.String(); !strings.Contains(log, "did not take an entry") || !strings.Contains(log, "putSecret") {
		t.Errorf("the host's log does not have the entry: %s", log)
	}
}

// A panickyGateway has a fault in its log, and in its waits.
type panickyGateway struct{ Gateway }

func (panickyGateway) Logs(context.Context, LogFilter) iter.Seq[LogLine] {
	return func(yield func(LogLine) bool) {
		yield(LogLine{Message: "one"})
		panic("the inner workings")
	}
}

func (panickyGateway) PurgeDeadLetters(context.Context, string, uint64) error {
	panic("the inner workings")
}

func (panickyGateway) Wait(context.Context, uint64) error { panic("the inner workings") }

func TestPanics(t *testing.T) {
	f := start(t, func(c *Config) { c.Gateway = panickyGateway{c.Gateway} })
	f.uploaded("greet", numbered(1))
	f.wantProblem(500, host.Internal, "DELETE", "/v1/functions/greet/dead-letters?upTo=1", nil)
	if entries := f.audit("?action=deleteDeadLetters"); len(entries) != 1 || entries[0].Status != 500 || entries[0].By != "token root" {
		t.Errorf("%+v", entries)
	}
	// A change that stands has its own entry alone.
	f.wantProblem(500, host.Internal, "PUT", "/v1/functions/greet/aliases/a?wait=1s", AliasInput{Version: 1})
	if entries := f.audit("?action=putAlias"); len(entries) != 1 || entries[0].Outcome != "ok" {
		t.Errorf("%+v", entries)
	}
	// What has begun is cut off, and nobody takes it for whole.
	req := f.request("/v1/logs")
	req.Header.Set("Authorization", "Bearer "+f.token)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if strings.Contains(string(body), "kind") {
			t.Errorf("a problem stands among the lines: %s", body)
		}
	}
	if err == nil {
		t.Error("the log has an end")
	}
	// Lines of progress end with the error.
	a := f.want(200, "POST", "/v1/functions/greet/versions?wait=1s", numbered(2), "Content-Type", TypeJavaScript, "Accept", TypeNDJSON)
	lines := strings.Split(strings.TrimSpace(string(a.body)), "\n")
	var last ProgressLine
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Error == nil || last.Error.Status != 500 {
		t.Errorf("%v: %s", err, a.body)
	}
	f.wantFree(f.lingering, maxLingering)
	f.wantFree(f.turns.total, maxTurns)
	f.wantFree(f.uploads.total, maxUploads)
}

func TestAuditOfContents(t *testing.T) {
	f := start(t)
	sum := sha256.Sum256([]byte("x"))
	path := "/v1/blobs/" + hex.EncodeToString(sum[:])
	f.want(201, "PUT", path, "x")
	f.wantProblem(403, host.Forbidden, "PUT", path, "x", "Authorization", f.login(access.Viewer))
	f.wantProblem(422, host.Invalid, "PUT", path, "y")
	f.want(200, "GET", "/v1/backup", nil)
	f.want(200, "HEAD", "/v1/backup", nil)
	f.wantProblem(403, host.Forbidden, "GET", "/v1/backup", nil, "Authorization", f.login(access.Deployer))
	var got []string
	for _, e := range f.audit("") {
		got = append(got, strings.Join([]string{e.By, e.Action, e.Outcome, strconv.Itoa(e.Status)}, " "))
	}
	want := []string{"token deployer backup forbidden 403", "token root backup ok 200", "token root putBlob invalid 422", "token viewer putBlob forbidden 403"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAFilterThatFitsNothingEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("writes as many entries as a page may look at")
	}
	f := start(t)
	data, err := json.Marshal(AuditEntry{Action: "putStage"})
	if err != nil {
		t.Fatal(err)
	}
	for range maxAuditRead + 2 {
		if _, err := f.Audit.Append(t.Context(), jetstream.Record{Topic: "putStage", Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	var list List[AuditEntry]
	f.want(200, "GET", "/v1/audit?action=nothing", nil).into(t, &list)
	if len(list.Items) != 0 || list.Next == "" {
		t.Errorf("%d items, next %q", len(list.Items), list.Next)
	}
	f.want(200, "GET", "/v1/audit?action=nothing&after="+list.Next, nil).into(t, &list)
}

func TestInternalErrorsAreNotShown(t *testing.T) {
	f := start(t)
	at := &call{server: f.server, op: &operation{id: "x"}, r: f.request("/v1/apis")}
	p := at.refuse(&host.Error{Op: "store", Kind: host.Internal, Err: context.Canceled})
	if p.Kind != host.Unavailable.String() {
		t.Errorf("%+v", p)
	}
	p = at.refuse(&host.Error{Op: "store", Err: &host.GuestError{Message: "the inner workings"}})
	if p.Status != 500 || p.ID == "" || strings.Contains(p.Detail, "inner") {
		t.Errorf("%+v", p)
	}
	if log := f.log.String(); !strings.Contains(log, p.ID) || !strings.Contains(log, "inner") {
		t.Errorf("the log does not have it: %s", log)
	}
	// A handler that panics loses its request, and not the host.
	f.server.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the inner workings") })
	if a := f.want(500, "GET", "/metrics", nil); strings.Contains(string(a.body), "inner") {
		t.Errorf("%s", a.body)
	}
	f.want(200, "GET", "/healthz", nil)
}

func (f *fixture) request(path string) *http.Request {
	f.Helper()
	req, err := http.NewRequestWithContext(f.Context(), "GET", f.url+path, nil)
	if err != nil {
		f.Fatal(err)
	}
	return req
}

func TestKindsHaveStatuses(t *testing.T) {
	for kind := host.Internal; kind <= host.Unavailable; kind++ {
		p := problem(&host.Error{Kind: kind})
		if p.Status < 400 || p.Kind != kind.String() || p.Title == "" {
			t.Errorf("%v: %+v", kind, p)
		}
		if host.KindOf(p) != kind {
			t.Errorf("%v reads as %v", kind, host.KindOf(p))
		}
	}
}

func TestLogsStream(t *testing.T) {
	f := start(t)
	a := f.want(200, "GET", "/v1/logs?api=shop&status=5xx&level=warn&last=7", nil)
	if !strings.Contains(string(a.body), "API:shop") || !strings.Contains(string(a.body), "Status:5xx") || !strings.Contains(string(a.body), "Last:7") {
		t.Errorf("%s", a.body)
	}
	for _, query := range []string{"status=6xx", "status=4", "level=loud", "last=10001", "follow=maybe"} {
		f.wantProblem(400, host.Invalid, "GET", "/v1/logs?"+query, nil)
	}
	f.want(200, "HEAD", "/v1/logs?follow=true", nil)
	ctx, leave := context.WithCancel(t.Context())
	req := f.request("/v1/logs?follow=true").WithContext(ctx)
	req.Header.Set("Authorization", "Bearer "+f.token)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for _, want := range []string{"Follow:true", "one", "two"} {
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		var line LogLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || !strings.Contains(line.Message, want) {
			t.Errorf("%v: %+v, want %s", err, line, want)
		}
		if want == "Follow:true" {
			f.gate.logs <- LogLine{Level: "info", Message: "one"}
			f.gate.logs <- LogLine{Level: "info", Message: "two"}
		}
	}
	leave()
}

func TestBackupAndRestore(t *testing.T) {
	f := start(t)
	f.applied("web", shop)
	f.uploaded("greet", numbered(1))
	f.want(200, "PUT", "/v1/secrets/db", "hunter2hunter2")
	f.want(200, "HEAD", "/v1/backup", nil)
	a := f.want(200, "GET", "/v1/backup", nil)
	if !bytes.HasPrefix(a.body, []byte{0x1f, 0x8b}) || !strings.Contains(a.header.Get("Content-Disposition"), ".tar.gz") {
		t.Errorf("%v", a.header)
	}
	// Another host has another key, so the secrets must stay out.
	other := start(t)
	other.wantProblem(409, host.Conflict, "POST", "/v1/restore", a.body, "Content-Type", "application/gzip")
	var r Restored
	other.want(200, "POST", "/v1/restore?withoutSecrets=true", a.body, "Content-Type", "application/gzip").into(t, &r)
	if r.Documents == 0 || r.Blobs == 0 || len(r.LeftOut) == 0 {
		t.Errorf("%+v", r)
	}
	other.want(200, "GET", "/v1/apis/shop", nil)
	other.want(200, "GET", "/v1/functions/greet/versions/1", nil)
	other.wantProblem(409, host.Conflict, "POST", "/v1/restore?withoutSecrets=true", a.body)
	empty := start(t)
	empty.wantProblem(422, host.Invalid, "POST", "/v1/restore?withoutSecrets=true", a.body[:len(a.body)/2])
	empty.wantProblem(422, host.Invalid, "POST", "/v1/restore", "no backup")
	empty.wantProblem(404, host.NotFound, "GET", "/v1/apis/shop", nil)
}
