package project

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// upstream tells how a pool of targets is reached, and what bounds it. Of what acts on requests, that which is not set is not told, as it does nothing.
func (e *Explanation) upstream(u *host.Upstream) {
	fact := func(name string, pos host.Position, format string, args ...any) {
		e.Upstream = append(e.Upstream, Fact{Name: name, Value: fmt.Sprintf(format, args...), Pos: pos})
	}
	for _, t := range u.Targets {
		weight := ""
		if t.Weight != 1 {
			weight = ", weight " + strconv.Itoa(t.Weight)
		}
		fact("target", t.Pos, "%s%s", t.URL, weight)
	}
	balance := string(u.Balance)
	if u.Balance == host.BalanceConsistentHash {
		on := u.HashOn.Value
		if on == "" {
			on = "the client's address"
		}
		balance += " on " + on
	}
	fact("balance", u.Pos, "%s", balance)
	if u.ProxyProtocol > 0 {
		fact("proxyProtocol", u.Pos, "v%d", u.ProxyProtocol)
	}
	if c := u.HealthCheck; c != nil {
		fact("healthCheck", c.Pos, "GET %s every %v, within %v, status %s; well after %d, unwell after %d", c.Path, c.Interval, c.Timeout, c.Status, c.Healthy, c.Unhealthy)
	}
	if j := u.Ejection; j != nil {
		fact("ejection", j.Pos, "after %d failures in a row, for %v, at most %d%% of the targets", j.Failures, j.For, j.Max)
	}
	if r := u.Retries; r != nil {
		fact("retries", r.Pos, "%d, on %s, after %v, at most %d%% of the requests", r.Attempts, strings.Join(r.On, " "), r.Backoff, r.Budget)
	}
	if c := u.Breaker; c != nil {
		fact("circuitBreaker", c.Pos, "opens after %d failures in a row, for %v", c.Failures, c.For)
	}
	if t := u.TLS; !t.Pos.IsZero() {
		fact("tls", t.Pos, "%s", trust(&t))
	}
	of := "upstream " + u.Name
	limit(e, of, "timeout", u.Timeout, fmt.Sprint(u.Timeout.Value))
	limit(e, of, "connectTimeout", u.ConnectTimeout, fmt.Sprint(u.ConnectTimeout.Value))
	limit(e, of, "idleTimeout", u.IdleTimeout, fmt.Sprint(u.IdleTimeout.Value))
	limit(e, of, "dnsRefresh", u.DNSRefresh, fmt.Sprint(u.DNSRefresh.Value))
	limit(e, of, "maxConnections", u.MaxConnections, countOrNone(u.MaxConnections.Value))
	limit(e, of, "maxRequests", u.MaxRequests, countOrNone(u.MaxRequests.Value))
}

// countOrNone writes a count of which 0 stands for no limit.
func countOrNone(n int) string {
	if n == 0 {
		return "none"
	}
	return strconv.Itoa(n)
}

// trust says whom TLS trusts and who the gateway is there, by the names of files.
func trust(t *host.UpstreamTLS) string {
	text := "trusts the system's roots"
	if t.CAFile.Value != "" {
		text = "trusts " + t.CAFile.Value
	}
	if t.ServerName != "" {
		text += " for " + t.ServerName
	}
	if t.CertFile.Value != "" {
		text += ", shows " + t.CertFile.Value
	}
	return text
}
