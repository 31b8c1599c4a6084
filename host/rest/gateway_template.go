package rest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
	"github.com/postern/postern/host/mapping/tree"
	"github.com/postern/postern/host/mapping/vtl"
)

// maxGatewayBody bounds what a gateway response's template makes, in bytes: its variables hold what a client sent.
const maxGatewayBody = 1 << 20

// A gatewayTemplate is the body of a gateway response: text with variables, and nothing else (reference 1.11, "not VTL").
type gatewayTemplate struct {
	mediaType string
	parts     []gatewayPart
}

// A gatewayPart is text, or a variable.
type gatewayPart struct {
	kind   gatewayPartKind
	text   string // or the variable's name, without its prefix
	quoted bool   // it stands within a string of a JSON template
}

type gatewayPartKind uint8

const (
	gatewayText gatewayPartKind = iota
	gatewayContext
	gatewayStage
)

func parseGatewayTemplate(t host.GatewayTemplate) (*gatewayTemplate, error) {
	if len(t.Text) > vtl.MaxTemplate {
		return nil, fmt.Errorf("the template for %s has more than %d bytes", t.MediaType, vtl.MaxTemplate)
	}
	if bareType(t.MediaType) == "" || !host.IsFieldValue(t.MediaType) {
		return nil, errors.New("a template has no media type")
	}
	p := gatewayParser{json: isJSON(t.MediaType), names: mapping.RESTContextNames()}
	return &gatewayTemplate{strings.TrimSpace(t.MediaType), p.parse(t.Text)}, nil
}

func isJSON(contentType string) bool {
	m := bareType(contentType)
	return m == "application/json" || strings.HasSuffix(m, "+json")
}

// A gatewayParser takes a template apart. In one of JSON it knows where strings are.
type gatewayParser struct {
	json     bool
	inString bool
	names    []string // of $context
}

func (p *gatewayParser) parse(text string) []gatewayPart {
	var parts []gatewayPart
	start := 0
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '"' && p.json:
			p.inString = !p.inString
		case c == '\\' && p.inString:
			i++ // what follows ends no string; a variable there stays text
		case c == '$':
			if part, size := p.variable(text[i:]); size > 0 {
				if start < i {
					parts = append(parts, gatewayPart{text: text[start:i]})
				}
				part.quoted = p.inString
				parts = append(parts, part)
				i += size
				start = i
				continue
			}
		}
		i++
	}
	if start < len(text) {
		parts = append(parts, gatewayPart{text: text[start:]})
	}
	return parts
}

// variable reads $context.N or $stageVariables.N, with braces or without, and returns its size; 0 for anything else, which stays text.
func (p *gatewayParser) variable(s string) (gatewayPart, int) {
	rest, braces := strings.CutPrefix(s, "${")
	if !braces {
		rest = s[1:]
	}
	part := gatewayPart{kind: gatewayContext}
	name, ok := strings.CutPrefix(rest, "context.")
	if !ok {
		if name, ok = strings.CutPrefix(rest, "stageVariables."); !ok {
			return gatewayPart{}, 0
		}
		part.kind = gatewayStage
	}
	before := len(s) - len(name)
	if braces {
		inner, _, closed := strings.Cut(name, "}")
		if !closed || inner == "" || nameRun(inner, "._-") != len(inner) {
			return gatewayPart{}, 0
		}
		part.text = inner
		return part, before + len(inner) + 1
	}
	if part.kind == gatewayStage {
		part.text = name[:nameRun(name, "_")]
	} else {
		part.text = p.contextName(name)
	}
	if part.text == "" {
		return gatewayPart{}, 0
	}
	return part, before + len(part.text)
}

// contextName finds the name that s begins with. A dot or hyphen behind a known one is text: "$context.error.message." ends a sentence.
func (p *gatewayParser) contextName(s string) string {
	if strings.HasPrefix(s, "authorizer.") {
		return strings.TrimRight(s[:nameRun(s, "._-")], ".-")
	}
	best := ""
	for _, name := range p.names {
		if len(name) > len(best) && strings.HasPrefix(s, name) && nameRun(s[len(name):], "_") == 0 {
			best = name
		}
	}
	if best == "" {
		best = strings.TrimRight(s[:nameRun(s, "._")], ".")
	}
	return best
}

// nameRun returns how many letters, digits and characters of also s begins with.
func nameRun(s, also string) int {
	for i := 0; i < len(s); i++ {
		if c := s[i]; ('a' > c|0x20 || c|0x20 > 'z') && ('0' > c || c > '9') && strings.IndexByte(also, c) < 0 {
			return i
		}
	}
	return len(s)
}

// render returns the body for an exchange whose Err is what the client may know, and false when it would be too long.
func (t *gatewayTemplate) render(x *host.Exchange) ([]byte, bool) {
	var out []byte
	for _, p := range t.parts {
		value := p.text
		switch p.kind {
		case gatewayContext:
			value = contextText(x, p.text)
		case gatewayStage:
			value = stageText(x, p.text)
		}
		if p.quoted && p.kind != gatewayText {
			// A value with a quote in it, which the client may have sent, would otherwise end the string.
			inner := tree.AppendString(nil, value)
			value = string(inner[1 : len(inner)-1])
		}
		if len(out)+len(value) > maxGatewayBody {
			return nil, false
		}
		out = append(out, value...)
	}
	return out, true
}

// contextText returns a variable of $context; one without a value is empty, but for the quoted message, which is null then.
func contextText(x *host.Exchange, name string) string {
	value, ok := mapping.RESTContextValue(x, name)
	if !ok && name == "error.messageString" {
		return "null"
	}
	return value
}

// stageText returns a stage variable; one that does not exist is empty.
func stageText(x *host.Exchange, name string) string {
	if x.Match.Stage == nil {
		return ""
	}
	return x.Match.Stage.Variables[name]
}
