package definition

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

// tokenSource is where a token stands when nothing else is said (API Gateway developer guide, "Configure a Lambda authorizer").
const tokenSource = "method.request.header.Authorization"

func (b *builder) authorizer(api *host.API, e *entry[authorizerDef]) *host.Authorizer {
	def := &e.Value
	a := &host.Authorizer{
		Name:            e.Key,
		IdentitySources: stringsOf(&def.IdentitySources),
		PayloadFormat:   def.PayloadFormat.or("2.0"),
		Validation:      def.Validation.Value,
		Pos:             e.pos,
	}
	b.authorizerCode(api, a, e)
	if api.Protocol == host.ProtocolREST {
		b.restAuthorizer(a, e)
	} else {
		b.only(host.ProtocolREST, map[string]place{"type": def.Type.place, "identityValidationExpression": def.Validation.place})
		for _, source := range def.IdentitySources.items {
			if source.Value != "" && source.Value[0] != '$' {
				b.add(source.place, RuleInvalidValue, quote(source.Value)+" is how REST APIs write it").
					Hint = "write $" + strings.TrimPrefix(source.Value, "method.")
			}
		}
	}
	ttl := time.Duration(0)
	if len(a.IdentitySources) > 0 {
		ttl = host.DefaultResultTTL
	}
	a.ResultTTL = b.duration(def.ResultTTL, ttl, 0)
	switch {
	case a.ResultTTL.Value > host.MaxResultTTL:
		b.add(def.ResultTTL.place, RuleInvalidValue, "resultTTL must be at most 1h")
	case a.ResultTTL.Value > 0 && len(a.IdentitySources) == 0 && !def.IdentitySources.written():
		b.add(def.ResultTTL.place, RuleConflict, "resultTTL needs identitySources").Hint = "results are kept by the caller's identity"
	}
	return a
}

// authorizerCode decodes what decides: a plugin of its own, or a function.
func (b *builder) authorizerCode(api *host.API, a *host.Authorizer, e *entry[authorizerDef]) {
	def := &e.Value
	if !def.Function.written() {
		if !def.Plugin.written() && def.written() {
			b.add(place{e.pos, KeyPath(e.path, "plugin")}, RuleRequired, quote(e.Key)+` has no "plugin"`).Hint = `add plugin: "./plugin.ts", or function: with the name of one`
		}
		a.Plugin = b.plugin(&def.settingsDef, e.Key, authorizerRole(api.Name, e.Key))
		b.onlyABI(&def.settingsDef, &a.Plugin, "authorizers", host.ABIPostern, host.ABIStdio)
		return
	}
	if def.Plugin.written() {
		b.add(def.Plugin.place, RuleConflict, "the authorizer has function and plugin").Hint = "keep one of them"
	}
	b.noSettings(&def.settingsDef, "function")
	a.Function, a.Qualifier = b.functionRef(def.Function)
}

// restAuthorizer decodes what authorizers of rest APIs have besides.
func (b *builder) restAuthorizer(a *host.Authorizer, e *entry[authorizerDef]) {
	def := &e.Value
	if def.PayloadFormat.written() && a.PayloadFormat != "1.0" {
		b.add(def.PayloadFormat.place, RuleConflict, "authorizers of REST APIs get the format 1.0 alone").Hint = "remove it"
	}
	a.PayloadFormat = "1.0"
	one := len(a.IdentitySources) == 1 && isHeaderSource(a.IdentitySources[0])
	switch {
	case def.Type.Value == "token", !def.Type.written() && one:
		a.Type = host.AuthorizerToken
	default:
		a.Type = host.AuthorizerRequest
	}
	if a.Type != host.AuthorizerToken {
		if def.Validation.written() {
			b.add(def.Validation.place, RuleConflict, "identityValidationExpression is for authorizers of type token").Hint = "remove it, or write type: token with one header as its identity source"
		}
		return
	}
	switch {
	case len(a.IdentitySources) == 0:
		a.IdentitySources = []string{tokenSource}
	case !one:
		b.add(def.IdentitySources.place, RuleConflict, "an authorizer of type token has one identity source, which is a header").Hint = "write type: request, or one method.request.header.NAME"
	}
	if _, err := regexp.Compile(def.Validation.Value); err != nil {
		b.add(def.Validation.place, RuleInvalidValue, "identityValidationExpression is not a regular expression: "+strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
}

func isHeaderSource(source string) bool {
	return slices.ContainsFunc([]string{"$request.header.", "method.request.header."}, func(prefix string) bool { return strings.HasPrefix(source, prefix) })
}
