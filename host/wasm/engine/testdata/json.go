//go:build wasip1

// An authorizer without its host, which reads an event as an SDK does, for the bench of the metering.
package main

import (
	"encoding/json"
	"strings"
)

const event = `{"version":"2.0","type":"REQUEST","routeArn":"arn:aws:execute-api:us-east-1:000000000000:orders/$default/GET/orders/7","identitySource":["Bearer demo"],"routeKey":"GET /orders/{id}","rawPath":"/orders/7","rawQueryString":"","headers":{"accept":"*/*","authorization":"Bearer demo","host":"localhost:8080","user-agent":"curl/8"},"requestContext":{"accountId":"","apiId":"orders","domainName":"localhost","http":{"method":"GET","path":"/orders/7","protocol":"HTTP/1.1","sourceIp":"127.0.0.1","userAgent":"curl/8"},"requestId":"x","routeKey":"GET /orders/{id}","stage":"$default","timeEpoch":1}}`

func main() {}

//go:wasmexport authorize
func authorize(rounds int32) int32 {
	var allowed int32
	for range rounds {
		var in struct {
			RawPath        string
			Headers        map[string]string
			RequestContext map[string]any
		}
		if json.Unmarshal([]byte(event), &in) != nil {
			return -1
		}
		token, ok := strings.CutPrefix(in.Headers["authorization"], "Bearer ")
		out, err := json.Marshal(map[string]any{"isAuthorized": ok, "context": map[string]string{"user": token}})
		if err == nil && len(out) > 0 {
			allowed++
		}
	}
	return allowed
}
