package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
)

// A finding is one line of doctor.
type finding struct {
	Check  string `json:"check"`
	Result string `json:"result"` // ok, warning or failure
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

const (
	resultOK      = "ok"
	resultWarning = "warning"
	resultFailure = "failure"
)

// A diagnosis is what doctor has found so far.
type diagnosis struct {
	r        *remote
	findings []finding
}

func (d *diagnosis) add(check, result, remedy, format string, args ...any) {
	d.findings = append(d.findings, finding{check, result, fmt.Sprintf(format, args...), remedy})
}

func newDoctor(std *streams) *cobra.Command {
	r := &remote{std: std}
	var format string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what is wrong between this machine and the host, and on the host",
		Long: `Says which host commands speak to and why, whether it answers, what the token may do, what does not serve and why, and whether clocks and
versions agree. Each line has a remedy where there is one. The exit code is 1 when something fails.`,
		Example: `  postern doctor
  postern doctor --context prod -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkTable(format); err != nil {
				return err
			}
			d := &diagnosis{r: r, findings: []finding{}}
			d.look(cmd.Context())
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			return d.print(std, format)
		},
	}
	formatFlag(cmd, &format)
	r.addTo(cmd)
	return cmd
}

func (d *diagnosis) look(ctx context.Context) {
	c, err := d.r.client()
	if err != nil {
		d.add("host", resultFailure, "", "%v", err)
		return
	}
	defer c.Close()
	t := d.r.target
	d.add("host", resultOK, "", "%s, chosen by %s", t.URL, t.Origin)
	d.token()
	started := time.Now()
	clock, err := c.Health(ctx)
	if err != nil {
		d.add("reachable", resultFailure, "start the host, or choose another: --host, POSTERN_HOST or postern context use", "%v", err)
		return
	}
	took := time.Since(started)
	d.add("reachable", resultOK, "", "it answers in %s", took.Round(100*time.Microsecond))
	d.clock(clock, started, took)
	if d.role(ctx, c) {
		d.state(ctx, c)
	}
	d.folder()
}

// token looks at where the token is from, and whether somebody could read it on the way or on disk.
func (d *diagnosis) token() {
	t := d.r.target
	if t.Token == "" {
		d.add("token", resultWarning, "name one: --token-file, POSTERN_TOKEN, or postern context add --token-stdin", "none: only postern dev asks for none")
		return
	}
	u, err := url.Parse(t.URL)
	if err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		d.add("token", resultWarning, "give the host a certificate, and use https://", "from %s; it crosses the network without TLS", t.TokenOrigin)
		return
	}
	d.add("token", resultOK, "", "from %s", t.TokenOrigin)
	for _, name := range []string{"contexts.json", "local.json"} {
		file, err := configFile(name)
		if err != nil {
			continue
		}
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 {
			d.add("token", resultWarning, "chmod 600 "+file, "%s can be read by others (%v)", file, info.Mode().Perm())
		}
	}
}

// skew is how far clocks may be apart before signatures and tokens suffer.
const skew = time.Minute

func (d *diagnosis) clock(theirs, started time.Time, took time.Duration) {
	if theirs.IsZero() {
		return
	}
	apart := theirs.Sub(started.Add(took / 2)).Round(time.Second)
	if apart.Abs() > skew+took {
		d.add("clock", resultWarning, "let both machines get their time by NTP: signatures and tokens depend on it", "the host's clock is %s off this machine's", apart)
		return
	}
	d.add("clock", resultOK, "", "it agrees with this machine's")
}

// soon is how long before its end a token is spoken of.
const soon = 7 * 24 * time.Hour

// role reports whether the host tells more.
func (d *diagnosis) role(ctx context.Context, c *admin.Client) bool {
	me, err := c.Whoami(ctx)
	if err != nil {
		remedy := ""
		if k := host.KindOf(err); k == host.Unauthenticated || k == host.Forbidden {
			remedy = "use another token: postern key create makes one, with an admin's"
		}
		d.add("role", resultFailure, remedy, "%v", err)
		return false
	}
	if me.Expires != nil && time.Until(*me.Expires) < soon {
		d.add("role", resultWarning, "make a new one: postern key create", "%s, as %s; it ends at %s", me.Role, me.By, localTime(*me.Expires))
		return true
	}
	d.add("role", resultOK, "", "%s, as %s", me.Role, me.By)
	return true
}

// state looks at what the host should serve and what it does. That it can be told shows that the store answers.
func (d *diagnosis) state(ctx context.Context, c *admin.Client) {
	status, err := c.Status(ctx)
	if err != nil {
		d.add("store", resultFailure, "what serves goes on; look into the host's log: postern logs --level error", "the state cannot be read: %v", err)
		return
	}
	if status.Store != "" && status.Store != "ok" {
		d.add("store", resultFailure, "what serves goes on, and changes are refused until this is mended", "%s", status.Store)
	} else {
		d.add("store", resultOK, "", "the state is at revision %d", status.State)
	}
	if status.Version != version() {
		d.add("version", resultWarning, "use the command of the host's version", "the host is %s, this command %s", status.Version, version())
	} else {
		d.add("version", resultOK, "", "%s, as this command", status.Version)
	}
	switch {
	case !status.Ready:
		d.add("ready", resultFailure, "postern logs --level warn says more", "the host is not ready: %s", firstOf(status.Reason, "nothing serves yet"))
	case status.Reason != "":
		d.add("ready", resultWarning, "postern logs --level warn says more", "%s", status.Reason)
	default:
		d.add("ready", resultOK, "", "the host is ready")
	}
	d.parts(status.Parts)
}

func (d *diagnosis) parts(parts []admin.Part) {
	bad := 0
	for _, p := range parts {
		if p.Desired == p.Applied && p.Reason == "" {
			continue
		}
		bad++
		result := resultWarning
		if p.Desired != p.Applied {
			result = resultFailure
		}
		d.add("serving", result, "mend it and apply again, or roll back", "%s", p.String())
	}
	if bad == 0 {
		d.add("serving", resultOK, "", "%s, all as they should be", count(len(parts), "part"))
	}
}

// folder looks at the data folder of this machine's host, as far as it can be read.
func (d *diagnosis) folder() {
	local := localAt(d.r.target.URL)
	if local == nil || local.TokenFile == "" {
		return
	}
	dir := filepath.Dir(local.TokenFile)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrPermission):
		d.add("data folder", resultWarning, "run as the host's user, or take a token of your own", "%s cannot be read by you", dir)
	case err != nil:
		d.add("data folder", resultFailure, "was it moved? The host writes its state there", "%v", err)
	case info.Mode().Perm()&0o077 != 0:
		d.add("data folder", resultWarning, "chmod 700 "+dir, "%s can be read by others (%v)", dir, info.Mode().Perm())
	default:
		d.add("data folder", resultOK, "", "%s; postern backup saves what is in it", dir)
	}
}

func (d *diagnosis) print(std *streams, format string) error {
	failed := 0
	for _, f := range d.findings {
		if f.Result == resultFailure {
			failed++
		}
	}
	if format == formatJSON {
		if err := printJSON(std.out, d.findings); err != nil {
			return err
		}
	} else {
		p := std.colors(std.out)
		for _, f := range d.findings {
			result := p.green("ok     ")
			switch f.Result {
			case resultWarning:
				result = p.yellow("warning")
			case resultFailure:
				result = p.red("failure")
			}
			fmt.Fprintf(std.out, "%s  %s: %s\n", result, f.Check, f.Detail)
			if f.Remedy != "" {
				fmt.Fprintf(std.out, "         %s\n", f.Remedy)
			}
		}
	}
	if failed > 0 {
		return &toldError{fmt.Errorf("%s", count(failed, "failure"))}
	}
	return nil
}
