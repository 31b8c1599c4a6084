package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/telemetry"
)

// settings are those of a host. Each is a flag, a POSTERN_* environment variable or a key of the --config file, and the
// first of these that is set wins.
type settings struct {
	http, https, admin string
	tlsCert, tlsKey    string
	domain             string
	http3              bool
	trustedProxies     []string
	proxyProtocol      bool
	drain              time.Duration
	accessLog          bool
	logFormat          string
	logLevel           string
	cacheDir           string
	pluginMemory       byteSize
	noBuild            bool
	allowUnsupported   bool
	config             string

	// Of a host with a state.
	data, sync, secretsKey                               string
	nats, natsCreds, natsNKey, natsCA, natsCert, natsKey string
	natsReplicas                                         int
	natsPrefix                                           string
	keep                                                 int
	allowGoja                                            bool
	adminCert, adminKey                                  string

	before func(host.Runtime) host.Runtime // of server.Config; set by the command alone

	flags *pflag.FlagSet // those of the command that are settings
}

func newSettings() *settings {
	return &settings{flags: pflag.NewFlagSet("settings", pflag.ContinueOnError)}
}

// precedence ends the help of every command that runs a host.
const precedence = `

Each setting below is a flag, an environment variable (--tls-cert is POSTERN_TLS_CERT) or a key of the --config file (tls-cert:).
A flag wins over a variable, and a variable over the file. OpenTelemetry is set by the standard OTEL_* variables.`

// addHost adds the flags of a running host, with the defaults of dev or of serve.
func (s *settings) addHost(cmd *cobra.Command, development bool) {
	bind, https, format := ":", "", telemetry.LogAuto
	if development {
		bind, https, format = "127.0.0.1:", "127.0.0.1:8443", telemetry.LogText
	}
	f := s.flags
	f.StringVar(&s.http, "http", bind+"8080", "`address` of the clear listener (HTTP/1.1, h2c); port 0 picks one, \"\" turns it off")
	f.StringVar(&s.https, "https", https, "`address` of the TLS listener (HTTP/1.1, HTTP/2, HTTP/3); \"\" turns it off")
	f.BoolVar(&s.http3, "http3", true, "HTTP/3 on the UDP port of the same number as the TLS listener's, announced by Alt-Svc")
	f.StringVar(&s.admin, "admin", "127.0.0.1:8090", "`address` of the admin listener (health, metrics); \"\" turns it off")
	f.StringVar(&s.tlsCert, "tls-cert", "", "PEM `file` with the TLS listener's certificate chain")
	f.StringVar(&s.tlsKey, "tls-key", "", "PEM `file` with its private key")
	f.StringSliceVar(&s.trustedProxies, "trusted-proxies", nil, "`addresses` or CIDR ranges whose X-Forwarded-* and trace sampling are believed")
	f.BoolVar(&s.proxyProtocol, "proxy-protocol", false, "demand the PROXY protocol (version 1 or 2) on TCP connections from the trusted proxies")
	f.DurationVar(&s.drain, "drain-timeout", server.DefaultDrainTimeout, "how long running requests may take after SIGTERM")
	f.BoolVar(&s.accessLog, "access-log", true, "log a line for each request; failures are logged in any case")
	f.StringVar(&s.logFormat, "log-format", format, "text, json, or auto: text on a terminal")
	f.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
	f.Var((*memorySize)(&s.pluginMemory), "plugin-memory", "`size` of all Wasm instances with what is held for their calls, of which one plugin gets half, such as 2GiB, at least 16MiB; 0 is half of what the machine or its control group has")
	f.StringVar(&s.config, "config", "", "YAML `file` with these settings, by the names of the flags")
	s.addDomain()
	s.addBuild(cmd)
}

func (s *settings) addDomain() {
	s.flags.StringVar(&s.domain, "domain", server.DefaultDomain, "base `domain`: an API answers at {api}.execute-api.{domain}")
}

// addDocument adds the flag of the commands that take an OpenAPI document for a project.
func (s *settings) addDocument() {
	s.flags.BoolVar(&s.allowUnsupported, "allow-unsupported", false, "run an OpenAPI document without what it asks for and Postern does not do")
}

// addBuild adds the flags of every command that builds a project, and puts all settings on the command.
func (s *settings) addBuild(cmd *cobra.Command) {
	s.flags.StringVar(&s.cacheDir, "cache-dir", defaultCacheDir(), "`folder` for built plugins and compiled code")
	s.flags.BoolVar(&s.noBuild, "no-build", false, "refuse plugins that need to be built")
	cmd.Flags().AddFlagSet(s.flags)
}

// A byteSize is a flag of bytes, written as sizes in a definition are.
type byteSize int64

var _ pflag.Value = (*byteSize)(nil)

func (s *byteSize) String() string { return strconv.FormatInt(int64(*s), 10) }
func (s *byteSize) Type() string   { return "size" }

func (s *byteSize) Set(text string) error {
	n, err := definition.ParseSize(text)
	*s = byteSize(n)
	return err
}

// What a memorySize may be, but for 0: what one instance of a script needs with what is beside it, and more than any machine has.
const (
	leastMemory = 16 << 20
	mostMemory  = 1 << 44
)

// manyDigits matches a size, also one that is too large for a number.
var manyDigits = regexp.MustCompile(`^[0-9]+([KMGT]iB)?$`)

// A memorySize is a byteSize of all plugins together.
type memorySize byteSize

func (s *memorySize) String() string { return (*byteSize)(s).String() }
func (s *memorySize) Type() string   { return "size" }

func (s *memorySize) Set(text string) error {
	var n byteSize
	err := n.Set(text)
	tooMany := err != nil && manyDigits.MatchString(text)
	switch {
	case err != nil && !tooMany:
		return err
	case n != 0 && n < leastMemory:
		return errors.New("one instance of a script needs 16MiB, and so all plugins together do; 0 is half of what the machine has")
	case n > mostMemory, tooMany:
		return errors.New("no machine has more than 16TiB; 0 is half of what this one has")
	}
	*s = memorySize(n)
	return nil
}

func defaultCacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "postern-cache")
	}
	return filepath.Join(dir, "postern")
}

// resolve fills what the command line left open from the environment and the --config file. Every error is reported.
func (s *settings) resolve() error {
	file, err := s.readConfig()
	if err != nil {
		return err
	}
	var errs []error
	s.flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "config" {
			return
		}
		if value, ok := os.LookupEnv(variable(f.Name)); ok {
			if err := f.Value.Set(value); err != nil {
				errs = append(errs, &usageError{&definition.Error{Message: variable(f.Name) + ": " + badValue(f, value, err)}})
			}
		} else if setting, ok := file[f.Name]; ok {
			if err := f.Value.Set(setting.Value); err != nil {
				errs = append(errs, &definition.Error{Pos: setting.Pos, Path: f.Name, Rule: definition.RuleInvalidValue,
					Message: f.Name + ": " + badValue(f, setting.Value, err), Source: sourceLine(filepath.Dir(s.config), host.Position{File: filepath.Base(s.config), Line: setting.Pos.Line})})
			}
		}
	})
	return errors.Join(errs...)
}

// variable is the name of a setting in the environment.
func variable(flag string) string {
	return "POSTERN_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func (s *settings) readConfig() (map[string]definition.HostSetting, error) {
	config := s.flags.Lookup("config")
	if config == nil {
		return nil, nil
	}
	if !config.Changed {
		s.config = os.Getenv(variable("config"))
	}
	if s.config == "" {
		return nil, nil
	}
	var names []string
	s.flags.VisitAll(func(f *pflag.Flag) {
		if f != config {
			names = append(names, f.Name)
		}
	})
	return definition.LoadHostSettings(s.config, names)
}

// badValue says what is wrong with a setting's value.
func badValue(f *pflag.Flag, value string, err error) string {
	switch f.Value.Type() {
	case "bool":
		return fmt.Sprintf("%q is neither true nor false", value)
	case "duration":
		return fmt.Sprintf("%q is no duration such as 30s or 1m30s", value)
	case "int", "uint64":
		return fmt.Sprintf("%q is no whole number", value)
	}
	return fmt.Sprintf("%q: %v", value, err)
}

// check refuses values that cannot work. prefixes are the trusted proxies.
func (s *settings) check(development bool) (prefixes []netip.Prefix, err error) {
	if s.drain < 0 || s.drain == 0 && s.flags.Lookup("drain-timeout") != nil {
		return nil, usageErrorf("--drain-timeout: %s is not more than 0", s.drain)
	}
	if (s.tlsCert == "") != (s.tlsKey == "") {
		return nil, usageErrorf("--tls-cert and --tls-key go together")
	}
	if !development && s.https != "" && s.tlsCert == "" {
		return nil, usageErrorf("--https needs --tls-cert and --tls-key")
	}
	if !development && s.https == "" && s.tlsCert != "" {
		s.https = ":8443"
	}
	if s.http == "" && s.https == "" {
		return nil, usageErrorf("--http and --https are both off: nothing would listen")
	}
	for _, text := range s.trustedProxies {
		prefix, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, usageErrorf("--trusted-proxies: %q is neither an address nor a CIDR range such as 10.0.0.0/8", text)
		}
		prefixes = append(prefixes, prefix)
	}
	if s.proxyProtocol && len(prefixes) == 0 {
		return nil, usageErrorf("--proxy-protocol needs --trusted-proxies: from nobody else is it believed")
	}
	return prefixes, nil
}
