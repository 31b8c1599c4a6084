package openapi_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// Documents within the limits that stand for much more than they are: each is refused, in memory that has to do with its size.
func TestHostile(t *testing.T) {
	repeat := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(f(i))
		}
		return b.String()
	}
	paths := func(n int, operation string) string {
		return repeat(n, func(i int) string {
			return fmt.Sprintf(`"/p%d":{%s}`, i, repeat(7, func(i int) string {
				return fmt.Sprintf(`%q:%s`, []string{"get", "put", "post", "delete", "options", "head", "patch"}[i], operation)
			}))
		})
	}
	const head = `{"openapi":"3.0.1","info":{"title":"t","version":"1"},`
	tests := map[string]struct{ text, want, rest string }{ // rest is what is wanted where HTTP APIs do not look
		"an integration for all": {head + `"x":{"type":"http_proxy","httpMethod":"GET","uri":"https://x","requestParameters":{` +
			repeat(2900, func(i int) string { return fmt.Sprintf(`"append:header.h%d":"x"`, i) }) + `}},"paths":{` + paths(2900, `{"x-amazon-apigateway-integration":{"$ref":"#/x"}}`) + "}}",
			"references lead to more than 2000000 values", ""},
		"a path for all": {head + `"y":{"get":{"parameters":[` + repeat(2900, func(i int) string { return fmt.Sprintf(`{"in":"query","name":"q%d"}`, i) }) +
			`]}},"servers":[{"url":"https://x"}],"paths":{` + repeat(2900, func(i int) string { return fmt.Sprintf(`"/p%d":{"$ref":"#/y"}`, i) }) + "}}",
			"references lead to more than 2000000 values", ""},
		"security for all": {head + `"security":[{` + repeat(2900, func(i int) string { return fmt.Sprintf(`"s%d":[]`, i) }) + `}],"servers":[{"url":"https://x"}],"components":{"securitySchemes":{` +
			repeat(2900, func(i int) string { return fmt.Sprintf(`"s%d":{"type":"http"}`, i) }) + `}},"paths":{` + paths(2900, "{}") + "}}",
			"at most 50 security schemes", ""},
		"media types for all": {`{"swagger":"2.0","host":"x","consumes":[` + repeat(20000, func(i int) string { return fmt.Sprintf(`"a/b%d"`, i) }) +
			`],"x-amazon-apigateway-binary-media-types":[],"definitions":{"M":{}},"paths":{` +
			paths(500, `{"parameters":[{"in":"body","name":"b","schema":{"$ref":"#/definitions/M"}}],"x-amazon-apigateway-integration":{"type":"http_proxy","httpMethod":"ANY","uri":"https://x"}}`) + "}}",
			"", "at most 100 media types"},
		"references to nothing": {head + `"servers":[{"url":"https://x"}],"y":{` + repeat(900, func(i int) string { return fmt.Sprintf(`"name-of-a-thing-that-is-long-enough-%d":1`, i) }) + `},"paths":{` +
			paths(2900, `{"parameters":[{"$ref":"#/y/nam-of-a-thing-that-is-long-enuogh-x"}]}`) + "}}",
			"", "leads to nothing"},
		"a server for all": {head + `"servers":[{"url":"https://x/` + strings.Repeat("y", 1<<20) + `"}],"paths":{` + paths(2900, "{}") + "}}",
			"more than 2048 bytes", ""},
		"a base path for all": {head + `"servers":[{"url":"https://x/` + strings.Repeat("y", 2000) + `"}],"paths":{"/a/{b}":{},` + paths(2900, "{}") + "}}", "", ""},
		"too many paths":      {head + `"servers":[{"url":"https://x"}],"paths":{` + paths(3001, "{}") + "}}", "more than 3000", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			root, err := document.Parse("doc.json", []byte(tt.text), openapi.Limits())
			if err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for _, protocol := range []host.Protocol{host.ProtocolREST, host.ProtocolHTTP} {
				want := tt.want
				if protocol == host.ProtocolREST {
					want += tt.rest
				}
				_, err := openapi.Read(root, openapi.Options{Protocol: protocol, BasePath: openapi.BasePathPrepend})
				if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
					t.Errorf("%s: %.500v", protocol, err)
				}
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 2<<30 {
				t.Errorf("it took %d MiB", used>>20)
			} else {
				t.Logf("%d MiB", used>>20)
			}
		})
	}
}
