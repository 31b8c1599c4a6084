package rest_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/rest"
)

func TestTypeOf(t *testing.T) { // reference 1.4
	tests := []struct {
		config host.IntegrationConfig
		want   rest.Type
		proxy  bool
	}{
		{host.IntegrationConfig{Type: host.IntegrationHTTP}, rest.TypeHTTP, false},
		{host.IntegrationConfig{Type: host.IntegrationHTTP, Proxy: true}, rest.TypeHTTPProxy, true},
		{host.IntegrationConfig{Type: host.IntegrationUpstream}, rest.TypeHTTP, false},
		{host.IntegrationConfig{Type: host.IntegrationUpstream, Proxy: true}, rest.TypeHTTPProxy, true},
		{host.IntegrationConfig{Type: host.IntegrationFunction}, rest.TypeAWS, false},
		{host.IntegrationConfig{Type: host.IntegrationFunction, Proxy: true}, rest.TypeAWSProxy, true},
		{host.IntegrationConfig{Type: host.IntegrationService}, rest.TypeAWS, false},
		{host.IntegrationConfig{Type: host.IntegrationMock, Proxy: true}, rest.TypeMock, false},
	}
	for _, test := range tests {
		got := rest.TypeOf(&test.config)
		if got != test.want || got.IsProxy() != test.proxy {
			t.Errorf("%+v: %s", test.config, got)
		}
	}
}

func TestSelectMapping(t *testing.T) { // reference 1.4.1 [GUIDE], $default [LS]
	xml, text, other := host.Mapping{MediaType: "application/xml"}, host.Mapping{MediaType: "application/json"}, host.Mapping{MediaType: "$default"}
	tests := []struct {
		name        string
		mappings    []host.Mapping
		passthrough string
		contentType string
		want        string // its media type; "" passes
		refused     bool
	}{
		{"fits, when no match", []host.Mapping{xml, text}, "", "application/xml; charset=utf-8", "application/xml", false},
		{"fits, when no templates", []host.Mapping{xml}, host.PassthroughWhenNoTemplates, "Application/XML", "application/xml", false},
		{"fits, never", []host.Mapping{xml}, host.PassthroughNever, "application/xml", "application/xml", false},
		{"no type is JSON", []host.Mapping{xml, text}, host.PassthroughNever, "", "application/json", false},
		{"the default", []host.Mapping{other, xml}, host.PassthroughNever, "text/plain", "$default", false},
		{"the default comes last", []host.Mapping{other, xml}, host.PassthroughNever, "application/xml", "application/xml", false},
		{"none fits, when no match", []host.Mapping{xml}, host.PassthroughWhenNoMatch, "text/plain", "", false},
		{"none fits, when no templates", []host.Mapping{xml}, host.PassthroughWhenNoTemplates, "text/plain", "", true},
		{"none fits, never", []host.Mapping{xml}, host.PassthroughNever, "text/plain", "", true},
		{"none at all, when no match", nil, "", "text/plain", "", false},
		{"none at all, when no templates", nil, host.PassthroughWhenNoTemplates, "text/plain", "", false},
		{"none at all, never", nil, host.PassthroughNever, "text/plain", "", true},
	}
	for _, test := range tests {
		route := &host.Route{Mappings: test.mappings, Integration: host.IntegrationConfig{Type: host.IntegrationHTTP, Passthrough: test.passthrough}}
		m, err := rest.SelectMapping(route, test.contentType)
		var e *host.Error
		if test.refused != errors.Is(err, host.Unsupported) || test.refused != (errors.As(err, &e) && e.Code == host.UnsupportedMediaType) {
			t.Errorf("%s: %v", test.name, err)
		}
		got := ""
		if m != nil {
			got = m.MediaType
		}
		if got != test.want {
			t.Errorf("%s: chose %q", test.name, got)
		}
		route.Integration.Proxy = true // a proxy has neither templates nor a 415
		if m, err := rest.SelectMapping(route, test.contentType); m != nil || err != nil {
			t.Errorf("%s: a proxy chose %v (%v)", test.name, m, err)
		}
	}
}

func TestRoutingMethod(t *testing.T) { // reference 1.3, "X-HTTP-Method-Override"
	connect := &host.Request{Method: "CONNECT", Header: host.Header{{Name: "X-HTTP-Method-Override", Value: "GET"}}}
	if got := rest.RoutingMethod(connect); got != "CONNECT" {
		t.Errorf("CONNECT became %s", got)
	}
	for override, want := range map[string]string{"": "POST", "PATCH": "PATCH", "no method": "POST", "A\"B": "POST",
		"MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM": "POST"} {
		r := &host.Request{Method: "POST", Header: host.Header{{Name: "x-http-method-override", Value: override}}}
		if got := rest.RoutingMethod(r); got != want {
			t.Errorf("%q: %s", override, got)
		}
	}
}

func TestQuery(t *testing.T) { // reference 1.3, "Query" [REC]
	type pair struct{ Name, Value string }
	tests := []struct {
		query string
		want  []pair
	}{
		{"a=1&a=2;b=3", []pair{{"a", "1"}, {"a", "2"}, {"b", "3"}}},
		{"a=x+y%2Bz%3Bw", []pair{{"a", "x y+z;w"}}},
		{"a;;b=&=c", []pair{{"a", ""}, {"b", ""}, {"", "c"}}},
		{"%zz=%", []pair{{"%zz", "%"}}},
	}
	for _, test := range tests {
		var got []pair
		for name, value := range rest.QueryParams(test.query) {
			got = append(got, pair{name, value})
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.query, diff)
		}
	}
	if v, ok := rest.QueryValue("a=1;A=3&a=2", "a"); v != "2" || !ok { // the last, and case counts
		t.Errorf("%q, %t", v, ok)
	}
	if v, ok := rest.QueryValue("a=1", "b"); v != "" || ok {
		t.Errorf("%q, %t", v, ok)
	}
}
