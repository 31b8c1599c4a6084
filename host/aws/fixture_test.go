package aws_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/aws"
	"github.com/postern/postern/host/mapping"
	"github.com/postern/postern/host/upstream"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "a secret that no error may tell"
	where  = "eu-west-1"
)

// A direct is the real way out.
type direct struct{ *upstream.Direct }

func (d direct) Do(ctx context.Context, r *host.Request) (*host.Response, error) {
	resp, _, err := d.Direct.Do(ctx, r, "")
	return resp, err
}

func sender(t *testing.T) aws.Sender {
	d := upstream.NewDirect(upstream.Options{})
	t.Cleanup(d.Close)
	return direct{d}
}

func access(endpoint string) *host.ServiceAccess {
	a := &host.ServiceAccess{Endpoint: endpoint, Region: where}
	a.AccessKeyID.Value, a.SecretAccessKey.Value = keyID, secret
	return a
}

// A request is what mappings made of one.
type request struct {
	uri    string // behind arn:aws:apigateway:REGION:
	method string
	query  string
	header host.Header
	body   string
	path   map[string]string
	stage  map[string]string // variables
}

// An answer is what a service answered.
type answer struct {
	status int
	header host.Header
	body   string
}

func call(t *testing.T, s aws.Sender, as *host.ServiceAccess, r request) (answer, error) {
	t.Helper()
	arn, err := mapping.ParseARN("arn:aws:apigateway:" + where + ":" + r.uri)
	if err != nil {
		t.Fatal(err)
	}
	arn.Service.Access = as
	c, err := aws.NewClient(arn.Service, r.method, s)
	if err != nil {
		t.Fatal(err)
	}
	out := &host.Request{Method: "POST", Target: "/?" + r.query, Header: r.header, Body: io.NopCloser(strings.NewReader(r.body)), Length: int64(len(r.body))}
	x := &host.Exchange{Request: out}
	x.Match.Stage = &host.Stage{Variables: r.stage}
	result, err := c.Invoke(t.Context(), &host.Invocation{Exchange: x, Request: out, Path: r.path, Mapped: true})
	if err != nil {
		return answer{}, err
	}
	return read(t, result.Response), nil
}

func subtype(t *testing.T, s aws.Sender, as *host.ServiceAccess, name string, values map[string]string) (answer, error) {
	t.Helper()
	c, err := aws.NewClient(&host.ServiceCall{Subtype: name, Access: as}, "", s)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Call(t.Context(), values)
	if err != nil {
		return answer{}, err
	}
	return read(t, resp), nil
}

func read(t *testing.T, resp *host.Response) answer {
	t.Helper()
	a := answer{status: resp.Status, header: resp.Header}
	if resp.Body != nil {
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		a.body = string(b)
	}
	return a
}
