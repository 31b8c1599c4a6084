package rest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/rest"
)

// Reference 1.4.3, "Response template chosen by request Accept MIME, default application/json, else first template".
func TestChooseMediaType(t *testing.T) {
	tests := []struct {
		name   string
		accept []string
		types  []string
		want   int
	}{
		{"none", nil, nil, -1},
		{"no accept", nil, []string{"text/xml", "application/json"}, 1},
		{"no accept and no default", nil, []string{"text/xml", "text/plain"}, 0},
		{"exact", []string{"text/plain"}, []string{"application/json", "text/plain"}, 1},
		{"case and parameters", []string{"Text/Plain;charset=utf-8"}, []string{"application/json", "text/PLAIN; a=b"}, 1},
		{"unknown", []string{"image/png"}, []string{"text/xml", "application/json"}, 1},
		{"unknown and no default", []string{"image/png"}, []string{"text/xml", "text/plain"}, 0},
		{"the second accepted", []string{"image/png, text/xml"}, []string{"application/json", "text/xml"}, 1},
		{"two fields", []string{"image/png", "text/xml"}, []string{"application/json", "text/xml"}, 1},
		{"weights", []string{"text/xml;q=0.2, text/plain;q=0.8"}, []string{"text/xml", "text/plain"}, 1},
		{"weight of nothing", []string{"text/xml;q=0"}, []string{"text/plain", "text/xml"}, 0},
		{"a range", []string{"text/*"}, []string{"application/json", "text/xml"}, 1},
		{"a range that has the default", []string{"application/*"}, []string{"application/xml", "application/json"}, 1},
		{"everything", []string{"*/*"}, []string{"text/xml", "application/json"}, 1},
		{"a browser", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, []string{"text/xml", "application/json"}, 1},
		{"$default", []string{"image/png"}, []string{"text/xml", "$default"}, 1},
		{"nonsense", []string{",;;q=,=/*;q=9,*"}, []string{"text/xml", "application/json"}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := rest.ChooseMediaType(test.accept, test.types); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

// Reference 1.4.3, "empty template for application/json needed to disable; none -> passthrough".
func TestChooseMapping(t *testing.T) {
	text := func(mediaType, text string) host.Mapping {
		return host.Mapping{MediaType: mediaType, Template: &host.Template{Text: text}}
	}
	plugin := host.Mapping{MediaType: "text/xml", Plugin: host.PluginConfig{Ref: "x.wasm"}}
	tests := []struct {
		name, accept string
		mappings     []host.Mapping
		want         int // -1 passes
	}{
		{"none", "text/xml", nil, -1},
		{"the first", "image/png", []host.Mapping{plugin}, 0},
		{"a plugin", "text/xml", []host.Mapping{text("application/json", "{}"), plugin}, 1},
		{"disabled", "application/json", []host.Mapping{plugin, text("application/json", "")}, -1},
		{"disabled by default", "image/png", []host.Mapping{plugin, text("application/json", "")}, -1},
		{"not for all", "text/xml", []host.Mapping{plugin, text("application/json", "")}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x := exchange()
			x.Request.Header.Add("Accept", test.accept)
			got := rest.ChooseMapping(&host.ResponseRule{Mappings: test.mappings}, x.Request)
			if test.want < 0 && got != nil || test.want >= 0 && got != &test.mappings[test.want] {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// Reference 1.4.3, "Headers from backend are NOT returned unless mapped; Content-Type always present", and 1.5, overrides.
func TestAnswer(t *testing.T) {
	type fields = host.Header
	tests := []struct {
		name   string
		answer rest.Answer
		status int
		want   fields
		body   string
	}{
		{"nothing", rest.Answer{Selection: rest.Selection{Status: 200}}, 200, fields{{Name: "Content-Type", Value: "application/json"}, {Name: "Content-Length", Value: "0"}}, ""},
		{"mapped", rest.Answer{Selection: rest.Selection{Status: 201}, Body: []byte("ab"), Mapped: fields{{Name: "ETag", Value: "1"}, {Name: "content-type", Value: "text/csv"}}}, 201,
			fields{{Name: "ETag", Value: "1"}, {Name: "content-type", Value: "text/csv"}, {Name: "Content-Length", Value: "2"}}, "ab"},
		{"a template's media type", rest.Answer{Selection: rest.Selection{Status: 200}, Body: []byte("<a/>"), Mapping: &host.Mapping{MediaType: "text/xml"}}, 200,
			fields{{Name: "Content-Type", Value: "text/xml"}, {Name: "Content-Length", Value: "4"}}, "<a/>"},
		{"the $default template", rest.Answer{Selection: rest.Selection{Status: 200}, Mapping: &host.Mapping{MediaType: "$default"}}, 200,
			fields{{Name: "Content-Type", Value: "application/json"}, {Name: "Content-Length", Value: "0"}}, ""},
		{"what the mapping says", rest.Answer{Selection: rest.Selection{Status: 200}, Mapping: &host.Mapping{MediaType: "text/xml"}, Type: "text/plain"}, 200,
			fields{{Name: "Content-Type", Value: "text/plain"}, {Name: "Content-Length", Value: "0"}}, ""},
		{"overrides", rest.Answer{Selection: rest.Selection{Status: 200}, Mapped: fields{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}},
			Override: host.Override{Status: 418, Header: fields{{Name: "a", Value: "3"}, {Name: "a", Value: "4"}, {Name: "Content-Type", Value: "text/html"}}}}, 418,
			fields{{Name: "B", Value: "2"}, {Name: "a", Value: "3"}, {Name: "a", Value: "4"}, {Name: "Content-Type", Value: "text/html"}, {Name: "Content-Length", Value: "0"}}, ""},
		{"a status of no answer, 1.5 [LS]", rest.Answer{Selection: rest.Selection{Status: 200}, Override: host.Override{Status: 700}}, 200,
			fields{{Name: "Content-Type", Value: "application/json"}, {Name: "Content-Length", Value: "0"}}, ""},
		{"no content", rest.Answer{Selection: rest.Selection{Status: 204}, Body: []byte("x")}, 204, fields{{Name: "Content-Type", Value: "application/json"}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resp := test.answer.Response()
			if diff := cmp.Diff(test.want, resp.Header); diff != "" {
				t.Error(diff)
			}
			if body := bodyOf(t, resp); body != test.body || resp.Status != test.status {
				t.Errorf("got %d %s", resp.Status, body)
			}
		})
	}
}
