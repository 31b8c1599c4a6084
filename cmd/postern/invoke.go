package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/pipeline"
	"github.com/postern/postern/host/recording"
)

type invocation struct {
	settings *settings
	remote   *remote
	dir      string
	data     string
	headers  []string
	include  bool
	trace    bool
	format   string // of the trace
	record   string // the file that a function's call is written to; "" for none
}

func newInvoke(std *streams) *cobra.Command {
	in := &invocation{settings: newSettings(), remote: &remote{std: std}}
	cmd := &cobra.Command{
		Use:   "invoke NAME | METHOD PATH",
		Short: "Call a function by name, or send a request through an API, in process or on a host",
		Long: `Loads the project and calls one function with any JSON, or takes one request through the gateway: routing,
authorizer, mappings and all. The result goes to standard output; logs and the time taken go to standard error. With --host or
--context, the project that runs on that host is called instead, and PATH is one of its root API, or a whole URL.

With --trace, what happened to a request goes to standard error: the route that matched, the authorizer's verdict, the body before and after each
mapping, the request that was sent, what came back, which response was selected, and why it failed. --format aws has the lines of Amazon's test-invoke.

With --record, all that a function's call did is written to a file that only you can read, and postern replay makes the call again from that.

The exit code is 0 for a result or a status below 500, and 1 otherwise.`,
		Example: `  postern invoke get-order --data '{"pathParameters":{"id":"7"}}'
  postern invoke get-order --data @event.json
  postern invoke GET /orders/7 -H 'Authorization: Bearer demo' --dir examples/orders
  postern invoke POST /orders --data @order.json --trace --dir examples/orders
  postern invoke get-order --context prod --data @event.json
  postern invoke get-order --data @event.json --record call.json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case in.format != traceText && in.format != traceAWS:
				return usage(cmd, fmt.Errorf("--format %q is neither %s nor %s", in.format, traceText, traceAWS), "")
			case in.trace && (len(args) == 1 || in.remote.chosen()):
				return usage(cmd, errors.New("--trace is for a request, METHOD PATH, through the project in this process"), "")
			case in.record == "":
			case in.remote.chosen():
				return usage(cmd, errors.New("--record is for calls in this process, since a host does not hand out what its plugins do"), "")
			case len(args) > 1:
				return usage(cmd, errors.New("--record is for a function that is called by its name"), "")
			}
			if err := checkRecord(in.record); err != nil {
				return err
			}
			if in.remote.chosen() {
				return in.remote.run(func(cmd *cobra.Command, c *admin.Client, args []string) error { return in.onHost(cmd, c, args, std) })(cmd, args)
			}
			if len(args) == 1 {
				return in.function(cmd, args[0], std)
			}
			return in.request(cmd, args[0], args[1], std)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.dir, "dir", ".", "the project's `folder`, or an OpenAPI document")
	f.StringVarP(&in.data, "data", "d", "", "the event or the body: `text`, @FILE, or - for standard input")
	f.StringArrayVarP(&in.headers, "header", "H", nil, "a `header` of the request, 'Name: value'; may be repeated")
	f.BoolVarP(&in.include, "include", "i", false, "print status and headers before the body")
	f.BoolVar(&in.trace, "trace", false, "print on standard error what happened to the request, phase by phase")
	f.StringVar(&in.format, "format", traceText, "of the trace: `text`, or aws for the lines of Amazon's execution log")
	f.StringVar(&in.record, "record", "", "write the call of a function, with all that it did, to a `file` for postern replay")
	in.remote.addTo(cmd)
	in.settings.addDomain()
	in.settings.addDocument()
	in.settings.addBuild(cmd)
	return cmd
}

// checkRecord refuses a place that no recording can be written to, before the call is made.
func checkRecord(file string) error {
	if file == "" {
		return nil
	}
	folder := filepath.Dir(file)
	if info, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return usageErrorf("--record: there is no folder %s", folder)
	} else if err == nil && !info.IsDir() {
		return usageErrorf("--record: %s is no folder", folder)
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return usageErrorf("--record: %s is a folder, and no file", file)
	}
	return nil
}

// open starts the project with a listener on any free port, so that its APIs can call each other.
func (in *invocation) open(cmd *cobra.Command, std *streams) (*gateway, error) {
	if err := checkDir(in.dir, std); err != nil {
		return nil, err
	}
	s := in.settings
	s.http, s.logFormat, s.logLevel = "127.0.0.1:0", "text", "info"
	g, err := s.open(cmd, std, true)
	if err != nil {
		return nil, err
	}
	loaded, _, err := g.Load(cmd.Context(), in.dir, s.projectOptions(std))
	std.warn(loaded.Warnings...)
	if err != nil {
		if cmd.Context().Err() == nil {
			err = problems(err)
		}
		return nil, errors.Join(err, g.close())
	}
	go func() {
		if err := g.Serve(cmd.Context()); err != nil {
			fmt.Fprintln(std.err, err)
		}
	}()
	return g, nil
}

func (in *invocation) function(cmd *cobra.Command, name string, std *streams) error {
	payload, err := readEvent(in.data, std)
	if err != nil {
		return err
	}
	var tape *recording.Tape
	if in.record != "" {
		tape = &recording.Tape{Function: name}
		in.settings.before = tape.Before
	}
	g, err := in.open(cmd, std)
	if err != nil {
		return err
	}
	started := time.Now()
	result, err := g.Invoke(cmd.Context(), name, payload)
	took := time.Since(started)
	err = errors.Join(guestFailed(err, name, std), g.close())
	if err := errors.Join(err, in.keep(tape, std)); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s\n", bytes.TrimRight(result, "\n"))
	fmt.Fprintf(std.err, "%s answered in %s\n", name, took.Round(10*time.Microsecond))
	return nil
}

// keep writes the recording of a call, also of one that failed, if there was one.
func (in *invocation) keep(tape *recording.Tape, std *streams) error {
	if tape == nil {
		return nil
	}
	made, err := tape.Recording()
	if errors.Is(err, host.NotFound) {
		return nil // why it was not called has been told
	}
	if err != nil {
		return err
	}
	text, err := made.Encode()
	if err != nil {
		return err
	}
	if err := writePrivate(in.record, text); err != nil {
		return err
	}
	fmt.Fprintf(std.err, "recorded in %s: %d effects, and %d of the start\n", in.record, len(made.Effects), len(made.Start))
	for _, reason := range made.Cut {
		std.warn(&definition.Error{Message: in.record + " cannot be replayed: " + string(reason)})
	}
	return nil
}

// guestFailed prints what a function died of as its developer wants it: the line of source, then the stack.
func guestFailed(err error, name string, std *streams) error {
	var guest *host.GuestError
	if !errors.As(err, &guest) {
		return err
	}
	std.fail(&definition.Error{Pos: guest.Pos, Message: name + ": " + guest.Error()})
	if guest.Stack != "" {
		fmt.Fprintln(std.err, strings.TrimRight(guest.Stack, "\n"))
	}
	return &toldError{err}
}

func (in *invocation) request(cmd *cobra.Command, method, target string, std *streams) error {
	body, err := readData("--data", in.data, std.in)
	if err != nil {
		return err
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	r := &host.Request{Method: method, Scheme: "http", Host: "localhost", Target: target,
		Body: io.NopCloser(bytes.NewReader(body)), Length: int64(len(body)),
		Peer: host.Peer{Addr: loopback, Remote: netip.AddrPortFrom(loopback, 0), Protocol: "HTTP/1.1"}}
	if rest, ok := strings.CutPrefix(target, "http://"); ok {
		name, path, _ := strings.Cut(rest, "/")
		r.Host, r.Target = name, "/"+path
	} else if !strings.HasPrefix(target, "/") {
		return usage(cmd, fmt.Errorf("%q is neither a path nor an http:// URL", target), "")
	}
	for _, line := range in.headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return usage(cmd, fmt.Errorf("header %q has no colon", line), "")
		}
		r.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	g, err := in.open(cmd, std)
	if err != nil {
		return err
	}
	status, err := in.send(cmd, g, r, std)
	if err := errors.Join(err, g.close()); err != nil {
		return err
	}
	if status >= 500 {
		return &toldError{fmt.Errorf("the gateway answered %d", status)}
	}
	return nil
}

// send takes the request through the gateway, prints the answer and returns its status.
func (in *invocation) send(cmd *cobra.Command, g *gateway, r *host.Request, std *streams) (int, error) {
	started := time.Now()
	ctx, trace := cmd.Context(), (*host.Trace)(nil)
	if in.trace {
		trace = &host.Trace{}
		ctx = pipeline.Traced(ctx, trace)
	}
	resp := g.Handle(ctx, r)
	printTrace(std.err, trace.Events(), in.format)
	if in.include {
		fmt.Fprintf(std.out, "%d\n", resp.Status)
		for _, f := range resp.Header {
			fmt.Fprintf(std.out, "%s: %s\n", f.Name, f.Value)
		}
		fmt.Fprintln(std.out)
	}
	var err error
	if resp.Body != nil {
		_, err = io.Copy(std.out, resp.Body)
		err = errors.Join(err, resp.Body.Close())
	}
	if resp.End != nil {
		resp.End(err)
	}
	fmt.Fprintf(std.err, "\n%d in %s\n", resp.Status, time.Since(started).Round(10*time.Microsecond))
	return resp.Status, err
}

// readData reads what a flag names: a text, @FILE, or - for standard input.
func readData(flag, data string, stdin io.Reader) ([]byte, error) {
	switch {
	case data == "-":
		return io.ReadAll(stdin)
	case strings.HasPrefix(data, "@"):
		content, err := os.ReadFile(data[1:])
		if err != nil {
			return nil, usageErrorf("%s: %w", flag, err)
		}
		return content, nil
	}
	return []byte(data), nil
}
