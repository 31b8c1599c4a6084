package pipeline

import (
	"errors"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/grpc"
	"github.com/postern/postern/host/rest"
)

// A restManner is that of rest APIs: errors are gateway responses, and responses may be compressed.
type restManner struct {
	gateway    *rest.Gateway
	compressor *rest.Compressor
}

func newRESTManner(def *host.API) (*restManner, error) {
	gateway, err := rest.CompileGateway(def)
	return &restManner{gateway, rest.CompileCompressor(def)}, err
}

// refuse answers with the gateway response of the error's type, unless the definition of the plugin that failed has an answer of its own, or the
// client speaks gRPC and would not understand.
func (m *restManner) refuse(x *host.Exchange, arrived *host.Request, err error) *host.Response {
	if requestType(arrived).Form != grpc.None || errors.As(err, new(*answered)) {
		return Respond(arrived, err)
	}
	return m.gateway.Respond(x, err)
}

// seal adds the fields of all responses, and compresses those that may be.
func (m *restManner) seal(x *host.Exchange, resp *host.Response) error {
	kind := rest.Type("")
	if x.Err == nil && x.Match.Route != nil {
		kind = rest.TypeOf(&x.Match.Route.Integration)
	}
	rest.Stamp(&resp.Header, x, kind)
	if streams(x, resp) {
		return nil
	}
	return m.compressor.Compress(x.Request, resp)
}
