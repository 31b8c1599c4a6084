package server_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"

	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
)

var cutPaths = []string{"/proxy", "/script", "/wasm", "/filtered", "/wasm-filtered", "/cgi", "/stdio"}

// A cutKind is an exchange and the door that it goes to.
type cutKind struct {
	door     string
	exchange exchanger
}

func (k cutKind) address(g *servertest.Gateway) string {
	_, address, _ := strings.Cut(g.Address(k.door), "://")
	return address
}

func cutFiles(t *testing.T, upstream string) map[string]string {
	t.Helper()
	_, rpc, _ := strings.Cut(rpcServer(t, interop.NewTestServer()), "://")
	return map[string]string{
		"postern.yaml": strings.NewReplacer("UPSTREAM", upstream, "RPC", "h2c://"+rpc).Replace(cutProject),
		"script.js":    cutScript,
		"upper.js":     cutFilter,
		"edits.js":     filterMatrixPlugins["edits.js"],
		"echo.wasm":    servertest.Guest(t, "echo.wasm"),
		"filter.wasm":  servertest.Guest(t, "filter_by_env.wasm"),
		"cgi.wasm":     servertest.Guest(t, "command_echo.wasm"),
		"stdio.wasm":   servertest.Guest(t, "command_cat.wasm"),
	}
}

// callsBothWays makes a gRPC call of which each message waits for the answer to the one before.
func callsBothWays(ctx context.Context, address string) error {
	cc, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		return err
	}
	defer cc.Close()
	return pingPong(ctx, cc, "", 1, 300, 2000)
}

// A datagramCutter stands between a client of HTTP/3 and the gateway, and drops every packet after so many: to either side, the other
// falls silent.
type datagramCutter struct {
	client, gateway net.PacketConn
	target, from    atomic.Pointer[net.UDPAddr]
	limit           int64 // -1 for none
	passed          atomic.Int64
	open            sync.WaitGroup
}

func newDatagramCutter(t *testing.T, target string, limit int64) *datagramCutter {
	t.Helper()
	c := &datagramCutter{limit: limit}
	addr, err := net.ResolveUDPAddr("udp", target)
	if err != nil {
		t.Fatal(err)
	}
	c.target.Store(addr)
	for _, side := range []*net.PacketConn{&c.client, &c.gateway} {
		if *side, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	c.open.Go(func() { c.pass(c.gateway, c.client, &c.target, &c.from) })
	c.open.Go(func() { c.pass(c.client, c.gateway, &c.from, nil) })
	return c
}

// pass hands packets on, and notes whence they come.
func (c *datagramCutter) pass(to, from net.PacketConn, where, whence *atomic.Pointer[net.UDPAddr]) {
	buf := make([]byte, 1<<16)
	for {
		n, addr, err := from.ReadFrom(buf)
		if err != nil {
			return
		}
		if whence != nil {
			whence.Store(addr.(*net.UDPAddr))
		}
		if nth := c.passed.Add(1); c.limit < 0 || nth <= c.limit {
			_, _ = to.WriteTo(buf[:n], where.Load())
		}
	}
}

func (c *datagramCutter) close() {
	_ = c.client.Close()
	_ = c.gateway.Close()
	c.open.Wait()
}

// TestCutHTTP3 is TestCutAtAHundredPoints over HTTP/3. The cuts of a kind come at once, as each takes until the other side's silence is
// noticed: half a second for these clients, and five for the gateway, which is what quic-go grants a client at least.
func TestCutHTTP3(t *testing.T) {
	const each = 6
	upstream := httptest.NewServer(http.HandlerFunc(cutUpstream))
	defer upstream.Close()
	files := cutFiles(t, upstream.URL)
	files["postern.yaml"] = strings.ReplaceAll(files["postern.yaml"], "concurrency: 2", fmt.Sprintf("concurrency: %d", each))
	g := startEveryDoor(t, files, func(cfg *server.Config) { cfg.Limits.ReadHeader = 4 * time.Second })
	_, address, _ := strings.Cut(g.Address("https"), "://")
	with := func(silence time.Duration) way {
		return way{door: "https", dial: func() (http.RoundTripper, func() error) {
			tr := overQUIC(silence)
			return tr, tr.Close
		}}
	}
	patient, hasty := with(5*time.Second), with(500*time.Millisecond) // whose last packet may be lost too, when its cutter closes
	together := func(run func(path string, i int64)) {
		var group sync.WaitGroup
		for _, path := range cutPaths {
			for i := range int64(each) {
				group.Go(func() { run(path, i) })
			}
		}
		group.Wait()
	}
	whole := func(path string, _ int64) {
		if err := posts(path, patient)(t.Context(), address); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	together(whole)
	upstream.CloseClientConnections()
	settle(t)
	goroutines, files0 := runtime.NumGoroutine(), openFiles(t)

	packets := map[string]int64{}
	for _, path := range cutPaths {
		c := newDatagramCutter(t, address, -1)
		if err := posts(path, patient)(t.Context(), c.client.LocalAddr().String()); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		c.close()
		packets[path] = c.passed.Load()
	}
	together(func(path string, i int64) {
		c := newDatagramCutter(t, address, 1+packets[path]*i/each)
		defer c.close()
		ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
		defer cancel()
		_ = posts(path, hasty)(ctx, c.client.LocalAddr().String()) // how it fails is the client's matter
		if ctx.Err() != nil {
			t.Errorf("%s, cut after %d packets: the client still waits", path, c.limit)
		}
	})
	together(whole) // every instance is free
	upstream.CloseClientConnections()
	nothingIsLeft(t, goroutines, files0)
}

// nothingIsLeft waits until there are no more goroutines and open files than there were, but for two goroutines that come and go.
func nothingIsLeft(t *testing.T, goroutines, files int) {
	t.Helper()
	for deadline := time.Now().Add(servertest.Patience); ; time.Sleep(20 * time.Millisecond) {
		nowRunning, nowOpen := runtime.NumGoroutine(), openFiles(t)
		if nowRunning <= goroutines+2 && nowOpen <= files {
			return
		}
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("there were %d goroutines and %d open files; left are %d and %d:\n%s", goroutines, files, nowRunning, nowOpen, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
