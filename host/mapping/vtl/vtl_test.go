package vtl

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/tree"
)

func execute(t *testing.T, template string, vars Variables, limits Limits) (string, error) {
	t.Helper()
	tmpl, err := Parse("map.vtl", template)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl.Execute(context.Background(), vars, limits)
}

func decode(t testing.TB, text string) any {
	t.Helper()
	v, err := tree.Decode([]byte(text), tree.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Reference 1.5: null, unset and missing values are written as nothing, and are equal to null and to "".
func TestAmazonDialect(t *testing.T) {
	for template, want := range map[string]string{
		`[$missing][${missing}][$!missing][$a.b][$a.c.d][$a.c()][$a.s.nothing]`: `[][][][][][][]`,
		`[$a.put("k", 1)]$a.k`:                                    `[]1`,
		`#if($missing == "")1#end#if("" == $a.b)2#end`:            `12`,
		`#if($missing == $null)1#end#if($a.e == $null)2#end`:      `12`,
		`#if($missing != "")1#end#if($a.s == "")2#end`:            ``,
		`#foreach($k in $missing.keySet())$k#end.`:                `.`,
		`#set($x = "a" + $missing + "b")$x`:                       `ab`,
		`"$missing" "${missing}x" "$!a.b"`:                        `"" "x" ""`,
		`#set($x = "[$missing]")$x`:                               `[]`,
		`$a.n $a`:                                                 `1.10 {b=null, s=x, e=, n=1.10, i=7}`,
		`\$a \$missing \\$missing|`:                               `$a \$missing \|`,
		`#macro(m $x)[$x]#end#m($missing)`:                        `[]`,
		`#set($x = 1)#set($x = $missing)$x`:                       `1`,
		`#if($a.i > 6 && $a.n < 1.2)yes#end`:                      `yes`,
		`#set($a.i = $a.i + 1)$a.i $a["i"] #set($a["i"] = 0)$a.i`: `8 80`,
	} {
		got, err := execute(t, template, Variables{"a": decode(t, `{"b": null, "s": "x", "e": "", "n": 1.10, "i": 7}`)}, Limits{})
		if err != nil || got != want {
			t.Errorf("%s\ngot  %q, %v\nwant %q", template, got, err, want)
		}
	}
}

func TestErrorsHavePlaces(t *testing.T) {
	for _, c := range []struct{ template, place string }{
		{"a\n  #if($x)b", "map.vtl:2:3"},
		{"a\nb #set($x = )", "map.vtl:2:13"},
		{"#foreach($i in $l)\n", "map.vtl:1:1"},
		{"x\n#set($x = \"a #if( b\")", "map.vtl:2:19"},
		{"ö #parse('x')", "map.vtl:1:3"},
		{"#include('x')", "map.vtl:1:1"},
		{"$a.b(1", "map.vtl:1:7"},
		{"#set($x = 'a", "map.vtl:1:11"},
	} {
		_, err := Parse("map.vtl", c.template)
		var e *host.Error
		if !errors.As(err, &e) || !errors.Is(err, host.Invalid) || e.Pos.String() != c.place {
			t.Errorf("%q: %v, want %s", c.template, err, c.place)
		}
	}
	for _, c := range []struct{ template, place string }{
		{"a\n $s.substring(9)", "map.vtl:2:5"},
		{"$s.replaceAll('(', '')", "map.vtl:1:4"},
		{"\n#evaluate('#if(')", "map.vtl:2:1"},
		{"#macro(m)\n$s.charAt(5)#end#m()", "map.vtl:2:4"},
		{"#break($s)", "map.vtl:1:1"},
		{"x#foreach($i in [1..5000])#end", "map.vtl:1:2"},
		{"$util.urlDecode('%')", "map.vtl:1:7"},
		{"$util.parseJson('{')", "map.vtl:1:7"},
	} {
		_, err := execute(t, c.template, Variables{"s": "abc", "util": Escaper{}}, Limits{})
		var e *host.Error
		if !errors.As(err, &e) || e.Kind != host.Internal || e.Code != host.APIConfigurationError || e.Pos.String() != c.place {
			t.Errorf("%q: %v, want %s", c.template, err, c.place)
		}
	}
}

// Each of these would take gigabytes, or would not end.
func TestLimits(t *testing.T) {
	loop := "#foreach($i in [1..999])#foreach($j in [1..99])"
	for _, template := range []string{
		"#set($x = 'xxxxxxxx')" + loop + "#set($x = $x + $x)#end#end",
		"#set($x = 'xxxxxxxx')" + loop + "#set($x = \"$x$x\")#end#end",
		"#set($x = 'xxxxxxxx')" + loop + "#set($x = $x.concat($x))#end#end",
		"#set($x = 'xxxxxxxx')" + loop + "#set($x = $x.replace('x', 'xx'))#end#end",
		"#set($x = 'xxxxxxxx')" + loop + "#set($x = $x.replaceAll('(x)', '$1$1'))#end#end",
		"#set($x = 'xxxxxxxx')" + loop + "#set($x = $x.replaceAll('', $x))#end#end",
		"#set($x = 'x')$x.repeat(2147483647)",
		"$s.format('%2147483647d', 1)", "$s.format('%9999999d', 1)",
		"#foreach($i in [1..2147483647])#end", "#foreach($i in [-2147483648..2147483647])#end",
		loop + "#foreach($k in [1..999])#end#end#end",
		"#set($l = [1])" + loop + "#set($ok = $l.addAll($l))#end#end",
		"#set($l = [1])" + loop + "#set($l = [$l, $l])#end#end$l.toString()",
		"#set($l = [1])" + loop + "#set($l = [$l, $l])#end#end$l.hashCode()",
		"#set($l = [1])#set($m = [1])" + loop + "#set($l = [$l, $l])#set($m = [$m, $m])#end#end#if($l == $m)#end",
		"#set($m = {})" + loop + "#set($ok = $m.put(\"$i $j\", \"$m\"))#end#end",
		"#set($l = [])#set($m = [$l])#set($ok = $l.add($m))$l",
		"#set($n = 2)" + loop + "#set($n = $n * $n)#end#end$n",
		"#macro(r)#r()#end#r()", "#macro(a)#b()#end#macro(b)#a()#end#a()",
		"#set($s = '#evaluate($s)')#evaluate($s)", "#define($d)$e#end#define($e)$d$d$d#end" + loop + "$d#end#end" + loop + "$d#end#end",
		"#foreach($i in [1..999])" + strings.Repeat("x", 20_000) + "#end",
		"#set($x = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')$x.matches('(a+)+b')",
		"#set($x = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')$x.replaceAll('(a|aa)+$', '')",
		loop + "#evaluate('" + strings.Repeat("$s ", 1000) + "')#end#end",
		"#macro(m $a $n)#if($n < 19)#set($k = $n + 1)#m(\"$a$a\" $k)#end$a#end#m('xxxxxxxx' 0)",
		"$util.parseJson('[1]')" + loop + "#set($ok = $l2.add($util.urlEncode($big)))#end#end",
	} {
		started := time.Now()
		_, err := execute(t, template, Variables{"s": "abc", "util": Escaper{}, "l2": &tree.List{}, "big": strings.Repeat("ö", 1<<20)}, Limits{})
		var limit *host.LimitError
		if !errors.As(err, &limit) && !errors.Is(err, host.Timeout) {
			t.Errorf("%.100s: %v", template, err)
		}
		if d := time.Since(started); d > 30*time.Second {
			t.Errorf("%.100s: took %v", template, d)
		}
	}
}

func TestContextEndsARun(t *testing.T) {
	tmpl, err := Parse("t", "#foreach($i in $l)#foreach($j in $l)#foreach($k in $l)$k.hashCode()#end#end#end")
	if err != nil {
		t.Fatal(err)
	}
	l := &tree.List{Items: make([]any, 5000)}
	for i := range l.Items {
		l.Items[i] = int32(i)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = tmpl.Execute(ctx, Variables{"l": l}, Limits{Loop: 1 << 30, Loops: 1 << 30, Output: 1 << 30, Memory: 1 << 30})
	if !errors.Is(err, host.Timeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestTooMuchTemplate(t *testing.T) {
	for _, template := range []string{
		strings.Repeat("x", MaxTemplate+1),
		strings.Repeat("#if(true)", 10_000),
		"#set($x = " + strings.Repeat("(", 50_000),
		"#set($x = " + strings.Repeat("[", 50_000),
		"#set($x = " + strings.Repeat("!", 50_000),
		"#set($x = " + strings.Repeat("[$a.b(", 20_000),
		strings.Repeat("$a.b(", 50_000), strings.Repeat("$a[", 50_000),
		"#m(" + strings.Repeat("{'a':", 30_000),
		"$a.b(" + strings.Repeat("[$a.b(", 30_000),
	} {
		if _, err := Parse("t", template); !errors.Is(err, host.Invalid) {
			t.Errorf("%.40s: %v", template, err)
		}
	}
}

func TestTemplateIsShared(t *testing.T) {
	tmpl, err := Parse("t", `#macro(m $a)<$a>#end#set($m = {})#foreach($i in [1..20])#set($ok = $m.put("k$i", $i))#m($i)#end $m.size() $s.replaceAll("[a-c]", $n.toString()) #evaluate('#macro(e)E#end')#e()`)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			want := "<1><2><3><4><5><6><7><8><9><10><11><12><13><14><15><16><17><18><19><20> 20 " + strings.Repeat(string(rune('0'+n)), 3) + " E"
			for range 50 {
				got, err := tmpl.Execute(context.Background(), Variables{"s": "abc", "n": n}, Limits{})
				if err != nil || got != want {
					t.Errorf("%q, %v, want %q", got, err, want)
					return
				}
			}
		})
	}
	all.Wait()
}

// TestRegexpErrorsHideText: what a client sent does not get into the log because a pattern takes too long for it.
func TestRegexpErrorsHideText(t *testing.T) {
	for name, text := range map[string]string{"time": strings.Repeat("a", 40) + " secret", "depth": strings.Repeat("ab", 100_000) + " secret"} {
		pattern := map[string]string{"time": "(a+)+$", "depth": "(a|b)*\\1c"}[name]
		_, err := execute(t, `$text.matches($pattern)`, Variables{"text": text, "pattern": pattern}, Limits{Regexp: 50 * time.Millisecond})
		var limit *host.LimitError
		if !errors.As(err, &limit) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %.300v", name, err)
		}
	}
}
