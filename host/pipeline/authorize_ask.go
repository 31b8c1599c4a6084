package pipeline

import (
	"context"
	"errors"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/lambda"
)

// ask calls the plugin or the function.
func (a *authorizer) ask(ctx context.Context, x *host.Exchange, identity []string) (*lambda.Verdict, error) {
	event, err := a.event(x, identity)
	if err != nil {
		return nil, a.refuse(host.Internal, host.AuthorizerFailure, err)
	}
	var verdict *lambda.Verdict
	take := func(p *plugin, out host.Event) error {
		result, err := a.result(p, out)
		if err != nil {
			return err
		}
		if verdict, err = lambda.ParseAuthorizerResult(result, a.format()); err != nil {
			return malformed(err)
		}
		return nil
	}
	if err = a.call(ctx, x, host.Event{Meta: event}, take); err != nil {
		return nil, a.failure(err)
	}
	return verdict, nil
}

// event is what is told of the request.
func (a *authorizer) event(x *host.Exchange, identity []string) ([]byte, error) {
	if a.def.Type == host.AuthorizerToken {
		return lambda.TokenEvent(x, identity[0]), nil
	}
	return lambda.AuthorizerEvent(x, a.format(), identity)
}

// format is the payload format. Rest APIs have one.
func (a *authorizer) format() string {
	if a.rest {
		return lambda.Format1
	}
	return a.def.PayloadFormat
}

// call asks, and makes the definition's answer to a failure part of its error.
func (a *authorizer) call(ctx context.Context, x *host.Exchange, in host.Event, take func(*plugin, host.Event) error) error {
	if a.function != nil {
		own := *x // whose function is that of its integration
		_, version, err := a.function.call(ctx, &own, in, take)
		if err != nil {
			return version.answer(ctx, err)
		}
		return nil
	}
	call := &pluginCall{on: a.plugin.Plugin, telemetry: a.telemetry, exchange: x, entry: host.EntryAuthorize,
		accept: func(out host.Event) error { return take(a.plugin, out) }}
	if _, err := a.plugin.run(ctx, call, in); err != nil {
		return a.plugin.answer(ctx, err)
	}
	return nil
}

// result is what was answered: of a plugin its meta, of a function any JSON, which may stand in its body.
func (a *authorizer) result(p *plugin, out host.Event) ([]byte, error) {
	switch {
	case out.Body == nil:
		return out.Meta, nil
	case a.function == nil:
		_ = out.Body.Close() // an authorizer's result is its meta
		return out.Meta, nil
	}
	body, err := readResult(out.Body, p.cfg.Limits.MaxResult)
	if err != nil || len(body) > 0 {
		return body, err
	}
	return out.Meta, nil
}

// failure is the refusal where there is no verdict. Who threw "Unauthorized" refused the caller; who failed otherwise, or answered what is no
// verdict, is configured wrongly; and who could not be called at all failed (reference 1.7 and 1.11).
func (a *authorizer) failure(err error) error {
	var guest *host.GuestError
	thrown := errors.As(err, &guest)
	if thrown && guest.Message == "Unauthorized" && !host.Crashed(err) {
		return a.refuse(host.Unauthenticated, host.UnauthorizedResponse, err)
	}
	kind, code := host.Internal, host.AuthorizerFailure
	if thrown {
		code = host.AuthorizerConfiguration
	}
	if host.KindOf(err) == host.Unavailable {
		kind = host.Unavailable
	}
	return a.refuse(kind, code, err)
}
