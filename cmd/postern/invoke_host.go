package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
)

// onHost calls a function of a host by name, or sends a request to its gateway.
func (in *invocation) onHost(cmd *cobra.Command, c *admin.Client, args []string, std *streams) error {
	if len(args) == 1 {
		call := &hostCall{data: in.data}
		return call.run(cmd, c, args[0], std)
	}
	target := args[1]
	if strings.HasPrefix(target, "/") {
		root, err := gatewayURL(cmd, c)
		if err != nil {
			return err
		}
		target = root + target
	}
	return in.sendTo(cmd, args[0], target, std)
}

// gatewayURL is the address of a host's gateway itself, under which its root API answers: the one that stages have /_postern/ at, or
// else a domain of the host's APIs.
func gatewayURL(cmd *cobra.Command, c *admin.Client) (string, error) {
	status, err := c.Status(cmd.Context())
	if err != nil {
		return "", err
	}
	other := ""
	for _, u := range status.URLs {
		parsed, err := url.Parse(u.URL)
		if err != nil || u.API == "" {
			continue
		}
		base := parsed.Scheme + "://" + parsed.Host
		if strings.HasPrefix(parsed.Path, "/_postern/") {
			return base, nil
		}
		other = firstOf(other, base)
	}
	if other == "" {
		return "", usageErrorf("the host serves no API")
	}
	return other, nil
}

// sendTo sends a request to a gateway, and prints the answer.
func (in *invocation) sendTo(cmd *cobra.Command, method, target string, std *streams) error {
	body, err := readData("--data", in.data, std.in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(cmd.Context(), method, target, strings.NewReader(string(body)))
	if err != nil || r.URL.Host == "" {
		return usage(cmd, fmt.Errorf("%q is neither a path nor an http:// URL", target), "")
	}
	for _, line := range in.headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return usage(cmd, fmt.Errorf("header %q has no colon", line), "")
		}
		r.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if name := r.Header.Get("Host"); name != "" {
		r.Host = name
	}
	started := time.Now()
	// What a client of the API would see: no redirect is followed.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		return &host.Error{Op: "invoke", Kind: host.Unavailable, Err: err}
	}
	defer resp.Body.Close()
	if in.include {
		fmt.Fprintf(std.out, "%d\n", resp.StatusCode)
		if err := resp.Header.Write(std.out); err != nil {
			return err
		}
		fmt.Fprintln(std.out)
	}
	if _, err := io.Copy(std.out, resp.Body); err != nil {
		return &host.Error{Op: "invoke", Kind: host.Unavailable, Err: err}
	}
	fmt.Fprintf(std.err, "\n%d in %s\n", resp.StatusCode, time.Since(started).Round(10*time.Microsecond))
	if resp.StatusCode >= 500 {
		return &toldError{fmt.Errorf("the gateway answered %d", resp.StatusCode)}
	}
	return nil
}
