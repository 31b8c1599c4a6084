package cases

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postern/postern/host/definition"
)

// compare holds a call against what was wanted of it.
func (r *run) compare(one *call, seen *Seen) {
	if s := one.wanted[sectionError]; s != nil {
		r.compareError(one, s, seen)
	} else if seen.Err != nil {
		s := one.first()
		r.fail(s.line, s.name, "the call failed: %s", describe(seen.Err))
	}
	if seen.Err == nil {
		if s := one.wanted[sectionWant]; s != nil {
			r.compareJSON(s, "no meta", seen.Meta)
		}
		r.compareBody(one, seen)
	}
	if s := one.wanted[sectionLog]; s != nil {
		if want, got := strings.TrimRight(string(s.data), "\n"), strings.Join(seen.Logs, "\n"); want != got {
			r.fail(s.line, s.name, "%s", lineDiff(want, got))
		}
	}
	r.compareEffects(one, seen)
}

// first is the section that a failed call is told at.
func (one *call) first() *section {
	for _, name := range []string{sectionWant, sectionText, sectionText64, sectionTextJS} {
		if s := one.wanted[name]; s != nil {
			return s
		}
	}
	return &section{line: one.line}
}

func (r *run) compareError(one *call, s *section, seen *Seen) {
	want := strings.TrimSpace(string(s.data))
	if seen.Err == nil {
		r.fail(s.line, s.name, "%s", pair("the error "+want, fmt.Sprintf("no error, but %s %s", seen.Meta, shorten(text(seen.Body)))))
		return
	}
	kind, message := typed(seen.Err)
	fits := want == kind
	if one.error != nil {
		fits = one.error.MatchString(kind + ": " + message)
	}
	if !fits {
		r.fail(s.line, s.name, "%s", pair(want, describe(seen.Err)))
	}
}

// compareJSON holds JSON against what was wanted of it. An empty section wants none.
func (r *run) compareJSON(s *section, none string, data []byte) {
	if len(bytes.TrimSpace(s.data)) == 0 {
		if len(data) > 0 {
			r.fail(s.line, s.name, "%s", pair(none, shorten(text(data))))
		}
		return
	}
	var want, got any
	_ = json.Unmarshal(s.data, &want) // read before
	if len(data) == 0 {
		got = nil // none, as null
	} else if err := json.Unmarshal(data, &got); err != nil {
		r.fail(s.line, s.name, "%s", pair(string(s.data), fmt.Sprintf("what is not JSON (%v): %s", err, shorten(text(data)))))
		return
	}
	foldHeaders(want)
	foldHeaders(got)
	for _, d := range differences("", want, got) {
		r.fail(s.line, s.name, "%s", d)
	}
}

// foldHeaders puts the names of a result's headers in lower case: they mean the same in any.
func foldHeaders(v any) {
	o, _ := v.(map[string]any)
	for _, key := range []string{"headers", "multiValueHeaders"} {
		if fields, ok := o[key].(map[string]any); ok {
			folded := map[string]any{}
			for name, value := range fields {
				folded[strings.ToLower(name)] = value
			}
			o[key] = folded
		}
	}
}

func (r *run) compareBody(one *call, seen *Seen) {
	if s := one.wanted[sectionTextJS]; s != nil {
		r.compareJSON(s, "no body", seen.Body)
		return
	}
	s, want := one.wanted[sectionText], []byte(nil)
	if s != nil {
		want = withoutNewline(s.data)
	} else if s = one.wanted[sectionText64]; s != nil {
		want, _ = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(s.data)), "")) // read before
	} else {
		return
	}
	want = bytes.Repeat(want, max(1, one.BodyTimes))
	switch got := seen.Body; {
	case bytes.Equal(want, got):
	case !utf8.Valid(want), !utf8.Valid(got), len(want) > 4096, len(got) > 4096:
		r.fail(s.line, s.name, "%s", bytesDiff(want, got))
	default:
		r.fail(s.line, s.name, "%s", lineDiff(string(want), string(got)))
	}
}

func (r *run) compareEffects(one *call, seen *Seen) {
	s := one.wanted[sectionEffects]
	if s == nil {
		return
	}
	var want []any
	if len(bytes.TrimSpace(s.data)) > 0 {
		_ = json.Unmarshal(s.data, &want) // read before
	}
	var got []any
	_ = json.Unmarshal(seen.Effects, &got) // written a moment ago
	for i := range max(len(want), len(got)) {
		path := fmt.Sprintf("[%d]", i)
		switch {
		case i >= len(want):
			r.fail(s.line, s.name, "%s\n%s", path, pair("nothing more", compact(got[i])))
		case i >= len(got):
			r.fail(s.line, s.name, "%s\n%s", path, pair(compact(want[i]), "nothing more"))
		default:
			for _, d := range differences(path, want[i], got[i]) {
				r.fail(s.line, s.name, "%s", d)
			}
		}
	}
}

// compared are the acts that a list of wanted ones is held against.
func compared(all []act, s *section) []act {
	var named []act
	if s != nil {
		_ = json.Unmarshal(s.data, &named) // read before
	}
	list := []act{}
	for _, a := range all {
		if slices.Contains(alwaysActs, a.Do) || slices.ContainsFunc(named, func(n act) bool { return n.Do == a.Do }) {
			list = append(list, a)
		}
	}
	return list
}

func encodeActs(list []act) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(list) // it has nothing that JSON cannot hold, but for numbers that are none
	return b.Bytes()
}

// checkEffects reports acts that there are not.
func (p *parser) checkEffects(s *section) {
	if s == nil || len(bytes.TrimSpace(s.data)) == 0 {
		return
	}
	var list []act
	p.decode(s, &list, nil)
	for _, a := range list {
		if !slices.Contains(acts, a.Do) {
			hint := meant(a.Do, acts)
			if hint == "" {
				hint = "known are: " + strings.Join(acts, ", ")
			}
			p.fail(s.lineOf(a.Do), definition.RuleInvalidValue, fmt.Sprintf("%s: there is no effect %q", s.name, a.Do), hint)
		}
	}
}

// inline takes the body out of a function's result, where a script has it: it is compared beside it, as a client gets it.
func (s *Seen) inline() {
	var fields map[string]json.RawMessage
	if len(s.Body) > 0 || json.Unmarshal(s.Meta, &fields) != nil || fields["statusCode"] == nil {
		return
	}
	var body string
	if json.Unmarshal(fields["body"], &body) != nil {
		return
	}
	data := []byte(body)
	if string(fields["isBase64Encoded"]) == "true" {
		decoded, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			return // a client would get 500; the case sees what there is
		}
		data = decoded
	}
	delete(fields, "body")
	delete(fields, "isBase64Encoded")
	if meta, err := json.Marshal(fields); err == nil {
		s.Meta, s.Body = meta, data
	}
}

// differences tells where got is not what was wanted. An object may have more than was wanted.
func differences(path string, want, got any) []string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		var list []string
		for _, key := range slices.Sorted(maps.Keys(w)) {
			inner := definition.KeyPath(path, key)
			value, there := g[key]
			if !there {
				list = append(list, inner+"\n"+pair(compact(w[key]), "nothing"))
				continue
			}
			list = append(list, differences(inner, w[key], value)...)
		}
		return list
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			break
		}
		var list []string
		for i := range w {
			list = append(list, differences(fmt.Sprintf("%s[%d]", path, i), w[i], g[i])...)
		}
		return list
	default:
		if want == got {
			return nil
		}
	}
	if path == "" {
		return []string{pair(compact(want), compact(got))}
	}
	return []string{path + "\n" + pair(compact(want), compact(got))}
}

func compact(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return shorten(strings.TrimSpace(b.String()))
}

const shown = 2000 // characters of one value

func shorten(s string) string {
	if len(s) <= shown {
		return s
	}
	cut := shown
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s… (%d bytes)", s[:cut], len(s))
}

// pair shows two values below each other.
func pair(want, got string) string {
	return "want  " + indent(want) + "\ngot   " + indent(got)
}

func indent(s string) string {
	return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n      ")
}

// lineDiff shows two texts: - before what was wanted and did not come, + before what came instead, and what they share around it.
func lineDiff(want, got string) string {
	if !strings.Contains(want, "\n") && !strings.Contains(got, "\n") {
		return pair(orNothing(want), orNothing(got))
	}
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	before, after := 0, 0
	for before < min(len(w), len(g)) && w[before] == g[before] {
		before++
	}
	for after < min(len(w), len(g))-before && w[len(w)-1-after] == g[len(g)-1-after] {
		after++
	}
	var b strings.Builder
	around := func(lines []string) {
		for _, line := range lines {
			b.WriteString("  " + line + "\n")
		}
	}
	around(w[max(0, before-2):before])
	for _, line := range w[before : len(w)-after] {
		b.WriteString("- " + line + "\n")
	}
	for _, line := range g[before : len(g)-after] {
		b.WriteString("+ " + line + "\n")
	}
	around(w[len(w)-after : min(len(w), len(w)-after+2)])
	return shorten(strings.TrimRight(b.String(), "\n"))
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return fmt.Sprintf("%q", s)
}

// bytesDiff tells where long or binary bodies part.
func bytesDiff(want, got []byte) string {
	at := 0
	for at < min(len(want), len(got)) && want[at] == got[at] {
		at++
	}
	part := func(b []byte) string {
		return fmt.Sprintf("%d bytes, at %d: %x", len(b), at, b[at:min(len(b), at+16)])
	}
	return pair(part(want), part(got))
}
