package pipeline

import "github.com/postern/postern/host"

// A manner is what the protocol of an API decides of all its answers. One per API, shared by its exchanges.
type manner interface {
	// refuse is the response to an error; arrived is the request as the client sent it.
	refuse(x *host.Exchange, arrived *host.Request, err error) *host.Response

	// seal makes a response ready to be sent, the last thing that is done to it. Where that fails, the response is that of the error.
	seal(x *host.Exchange, resp *host.Response) error
}

// An httpManner is that of http APIs, of functions' own hosts, and of what no API claims.
type httpManner struct{}

func (httpManner) refuse(_ *host.Exchange, arrived *host.Request, err error) *host.Response {
	return Respond(arrived, err)
}

// seal adds the request's id (reference 1.4.6 [GUIDE]).
func (httpManner) seal(x *host.Exchange, resp *host.Response) error {
	resp.Header.Set("Apigw-Requestid", x.ID)
	return nil
}
