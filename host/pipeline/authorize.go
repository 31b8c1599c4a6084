package pipeline

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/maypok86/otter/v2"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/singleflight"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/lambda"
	"github.com/postern/postern/host/mapping"
	"github.com/postern/postern/host/telemetry"
)

// cachedVerdicts is how many verdicts an authorizer keeps at most; the least used go first.
const cachedVerdicts = 10_000

// An authorizer decides who may call the routes that name it. It is shared by all routes and stages of one
// API, and so is its cache: the key holds the stage and every identity; the plugin's code and configuration
// need not be in it, as another plugin is another authorizer. Only verdicts are kept, never errors.
type authorizer struct {
	def       *host.Authorizer
	rest      bool    // of a rest API
	plugin    *plugin // nil where function is called
	function  *callee // nil where plugin is called
	telemetry *telemetry.Telemetry
	sources   []mapping.IdentitySource
	names     []string                              // of sources, as written
	token     *regexp.Regexp                        // that the whole token of a TOKEN authorizer must match; nil for none
	cache     *otter.Cache[string, *lambda.Verdict] // nil caches nothing
	flights   singleflight.Group
}

// authorizer compiles an authorizer. References were checked when the definition was decoded.
func (b *builder) authorizer(def *host.Authorizer) (*authorizer, error) {
	a, err := newAuthorizer(def, b.opened[&def.Plugin], b.cfg.Telemetry)
	if err != nil || def.Function == "" {
		return a, err
	}
	if a.function, err = b.p.callee(def.Function, def.Qualifier); err != nil {
		return nil, &host.Error{Op: "authorizer " + def.Name, Kind: host.Invalid, Pos: def.Pos, Err: err}
	}
	return a, nil
}

// newAuthorizer makes an authorizer that calls a plugin, unless it gets a function to call.
func newAuthorizer(def *host.Authorizer, p *plugin, tel *telemetry.Telemetry) (*authorizer, error) {
	a := &authorizer{def: def, rest: def.Type != "", plugin: p, telemetry: tel}
	if err := a.parse(); err != nil {
		return nil, err
	}
	if def.ResultTTL.Value > 0 && len(a.sources) > 0 {
		cache, err := otter.New(&otter.Options[string, *lambda.Verdict]{
			MaximumSize:      cachedVerdicts,
			ExpiryCalculator: otter.ExpiryWriting[string, *lambda.Verdict](def.ResultTTL.Value),
		})
		if err != nil {
			return nil, &host.Error{Op: "authorizer " + def.Name, Kind: host.Internal, Err: err}
		}
		a.cache = cache
	}
	return a, nil
}

// parse reads the expressions of the definition.
func (a *authorizer) parse() error {
	protocol := host.ProtocolHTTP
	if a.rest {
		protocol = host.ProtocolREST
	}
	bad := func(value, key string, err error) error {
		return badExpression(host.Setting[string]{Value: value, Pos: a.def.Pos}, "authorizers."+a.def.Name+"."+key, err)
	}
	written := a.def.IdentitySources
	if a.def.Type == host.AuthorizerToken && len(written) == 0 {
		written = []string{"method.request.header.Authorization"} // the service's default
	}
	for _, text := range written {
		source, err := mapping.ParseIdentitySource(text, protocol)
		if err != nil {
			return bad(text, "identitySources", err)
		}
		a.sources = append(a.sources, source)
	}
	a.names = written
	if a.def.Type != host.AuthorizerToken {
		return nil
	}
	if _, ok := a.sources[0].Header(); !ok || len(a.sources) > 1 {
		return bad(strings.Join(written, ", "), "identitySources", errors.New("a TOKEN authorizer has one source, a header field"))
	}
	if a.def.Validation == "" {
		return nil
	}
	var err error
	if a.token, err = regexp.Compile(`\A(?:` + a.def.Validation + `)\z`); err != nil {
		return bad(a.def.Validation, "identityValidationExpression", err)
	}
	return nil
}

// Handle lets the request pass, or refuses it: 401 without every identity, 403 when the verdict says no, 500 when
// there is no verdict (reference 1.7). A policy is evaluated against each request, also one that is kept.
func (a *authorizer) Handle(ctx context.Context, x *host.Exchange) (host.Second, error) {
	arn := lambda.RouteARN(x)
	if a.rest && len(arn) > lambda.MaxARN { // reference 1.3, "ARN"
		x.Response = message(414, "Request URI too long")
		return nil, nil
	}
	identity, err := a.identity(x)
	if err != nil {
		return nil, err
	}
	verdict, err := a.verdict(ctx, x, identity)
	if err != nil {
		return nil, err
	}
	if allowed, explicit := verdict.Allows(arn); !allowed {
		return nil, a.denied(explicit)
	}
	x.Principal = host.Principal{ID: verdict.PrincipalID, Context: verdict.Context, UsageIdentifierKey: verdict.UsageIdentifierKey}
	if a.rest {
		x.Principal.Context = verdict.Strings()
	}
	return nil, nil
}

// denied refuses a request by a verdict. Clients of rest APIs are told whether a policy denied it or only did not allow it
// (reference 1.7, "Explicit Deny" and "Implicit deny" [KC]).
func (a *authorizer) denied(explicit bool) error {
	told := &host.Disclosure{Message: "User is not authorized to access this resource", Err: errors.New("the authorizer does not allow it")}
	if explicit {
		told.Message += " with an explicit deny"
		told.Err = errors.New("the authorizer's policy denies it")
	}
	return a.refuse(host.Forbidden, host.AccessDenied, told)
}

// identity returns the values of the identity sources. A missing or empty one, and a token that is not as the definition wants
// it, refuse the request before anybody is asked.
func (a *authorizer) identity(x *host.Exchange) ([]string, error) {
	if len(a.sources) == 0 {
		return nil, nil
	}
	values := make([]string, len(a.sources))
	for i, source := range a.sources {
		value, ok := source.Value(x)
		if !ok || value == "" {
			return nil, a.refuse(host.Unauthenticated, host.UnauthorizedResponse, fmt.Errorf("identity source %s is missing", a.names[i]))
		}
		values[i] = value
	}
	if a.token != nil && !a.token.MatchString(values[0]) {
		return nil, a.refuse(host.Unauthenticated, host.UnauthorizedResponse, errors.New("the token does not match identityValidationExpression"))
	}
	return values, nil
}

func (a *authorizer) verdict(ctx context.Context, x *host.Exchange, identity []string) (*lambda.Verdict, error) {
	if a.cache == nil {
		return a.ask(ctx, x, identity)
	}
	key := cacheKey(x.Match.Stage.Name, identity)
	if verdict, ok := a.cache.GetIfPresent(key); ok {
		trace.SpanFromContext(ctx).SetAttributes(telemetry.CacheHit.Bool(true))
		return verdict, nil
	}
	trace.SpanFromContext(ctx).SetAttributes(telemetry.CacheHit.Bool(false))
	return a.fly(ctx, x, identity, key)
}

// fly asks once for all who wait for the same key. Who asked first may leave without spoiling it for the
// others: the flight has its own life, bounded by the timeout of what is asked.
func (a *authorizer) fly(ctx context.Context, x *host.Exchange, identity []string, key string) (*lambda.Verdict, error) {
	own := *x // the exchange may end before the flight does
	request := *x.Request
	own.Request = &request
	flight := a.flights.DoChan(key, func() (_ any, err error) {
		defer func() {
			if p := recover(); p != nil { // it is not on the listener's goroutine, and singleflight would end the process
				err = a.refuse(host.Internal, host.AuthorizerFailure, fmt.Errorf("a panic: %v\n%s", p, debug.Stack()))
			}
		}()
		verdict, err := a.ask(context.WithoutCancel(ctx), &own, identity)
		if err == nil {
			a.cache.Set(key, verdict)
		}
		return verdict, err
	})
	select {
	case result := <-flight:
		if result.Err != nil {
			return nil, result.Err
		}
		return result.Val.(*lambda.Verdict), nil
	case <-ctx.Done():
		return nil, &host.Error{Op: "authorizer " + a.def.Name, Kind: host.Timeout, Err: context.Cause(ctx)}
	}
}

func (a *authorizer) refuse(kind host.Kind, code host.ResponseType, err error) error {
	return &host.Error{Op: "authorizer " + a.def.Name, Kind: kind, Code: code, Err: err}
}

// cacheKey joins the parts so that no two lists give the same key.
func cacheKey(stage string, identity []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d:%s", len(stage), stage)
	for _, v := range identity {
		fmt.Fprintf(&b, "|%d:%s", len(v), v)
	}
	return b.String()
}
