package aws

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
)

// maxFailure is how much of a service's refusal is kept for the log.
const maxFailure = 4 << 10

// Call makes the call of an http API's subtype, of the values that its parameters have for this request, and returns what the service
// answers. Data of Kinesis-PutRecord is base64, as the service wants it.
//
// Kind Invalid says that a parameter is missing, unknown, empty, though it may be optional, or not of its type: Amazon answers 400. A service
// that refuses is no answer but an error of Kind Internal and Code IntegrationFailure with what it said, as Amazon answers 500. Errors of the
// Sender come back as they are.
func (c *Client) Call(ctx context.Context, values map[string]string) (*host.Response, error) {
	if c.subtype == nil {
		return nil, &host.Error{Op: "AWS service", Kind: host.Internal, Code: host.APIConfigurationError, Err: errors.New("only a subtype has parameters")}
	}
	resp, err := c.callSubtype(ctx, values)
	if err != nil {
		return nil, err
	}
	if resp.Status >= 400 {
		return nil, c.refused(resp)
	}
	return resp, nil
}

func (c *Client) callSubtype(ctx context.Context, values map[string]string) (*host.Response, error) {
	fields, where, err := c.subtype.fields(values)
	if where == "" {
		where = c.region
	}
	if err == nil && where == "" {
		err = errors.New("no region: neither its parameters nor the configuration name one")
	}
	if err != nil {
		return nil, &host.Error{Op: c.subtype.name, Kind: host.Invalid, Code: host.BadRequestParameters, Err: err}
	}
	out := &host.Request{Method: http.MethodPost}
	before := c.address(out, where, c.subtype.hostPrefix)
	if c.subtype.name == appConfig {
		out.Method = http.MethodGet
		path, params := configuration(values)
		return c.send(ctx, where, out, before+path, params, nil)
	}
	if c.subtype.service == "events" {
		fields = map[string]any{"Entries": []any{fields}}
	}
	if c.subtype.service == "states" {
		fields = lowerCamel(fields)
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, &host.Error{Op: c.subtype.name, Kind: host.Internal, Err: err}
	}
	out.Header.Set("Content-Type", jsonType+c.known.json)
	out.Header.Set(targetHeader, c.known.target+"."+c.subtype.action)
	return c.send(ctx, where, out, before+"/", nil, body)
}

// fields returns what the request's JSON has, and the region that the parameters name.
func (s *subtype) fields(values map[string]string) (fields map[string]any, where string, err error) {
	if err := s.check(slices.Sorted(maps.Keys(values))); err != nil {
		return nil, "", err
	}
	fields = make(map[string]any, len(values))
	for _, p := range s.parameters {
		value, given := values[p.name]
		if !given {
			continue
		}
		if p.kind == region && mapping.IsRegion(value) {
			where = value
			continue
		}
		if fields[p.name], err = p.kind.read(value); err != nil {
			return nil, "", fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return fields, where, nil
}

// read makes a parameter's text what the service's request has.
func (k kind) read(value string) (any, error) {
	if value == "" {
		return nil, errors.New("it is empty")
	}
	switch k {
	case integer:
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return nil, errors.New("it is no whole number")
		}
		return n, nil
	case list:
		return readList(value)
	case object:
		var members map[string]json.RawMessage
		if json.Unmarshal([]byte(value), &members) != nil || members == nil {
			return nil, errors.New("it is no JSON object")
		}
		return members, nil
	case moment:
		return readMoment(value)
	case blob:
		if _, err := base64.StdEncoding.DecodeString(value); err != nil {
			return nil, errors.New("it is no base64")
		}
	case segment:
		if mapping.Climbs(value) {
			return nil, errors.New("it climbs out of its place in a path")
		}
	case region:
		return nil, errors.New("it is no region's name, as us-east-1 is")
	}
	return value, nil
}

func readList(value string) ([]string, error) {
	if !strings.HasPrefix(strings.TrimSpace(value), "[") {
		return strings.Split(value, ","), nil
	}
	var elements []string
	if json.Unmarshal([]byte(value), &elements) != nil {
		return nil, errors.New("it is no JSON array of strings")
	}
	return elements, nil
}

// readMoment returns seconds since 1970, as the JSON protocols have them. $context.requestTimeEpoch is in milliseconds.
func readMoment(value string) (json.Number, error) {
	millis := int64(0)
	if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
		const year5138 = 1e11 // in seconds, and a day of 1973 in milliseconds
		if millis = n; n < year5138 {
			millis *= 1000
		}
	} else if at, err := time.Parse(time.RFC3339, value); err == nil {
		millis = at.UnixMilli()
	} else {
		return "", errors.New("it is neither of RFC 3339 nor a number of seconds")
	}
	return json.Number(strconv.FormatFloat(float64(millis)/1000, 'f', -1, 64)), nil
}

// lowerCamel is how Step Functions writes the names of its parameters.
func lowerCamel(fields map[string]any) map[string]any {
	lower := make(map[string]any, len(fields))
	for name, value := range fields {
		lower[strings.ToLower(name[:1])+name[1:]] = value
	}
	return lower
}

// configuration returns path and query of GetConfiguration, whose values have been checked.
func configuration(values map[string]string) (string, []param) {
	path := "/applications/" + encode(values["Application"]) + "/environments/" + encode(values["Environment"]) +
		"/configurations/" + encode(values["Configuration"])
	params := []param{{"client_id", values["ClientId"]}}
	if version, ok := values["ClientConfigurationVersion"]; ok {
		params = append(params, param{"client_configuration_version", version})
	}
	return path, params
}

// refused makes an error of a service's refusal.
func (c *Client) refused(resp *host.Response) error {
	said := []byte(nil)
	if resp.Body != nil {
		said, _ = io.ReadAll(io.LimitReader(resp.Body, maxFailure)) // what there is will do
		_ = resp.Body.Close()
	}
	return &host.Error{Op: c.subtype.name, Kind: host.Internal, Code: host.IntegrationFailure,
		Err: fmt.Errorf("the service answers %d: %s", resp.Status, strings.ToValidUTF8(string(said), "\uFFFD"))}
}
