package template

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/jsonpath"
	"github.com/postern/postern/host/mapping/tree"
)

// typical is a mapping of 1 KB with one loop, as teams write them.
const typical = `## An order becomes what the shop's backend wants.
#set($order = $input.path('$'))
#set($context.requestOverride.header["X-Request"] = $context.requestId)
{
  "id": "$order.id",
  "tenant": "$stageVariables.tenant",
  "caller": "$context.authorizer.principalId",
  "client": "$context.identity.sourceIp",
  "version": "$input.params('X-Api-Version')",
  "customer": {
    "name": "$util.escapeJavaScript($order.customer.name).replaceAll("\\'", "'")",
    "mail": "$order.customer.email.toLowerCase()",
    "address": $input.json('$.customer.address')
  },
  "lines": [
#foreach($line in $order.lines)
#set($sum = $line.price * $line.count)
    {
      "position": $foreach.count,
      "sku": "$line.sku",
      "text": "$util.escapeJavaScript($line.text).replaceAll("\\'", "'")",
      "sum": $sum#if($line.gift),
      "gift": true#end

    }#if($foreach.hasNext),#end

#end
  ],
#if($order.lines.size() > 5)
  "shipping": "parcel",
#elseif($order.express)
  "shipping": "express",
#else
  "shipping": "letter",
#end
  "received": "$context.requestTime",
  "note": "$util.escapeJavaScript($order.note).replaceAll("\\'", "'")"
}
`

// order is a body of about so many bytes, most of them in its lines.
func order(size int) []byte {
	var lines []string
	for n := 300; n < size; n += 136 {
		lines = append(lines, fmt.Sprintf(`{"sku":"A-%04d","text":"A thing of some kind, it's \"good\"","price":1250,"count":%d,"gift":false,"ean":"40%011d","unit":"piece"}`,
			len(lines), len(lines)%9, len(lines)))
	}
	return []byte(`{"id":"o-4711","note":"Ring twice, please","express":false,"customer":{"name":"Ann O'Neill","email":"Ann@Example.com","address":` +
		`{"street":"Main Street 1","city":"Springfield","zip":"12345","country":"US"}},"lines":[` + strings.Join(lines, ",") + `]}`)
}

// BenchmarkMap tells what a typical template takes against decoding and encoding its body alone.
func BenchmarkMap(b *testing.B) {
	for _, size := range []int{1 << 10, 100 << 10} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			text := order(size)
			x := exchange()
			tmpl := compile(b, typical, host.PhaseMapRequest, Options{})
			out, err := tmpl.Map(b.Context(), &host.MapInput{Exchange: x, Body: text})
			if err != nil || !json.Valid(out.Body) {
				b.Fatal(out, err)
			}
			path, err := jsonpath.Compile("$.lines[?(@.count > 4)].sku")
			if err != nil {
				b.Fatal(err)
			}
			base := 0.0
			for _, side := range []struct {
				name string
				run  func() error
			}{
				{"decode-encode", func() error {
					v, err := tree.Decode(text, tree.Limits{})
					tree.Append(nil, v)
					return err
				}},
				{"encoding-json", func() error {
					var v any
					if err := json.Unmarshal(text, &v); err != nil {
						return err
					}
					_, err := json.Marshal(v)
					return err
				}},
				{"path", func() error {
					v, err := tree.Decode(text, tree.Limits{})
					if err != nil {
						return err
					}
					_, err = path.Read(v, jsonpath.Limits{})
					return err
				}},
				{"template", func() error {
					_, err := tmpl.Map(b.Context(), &host.MapInput{Exchange: x, Body: text})
					return err
				}},
			} {
				b.Run(side.name, func(b *testing.B) {
					b.SetBytes(int64(len(text)))
					b.ReportAllocs()
					for b.Loop() {
						if err := side.run(); err != nil {
							b.Fatal(err)
						}
					}
					each := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
					if base == 0 {
						base = each
					}
					b.ReportMetric(each/base, "x-decode-encode")
				})
			}
		})
	}
}

// BenchmarkCompile is what a template takes once.
func BenchmarkCompile(b *testing.B) {
	b.SetBytes(int64(len(typical)))
	for b.Loop() {
		compile(b, typical, host.PhaseMapRequest, Options{})
	}
}
