package pipeline_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/postern/postern/host/server/servertest"
)

func TestVerdictsAreKeptByStageAndIdentity(t *testing.T) {
	g, counts := startGuarded(t)
	ask := func(path, token string, status int) {
		t.Helper()
		if reply := g.Get(t, path, "Authorization: "+token); reply.Status != status {
			t.Errorf("%s %s: status %d, want %d", path, token, reply.Status, status)
		}
	}
	for range 3 {
		ask("/orders/7", "yes", 200)
		ask("/mapped", "yes", 200)
	}
	if n := counts.of("yes"); n != 1 {
		t.Errorf("%d calls, want 1: the routes of a stage share their authorizer's verdicts", n)
	}
	ask("/other/orders/7", "yes", 200)
	ask("/other/orders/7", "yes", 200)
	if n := counts.of("yes"); n != 2 {
		t.Errorf("%d calls, want 2: another stage asks for itself", n)
	}
	ask("/orders/7", "no", 403)
	ask("/orders/7", "no", 403)
	if n := counts.of("no"); n != 1 {
		t.Errorf("%d calls, want 1: a refusal is a verdict too", n)
	}
	for token, status := range map[string]int{"boom": 500, "unauthorized": 401, "text": 500, "empty": 500} {
		ask("/orders/7", token, status)
		ask("/orders/7", token, status)
		if n := counts.of(token); n != 2 {
			t.Errorf("%s: %d calls, want 2: errors are not kept", token, n)
		}
	}
}

func TestVerdictsEndWithTheirTTL(t *testing.T) {
	c := &counter{calls: map[string]int{}}
	g := servertest.Start(t, project(`
apis:
	main:
		authorizers:
			a: {plugin: ./verdicts.js, identitySources: [$request.header.Authorization], resultTTL: 50ms, config: {counter: "COUNTER"}, egress: ["COUNTER"]}
			never: {plugin: ./verdicts.js, config: {counter: "COUNTER"}, egress: ["COUNTER"]}
		routes:
			GET /: {authorizer: a, integration: {mock: {}}}
			GET /never: {authorizer: never, integration: {mock: {}}}
`, guardedFiles, "COUNTER", backend(t, c.ServeHTTP)))
	servertest.Eventually(t, "the verdict has expired", func() bool {
		g.Get(t, "/", "Authorization: yes")
		return c.of("yes") > 1
	})
	g.Get(t, "/never")
	g.Get(t, "/never")
	if n := c.of("none"); n != 2 {
		t.Errorf("%d calls, want 2: without identity there is nothing to keep a verdict by", n)
	}
}

// Of many who ask for the same verdict at once, one call answers all; the first of them leaves before that.
func TestOneCallAnswersAllWhoWait(t *testing.T) {
	g, counts := startGuarded(t)
	counts.hold = make(chan struct{})
	ctx, leave := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := g.Send(ctx, "GET", "/orders/7", nil, "Authorization: all")
		first <- err
	}()
	servertest.Eventually(t, "the plugin is called", func() bool { return counts.of("all") == 1 })

	const others = 20
	var wait sync.WaitGroup
	replies := make([]servertest.Reply, others)
	errs := make([]error, others)
	for i := range others {
		wait.Go(func() {
			replies[i], errs[i] = g.Send(t.Context(), "GET", "/orders/7", nil, "Authorization: all", "Connection: close")
		})
	}
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Fatalf("the first client got %v", err)
	}
	gone := g.Log.Wait(t, "the first client's end", func(l servertest.Line) bool { return l["status"] == float64(499) })
	if gone["level"] != "INFO" || gone.Text("route") != "GET /orders/{id}" {
		t.Errorf("logged as %v", gone)
	}
	close(counts.hold)
	wait.Wait()
	for i := range others {
		if errs[i] != nil || replies[i].Status != 200 || replies[i].Body != `{"lambda":{"user":"ada"}}` {
			t.Errorf("client %d: %+v %v", i, replies[i], errs[i])
		}
	}
	if n := counts.of("all"); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}
