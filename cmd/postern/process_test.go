package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/project"
)

// A process is "postern serve --data" as a process of its own, which a test may kill.
type process struct {
	cmd         *exec.Cmd
	http, admin string // base URLs
	said        *output
	token       string // the first admin token
	client      *admin.Client
	ended       chan struct{}
	web         *http.Client // of the gateway's own listener
}

// output is what a process writes to standard error. It is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// serveCommand is a host on dir that is not started. Everything that it writes elsewhere goes into the test's folders.
func serveCommand(t *testing.T, dir string, args ...string) (*exec.Cmd, *output) {
	t.Helper()
	program, err := exec.LookPath("postern")
	if err != nil {
		t.Fatal(err)
	}
	said := &output{}
	cmd := exec.Command(program, append([]string{"serve", "--data", dir, "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log=false"}, args...)...)
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(filepath.Dir(dir), "config"),
		"POSTERN_CACHE_DIR="+filepath.Join(os.TempDir(), "postern-test-cache-"+strconv.Itoa(os.Getuid())))
	cmd.Stderr = said
	return cmd, said
}

// startProcess starts a host and waits until it has told where it listens. Its end, before that, is the error, with what it said.
func startProcess(t *testing.T, dir string, args ...string) (*process, error) {
	t.Helper()
	cmd, said := serveCommand(t, dir, args...)
	p := &process{cmd: cmd, said: said, ended: make(chan struct{}), web: &http.Client{Timeout: patience, Transport: &http.Transport{}}}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for p.admin == "" && lines.Scan() {
		switch name, url, _ := strings.Cut(lines.Text(), " "); name {
		case "http":
			p.http = url
		case "admin":
			p.admin = url
		}
	}
	told := p.admin != ""
	go func() {
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // how it ended is in its ProcessState
		close(p.ended)
	}()
	if !told {
		<-p.ended
		return nil, fmt.Errorf("%s: %s", cmd.ProcessState, said)
	}
	t.Cleanup(p.kill)
	token, err := os.ReadFile(filepath.Join(dir, "admin.token"))
	if err != nil {
		return nil, err
	}
	p.token = strings.TrimSpace(string(token))
	p.client, err = admin.NewClient(p.admin, admin.ClientOptions{Token: p.token, Timeout: patience})
	return p, err
}

// mustStart is startProcess where nothing may go wrong.
func mustStart(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p, err := startProcess(t, dir, args...)
	if err != nil {
		t.Fatalf("the host does not start: %v", err)
	}
	return p
}

// refusedStart starts a host that must end by itself, and returns what it said.
func refusedStart(t *testing.T, dir string, args ...string) string {
	t.Helper()
	p, err := startProcess(t, dir, args...)
	if err == nil {
		p.kill()
		t.Fatal("the host started")
	}
	if strings.Contains(err.Error(), "goroutine ") {
		t.Errorf("the host panicked: %v", err)
	}
	return err.Error()
}

// kill ends the process at once, as kill -9 does, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
	p.web.CloseIdleConnections()
	if p.client != nil {
		p.client.Close()
	}
}

// get asks the gateway for a path, and returns a good answer's body.
func (p *process) get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.http+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := p.web.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return string(body), err
}

// invoke calls a function by name, which must succeed, and returns its result in JSON.
func (p *process) invoke(ctx context.Context, function, qualifier string) (string, error) {
	result, err := p.client.Invoke(ctx, admin.Call{Function: function, Qualifier: qualifier})
	switch {
	case err != nil:
		return "", fmt.Errorf("%s@%s: %w", function, qualifier, err)
	case result.Error != "":
		return "", fmt.Errorf("%s@%s failed: %s", function, qualifier, result.Payload)
	}
	return string(result.Payload), nil
}

// save bundles a script, or takes a Wasm module, and saves it as a blob.
func (p *process) save(ctx context.Context, content []byte) (catalog.Code, error) {
	src, err := project.SourceFromUpload(ctx, bytes.NewReader(content), admin.TypeOctets, project.UploadLimits{})
	if err != nil {
		return catalog.Code{}, err
	}
	for digest, data := range project.Contents(src) {
		if _, err := p.client.SaveBlob(ctx, digest, bytes.NewReader(data), int64(len(data)), nil); err != nil {
			return catalog.Code{}, err
		}
	}
	return project.CodeOf(src), nil
}

// upload makes a version of a function.
func (p *process) upload(ctx context.Context, name, script string, config *catalog.FunctionConfig) (catalog.Version, error) {
	code, err := p.save(ctx, []byte(script))
	if err != nil {
		return catalog.Version{}, err
	}
	return p.client.UploadFunction(ctx, name, admin.UploadInput{Code: &code, Config: config}, admin.Write{})
}

// serving fails unless each part of the state is what it should be.
func (p *process) serving(ctx context.Context) error {
	parts, err := p.client.Parts(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, part := range parts {
		if part.Desired != part.Applied || part.Reason != "" {
			errs = append(errs, errors.New(part.String()))
		}
	}
	return errors.Join(errs...)
}

// brokenOff reports whether an error may be that of a process that was killed meanwhile.
func brokenOff(err error) bool { return errors.Is(err, host.Unavailable) }
