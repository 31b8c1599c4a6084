package postern

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

var events = []string{
	`{"version":"2.0","routeKey":"GET /orders/{id}","rawPath":"/orders/7","rawQueryString":"a=b","cookies":["a=1","b=2"],"headers":{"accept":"*/*","x":"a\"b\\c\u00e9 é"},` +
		`"queryStringParameters":{"a":"b"},"pathParameters":{"id":"7"},"stageVariables":{},"isBase64Encoded":false,"requestContext":{"accountId":"","apiId":"orders",` +
		`"domainName":"localhost","http":{"method":"GET","path":"/orders/7","protocol":"HTTP/1.1","sourceIp":"127.0.0.1","userAgent":"curl/8"},"requestId":"x",` +
		`"routeKey":"GET /orders/{id}","stage":"$default","time":"now","timeEpoch":1763811221000,"authorizer":{"jwt":null,"lambda":{"user":"demo","n":-1.5e3,"ok":true,"no":false,"list":[1,"a",null,{}],"o":{"p":[]}}}}}`,
	` { "headers" : null , "cookies" : [ ] , "pathParameters":{ } , "requestContext" : null , "identitySource":"one", "unknown": {"a":[{"b":[1,2,"]}"]}],"c":"\\"} } `,
	`{"params":{"path":{"id":"7"},"querystring":{},"header":{"h":"v"}},"context":{"requestTimeEpoch":1},"response":{"status":201,"headers":{"a":"b"}},"identitySource":["a","b"]}`,
	`{}`,
	`{"rawPath":7}`, `{"headers":[]}`, `[]`, `null`, `7`, `"x"`, ``, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a" 1}`, `{"rawPath":"a`, `{"rawPath":"a\`, `{"headers":{"a":"b"}`, `{"x":tru}`, `{"x":[}`,
	`{} x`, `{"requestContext":{"timeEpoch":1.5}}`, "{\"rawPath\":\"\xff\"}",
}

// decodeAll decodes an event as all that it may be.
func decodeAll(event []byte) (all [3]any, errs [3]error) {
	r, ev, in := &Request{}, &AuthorizerEvent{}, &MappingInput{}
	errs = [3]error{decode(event, r.field), decode(event, ev.field), decode(event, in.field)}
	return [3]any{r, ev, in}, errs
}

// The decoder takes what encoding/json takes, and makes the same of it.
func TestDecode(t *testing.T) {
	for _, event := range events {
		got, errs := decodeAll([]byte(event))
		want := [3]any{&Request{}, &AuthorizerEvent{}, &MappingInput{}}
		for i := range want {
			err := json.Unmarshal([]byte(event), want[i])
			if !strings.HasPrefix(strings.TrimSpace(event), "{") {
				if errs[i] == nil {
					t.Errorf("%q: no error", event)
				}
				continue
			}
			if (err == nil) != (errs[i] == nil) {
				t.Errorf("%q: %T: got %v; want %v", event, want[i], errs[i], err)
			} else if err == nil && !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("%q:\ngot  %+v\nwant %+v", event, got[i], want[i])
			}
		}
	}
}

// FuzzDecode decodes anything without a panic, and everything that encoding/json can.
func FuzzDecode(f *testing.F) {
	for _, event := range events {
		f.Add(event)
	}
	f.Add(`{"request":{"method":"GET","headers":[["a","b"],["a"]],"length":-1},"response":{"statusCode":200,"headers":[]},"context":{"timeEpoch":1}}`)
	f.Fuzz(func(t *testing.T, event string) {
		_ = decode([]byte(event), (&filterInput{}).field) // without a panic
		_, errs := decodeAll([]byte(event))
		if strings.HasPrefix(strings.TrimSpace(event), "{") && json.Unmarshal([]byte(event), &Request{}) == nil && errs[0] != nil {
			t.Errorf("%q: %v", event, errs[0])
		}
	})
}

func TestEncode(t *testing.T) {
	e := &encoder{}
	e.key("a\n")
	e.textMap(map[string]string{"z": "é\"", "b": "plain", "": ""})
	e.key("m")
	e.any(map[string]any{"s": "x", "i": -7, "b": true, "f": 1.5, "n": nil, "m": map[string]any{}, "l": []string{"a"}})
	got, err := e.end()
	want := `{"a\n":{"":"","b":"plain","z":"é\""},"m":{"b":true,"f":1.5,"i":-7,"l":["a"],"m":{},"n":null,"s":"x"}}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	bad := &encoder{}
	bad.key("x")
	bad.anyMap(map[string]any{"f": func() {}})
	if _, err := bad.end(); err == nil {
		t.Error("a function is no JSON")
	}
}

func TestDecodeFilter(t *testing.T) {
	in := &filterInput{}
	event := `{"phase":"response","response":{"statusCode":201,"headers":[["A","1"],["a","2"]],"length":-1},"request":{"method":"GET","scheme":"https","host":"h","path":"/p","query":"q",` +
		`"headers":[],"length":0,"upgrade":"websocket"},"context":{"requestId":"r","apiId":"a","stage":"s","routeKey":"k","path":"/s/p","sourceIp":"::1","protocol":"HTTP/3.0","domainName":"d","timeEpoch":7,"http":{}},` +
		`"pathParameters":{"id":"7"},"stageVariables":null}`
	if err := decode([]byte(event), in.field); err != nil {
		t.Fatal(err)
	}
	want := &filterInput{}
	want.request = LiveRequest{Method: "GET", Scheme: "https", Host: "h", Path: "/p", Query: "q", Upgrade: "websocket", Filtering: Filtering{
		Context:        FilterContext{RequestID: "r", APIID: "a", Stage: "s", RouteKey: "k", Path: "/s/p", SourceIP: "::1", Protocol: "HTTP/3.0", DomainName: "d", TimeEpoch: 7},
		PathParameters: map[string]string{"id": "7"},
	}}
	want.response = LiveResponse{Status: 201, Headers: Fields{{"A", "1"}, {"a", "2"}}, Length: -1}
	if !reflect.DeepEqual(in, want) {
		t.Errorf("got  %+v\nwant %+v", in, want)
	}
	if in.response.Headers.Get("a") != "1" || in.response.Headers.Get("b") != "" {
		t.Error("Get does not find the first")
	}
	if err := decode([]byte(`{"request":{"headers":[["a"]]}}`), in.field); err == nil {
		t.Error("a field without a value is none")
	}
}
