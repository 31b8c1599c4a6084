// Command goauth is an authorizer in Go, for the benches.
package main

import postern "github.com/postern/postern/sdk/go"

func main() {}

//go:wasmexport authorize
func authorize() int32 { return postern.Authorize(decide) }

func decide(ev *postern.AuthorizerEvent) (*postern.Decision, error) {
	return &postern.Decision{IsAuthorized: ev.IdentitySource[0] == "Bearer demo"}, nil
}
