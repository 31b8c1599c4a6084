package openapi

import (
	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// settings makes what belongs to the API as a whole.
func (r *reader) settings() {
	if r.opts.Protocol == host.ProtocolHTTP {
		r.httpSettings()
		return
	}
	if m := r.root.Member(extension + "cors"); m != nil {
		r.find(Different, m.Pos, "CORS", "this extension is of HTTP APIs, and means nothing in a REST API, on API Gateway too: import the document as an HTTP API (protocol: http)")
	}
	if types := r.root.Get(extension + "binary-media-types"); r.is(types, document.List, extension+"binary-media-types") && len(types.Items) > 0 {
		r.api.Set("binaryMediaTypes", types.Pos, types)
	}
	if m := r.root.Member(extension + "minimum-compression-size"); m != nil && m.Value.Shape != document.Null {
		r.api.Set("minimumCompressionSize", m.Pos, m.Value)
	}
	if all := r.root.Get(extension + "gateway-responses"); r.is(all, document.Object, extension+"gateway-responses") {
		r.gatewayResponses(all)
	}
}

func (r *reader) gatewayResponses(all *document.Node) {
	out := document.NewObject(all.Pos)
	for _, m := range all.Members {
		if !r.is(m.Value, document.Object, m.Key) {
			continue
		}
		g := document.NewObject(m.Pos)
		if s := m.Value.Get("statusCode"); s != nil && s.Shape != document.Null {
			r.status(g, "statusCode", m.Value)
		}
		r.texted(g, "parameters", m.Value, "responseParameters")
		r.texted(g, "templates", m.Value, "responseTemplates")
		out.Set(m.Key, m.Pos, g)
	}
	if len(out.Members) > 0 {
		r.api.Set("gatewayResponses", all.Pos, out)
	}
}
