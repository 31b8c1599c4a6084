package vtl

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/postern/postern/host/mapping/tree"
)

// typical is a mapping of 1 KB with one loop.
const typical = `## An order becomes what the shop's backend wants
#set($order = $body)
#set($total = 0)
{
  "id": "$order.id",
  "customer": {
    "name": "$util.escapeJavaScript($order.customer.name).replaceAll("\\'", "'")",
    "mail": "$!order.customer.email.toLowerCase()",
    "tags": [#foreach($tag in $order.customer.tags)"$tag"#if($foreach.hasNext), #end#end]
  },
  "lines": [
#foreach($line in $order.lines)
    #set($sum = $line.price * $line.count)
    #set($total = $total + $sum)
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
#elseif($total > 1000)
  "shipping": "insured",
#else
  "shipping": "letter",
#end
  "total": $total,
  "note": "$!{order.note}"
}
`

func typicalBody() []byte {
	line := `{"sku":"A-1000%d","text":"A thing of some kind, it's \"good\"","price":1250,"count":%d,"gift":false}`
	var lines []string
	for range 8 {
		lines = append(lines, strings.NewReplacer("%d", "3").Replace(line))
	}
	return []byte(`{"id":"o-4711","customer":{"name":"Ann O'Neill","email":"Ann@Example.com","tags":["new","vip"]},"lines":[` + strings.Join(lines, ",") + `]}`)
}

func BenchmarkParse(b *testing.B) {
	b.SetBytes(int64(len(typical)))
	for b.Loop() {
		if _, err := Parse("typical.vtl", typical); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkExecute has the body decoded already; BenchmarkMapping decodes it, and BenchmarkJSON is what decoding and encoding alone take.
func BenchmarkExecute(b *testing.B) {
	tmpl, err := Parse("typical.vtl", typical)
	if err != nil {
		b.Fatal(err)
	}
	body := decode(b, string(typicalBody()))
	b.ReportAllocs()
	for b.Loop() {
		out, err := tmpl.Execute(context.Background(), Variables{"body": body, "util": Escaper{}}, Limits{})
		if err != nil || !json.Valid([]byte(out)) {
			b.Fatal(out, err)
		}
	}
}

func BenchmarkMapping(b *testing.B) {
	tmpl, err := Parse("typical.vtl", typical)
	if err != nil {
		b.Fatal(err)
	}
	text := typicalBody()
	b.ReportAllocs()
	for b.Loop() {
		body, err := tree.Decode(text, tree.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := tmpl.Execute(context.Background(), Variables{"body": body, "util": Escaper{}}, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJSON(b *testing.B) {
	text := typicalBody()
	b.ReportAllocs()
	for b.Loop() {
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			b.Fatal(err)
		}
		if _, err := json.Marshal(v); err != nil {
			b.Fatal(err)
		}
	}
}
