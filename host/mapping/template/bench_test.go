package template

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
  "agent": "$input.params('User-Agent')",
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

// typicalScript is the same mapping in JavaScript.
const typicalScript = `
export function map_request(input, context, stageVariables) {
  const order = input.json();
  context.requestOverride.header["X-Request"] = context.requestId;
  return {
    id: order.id,
    tenant: stageVariables.tenant,
    caller: context.authorizer.principalId,
    client: context.identity.sourceIp,
    agent: input.params("user-agent"),
    customer: { name: order.customer.name, mail: order.customer.email.toLowerCase(), address: order.customer.address },
    lines: order.lines.map((line, i) => ({ position: i + 1, sku: line.sku, text: line.text, sum: line.price * line.count, ...(line.gift && { gift: true }) })),
    shipping: order.lines.length > 5 ? "parcel" : order.express ? "express" : "letter",
    received: context.requestTime,
    note: order.note,
  };
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

// BenchmarkMap tells what a typical template takes against decoding and encoding its body alone, and against the same mapping in JavaScript.
func BenchmarkMap(b *testing.B) {
	for _, size := range []int{1 << 10, 100 << 10} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			text := order(size)
			alone := func() error {
				v, err := tree.Decode(text, tree.Limits{})
				tree.Append(nil, v)
				return err
			}
			standard := func() error {
				var v any
				if err := json.Unmarshal(text, &v); err != nil {
					return err
				}
				_, err := json.Marshal(v)
				return err
			}
			path, err := jsonpath.Compile("$.lines[?(@.count > 4)].sku")
			if err != nil {
				b.Fatal(err)
			}
			read := func() error {
				v, err := tree.Decode(text, tree.Limits{})
				if err != nil {
					return err
				}
				_, err = path.Read(v, jsonpath.Limits{})
				return err
			}
			template, javascript := sameMapping(b, text)
			b.Run("encoding-json", func(b *testing.B) { besides(b, alone, standard) })
			b.Run("path", func(b *testing.B) { besides(b, alone, read) })
			b.Run("template", func(b *testing.B) { besides(b, alone, template) })
			b.Run("javascript", func(b *testing.B) { besides(b, alone, javascript) })
		})
	}
}

// sameMapping returns the template and the script, which it holds to the same result.
func sameMapping(b *testing.B, text []byte) (template, javascript func() error) {
	b.Helper()
	x := exchange()
	x.Match.Stage.Variables["tenant"] = "t-1"
	in := &host.MapInput{Exchange: x, Body: text}
	tmpl, code := compile(b, typical, host.PhaseMapRequest, Options{}), script(b, typicalScript)
	ours, err := tmpl.Map(b.Context(), in)
	if err != nil {
		b.Fatal(err)
	}
	theirs, err := code(in)
	if err != nil {
		b.Fatal(err)
	}
	if diff := cmp.Diff(parse(b, ours.Body), parse(b, theirs.Body)); diff != "" {
		b.Fatal(diff)
	}
	template = func() error {
		_, err := tmpl.Map(b.Context(), in)
		return err
	}
	javascript = func() error {
		_, err := code(in)
		return err
	}
	return template, javascript
}

// besides runs both sides in turns, so that a machine which is busy with other work is so for both. Allocations are those of both.
func besides(b *testing.B, alone, run func() error) {
	b.Helper()
	var base, own time.Duration
	for b.Loop() {
		start := time.Now()
		if err := alone(); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		if err := run(); err != nil {
			b.Fatal(err)
		}
		base += middle.Sub(start)
		own += time.Since(middle)
	}
	b.ReportMetric(float64(own)/float64(b.N), "ns/op")
	b.ReportMetric(float64(own)/float64(base), "x-decode-encode")
}

func parse(b *testing.B, text []byte) any {
	b.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		b.Fatal(err)
	}
	return v
}

// BenchmarkCompile is what a template takes once.
func BenchmarkCompile(b *testing.B) {
	b.SetBytes(int64(len(typical)))
	for b.Loop() {
		compile(b, typical, host.PhaseMapRequest, Options{})
	}
}
