package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
	trustedProxies     []string
	drain              time.Duration
	accessLog          bool
	logFormat          string
	logLevel           string
	cacheDir           string
	noBuild            bool
	config             string
}

// addSettings adds the flags, with the defaults of dev or of serve.
func addSettings(cmd *cobra.Command, development bool) *settings {
	s := &settings{}
	f := cmd.Flags()
	bind, https := ":", ""
	if development {
		bind, https = "127.0.0.1:", "127.0.0.1:8443"
	}
	f.StringVar(&s.http, "http", bind+"8080", "address of the clear listener (HTTP/1.1, h2c); port 0 picks one, \"\" turns it off")
	f.StringVar(&s.https, "https", https, "address of the TLS listener (HTTP/1.1, HTTP/2); \"\" turns it off")
	f.StringVar(&s.admin, "admin", "127.0.0.1:8090", "address of the admin listener (health, metrics); \"\" turns it off")
	f.StringVar(&s.tlsCert, "tls-cert", "", "PEM file with the TLS listener's certificate chain")
	f.StringVar(&s.tlsKey, "tls-key", "", "PEM file with its private key")
	f.StringVar(&s.domain, "domain", server.DefaultDomain, "base domain: an API answers at {api}.execute-api.{domain}")
	f.StringSliceVar(&s.trustedProxies, "trusted-proxies", nil, "addresses or CIDR ranges whose X-Forwarded-* and trace sampling are believed")
	f.DurationVar(&s.drain, "drain-timeout", server.DefaultDrainTimeout, "how long running requests may take after SIGTERM")
	f.BoolVar(&s.accessLog, "access-log", true, "log a line for each request; failures are logged in any case")
	f.StringVar(&s.logFormat, "log-format", telemetry.LogAuto, "text, json, or auto: text on a terminal")
	f.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&s.config, "config", "", "YAML file with these settings, by the names of the flags")
	addBuildFlags(cmd, s)
	return s
}

// addBuildFlags adds the flags of every command that builds a project.
func addBuildFlags(cmd *cobra.Command, s *settings) {
	cmd.Flags().StringVar(&s.cacheDir, "cache-dir", defaultCacheDir(), "folder for built plugins and compiled code")
	cmd.Flags().BoolVar(&s.noBuild, "no-build", false, "refuse plugins that need to be built")
}

func defaultCacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "postern-cache")
	}
	return filepath.Join(dir, "postern")
}

// resolve fills what the command line left open from the environment and the --config file.
func (s *settings) resolve(flags *pflag.FlagSet) error {
	if !flags.Changed("config") {
		s.config = os.Getenv("POSTERN_CONFIG")
	}
	file := map[string]definition.HostSetting{}
	if s.config != "" {
		var names []string
		flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		var err error
		if file, err = definition.LoadHostSettings(s.config, names); err != nil {
			return err
		}
	}
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "config" || f.Name == "help" {
			return
		}
		variable := "POSTERN_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value, ok := os.LookupEnv(variable); ok {
			if err := flags.Set(f.Name, value); err != nil {
				errs = append(errs, &usageError{fmt.Errorf("%s: %w", variable, err)})
			}
		} else if setting, ok := file[f.Name]; ok {
			if err := flags.Set(f.Name, setting.Value); err != nil {
				errs = append(errs, definition.Errors{{Pos: setting.Pos, Rule: "invalid-value", Message: err.Error()}})
			}
		}
	})
	return errors.Join(errs...)
}

// prefixes parses --trusted-proxies.
func (s *settings) prefixes() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range s.trustedProxies {
		prefix, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, &usageError{fmt.Errorf("--trusted-proxies: %q is neither an address nor a CIDR range", text)}
		}
		out = append(out, prefix)
	}
	return out, nil
}
