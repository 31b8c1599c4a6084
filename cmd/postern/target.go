package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/definition"
)

// remote are the flags that choose a host, and what they came to.
type remote struct {
	std       *streams
	host      string
	context   string
	tokenFile string
	ca        string
	target    destination
}

// A destination is the host that a command speaks to.
type destination struct {
	URL         string
	Token       string
	CA          []byte
	Origin      string // what chose the URL: "--host", "POSTERN_HOST", "the context prod", …
	TokenOrigin string // what the token is from; "" for none
}

// defaultHost is where a host's admin API is when nothing says otherwise.
const defaultHost = "http://127.0.0.1:8090"

// addTo puts the flags on a command and all below it.
func (r *remote) addTo(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&r.host, "host", "", "`URL` of a host's admin API; otherwise POSTERN_HOST, the current context, or this machine's host")
	f.StringVar(&r.context, "context", "", "`name` of the context to use")
	f.StringVar(&r.tokenFile, "token-file", "", "`file` with the token; otherwise POSTERN_TOKEN, POSTERN_TOKEN_FILE, or the context's")
	f.StringVar(&r.ca, "ca", "", "PEM `file` with the certificate of the authority that signed the host's")
	_ = cmd.RegisterFlagCompletionFunc("context", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		known, err := loadContexts()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return known.names(), cobra.ShellCompDirectiveNoFileComp
	})
}

// chosen reports whether a flag chose a host.
func (r *remote) chosen() bool { return r.host != "" || r.context != "" }

// resolve settles the host and the token: flags, then the environment, then the current context, then the host of this machine.
func (r *remote) resolve() error {
	if r.host != "" && r.context != "" {
		return usageErrorf("--host and --context both choose a host: leave one out")
	}
	if err := r.chooseHost(); err != nil {
		return err
	}
	if r.ca != "" {
		data, err := os.ReadFile(r.ca)
		if err != nil {
			return usageErrorf("--ca: %w", err)
		}
		r.target.CA = data
	}
	return r.chooseToken()
}

func (r *remote) chooseHost() error {
	t := &r.target
	switch env := os.Getenv("POSTERN_HOST"); {
	case r.host != "":
		t.URL, t.Origin = r.host, "--host"
		return nil
	case r.context == "" && env != "":
		t.URL, t.Origin = env, "POSTERN_HOST"
		return nil
	}
	known, err := loadContexts()
	if err != nil {
		return err
	}
	if name := firstOf(r.context, known.Current); name != "" {
		found, err := known.get(name)
		if err != nil {
			return err
		}
		return t.from(name, found)
	}
	local, err := chooseLocal()
	if err != nil {
		return err
	}
	t.URL, t.Origin = defaultHost, "the default"
	if local != nil {
		t.URL, t.Origin = local.URL, "this machine's host"
	}
	return nil
}

// from takes a context.
func (t *destination) from(name string, c hostContext) error {
	t.URL, t.Origin = c.Host, "the context "+name
	if c.CA != "" {
		t.CA = []byte(c.CA)
	}
	t.Token = c.Token
	if c.TokenFile != "" {
		token, err := readToken(c.TokenFile)
		if err != nil {
			return fmt.Errorf("the context %s: %w", name, err)
		}
		t.Token = token
	}
	if t.Token != "" {
		t.TokenOrigin = t.Origin
	}
	return nil
}

// chooseToken lets flags and the environment override the context's token. A context that a flag chose keeps its own before the
// environment's, which was set for another host. The token of this machine's host goes to its own URL alone.
func (r *remote) chooseToken() (err error) {
	t := &r.target
	file := os.Getenv("POSTERN_TOKEN_FILE")
	switch env := os.Getenv("POSTERN_TOKEN"); {
	case r.tokenFile != "":
		t.TokenOrigin = "--token-file"
		t.Token, err = readToken(r.tokenFile)
	case r.context != "" && t.Token != "":
	case env != "":
		t.TokenOrigin = "POSTERN_TOKEN"
		t.Token, err = oneToken(env, "POSTERN_TOKEN")
	case file != "":
		t.TokenOrigin = "POSTERN_TOKEN_FILE"
		t.Token, err = readToken(file)
	case t.Token == "":
		if local := localAt(t.URL); local != nil && local.running() {
			if token, err := readToken(local.TokenFile); err == nil { // another user's is not for us
				t.Token, t.TokenOrigin = token, local.TokenFile
			}
		}
	}
	return err
}

func sameURL(a, b string) bool { return strings.TrimRight(a, "/") == strings.TrimRight(b, "/") }

// loopback reports whether a host's name is this machine.
func loopback(name string) bool {
	addr, err := netip.ParseAddr(name)
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || err == nil && addr.IsLoopback()
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// oneToken takes a token out of a text that holds nothing else.
func oneToken(text, origin string) (string, error) {
	token := strings.TrimSpace(text)
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", usageErrorf("%s holds no token: one line of text, such as pst_…", origin)
	}
	return token, nil
}

// client returns a client of the host that is chosen.
func (r *remote) client() (*admin.Client, error) {
	if err := r.resolve(); err != nil {
		return nil, err
	}
	c, err := admin.NewClient(r.target.URL, admin.ClientOptions{Token: r.target.Token, CA: r.target.CA, UserAgent: "postern/" + version()})
	if err != nil {
		return nil, &usageError{&definition.Error{Message: err.Error(), Hint: "it is from " + r.target.Origin}}
	}
	return c, nil
}

// run makes the body of a command that speaks to a host.
func (r *remote) run(f func(cmd *cobra.Command, c *admin.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := r.client()
		if err != nil {
			return err
		}
		defer c.Close()
		err = f(cmd, c, args)
		lateParts(cmd.Context(), c, r.std, err)
		return r.explain(err)
	}
}

// explain adds to what a host refused, or could not be asked, which host that is and why.
func (r *remote) explain(err error) error {
	if err == nil {
		return nil
	}
	var told *toldError
	if errors.As(err, &told) {
		return err
	}
	t := &r.target
	switch host.KindOf(err) {
	case host.Unavailable, host.BadGateway:
		return &remoteError{err, fmt.Sprintf("%s was chosen by %s; postern doctor looks closer", t.URL, t.Origin)}
	case host.Unauthenticated:
		if t.Token == "" {
			return &remoteError{err, fmt.Sprintf("no token was sent to %s (chosen by %s): name one with --token-file or POSTERN_TOKEN, or keep it: postern context add", t.URL, t.Origin)}
		}
		return &remoteError{err, fmt.Sprintf("the token is from %s, the host %s from %s", t.TokenOrigin, t.URL, t.Origin)}
	case host.Forbidden:
		return &remoteError{err, fmt.Sprintf("the token is from %s, the host %s from %s", firstOf(t.TokenOrigin, "nowhere"), t.URL, t.Origin)}
	}
	return err
}

// A remoteError is an error of a host, with what to look at.
type remoteError struct {
	error
	hint string
}

func (r *remoteError) Unwrap() error { return r.error }
