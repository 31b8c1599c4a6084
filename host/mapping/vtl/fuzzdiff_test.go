package vtl

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestDifferential compares with Apache Velocity over templates put together at random, for VTL_VELOCITY seconds: VTL_VELOCITY=120 go test -run Differential.
// VTL_SEED repeats a run.
func TestDifferential(t *testing.T) {
	real := startVelocity(t)
	seconds, _ := strconv.Atoi(os.Getenv("VTL_VELOCITY"))
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("VTL_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Log("seed", seed)
	g := &generator{rand: rand.New(rand.NewPCG(seed, 1))}
	for _, file := range corpusFiles(t) {
		_, variables, cases := readCorpus(t, file)
		g.variables = variables
		for _, c := range cases {
			g.pieces = append(g.pieces, c.template)
		}
	}
	count, failed := 0, 0
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end) && failed < 20; count++ {
		template := g.template()
		want := real.render(t, template, g.variables)
		if knownDifference(template, want) {
			continue
		}
		if got := renderHere(template, g.variables); !got.same(want) {
			failed++
			t.Errorf("%q\nvelocity %q\nhere     %q", template, want, got)
		}
	}
	t.Log(count, "templates")
}

// knownDifference tells what the package's doc names as different.
func knownDifference(template string, want rendering) bool {
	for _, text := range []string{"OutOfMemory", "[Ljava.lang.String;", "\uFFFD", "java.util", "java.lang"} {
		if strings.Contains(want.Error+want.Output, text) && (want.Error == "" || text == "OutOfMemory") {
			return true
		}
	}
	return strings.Contains(strings.ToLower(template), "class") || strings.Contains(want.Error, "java.math.BigInteger") ||
		strings.Contains(template, "values().hashCode()")
}

// A generator makes templates of the corpus's: cut, joined and changed, or grown from the grammar.
type generator struct {
	rand      *rand.Rand
	pieces    []string
	variables json.RawMessage
}

func pick[T any](g *generator, list []T) T { return list[g.rand.IntN(len(list))] }

func (g *generator) template() string {
	switch g.rand.IntN(5) {
	case 4:
		if g.rand.IntN(3) == 0 {
			return g.formats()
		}
		return g.regexps()
	case 0:
		return g.mutate(pick(g, g.pieces))
	case 1:
		a, b := pick(g, g.pieces), pick(g, g.pieces)
		return a[:g.rand.IntN(len(a)+1)] + b[g.rand.IntN(len(b)+1):]
	case 2:
		return g.statements(3)
	default:
		return g.mutate(g.statements(2))
	}
}

// regexps uses a random pattern in all the ways there are.
func (g *generator) regexps() string {
	var b strings.Builder
	for range 1 + g.rand.IntN(4) {
		b.WriteString(pick(g, []string{"l", "o", ".", "H", "[a-l]", "[^l,]", "(l)", "(l|o)", "(?:el)", `\w`, `\d`, `\s`, `\S`, `\W`, ",", "a", "^", "$", `\b`, "(?=l)", "(?<=l)",
			"(?!o)", "(?i)h", "[xyz]", `\.`, "()", "|", `\p{Upper}`, `\p{L}`, "(.)\\1", `[\w,]`, "ß", `\Q.l\E`, `\A`, `\z`, `\Z`, "{", "}", "]", "-"}))
		b.WriteString(pick(g, []string{"", "", "", "*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "+?", "??", "++", "*+", "?+"}))
	}
	pattern := strings.ReplaceAll(b.String(), `\`, `\`)
	subject := pick(g, []string{"$s", "$t", "$q", "$html", "$e", "${list.toString()}", "$path", "$s.concat($t)"})
	with := pick(g, []string{"", "x", "$0", "[$1]", "-$0-", `\$`, "$2"})
	return "#set($p = '" + pattern + "')#set($r = '" + with + "')" + pick(g, []string{
		subject + ".replaceAll($p, $r)", subject + ".replaceFirst($p, $r)", subject + ".matches($p)", "#foreach($i in " + subject + ".split($p))[$i]#end",
		"#foreach($i in " + subject + ".split($p, " + pick(g, []string{"-1", "1", "2", "3"}) + "))[$i]#end"})
}

// formats uses a random conversion.
func (g *generator) formats() string {
	conversion := "%" + pick(g, []string{"", "", "1$", "2$", "<"}) + pick(g, []string{"", "-", "0", "+", ",", "(", " ", "#", "0,", "-+", "+("}) + pick(g, []string{"", "3", "8", "12"}) +
		pick(g, []string{"", "", ".0", ".2", ".5"}) + pick(g, []string{"s", "d", "x", "f", "e", "b", "c", "S", "X", "o", "%", "n", "q", "E"})
	return "#set($p = '[%s" + conversion + "]')$s.format($p, $s, " + pick(g, []string{"$n", "$m", "$d", "$l", "$big", "$y", "$s", "$missing", "$list", "65", "-2.5", "1234567.891", "0.5",
		"1e-7", "1e20", "-1"}) + ")"
}

// mutate deletes, doubles and inserts bytes of the language.
func (g *generator) mutate(s string) string {
	for range 1 + g.rand.IntN(3) {
		if s == "" {
			return s
		}
		at := g.rand.IntN(len(s))
		if s[at] >= 0x80 {
			continue // stay in UTF-8
		}
		switch g.rand.IntN(3) {
		case 0:
			s = s[:at] + s[at+1:]
		case 1:
			s = s[:at] + s[at:at+1] + s[at:]
		default:
			s = s[:at] + pick(g, []string{"$", "#", `\`, "!", "{", "}", "(", ")", "[", "]", ".", "\"", "'", " ", "\n", "##", "#*", "*#", "#end", ",",
				"..", "-", "+", "1", "a", "$s", "${n}", "#if(", "#set($x=", "$!", "#[[", "]]#", "@", ":", "|", "&", "=", "*", "\r\n", "\t"}) + s[at:]
		}
	}
	return s
}

func (g *generator) statements(depth int) string {
	var b strings.Builder
	for range 1 + g.rand.IntN(4) {
		b.WriteString(g.statement(depth))
		b.WriteString(pick(g, []string{"", "", "", " ", "\n", "  \n", "x", ".", "-", "\\", "|"}))
	}
	return b.String()
}

func (g *generator) statement(depth int) string {
	if depth == 0 {
		return pick(g, []string{"text", g.reference(1)})
	}
	switch g.rand.IntN(11) {
	case 0:
		return "#if(" + g.expression(depth) + ")" + g.statements(depth-1) + pick(g, []string{"", "#else ", "#{else}\n", "#elseif(" + g.expression(depth) + ")"}) +
			g.statements(depth-1) + "#end"
	case 1:
		return "#foreach($" + pick(g, []string{"i", "j", "s"}) + " in " + pick(g, []string{"$list", "$nums", "$map", "$mixed", "[1..3]", "$map.entrySet()", g.primary(depth)}) +
			")" + pick(g, []string{"$i", "$foreach.count", "$velocityCount", "$foreach.hasNext", "#if($foreach.count == 2)#break#end"}) + g.statements(depth-1) + "#end"
	case 2, 3:
		return "#set(" + pick(g, []string{"$x", "$i", "$map.a", "$map[\"k\"]", "$list[0]", "$s", "$x.y"}) + " = " + g.expression(depth) + ")"
	case 4:
		return "#macro(m" + pick(g, []string{"", " $a", " $a $b", " $s"}) + ")" + pick(g, []string{"$a", "$!a", "[$a.b]", "$bodyContent"}) + g.statements(depth-1) + "#end"
	case 5:
		return "#" + pick(g, []string{"m(", "m(", "n("}) + pick(g, []string{"", g.primary(1), g.primary(1) + " " + g.primary(1)}) + ")"
	case 6:
		return pick(g, []string{"## c\n", "#* c *#", "#[[ $s ]]#", `\$s`, `\$s`, `\#if`, `\#if(true)x#end`, "#define($d3)" + g.statements(depth-1) + "#end$d3",
			"#@m(" + g.primary(1) + ")" + g.statements(depth-1) + "#end", "#evaluate('" + strings.ReplaceAll(g.statement(depth-1), "'", "''") + "')"})
	default:
		return g.reference(depth)
	}
}

func (g *generator) reference(depth int) string {
	name := pick(g, []string{"s", "n", "e", "list", "map", "nums", "missing", "nul", "y", "d", "t", "u", "mixed", "x", "i", "a", "big", "l", "rows"})
	for range g.rand.IntN(3) {
		name += pick(g, []string{".a", ".length()", ".size()", ".get(" + g.primary(depth-1) + ")", "[" + pick(g, []string{"0", "-1", "$z", "'a'", "$s"}) + "]", ".d.e",
			".toString()", ".substring(" + pick(g, []string{"0", "1", "1,3", "$n"}) + ")", ".contains(" + g.primary(depth-1) + ")", ".keySet()", ".values()", ".isEmpty()",
			".indexOf(" + g.primary(depth-1) + ")", ".replaceAll(" + pick(g, []string{"'l','L'", "'[a-l]','$0$0'", "'(.)l','$1'", "'\\s*','-'"}) + ")",
			".put('a'," + g.primary(depth-1) + ")", ".add(" + g.primary(depth-1) + ")", ".equals(" + g.primary(depth-1) + ")", ".split(',').size()", ".toUpperCase()",
			".remove(" + g.primary(depth-1) + ")", ".trim()", ".nothing", ".hashCode()", ".concat(" + g.primary(depth-1) + ")", ".entrySet()"})
	}
	return pick(g, []string{"$" + name, "$" + name, "$!" + name, "${" + name + "}", "$!{" + name + "}"})
}

func (g *generator) primary(depth int) string {
	if depth <= 0 {
		return pick(g, []string{"1", "0", "-1", "2.5", "'a'", "\"b\"", "true", "false", "$s", "$n", "$missing", "$list", "$map"})
	}
	switch g.rand.IntN(8) {
	case 0:
		return "[" + g.primary(depth-1) + "," + g.primary(depth-1) + "]"
	case 1:
		return "{" + pick(g, []string{"'a'", "\"k\"", "1", "true"}) + ":" + g.primary(depth-1) + "}"
	case 2:
		return "[" + pick(g, []string{"1", "$n", "3", "-2"}) + ".." + pick(g, []string{"1", "$n", "4", "$z"}) + "]"
	case 3:
		return "\"" + strings.ReplaceAll(g.statement(depth-1), "\"", "\"\"") + "\""
	case 4:
		return g.primary(0)
	default:
		return g.reference(depth)
	}
}

func (g *generator) expression(depth int) string {
	if depth <= 0 {
		return g.primary(0)
	}
	switch g.rand.IntN(6) {
	case 0:
		return g.expression(depth-1) + pick(g, []string{" + ", " - ", " * ", " / ", " % "}) + g.expression(depth-1)
	case 1:
		return g.expression(depth-1) + pick(g, []string{" == ", " != ", " < ", " > ", " <= ", " >= "}) + g.expression(depth-1)
	case 2:
		return g.expression(depth-1) + pick(g, []string{" && ", " || ", " and ", " or "}) + g.expression(depth-1)
	case 3:
		return pick(g, []string{"!", "! ", "not "}) + g.expression(depth-1)
	case 4:
		return "(" + g.expression(depth-1) + ")"
	default:
		return g.primary(depth)
	}
}
