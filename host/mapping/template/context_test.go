package template

import (
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
)

func TestContext(t *testing.T) { // reference 1.5.1
	for template, want := range map[string]string{
		`$context.accountId $context.apiId $context.deploymentId $context.domainName $context.domainPrefix`:           `000000000000 shop 3 shop.example shop`,
		`$context.httpMethod $context.path $context.protocol $context.requestId $context.resourcePath $context.stage`: `POST /prod/orders/4%202/x HTTP/1.1 req-1 /orders/{id}/{name} prod`,
		`$context.requestTime $context.requestTimeEpoch`:                                                              `04/Mar/2026:05:06:07 +0000 1772600767089`,
		`#set($s = $context.requestTimeEpoch / 1000)$s`:                                                               `1772600767`,
		`$context.extendedRequestId.endsWith("=")`:                                                                    `true`,
		`$context.extendedRequestId`:                                                                                  mapping.ExtendedRequestID("req-1"),
		`$context.resourceId`:                                                                                         mapping.ResourceID(exchange()),
		`$context.identity.sourceIp $context.identity.userAgent`:                                                      `192.0.2.1 test`,
		`[$context.identity.caller][$context.identity.apiKey][$context.identity.clientCert.subjectDN][$context.wafResponseCode][$context.error.message]`: `[][][][][]`,
		`[$context.awsEndpointRequestId][$context.isCanaryRequest][$context.routeKey][$context.status][$context["identity.sourceIp"]]`:                   `[][][][][]`,
		// Always text, whatever the authorizer said
		`$context.authorizer.principalId $context.authorizer.text $context.authorizer.number $context.authorizer.flag $context.authorizer.list`: `user-1 t 1 true ["a"]`,
		`$context.authorizer.number.length() $context.authorizer['text'] [$context.authorizer.none]`:                                            `1 t []`,
		`$context.authorizer.claims.sub [$context.authorizer.claims][$context.authorizer.claims.none]`:                                          `s-1 [][]`,
		// Recorded key sets [REC]
		`$context.identity.keySet()`:                                                `[cognitoIdentityPoolId, accountId, cognitoIdentityId, caller, sourceIp, principalOrgId, accessKey, cognitoAuthenticationType, cognitoAuthenticationProvider, userArn, userAgent, user]`,
		`[$context.get("identity")][$context.identity]`:                             `[][]`,
		`#foreach($k in $context.identity.keySet())$!context.identity.get($k),#end`: `,,,,192.0.2.1,,,,,,test,,`,
		`$context.get("stage")$context["stage"]${context.stage}`:                    `prodprodprod`,
		`#set($context.stage = "other")$context.stage`:                              `prod`,
	} {
		out, err := mapBody(t, template, "")
		if err != nil || string(out.Body) != want {
			t.Errorf("%s\ngot  %q, %v\nwant %q", template, out.Body, err, want)
		}
	}
}

func TestContextKeys(t *testing.T) { // reference 1.5.1 [REC]: an unauthenticated request
	const recorded = `resourceId, resourcePath, httpMethod, extendedRequestId, requestTime, path, accountId, protocol, requestOverride, stage, domainPrefix, requestTimeEpoch, requestId, identity, domainName, deploymentId, responseOverride, apiId`
	x := exchange()
	x.Principal = host.Principal{}
	keys := compile(t, `$context.keySet() [$context.authorizer.x]`, host.PhaseMapRequest, Options{})
	for want, stage := range map[string]*host.Stage{
		"[" + recorded + "] []":                  {Name: "prod"},
		"[" + recorded + ", isCanaryRequest] []": {Name: "prod", Canary: &host.Canary{}},
	} {
		x.Match.Stage = stage
		out, err := keys.Map(t.Context(), &host.MapInput{Exchange: x})
		if err != nil || string(out.Body) != want {
			t.Errorf("got %s, %v", out.Body, err)
		}
	}
}

func TestCanary(t *testing.T) { // reference 1.15: true and false only where a canary is set
	for _, test := range []struct {
		canary *host.Canary
		opts   Options
		want   string
	}{{nil, Options{}, "[]no"}, {&host.Canary{}, Options{}, "[false]no"}, {nil, Options{Canary: true}, "[true]yes"}} {
		x := exchange()
		x.Match.Stage = &host.Stage{Name: "prod", Canary: test.canary}
		out, err := compile(t, `[$context.isCanaryRequest]#if($context.isCanaryRequest)yes#{else}no#end`, host.PhaseMapRequest, test.opts).Map(t.Context(), &host.MapInput{Exchange: x})
		if err != nil || string(out.Body) != test.want {
			t.Errorf("got %s, %v, want %s", out.Body, err, test.want)
		}
	}
}

func TestContextOfNothing(t *testing.T) {
	x := &host.Exchange{Request: &host.Request{}}
	out, err := compile(t, `$context $context.identity $stageVariables $input.params() $context.authorizer.x`, host.PhaseMapRequest, Options{}).Map(t.Context(), &host.MapInput{Exchange: x})
	if err != nil || len(out.Body) == 0 {
		t.Error(out, err)
	}
}
