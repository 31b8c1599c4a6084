package catalog

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// rest lists what rest APIs have besides.
func (f *facets) rest(r *host.REST) {
	if r == nil {
		return
	}
	f.add("", "binaryMediaTypes", strings.Join(r.BinaryMediaTypes, ", "))
	if r.MinimumCompression.Value >= 0 {
		f.add("", "minimumCompressionSize", sizeText(r.MinimumCompression.Value))
	}
	for _, m := range r.Models {
		f.add("model "+m.Name, "schema", textDigest(m.Schema))
	}
	for _, g := range r.GatewayResponses {
		scope := "gateway response " + string(g.Type)
		f.add(scope, "statusCode", strconv.Itoa(g.Status))
		f.parameters(scope, "parameter ", g.Parameters)
		for _, t := range g.Templates {
			f.add(scope, "template "+t.MediaType, textDigest([]byte(t.Text)))
		}
	}
}

// method lists what a route of a rest API has besides.
func (f *facets) method(scope string, m *host.Method) {
	if m == nil {
		return
	}
	for _, p := range m.Parameters {
		f.add(scope, "parameter "+string(p.In)+"."+p.Name, "required "+strconv.FormatBool(p.Required))
	}
	for _, model := range m.Models {
		f.add(scope, "model "+model.MediaType, model.Model)
	}
	f.add(scope, "validate parameters", strconv.FormatBool(m.ValidateParameters))
	f.add(scope, "validate body", strconv.FormatBool(m.ValidateBody))
	for _, r := range m.Responses {
		f.add(scope, "method response "+strconv.Itoa(r.Status), "headers "+strings.Join(r.Headers, ", "))
	}
}

func (f *facets) mappings(scope, prefix string, mappings []host.Mapping) {
	for i := range mappings {
		m := &mappings[i]
		name := prefix + m.MediaType + " "
		if m.Template == nil {
			f.plugin(scope, name, &m.Plugin)
			continue
		}
		f.add(scope, name+"file", m.Template.Ref)
		f.add(scope, name+"template", textDigest([]byte(m.Template.Text)))
	}
}

func (f *facets) parameters(scope, prefix string, parameters []host.ParameterMapping) {
	for _, p := range parameters {
		f.add(scope, prefix+p.Target, p.Source)
	}
}

// service lists who is called, and returns what.
func (f *facets) service(scope string, call *host.ServiceCall) string {
	f.add(scope, "integration region", call.Region)
	if a := call.Access; a != nil {
		f.add(scope, "aws endpoint", a.Endpoint)
		f.add(scope, "aws region", a.Region)
		for _, s := range []*host.Secret{&a.AccessKeyID, &a.SecretAccessKey, &a.SessionToken} {
			if s.Name != "" {
				f.add(scope, "aws "+s.Name, strings.TrimSpace(s.File+" "+s.Env+" "+s.Store))
			}
		}
	}
	if call.Subtype != "" {
		return call.Subtype
	}
	return strings.TrimSpace(strings.TrimPrefix(call.Subdomain+"."+call.Service, ".") + " " + call.Action + call.Path)
}

// textDigest stands for a text that is too long to tell.
func textDigest(text []byte) string { return fmt.Sprintf("%.6x", sha256.Sum256(text)) }
