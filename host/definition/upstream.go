package definition

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

func (b *builder) upstream(e *entry[upstreamDef]) *host.Upstream {
	def := &e.Value
	return &host.Upstream{
		Name:           e.Key,
		Targets:        b.targets(&def.Targets),
		Timeout:        b.duration(def.Timeout, host.DefaultUpstreamTimeout, 1),
		ConnectTimeout: b.duration(def.ConnectTimeout, host.DefaultConnectTimeout, 1),
		IdleTimeout:    b.duration(def.IdleTimeout, host.DefaultUpstreamIdle, 1),
		Balance:        host.Balance(def.Balance.or(string(host.BalanceRoundRobin))),
		HashOn:         b.hashOn(def),
		MaxConnections: count(def.MaxConnections),
		MaxRequests:    count(def.MaxRequests),
		DNSRefresh:     b.duration(def.DNSRefresh, host.DefaultDNSRefresh, minDNSRefresh),
		ProxyProtocol:  proxyVersions[def.ProxyProtocol.Value],
		HealthCheck:    b.healthCheck(&def.HealthCheck),
		Ejection:       b.ejection(&def.Ejection),
		Retries:        b.retries(&def.Retries),
		Breaker:        b.breaker(&def.Breaker),
		TLS:            b.upstreamTLS(&def.TLS),
		Pos:            e.pos,
	}
}

// minDNSRefresh is what a look-up that failed waits, too: a resolver is not a queue to poll.
const minDNSRefresh = time.Second

// proxyVersions has the versions of the PROXY protocol by their names.
var proxyVersions = map[string]int{"v1": 1, "v2": 2}

// count returns a written limit, and 0 for none.
func count(v val[int64]) host.Setting[int] {
	if !v.written() {
		return host.Default(0)
	}
	return setting(int(v.Value), v.place)
}

func (b *builder) targets(l *list[targetDef]) []host.Target {
	var targets []host.Target
	first := map[string]int{}
	for i := range l.items {
		def := &l.items[i]
		b.origin(def.URL, "the target", targetSchemes, false)
		key := originKey(def.URL.Value)
		if before, twice := first[key]; twice && def.URL.Value != "" {
			b.add(def.URL.place, RuleConflict, fmt.Sprintf("the target %s is item %d already", quote(def.URL.Value), before)).Hint = "give that one more weight"
		} else {
			first[key] = i + 1
		}
		targets = append(targets, host.Target{URL: def.URL.Value, Weight: int(def.Weight.or(1)), Pos: def.pos})
	}
	return targets
}

// originKey is the same for two origins that are one.
func originKey(origin string) string {
	key := strings.ToLower(origin)
	for scheme, port := range map[string]string{"http": ":80", "h2c": ":80", "https": ":443"} {
		if strings.HasPrefix(key, scheme+"://") {
			return strings.TrimSuffix(key, port)
		}
	}
	return key
}

// hashOn wants an expression only where something is hashed.
func (b *builder) hashOn(def *upstreamDef) host.Setting[string] {
	if def.HashOn.written() && def.Balance.Value != string(host.BalanceConsistentHash) {
		b.add(def.HashOn.place, RuleConflict, "hashOn means nothing without balance: consistent_hash").Hint = "add balance: consistent_hash"
	}
	return setting(def.HashOn.Value, def.HashOn.place)
}

func (b *builder) healthCheck(def *healthCheckDef) *host.HealthCheck {
	if !def.written() {
		return nil
	}
	b.statuses(def.Status, "status")
	interval := b.duration(def.Interval, host.DefaultHealthInterval, 1)
	timeout := b.duration(def.Timeout, min(host.DefaultHealthTimeout, interval.Value), 1)
	if timeout.Value > interval.Value && def.Timeout.written() {
		b.add(def.Timeout.place, RuleInvalidValue, "timeout must be at most the interval, "+interval.Value.String())
	}
	return &host.HealthCheck{
		Path:      def.Path.Value,
		Interval:  interval.Value,
		Timeout:   timeout.Value,
		Status:    def.Status.or(host.DefaultHealthStatus),
		Healthy:   int(def.Healthy.or(host.DefaultHealthySuccess)),
		Unhealthy: int(def.Unhealthy.or(host.DefaultHealthyFailures)),
		Pos:       def.pos,
	}
}

func (b *builder) ejection(def *ejectionDef) *host.Ejection {
	if !def.written() {
		return nil
	}
	return &host.Ejection{
		Failures: int(def.Failures.or(host.DefaultEjectionFailures)),
		For:      b.duration(def.For, host.DefaultEjectionFor, 1).Value,
		Max:      int(def.Max.or(host.DefaultEjectionMax)),
		Pos:      def.pos,
	}
}

func (b *builder) retries(def *retriesDef) *host.Retries {
	if !def.written() {
		return nil
	}
	on := strings.Fields(host.DefaultRetryOn)
	if def.On.written() {
		on = nil
	}
	for _, v := range def.On.items {
		switch reason := v.Value.(type) {
		case string:
			on = append(on, reason)
		case int64:
			on = append(on, strconv.FormatInt(reason, 10))
		}
	}
	return &host.Retries{
		Attempts: int(def.Attempts.or(host.DefaultRetryAttempts)),
		On:       on,
		Backoff:  b.duration(def.Backoff, host.DefaultRetryBackoff, 0).Value,
		Budget:   int(def.Budget.or(host.DefaultRetryBudget)),
		Pos:      def.pos,
	}
}

func (b *builder) breaker(def *breakerDef) *host.Breaker {
	if !def.written() {
		return nil
	}
	return &host.Breaker{
		Failures: int(def.Failures.or(host.DefaultBreakerFailures)),
		For:      b.duration(def.For, host.DefaultBreakerFor, 1).Value,
		Pos:      def.pos,
	}
}

// upstreamTLS checks the paths; the files are host/project's to read.
func (b *builder) upstreamTLS(def *tlsDef) host.UpstreamTLS {
	for _, file := range []val[string]{def.CA, def.Cert, def.Key} {
		b.projectFile(file)
	}
	switch cert, key := def.Cert.written(), def.Key.written(); {
	case cert && !key:
		b.add(def.Cert.place, RuleRequired, "a client certificate needs its private key").Hint = "add key: ./client.key"
	case key && !cert:
		b.add(def.Key.place, RuleRequired, "a private key needs its certificate").Hint = "add cert: ./client.pem"
	}
	return host.UpstreamTLS{
		CAFile: setting(def.CA.Value, def.CA.place), CertFile: setting(def.Cert.Value, def.Cert.place),
		KeyFile: setting(def.Key.Value, def.Key.place), ServerName: def.ServerName.Value, Pos: def.pos,
	}
}
