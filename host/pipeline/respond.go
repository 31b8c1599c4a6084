package pipeline

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/grpc"
)

// An outcome is what the client gets for one Kind of error. The texts are those of Amazon's HTTP APIs, which
// tell the client no more than that; the cause is in the log and the span.
type outcome struct {
	status  int
	message string
}

// outcomes maps each Kind. An upstream that fails is a 502 and one that is late a 504, where Amazon's HTTP APIs
// say 503 for both: the two need different remedies.
var outcomes = [...]outcome{
	host.Internal:        {500, "Internal Server Error"},
	host.Invalid:         {400, "Bad Request"},
	host.Unauthenticated: {401, "Unauthorized"},
	host.Forbidden:       {403, "Forbidden"},
	host.NotFound:        {404, "Not Found"},
	host.Conflict:        {409, "Conflict"},
	host.TooLarge:        {413, "Request Entity Too Large"},
	host.Unsupported:     {415, "Unsupported Media Type"},
	host.Throttled:       {429, "Too Many Requests"},
	host.BadGateway:      {502, "Bad Gateway"},
	host.Timeout:         {504, "Gateway Timeout"},
	host.Unavailable:     {503, "Service Unavailable"},
}

// statusClientGone is logged when the client left before it had an answer. It is never sent.
const statusClientGone = 499

// Respond is the one place where an error becomes the response to a request. A gRPC client gets a status, which is trailers only
// (PROTOCOL-HTTP2.md), as an HTTP status would tell it less; of a plugin that failed, its definition may have an answer (onError), which is for others.
func Respond(request *host.Request, err error) *host.Response {
	if t := requestType(request); t.Form != grpc.None {
		h := append(host.Header{{Name: "Content-Type", Value: t.Answer(request.Header).String()}}, grpcStatus(err)...)
		return &host.Response{Status: 200, Header: h, Length: -1}
	}
	if own := (*answered)(nil); errors.As(err, &own) {
		return own.response()
	}
	out := outcomeFor(err)
	return message(out.status, out.message)
}

// grpcStatus is what a gRPC client is told of an error.
func grpcStatus(err error) host.Header {
	return grpc.Status(grpc.CodeOf(host.KindOf(err)), outcomeFor(err).message)
}

func outcomeFor(err error) outcome {
	if kind := host.KindOf(err); int(kind) < len(outcomes) {
		return outcomes[kind]
	}
	return outcomes[host.Internal]
}

// message returns a response whose body is {"message": text}.
func message(status int, text string) *host.Response {
	body := `{"message":` + strconv.Quote(text) + `}`
	return &host.Response{
		Status: status,
		Header: host.Header{
			{Name: "Content-Type", Value: "application/json"},
			{Name: "Content-Length", Value: strconv.Itoa(len(body))},
		},
		Body:   io.NopCloser(strings.NewReader(body)),
		Length: int64(len(body)),
	}
}
