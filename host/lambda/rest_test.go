package lambda

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

// restExchange is exchange for a rest API.
func restExchange() *host.Exchange {
	x := exchange()
	x.Match.API = &host.API{Name: "orders", Protocol: host.ProtocolREST}
	x.Match.Stage = &host.Stage{Name: "prod", Deployment: 7, Variables: x.Match.Stage.Variables}
	x.Match.BasePath = "/prod"
	x.Request.Target = "/prod/orders/a%2Fb+c%20d?q=1;q=a%2Bb+c&Q=2&empty=&bare&j=%7B%22x%22"
	x.Request.Header.Add("Content-Md5", "x")
	x.Request.Header.Add("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
	return x
}

func restBare() *host.Exchange {
	x := bare()
	x.Match.API = &host.API{Name: "orders", Protocol: host.ProtocolREST}
	x.Match.Route = &host.Route{Key: "ANY /", Pattern: "/"}
	x.TraceID = "0af7651916cd43dd8448eb211c80319c"
	return x
}

// TestRESTEvents compares whole events: reference 1.6 "1.0" [REC] for functions, 1.7 "Input" [GUIDE] for authorizers.
func TestRESTEvents(t *testing.T) {
	tests := map[string]func() ([]byte, error){
		"rest-function":        func() ([]byte, error) { return FunctionEvent(restExchange(), Format1) },
		"rest-function-bare":   func() ([]byte, error) { return FunctionEvent(restBare(), Format1) },
		"rest-authorizer":      func() ([]byte, error) { return AuthorizerEvent(restExchange(), Format1, []string{"Bearer x"}) },
		"rest-authorizer-bare": func() ([]byte, error) { return AuthorizerEvent(restBare(), Format1, nil) },
		"rest-token":           func() ([]byte, error) { return TokenEvent(restExchange(), "Bearer \"x\""), nil },
	}
	for name, make := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := make()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, got)
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, got, "", "  "); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	pretty.WriteByte('\n')
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
		t.Error(diff)
	}
}

// TestRESTKeys holds events to the keys of reference 1.6 [REC], in whatever order: these and no others.
func TestRESTKeys(t *testing.T) {
	keys := func(m any) []string {
		list := []string{}
		for k := range m.(map[string]any) {
			list = append(list, k)
		}
		slices.Sort(list)
		return list
	}
	event := decoded(t, restBare(), Format1)
	context := event["requestContext"].(map[string]any)
	for what, test := range map[string]struct {
		got  any
		want string
	}{
		"event": {event, "body- headers httpMethod isBase64Encoded- multiValueHeaders multiValueQueryStringParameters path pathParameters " +
			"queryStringParameters requestContext resource stageVariables"},
		"requestContext": {context, "accountId apiId deploymentId domainName domainPrefix extendedRequestId httpMethod identity path protocol " +
			"requestId requestTime requestTimeEpoch resourceId resourcePath stage"},
		"identity": {context["identity"], "accessKey accountId caller cognitoAuthenticationProvider cognitoAuthenticationType cognitoIdentityId " +
			"cognitoIdentityPoolId principalOrgId sourceIp user userAgent userArn"},
	} {
		want := slices.DeleteFunc(strings.Fields(test.want), func(k string) bool { return strings.HasSuffix(k, "-") }) // those that carriers add
		if diff := cmp.Diff(want, keys(test.got)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	x := restBare()
	x.Match.Route.Authorizer = &host.Authorizer{}
	x.Principal = host.Principal{ID: "p", Context: map[string]any{"n": json.Number("1.50"), "b": true, "s": "t", "null": nil}}
	got := decoded(t, x, Format1)["requestContext"].(map[string]any)["authorizer"]
	// reference 1.7, "Other": context values are text.
	if want := map[string]any{"principalId": "p", "n": "1.50", "b": "true", "s": "t"}; !reflect.DeepEqual(got, want) {
		t.Errorf("authorizer: got %v", got)
	}
}

// TestRESTPaths: reference 1.3 "Trailing slash", "Double slashes", "Path params" [REC], and 1.6 for the stage and base paths.
func TestRESTPaths(t *testing.T) {
	for _, test := range []struct{ base, below, path, contextPath string }{
		{"/prod", "/a", "/a", "/prod/a"},
		{"/prod", "/", "/", "/prod/"},
		{"/prod", "/a/", "/a/", "/prod/a/"},
		{"/prod", "//a", "/a", "/prod//a"},
		{"/prod", "//", "/", "/prod//"},
		{"/prod", "/a//b", "/a//b", "/prod/a//b"},
		{"/prod", "/a%2Bb+c", "/a%2Bb+c", "/prod/a%2Bb+c"},
		{"/shop", "//a", "/shop/a", "/shop//a"},
		{"/_postern/orders/prod", "/a", "/a", "/prod/a"},
		{"", "//a/", "/a/", "//a/"},
	} {
		x := restBare()
		x.Match.BasePath, x.Match.Path, x.Match.Mapped = test.base, test.below, test.base == "/shop"
		event := decoded(t, x, Format1)
		if got := event["requestContext"].(map[string]any)["path"]; event["path"] != test.path || got != test.contextPath {
			t.Errorf("%s%s: got %v and %v", test.base, test.below, event["path"], got)
		}
	}
	x := restExchange()
	x.Match.Params = []host.Param{{Name: "proxy", Value: "a%2Bb+c/d%20e"}}
	if got := decoded(t, x, Format1)["pathParameters"]; !reflect.DeepEqual(got, map[string]any{"proxy": "a%2Bb+c/d%20e"}) {
		t.Errorf("pathParameters: %v", got)
	}
}

// TestRESTHeaders: reference 1.4.6, what is dropped from every request and what a proxy event adds [REC].
func TestRESTHeaders(t *testing.T) {
	x := restBare()
	for _, name := range []string{"Connection", "Content-Length", "Content-MD5", "Expect", "Max-Forwards", "Proxy-Authenticate", "Server", "TE",
		"Transfer-Encoding", "Trailer", "Upgrade", "WWW-Authenticate"} {
		x.Request.Header.Add(name, "dropped")
	}
	x.Request.Header.Add("authorization", "a")
	x.Request.Header.Add("USER-AGENT", "u")
	x.Request.Header.Add("tEsT-HEADeR", "t")
	x.Request.Header.Add("Referer", "r")
	event := decoded(t, x, Format1)
	want := map[string]any{"Authorization": "a", "User-Agent": "u", "tEsT-HEADeR": "t", "Referer": "r", "Host": x.Request.Host,
		"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Port": "8443", "X-Forwarded-Proto": "https", "X-Amzn-Trace-Id": x.AmazonTrace()}
	if diff := cmp.Diff(want, event["headers"]); diff != "" {
		t.Error(diff)
	}
}

// TestMethodARN: one name for all spellings of a path that a route takes, so that a policy that denies it holds.
func TestMethodARN(t *testing.T) {
	const prefix = "arn:aws:execute-api:local:000000000000:orders/prod/GET/"
	for path, want := range map[string]string{
		"/": "", "/a": "a", "/a/": "a", "//a": "a", "//": "", "/%61dmin": "admin", "/a%2fb%2A*": "a%2Fb%2A%2A", "/a//b": "a//b", "/%zz%4": "%zz%4", "/%7E%2D": "~-",
	} {
		x := restBare()
		x.Match.Path = path
		if got := RouteARN(x); got != prefix+want {
			t.Errorf("%s: got %s, want %s", path, got, prefix+want)
		}
	}
}

// TestIsBinary: reference 1.6, "Binary out" [AST]: exactly, or by a wildcard; the first value of Accept counts.
func TestIsBinary(t *testing.T) {
	for _, test := range []struct {
		types, value string
		want         bool
	}{
		{"image/png", "image/png", true}, {"image/png", "IMAGE/PNG; q=1", true}, {"image/png", "image/jpeg", false}, {"image/*", "image/jpeg", true},
		{"image/*", "text/plain, image/png", false}, {"image/*", "image/png, text/plain", true}, {"image/*", "imagex/png", false},
		{"*/*", "text/html", true}, {"*/*", "", true}, {"image/*", "", false}, {"image/png", "*/*", false}, {"", "image/png", false},
		{"text/plain image/png", "image/png", true},
	} {
		types := strings.Fields(test.types)
		if got := IsBinary(types, test.value); got != test.want {
			t.Errorf("%s with %s: got %v", test.value, test.types, got)
		}
		want := host.EncodingText
		if test.want {
			want = host.EncodingBase64
		}
		if got := BodyEncoding(types, test.value); got != want {
			t.Errorf("%s with %s: encoding %v", test.value, test.types, got)
		}
	}
	if !BodyIsText(host.EncodingText, "image/png", []byte{0xff}) || BodyIsText(host.EncodingBase64, "text/plain", []byte("x")) ||
		!BodyIsText(host.EncodingGuess, "text/plain", []byte("x")) || BodyIsText(host.EncodingGuess, "image/png", []byte("x")) {
		t.Error("a body stands in an event as it should not")
	}
}

// FuzzRESTEvent: whatever the request, events are JSON, and path parameters are as they came.
func FuzzRESTEvent(f *testing.F) {
	f.Add("/a?b=c;d=%zz", "X-Y", "v", "//p%41/")
	f.Add("/?&&=&;", "x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793", "\u2028")
	f.Fuzz(func(t *testing.T, target, name, value, path string) {
		x := restExchange()
		x.Request.Target = target
		x.Match.Path, x.Match.Params[0].Value = "/"+path, path
		x.Request.Header = host.Header{{Name: name, Value: value}}
		event := decoded(t, x, Format1)
		if got := event["pathParameters"].(map[string]any)["id"]; utf8.ValidString(path) && got != path {
			t.Fatalf("got %q of %q", got, path)
		}
		for _, make := range []func() ([]byte, error){
			func() ([]byte, error) { return AuthorizerEvent(x, Format1, nil) },
			func() ([]byte, error) { return TokenEvent(x, value), nil },
		} {
			if b, err := make(); err != nil || !json.Valid(b) || !utf8.Valid(b) {
				t.Fatalf("%v: %q", err, b)
			}
		}
		if arn := RouteARN(x); strings.ContainsAny(arn[len("arn:aws:"):], "*") {
			t.Fatalf("a pattern: %s", arn)
		}
	})
}
