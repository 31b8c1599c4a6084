package pipeline

import (
	"context"
	"errors"
	"fmt"
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
	plugin    *plugin
	telemetry *telemetry.Telemetry
	sources   []mapping.Expression
	cache     *otter.Cache[string, *lambda.Verdict] // nil caches nothing
	flights   singleflight.Group
}

func newAuthorizer(def *host.Authorizer, p *plugin, tel *telemetry.Telemetry) (*authorizer, error) {
	a := &authorizer{def: def, plugin: p, telemetry: tel}
	for _, source := range def.IdentitySources {
		expr, err := mapping.ParseExpression(source)
		if err != nil {
			return nil, badExpression(host.Setting[string]{Value: source, Pos: def.Pos}, "authorizers."+def.Name+".identitySources", err)
		}
		a.sources = append(a.sources, expr)
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

// Handle lets the request pass, or refuses it: 401 without every identity, 403 when the verdict says no, 500 when
// there is no verdict (reference: API Gateway developer guide, "Lambda authorizers for HTTP APIs").
func (a *authorizer) Handle(ctx context.Context, x *host.Exchange) (host.Second, error) {
	identity, err := a.identity(x)
	if err != nil {
		return nil, err
	}
	verdict, err := a.verdict(ctx, x, identity)
	if err != nil {
		return nil, err
	}
	if allowed, explicit := verdict.Allows(lambda.RouteARN(x)); !allowed {
		reason := "the authorizer does not allow it"
		if explicit {
			reason = "the authorizer's policy denies it"
		}
		return nil, a.refuse(host.Forbidden, host.AccessDenied, errors.New(reason))
	}
	x.Principal = host.Principal{ID: verdict.PrincipalID, Context: verdict.Context}
	return nil, nil
}

// identity returns the values of the identity sources. A missing or empty one refuses the request before the
// plugin is asked.
func (a *authorizer) identity(x *host.Exchange) ([]string, error) {
	if len(a.sources) == 0 {
		return nil, nil
	}
	values := make([]string, len(a.sources))
	for i, source := range a.sources {
		value, ok := source.Value(x)
		if !ok || value == "" {
			return nil, a.refuse(host.Unauthenticated, host.UnauthorizedResponse, fmt.Errorf("identity source %s is missing", a.def.IdentitySources[i]))
		}
		values[i] = value
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

// fly asks the plugin once for all who wait for the same key. Who asked first may leave without spoiling it for the
// others: the flight has its own life, bounded by the plugin's timeout.
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

// ask calls the plugin.
func (a *authorizer) ask(ctx context.Context, x *host.Exchange, identity []string) (*lambda.Verdict, error) {
	event, err := lambda.AuthorizerEvent(x, a.def.PayloadFormat, identity)
	if err != nil {
		return nil, a.refuse(host.Internal, host.AuthorizerFailure, err)
	}
	var verdict *lambda.Verdict
	code := host.AuthorizerFailure
	call := &pluginCall{on: a.plugin.Plugin, telemetry: a.telemetry, exchange: x, entry: host.EntryAuthorize, accept: func(out host.Event) (err error) {
		if out.Body != nil {
			_ = out.Body.Close() // an authorizer's result is its meta
		}
		if verdict, err = lambda.ParseAuthorizerResult(out.Meta, a.def.PayloadFormat); err != nil {
			code, err = host.AuthorizerConfiguration, malformed(err)
		}
		return err
	}}
	if _, err = a.plugin.run(ctx, call, host.Event{Meta: event}); err != nil {
		var guest *host.GuestError
		if errors.As(err, &guest) && guest.Message == "Unauthorized" && !host.Crashed(err) {
			return nil, a.refuse(host.Unauthenticated, host.UnauthorizedResponse, err)
		}
		err = a.plugin.answer(ctx, err)
		if host.KindOf(err) == host.Unavailable {
			return nil, a.refuse(host.Unavailable, code, err)
		}
		return nil, a.refuse(host.Internal, code, err)
	}
	return verdict, nil
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
