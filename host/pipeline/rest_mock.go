package pipeline

import (
	"context"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/rest"
)

// maxMock bounds what a template may make for a MOCK integration, in bytes.
const maxMock = 1 << 20

// A templateMock is Amazon's MOCK integration: what the request's template made says which response is selected (reference 1.4, "MOCK").
type templateMock struct{}

// Invoke returns a response with that status and nothing else.
func (templateMock) Invoke(_ context.Context, in *host.Invocation) (*host.Result, error) {
	body, err := readAll(in.Request.Body, maxMock)
	if err != nil {
		return nil, err
	}
	status, err := rest.MockStatus(body)
	if err != nil {
		return nil, err
	}
	return &host.Result{Response: &host.Response{Status: status}}, nil
}
