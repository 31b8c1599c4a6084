package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The benches measure processes, each a server of its own, by the CPU time that the kernel counts for it: what the load and the
// upstream cost on the same machine does not count. They print ratios, taken side by side in one run, and assert nothing.
// Run them with: make bench

// benchRole is the environment variable that turns this test binary into one of the servers to compare with.
const benchRole = "POSTERN_BENCH_ROLE"

// clockTick is the kernel's unit of CPU time in /proc: USER_HZ is 100 on every Linux platform that Go runs on.
const clockTick = 10 * time.Millisecond

const (
	benchRounds      = 5
	benchConnections = 32
	benchRequests    = 20_000 // a round
)

// runBenchRole serves as one of the peers when the environment asks for it.
func runBenchRole() bool {
	role, arg, _ := strings.Cut(os.Getenv(benchRole), " ")
	if role == "" {
		return false
	}
	if serve, ok := protocolRoles[role]; ok {
		serve()
	}
	handlers := map[string]func() http.Handler{
		"upstream": func() http.Handler {
			body := bytes.Repeat([]byte("x"), 1024)
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
		},
		"orders": func() http.Handler {
			answer := []byte(benchOrder(20))
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write(answer)
			})
		},
		"reverseproxy": func() http.Handler {
			target, err := url.Parse(arg)
			if err != nil {
				panic(err)
			}
			return &httputil.ReverseProxy{
				Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
				Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
			}
		},
		"collector": func() http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); w.WriteHeader(200) })
		},
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("http http://%s\n", ln.Addr())
	panic(http.Serve(ln, handlers[role]()))
}

// A peer is a server in a process of its own.
type peer struct {
	cmd   *exec.Cmd
	addrs map[string]string // by the word that it printed before: http, admin
}

func startPeer(t *testing.T, env []string, name string, args ...string) *peer {
	t.Helper()
	p := &peer{cmd: exec.Command(name, args...), addrs: map[string]string{}}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = io.Discard
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	lines := bufio.NewScanner(out)
	want := 1
	for _, more := range []string{"--admin", "--https"} {
		if slices.Contains(args, more) || slices.Contains(env, benchRole+"=door") && more == "--https" {
			want++
		}
	}
	for len(p.addrs) < want && lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) >= 2 {
			if _, addr, ok := strings.Cut(fields[1], "://"); ok {
				p.addrs[fields[0]] = addr
			}
		}
	}
	if len(p.addrs) < want {
		t.Fatalf("%s %v did not say where it listens", name, args)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return p
}

func (p *peer) stop() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		_ = p.cmd.Wait()
	}
}

// cpu is the CPU time of the process so far.
func (p *peer) cpu(t *testing.T) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks int
	for _, f := range fields[11:13] { // utime and stime: proc(5)
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}

// rss is the memory of the process, in MiB, and peak the most that it ever was.
func (p *peer) rss(t *testing.T) float64  { t.Helper(); return p.memory(t, "VmRSS") }
func (p *peer) peak(t *testing.T) float64 { t.Helper(); return p.memory(t, "VmHWM") }

func (p *peer) memory(t *testing.T, what string) float64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	kib, err := strconv.Atoi(regexp.MustCompile(what + `:\s+(\d+)`).FindStringSubmatch(string(status))[1])
	if err != nil {
		t.Fatal(err)
	}
	return float64(kib) / 1024
}

// mallocs is how many objects a Postern has allocated so far.
func (p *peer) mallocs(t *testing.T) float64 {
	t.Helper()
	resp, err := http.Get("http://" + p.addrs["admin"] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseFloat(regexp.MustCompile(`(?m)^go_memstats_mallocs_total (\S+)`).FindStringSubmatch(string(text))[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A subject is a server and a path whose requests are measured.
type subject struct {
	name string
	peer *peer
	path string
	body string // of JSON, to be posted; "" for GET
}

// measure loads the subjects in turn and returns the CPU time of one request on each: the median of the rounds.
func measure(t *testing.T, subjects ...subject) []time.Duration {
	t.Helper()
	costs := make([][]time.Duration, len(subjects))
	for round := range benchRounds + 1 {
		for i, s := range subjects {
			before := s.peer.cpu(t)
			load(t, s.peer.addrs["http"], s, benchRequests)
			if round > 0 { // the first one warms up
				costs[i] = append(costs[i], (s.peer.cpu(t)-before)/benchRequests)
			}
		}
	}
	medians := make([]time.Duration, len(subjects))
	for i, c := range costs {
		slices.Sort(c)
		medians[i] = c[len(c)/2]
	}
	return medians
}

// load sends n requests over some connections that are kept, and fails on any answer but 200.
func load(t *testing.T, addr string, s subject, n int) {
	t.Helper()
	var group sync.WaitGroup
	errs := make(chan error, benchConnections)
	for range benchConnections {
		group.Go(func() { errs <- hammer(addr, s, n/benchConnections) })
	}
	group.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func hammer(addr string, s subject, n int) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	const fields = "User-Agent: bench\r\nAccept: */*\r\nAuthorization: Bearer demo\r\n"
	request := []byte("GET " + s.path + " HTTP/1.1\r\nHost: " + addr + "\r\n" + fields + "\r\n")
	if s.body != "" {
		request = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", s.path, addr, fields, len(s.body), s.body)
	}
	r := bufio.NewReader(conn)
	for range n {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		if err := readAnswer(r); err != nil {
			return err
		}
	}
	return nil
}

// readAnswer reads one response with a Content-Length, in less code than net/http's.
func readAnswer(r *bufio.Reader) error {
	length := -1
	for line := 0; ; line++ {
		text, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		switch {
		case line == 0 && !bytes.Contains(text, []byte(" 200 ")):
			return fmt.Errorf("answered %q", text)
		case len(text) == 2:
			if length < 0 {
				return errors.New("a response without Content-Length")
			}
			_, err := r.Discard(length)
			return err
		case len(text) > 16 && bytes.EqualFold(text[:15], []byte("content-length:")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(text[15:]))); err != nil {
				return err
			}
		}
	}
}

// TestBench prints the figures of README's table. It needs POSTERN_BENCH=1, Linux, and a quiet machine.
func TestBench(t *testing.T) {
	if os.Getenv("POSTERN_BENCH") == "" {
		t.Skip("run it with: make bench")
	}
	binary := filepath.Join(t.TempDir(), "postern")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	project := benchProject(t, startPeer(t, []string{benchRole + "=upstream"}, os.Args[0]))
	t.Run("proxy", func(t *testing.T) { benchProxy(t, binary, project) })
	t.Run("rest", func(t *testing.T) { benchREST(t, binary) })
	t.Run("authorizers", func(t *testing.T) { benchAuthorizers(t, binary, project) })
	t.Run("tracing", func(t *testing.T) { benchTracing(t, binary, project) })
	t.Run("start", func(t *testing.T) { benchStart(t, binary) })
	t.Run("memory", func(t *testing.T) { benchMemory(t, binary) })
	t.Run("protocols", func(t *testing.T) { benchProtocols(t, binary) })
	t.Run("state", func(t *testing.T) { benchState(t, binary) })
}

// benchProject is testdata/bench with its upstream's address filled in.
func benchProject(t *testing.T, upstream *peer) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bench")
	if err := os.CopyFS(dir, os.DirFS("testdata/bench")); err != nil {
		t.Fatal(err)
	}
	edit := func(name, old, new string) {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, bytes.ReplaceAll(text, []byte(old), []byte(new)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	edit("postern.yaml", "127.0.0.1:1\"", upstream.addrs["http"]+"\"")
	edit("goauth/go.mod", "../../../../..", root)
	wat, err := os.ReadFile("../../host/wasm/testdata/authorizer.wasm")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "authorizer.wasm"), wat, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func servePeer(t *testing.T, binary, project string, env ...string) *peer {
	t.Helper()
	return startPeer(t, env, binary, "serve", project, "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log=false")
}

func benchProxy(t *testing.T, binary, project string) {
	postern := servePeer(t, binary, project)
	definition, err := os.ReadFile(filepath.Join(project, "postern.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	upstream := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).Find(definition)
	bare := startPeer(t, []string{benchRole + "=reverseproxy " + string(upstream)}, os.Args[0])
	costs := measure(t, subject{"postern", postern, "/proxy", ""}, subject{"ReverseProxy", bare, "/proxy", ""})
	before := postern.mallocs(t)
	load(t, postern.addrs["http"], subject{path: "/proxy"}, benchRequests)
	t.Logf("a proxied request: Postern %v, bare httputil.ReverseProxy %v of CPU: ratio %.2f; %.0f allocations",
		costs[0], costs[1], float64(costs[0])/float64(costs[1]), (postern.mallocs(t)-before)/benchRequests)
}

func benchAuthorizers(t *testing.T, binary, project string) {
	p := servePeer(t, binary, project)
	costs := measure(t, subject{"none", p, "/none", ""}, subject{"WAT", p, "/wat", ""}, subject{"Go", p, "/go", ""}, subject{"JavaScript", p, "/js", ""})
	t.Logf("a request that a mock answers: %v of CPU; a warm authorizer adds: hand-written Wasm %v, Go %v, JavaScript %v",
		costs[0], costs[1]-costs[0], costs[2]-costs[0], costs[3]-costs[0])
}

func benchTracing(t *testing.T, binary, project string) {
	collector := startPeer(t, []string{benchRole + "=collector"}, os.Args[0])
	endpoint := "OTEL_EXPORTER_OTLP_ENDPOINT=http://" + collector.addrs["http"]
	off := servePeer(t, binary, project)
	unsampled := servePeer(t, binary, project, endpoint, "OTEL_TRACES_SAMPLER=always_off")
	on := servePeer(t, binary, project, endpoint, "OTEL_TRACES_SAMPLER=always_on", "OTEL_BSP_MAX_QUEUE_SIZE=65536")
	costs := measure(t, subject{"off", off, "/none", ""}, subject{"unsampled", unsampled, "/none", ""}, subject{"on", on, "/none", ""})
	const spans = 2 // the root and integrate
	t.Logf("tracing off: %v of CPU a request; unsampled adds %v; recorded adds %v, which is %v a span",
		costs[0], costs[1]-costs[0], costs[2]-costs[0], (costs[2]-costs[0])/spans)
}

// benchStart times dev examples/hello from the start of the process to its first answer, with warm caches.
func benchStart(t *testing.T, binary string) {
	var times []time.Duration
	for range benchRounds + 1 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := ln.Addr().String()
		_ = ln.Close()
		started := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		cmd := exec.CommandContext(ctx, binary, "dev", "../../examples/hello", "--http", addr, "--https", "", "--admin", "")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for ctx.Err() == nil {
			if resp, err := http.Get("http://" + addr + "/"); err == nil {
				_ = resp.Body.Close()
				break
			}
			time.Sleep(time.Millisecond)
		}
		times = append(times, time.Since(started))
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		cancel()
	}
	slices.Sort(times[1:])
	t.Logf("dev examples/hello, from start to first answer: %v (the first run %v)", times[1:][benchRounds/2].Round(time.Millisecond), times[0].Round(time.Millisecond))
}

func benchMemory(t *testing.T, binary string) {
	orders := servePeer(t, binary, "../../examples/orders")
	time.Sleep(time.Second)
	idle := orders.rss(t)
	t.Logf("idle memory with examples/orders: %.0f MiB resident", idle)
}
