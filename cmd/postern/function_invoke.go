package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/admin"
)

// A hostCall is a call of a function on a host.
type hostCall struct {
	data      string
	qualifier string
	async     bool
}

func newFunctionInvoke(r *remote) *cobra.Command {
	in := &hostCall{}
	cmd := &cobra.Command{
		Use:   "invoke NAME",
		Short: "Call a function on the host by name",
		Long: `Calls a function with any JSON, as the Lambda API's Invoke does. The result goes to standard output; logs, duration and memory go to
standard error. The exit code is 0 for a result, and 1 when the function failed. With --async the event is kept, and the function is
called soon, with retries; the request's id is the result.`,
		Example: `  postern function invoke greet --data '{"name":"ada"}'
  postern function invoke greet --data @event.json --qualifier 2
  postern function invoke greet --data - --async < event.json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: r.complete(functionNames),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			return in.run(cmd, c, args[0], r.std)
		}),
	}
	f := cmd.Flags()
	f.StringVarP(&in.data, "data", "d", "", "the event: `text`, @FILE, or - for standard input; JSON")
	f.StringVar(&in.qualifier, "qualifier", "", "an `alias` or a version's number; live without it")
	r.completeFlag(cmd, "qualifier", qualifiers)
	f.BoolVar(&in.async, "async", false, "keep the event, and return at once")
	return cmd
}

// run calls the function. A name may have its qualifier with it: greet:2, or greet@2 as a definition writes it.
func (in *hostCall) run(cmd *cobra.Command, c *admin.Client, name string, std *streams) error {
	payload, err := readEvent(in.data, std)
	if err != nil {
		return err
	}
	call := admin.Call{Function: name, Qualifier: in.qualifier, Payload: payload}
	if function, qualifier, ok := strings.Cut(name, "@"); ok && in.qualifier == "" {
		call.Function, call.Qualifier = function, qualifier
	}
	if in.async {
		id, err := c.InvokeLater(cmd.Context(), call)
		if err != nil {
			return err
		}
		fmt.Fprintln(std.out, id)
		return nil
	}
	started := time.Now()
	result, err := c.Invoke(cmd.Context(), call)
	if err != nil {
		return err
	}
	took := time.Since(started)
	if log := bytes.TrimRight(result.Log, "\n"); len(log) > 0 {
		fmt.Fprintln(std.err, printableLines(string(log)))
	}
	fmt.Fprintf(std.out, "%s\n", bytes.TrimRight(result.Payload, "\n"))
	which := call.Function
	if result.Version != 0 {
		which += fmt.Sprintf(" version %d", result.Version)
	}
	if result.Error != "" {
		fmt.Fprintf(std.err, "%s failed in %s (%s)\n", which, took.Round(10*time.Microsecond), result.Error)
		return &toldError{fmt.Errorf("%s failed", which)}
	}
	fmt.Fprintf(std.err, "%s answered in %s\n", which, took.Round(10*time.Microsecond))
	return nil
}

// readEvent reads an event: {} where none is given, and JSON in any case.
func readEvent(data string, std *streams) ([]byte, error) {
	payload, err := readData("--data", data, std.in)
	if err != nil {
		return nil, err
	}
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	var event json.RawMessage
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, usageErrorf("--data is no JSON, which an event has to be: %w", err)
	}
	return payload, nil
}
