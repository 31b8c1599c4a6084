package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// hostileStatus is what a client gets of each guest of host/wasm/testdata/hostile (spec/sandbox.md, "Crashes"); 0 for one that is refused when it is
// deployed. While the breaker is open, or no instance is free, it is 503.
var hostileStatus = map[string]int{
	"endless_loop": 504, "call_tree": 504, "memory_fill": 504, "stderr_flood": 504, "late_answer": 504,
	"deep_recursion": 500, "memory_slow": 500, "memory_sudden": 500, "table_bomb": 500, "static_data": 0,
	"pointer_outside": 500, "pointer_wraps": 500, "pointer_overlapping": 200, "length_negative": 500, "length_huge": 500, "name_huge": 500,
	"reentrant": 200, "log_flood": 500, "fetch_flood": 500, "header_injection": 500,
	"exit": 500, "malformed": 500, "trap": 500, "many_instances": 200,
}

const (
	hostileTimeout = 300 * time.Millisecond
	hostilePlugins = 96 // MiB that all instances together may have: less than one copy of each guest takes with its concurrency

	// hostileRest is how much memory, in MiB, the host may have beside its plugins' instances: the Go program with the embedded store, the compiled
	// code of all guests, and what they make it hold for them, of which the most are call stacks on their way to being found too deep.
	hostileRest = 256
)

// hostileAPI has the good routes in one API, with the API that they reach over HTTP, and the bad ones in another.
const hostileAPI = `apis:
  good:
    root: true
    authorizers:
      caller: {plugin: ./authorizer.wasm, identitySources: [$request.header.Authorization], resultTTL: 0s, timeout: 20s}
    routes:
      POST /wasm: {authorizer: caller, integration: {function: echo}}
      GET /js/{n}: {integration: {function: script}}
      GET /proxy/{n}: {integration: {http: "%s/_postern/behind/$default/{n}"}}
  behind:
    routes:
      GET /{n}: {integration: {mock: {body: behind}}}
  bad:
    routes:
%sfunctions:
  echo: {plugin: ./echo.wasm, timeout: 20s}
  script: {plugin: ./script.js, timeout: 20s}
%s`

const hostileScript = "export const handler = async (event) => ({statusCode: 200, body: 'n is ' + event.pathParameters.n});\n"

// hostileProject is a folder with the good routes, and each hostile guest so many times, as the functions NAME-1 and so on. host is where the gateway listens.
func hostileProject(t *testing.T, host string, copies int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "hostile")
	guests := filepath.Join("..", "..", "host", "wasm", "testdata")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(guests, "hostile"))); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
	if err != nil || len(found) != len(hostileStatus) {
		t.Fatalf("%d guests, and what becomes of %d: %v", len(found), len(hostileStatus), err)
	}
	for _, name := range []string{"authorizer.wasm", "echo.wasm"} {
		code, err := os.ReadFile(filepath.Join(guests, name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), string(code))
	}
	var routes, functions strings.Builder
	for _, name := range hostileNames() {
		for n := range copies {
			memory, timeout := "8MiB", 20*time.Second // others use the machine too: the time is short only where it is the subject
			if name == "many_instances" {
				memory, timeout = "16MiB", 2*time.Second
			}
			if hostileStatus[name] == http.StatusGatewayTimeout {
				timeout = hostileTimeout
			}
			fmt.Fprintf(&routes, "      ANY /%s-%d: {integration: {function: %[1]s-%[2]d}}\n", name, n+1)
			fmt.Fprintf(&functions, "  %s-%d: {plugin: ./%[1]s.wasm, timeout: %[3]v, memory: %[4]s, concurrency: 4, env: {COPY: \"%[2]d\", TABLE: orders}, limits: {hostCalls: 500}}\n",
				name, n+1, timeout, memory)
		}
	}
	writeFile(t, filepath.Join(dir, "script.js"), hostileScript)
	writeFile(t, filepath.Join(dir, "postern.yaml"), fmt.Sprintf(hostileAPI, host, routes.String(), functions.String()))
	return dir
}

// hostileNames are the guests that can be deployed.
func hostileNames() []string {
	deployed := maps.Clone(hostileStatus)
	maps.DeleteFunc(deployed, func(_ string, status int) bool { return status == 0 })
	return slices.Sorted(maps.Keys(deployed))
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A besieged is a host with a hostile project, and its clients.
type besieged struct {
	*process
	bad *http.Client
}

// besiege has so many copies of each guest on a host whose plugins have so many MiB together.
func besiege(t *testing.T, copies, plugins int) *besieged {
	t.Helper()
	p := mustStart(t, filepath.Join(t.TempDir(), "data"), "--plugin-memory", strconv.Itoa(plugins)+"MiB", "--log-level", "error")
	b := &besieged{process: p, bad: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	t.Cleanup(b.bad.CloseIdleConnections)
	p.web.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
	if out, err := b.command("apply", hostileProject(t, p.http, copies), "--wait"); err != nil {
		t.Fatalf("apply: %v\n%s", err, out)
	}
	return b
}

// command runs the program against the host.
func (b *besieged) command(args ...string) (string, error) {
	cmd := exec.Command("postern", args...)
	cmd.Env = append(b.cmd.Env, "POSTERN_HOST="+b.admin, "POSTERN_TOKEN="+b.token)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// A question is a request to a good route, with its answer.
type question struct{ method, path, body, token, want string }

func (b *besieged) questions(n int) []question {
	return []question{
		{"POST", "/wasm", fmt.Sprintf("hello %d", n), "Bearer demo", fmt.Sprintf("200 hello %d", n)},
		{"GET", fmt.Sprintf("/js/%d", n), "", "", fmt.Sprintf("200 n is %d", n)},
		{"GET", fmt.Sprintf("/proxy/%d", n), "", "", "200 behind"},
		{"POST", "/wasm", "hello", "Bearer other", `403 {"message":"Forbidden"}`},
	}
}

// ask sends the request, and fails on any other answer.
func (b *besieged) ask(q question) error {
	got, err := answer(context.Background(), b.web, q.method, b.http+q.path, q.body, q.token)
	if err == nil && got != q.want {
		err = fmt.Errorf("%s %s: got %q, want %q", q.method, q.path, got, q.want)
	}
	return err
}

// answer is the status and the body that a request gets.
func answer(ctx context.Context, client *http.Client, method, url, body, token string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, text), err
}

// attack calls a hostile function, and fails on an answer that is not its own. refused says that it got none since it is left alone or busy.
func (b *besieged) attack(ctx context.Context, name string, n int) (refused bool, err error) {
	got, err := answer(ctx, b.bad, "POST", fmt.Sprintf("%s/_postern/bad/$default/%s-%d", b.http, name, n), "", "")
	switch {
	case err != nil:
		return false, err
	case strings.HasPrefix(got, "503 "):
		return true, nil
	case strings.HasPrefix(got, "504 "): // where the machine is busy, its time may end any of them before what it does
	case !strings.HasPrefix(got, strconv.Itoa(hostileStatus[name])+" "):
		return false, fmt.Errorf("%s: got %q, want %d", name, got, hostileStatus[name])
	case strings.Contains(got, "unreachable") || strings.Contains(got, "wasm"):
		return false, fmt.Errorf("%s: the client hears what is the log's: %q", name, got)
	}
	return false, nil
}

// TestHostile serves good routes beside one for each hostile guest, and calls all of them at once.
func TestHostile(t *testing.T) {
	b := besiege(t, 1, hostilePlugins)
	if out, err := b.command("function", "upload", "static-data", "../../host/wasm/testdata/hostile/static_data.wasm", "--memory", "8MiB"); err == nil || !strings.Contains(out, "8 MiB") {
		t.Errorf("static_data is not refused: %v\n%s", err, out)
	}
	stop := b.besides(t)
	for _, name := range hostileNames() { // the first call of each: no breaker is open yet
		if refused, err := b.attack(t.Context(), name, 1); err != nil || refused {
			t.Errorf("%s: refused %v, %v", name, refused, err)
		}
	}
	b.storm(t)
	b.toldOf(t)
	if good := stop(); good < 20 {
		t.Errorf("only %d good requests were made", good)
	} else {
		t.Logf("%d good requests", good)
	}
	for n := range 10 { // and after it all, as ever
		for _, q := range b.questions(n) {
			if err := b.ask(q); err != nil {
				t.Error(err)
			}
		}
	}
	if most := b.peak(t); most > hostilePlugins+hostileRest && !raced { // the race detector has memory of its own
		t.Errorf("the host had %d MiB resident, of which %d are for plugins: over %d", most, hostilePlugins, hostilePlugins+hostileRest)
	} else {
		t.Logf("the host had %d MiB resident at most, of %d", most, hostilePlugins+hostileRest)
	}
	b.ends(t)
}

// besides asks the good routes from several clients until the function that it returns is called, which tells how many were answered.
func (b *besieged) besides(t *testing.T) (stop func() int64) {
	const clients = 4
	var group sync.WaitGroup
	var good atomic.Int64
	done := make(chan struct{})
	for client := range clients {
		group.Go(func() {
			for n := 0; ; n++ {
				for _, q := range b.questions(n*clients + client) {
					select {
					case <-done:
						return
					case <-time.After(5 * time.Millisecond):
					}
					if err := b.ask(q); err != nil {
						t.Errorf("a good request beside them: %v", err)
					}
					good.Add(1)
				}
			}
		})
	}
	stop = sync.OnceValue(func() int64 { close(done); group.Wait(); return good.Load() })
	t.Cleanup(func() { stop() })
	return stop
}

// storm calls all hostile guests at once, again and again: some clients wait for the answer, some leave before it comes, some never send their body.
func (b *besieged) storm(t *testing.T) {
	lasts := 8 * time.Second
	if raced || testing.Short() {
		lasts = 4 * time.Second
	}
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var group sync.WaitGroup
	for _, name := range hostileNames() {
		group.Go(func() {
			for ctx.Err() == nil {
				if _, err := b.attack(t.Context(), name, 1); err != nil {
					t.Error(err)
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
		group.Go(func() {
			for ctx.Err() == nil {
				b.leave(name)
			}
		})
	}
	for range 20 {
		group.Go(func() { b.withhold(ctx) })
	}
	group.Wait()
}

// leave calls a guest, and does not wait for what comes.
func (b *besieged) leave(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), hostileTimeout/3)
	defer cancel()
	_, _ = b.attack(ctx, name, 1)
	time.Sleep(hostileTimeout / 3)
}

// withhold promises a body to the guest that waits for one with sixteen MiB, and never sends it.
func (b *besieged) withhold(ctx context.Context) {
	address := strings.TrimPrefix(b.http, "http://")
	for ctx.Err() == nil {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return // the good clients tell of it
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, _ = fmt.Fprintf(conn, "POST /_postern/bad/$default/many_instances-1 HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000\r\n\r\n", address)
		_, _ = conn.Read(make([]byte, 1024)) // whatever comes, or not
		_ = conn.Close()
		time.Sleep(hostileTimeout / 10)
	}
}

// toldOf looks for the guests that keep crashing where a person does.
func (b *besieged) toldOf(t *testing.T) {
	t.Helper()
	open := func() string {
		got, err := answer(t.Context(), b.web, "GET", b.admin+"/healthz/plugins", "", b.token)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	var health string
	if !eventually(func() bool {
		health = open()
		return strings.HasPrefix(health, "503 ") && strings.Contains(health, `"state": "open"`)
	}) {
		t.Errorf("/healthz/plugins says %s", health)
	}
	list, err := b.command("plugin", "list")
	if err != nil {
		t.Fatalf("plugin list: %v\n%s", err, list)
	}
	for _, line := range []string{`(?m)^trap-1 +function +wasm +(open|half-open).* trap at `, `(?m)^endless_loop-1 .*timeout passed at `, `(?m)^memory_slow-1 .*memory passed at `,
		`(?m)^echo +function +wasm +closed +\d+ +0 `, `(?m)^caller +authorizer +wasm +closed +\d+ +0 `, `(?m)^reentrant-1 +function +wasm +closed +\d+ +0 `} {
		if !regexp.MustCompile(line).MatchString(list) {
			t.Errorf("no line %s in\n%s", line, list)
		}
	}
}

// peak is the most memory that the process ever had resident, in MiB (proc_pid_status(5)); 0 where nobody tells.
func (b *besieged) peak(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	kib, err := strconv.Atoi(regexp.MustCompile(`VmHWM:\s+(\d+)`).FindStringSubmatch(string(status))[1])
	if err != nil {
		t.Fatal(err)
	}
	return kib / 1024
}

// ends tells the host to end, which it does in good order.
func (b *besieged) ends(t *testing.T) {
	t.Helper()
	b.web.CloseIdleConnections()
	b.bad.CloseIdleConnections()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.ended:
	case <-time.After(patience):
		t.Fatal("the host does not end")
	}
	if code := b.cmd.ProcessState.ExitCode(); code != 0 || strings.Contains(b.said.String(), "goroutine ") {
		t.Errorf("the host ended with %d:\n%s", code, b.said)
	}
}
