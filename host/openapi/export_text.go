package openapi

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/postern/postern/host/document"
)

// maxTextBytes is the largest template or model (API Gateway developer guide, "Quotas": 300 KB).
const maxTextBytes = 300 << 10

var errNoTexts = errors.New("nothing says where files are")

// whole returns an API with the texts of its templates and models in it, as a document must have them.
func (e *exporter) whole(api *document.Node) *document.Node {
	return replaced(api, map[string]func(*document.Node) *document.Node{
		"models": func(n *document.Node) *document.Node { return eachValue(n, e.wholeModel) },
		"routes": func(n *document.Node) *document.Node { return eachValue(n, e.wholeRoute) },
	})
}

func (e *exporter) wholeRoute(route *document.Node) *document.Node {
	rule := func(n *document.Node) *document.Node {
		return replaced(n, map[string]func(*document.Node) *document.Node{"mapping": e.wholeMappings})
	}
	return replaced(route, map[string]func(*document.Node) *document.Node{
		"request": rule,
		"responses": func(n *document.Node) *document.Node {
			list := document.NewList(n.Pos)
			for _, item := range n.Items {
				list.Items = append(list.Items, rule(item))
			}
			return list
		},
	})
}

func (e *exporter) wholeMappings(n *document.Node) *document.Node {
	return eachValue(n, func(v *document.Node) *document.Node {
		ref := v
		if v.Shape == document.Object {
			ref = v.Get("plugin")
		}
		if ref == nil || !strings.EqualFold(path.Ext(ref.Text), ".vtl") {
			return v
		}
		template := document.NewObject(v.Pos)
		template.Set("template", ref.Pos, document.NewText(ref.Pos, string(e.text(ref))))
		return template
	})
}

func (e *exporter) wholeModel(n *document.Node) *document.Node {
	if n.Shape != document.Text {
		return n
	}
	schema, err := document.Parse(path.Clean(n.Text), e.text(n), document.Limits{})
	var wrong document.Errors
	if errors.As(err, &wrong) && len(e.errs) == 0 { // a file that cannot be read is told
		e.errs = append(e.errs, wrong...)
	}
	if schema == nil {
		schema = document.NewObject(n.Pos)
	}
	return schema
}

// text is that of a file.
func (e *exporter) text(ref *document.Node) []byte {
	data, err := []byte(nil), errNoTexts
	if e.opts.Text != nil {
		data, err = e.opts.Text(ref.Text)
	}
	switch {
	case err != nil:
		e.wrong(ref.Pos, document.RuleInvalidValue, fmt.Sprintf("%s cannot be read: %v", document.Quote(ref.Text), err))
	case len(data) > maxTextBytes:
		e.wrong(ref.Pos, document.RuleTooLarge, fmt.Sprintf("%s has more than %d bytes", document.Quote(ref.Text), maxTextBytes))
	default:
		return data
	}
	return nil
}

// replaced returns an object in which the values of some keys are others.
func replaced(n *document.Node, by map[string]func(*document.Node) *document.Node) *document.Node {
	if n == nil || n.Shape != document.Object {
		return n
	}
	out := document.NewObject(n.Pos)
	for _, m := range n.Members {
		if f := by[m.Key]; f != nil && m.Value != nil {
			m.Value = f(m.Value)
		}
		out.Members = append(out.Members, m)
	}
	return out
}

// eachValue returns an object in which every value is another.
func eachValue(n *document.Node, f func(*document.Node) *document.Node) *document.Node {
	out := document.NewObject(n.Pos)
	for _, m := range n.Members {
		m.Value = f(m.Value)
		out.Members = append(out.Members, m)
	}
	return out
}

// durationOf is what a duration says, in nanoseconds.
func durationOf(n *document.Node) (int64, bool) {
	if n == nil {
		return 0, false
	}
	d, err := time.ParseDuration(n.Text)
	return int64(d), err == nil
}

// bytesOf is what a size says, as definitions write it: 1KiB, or a number of bytes.
func bytesOf(n *document.Node) (int64, bool) {
	if n == nil {
		return 0, false
	}
	digits := strings.TrimRight(n.Text, "BKMGTi")
	size, err := strconv.ParseInt(digits, 10, 64)
	shift, known := map[string]uint{"": 0, "B": 0, "KiB": 10, "MiB": 20}[n.Text[len(digits):]]
	if err != nil || !known || size < 0 || size > 1<<40 {
		return 0, false
	}
	return size << shift, true
}
