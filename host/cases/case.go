// Package cases runs test cases on one plugin, in the real engine and in a world that is made up: a clock that stands, random bytes from a
// seed, recorded fetches, a map in memory. Nothing of it reaches a network. spec/cases.md says what a case is for who writes one.
//
// A case is a txtar file: a comment that says the behaviour, and sections. All that it says is held against what the plugin did, and
// what it cannot mean is an error with its line, for a case that is not read as it was meant passes for the wrong reason.
package cases

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// The sections of a case. Those of a further call have its number before them: 2/event.json.
const (
	sectionCall    = "call.json"
	sectionEvent   = "event.json"
	sectionBody    = "body"
	sectionBody64  = "body.base64"
	sectionWorld   = "world.json"
	sectionWant    = "want.json"
	sectionText    = "want.body"
	sectionText64  = "want.body.base64"
	sectionTextJS  = "want.body.json"
	sectionLog     = "want.log"
	sectionEffects = "want.effects.json"
	sectionError   = "want.error"
)

var sections = []string{sectionCall, sectionEvent, sectionBody, sectionBody64, sectionWorld, sectionWant, sectionText, sectionText64, sectionTextJS,
	sectionLog, sectionEffects, sectionError}

// MaxCase is how many bytes a case may have.
const MaxCase = 4 << 20

// A Case is one file, read.
type Case struct {
	File string // as it was named
	Name string // the first line of its comment, or else the file's name

	archive *txtar.Archive
	lines   []int // of each section's first line, beside archive.Files
	world   world
	calls   []*call
}

// A call is one call of the plugin, and what shall come of it.
type call struct {
	prefix string // "", "2/", …
	line   int    // of its first section
	callDef
	after  time.Duration // that pass before it
	event  *section      // nil for the default
	body   []byte
	wanted map[string]*section // by the name without the prefix
	error  *regexp.Regexp      // of want.error, where it is one
}

// callDef is call.json.
type callDef struct {
	Entry     string       `json:"entry"`
	Repeat    int          `json:"repeat"`
	BodyTimes int          `json:"bodyTimes"`
	After     string       `json:"after"`
	Function  *functionDef `json:"function"`

	// Of all calls, and therefore in the first one's alone.
	Isolation string `json:"isolation"`
	ABI       string `json:"abi"`
}

// functionDef is as what a function is called.
type functionDef struct {
	Name      string          `json:"name"`
	Version   string          `json:"version"`
	RequestID string          `json:"requestId"`
	Client    json.RawMessage `json:"client"`
}

// A section is one of the file's, with its place.
type section struct {
	name string // with its prefix
	data []byte
	line int // of its marker
}

// Most that a case may ask for.
const (
	maxCalls  = 100
	maxRepeat = 10_000
	maxBody   = 64 << 20
)

// Parse reads a case. The error is definition.Errors, with the file and line of each.
func Parse(file string, data []byte) (*Case, error) {
	p := &parser{file: file, byPrefix: map[string]*call{}}
	if len(data) > MaxCase {
		p.fail(0, definition.RuleTooLarge, fmt.Sprintf("the case is over %d MiB", MaxCase>>20), "write body with call.json's bodyTimes")
		return nil, p.errs
	}
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	for i, line := range bytes.Split(data, []byte("\n")) {
		if string(line) == "-- --" { // on which package txtar panics
			p.fail(i+1, definition.RuleSyntax, "a section has no name", "write it between the dashes: -- want.json --")
			return nil, p.errs
		}
	}
	c := &Case{File: file, archive: txtar.Parse(data)}
	comment, _, _ := strings.Cut(strings.TrimSpace(string(c.archive.Comment)), "\n")
	if c.Name = strings.TrimSpace(strings.TrimLeft(comment, "# ")); c.Name == "" {
		c.Name = file
	}
	if len(c.archive.Files) == 0 {
		p.fail(1, definition.RuleRequired, "the case has no sections", "a section begins with a line as -- want.json --; see spec/cases.md")
		return nil, p.errs
	}
	p.read(c)
	if len(p.errs) > 0 {
		p.errs.Sort()
		return nil, p.errs
	}
	return c, nil
}

type parser struct {
	file     string
	errs     definition.Errors
	byPrefix map[string]*call
	seen     []string
}

func (p *parser) fail(line int, rule, message, hint string) {
	p.errs = append(p.errs, &definition.Error{Pos: host.Position{File: p.file, Line: line}, Rule: rule, Message: message, Hint: hint})
}

func (p *parser) read(c *Case) {
	line := 1 + bytes.Count(c.archive.Comment, []byte("\n"))
	for _, f := range c.archive.Files {
		s := &section{name: f.Name, data: f.Data, line: line}
		c.lines = append(c.lines, line)
		line += 1 + bytes.Count(f.Data, []byte("\n"))
		p.section(c, s)
	}
	if p.byPrefix[""] == nil && len(p.errs) == 0 { // what is wrong with its sections has been told
		p.noFirst()
	}
	for n := 2; n <= len(p.byPrefix) && p.byPrefix[""] != nil; n++ {
		if p.byPrefix[strconv.Itoa(n)+"/"] == nil {
			p.fail(p.last(), definition.RuleRequired, fmt.Sprintf("the case has %d calls and none with the number %d", len(p.byPrefix), n), "number them 2/, 3/, … without a gap")
			return
		}
	}
	for n := 1; n <= len(p.byPrefix); n++ {
		prefix := ""
		if n > 1 {
			prefix = strconv.Itoa(n) + "/"
		}
		if one := p.byPrefix[prefix]; one != nil {
			p.check(one)
			c.calls = append(c.calls, one)
		}
	}
	p.worldLimits(c)
}

// noFirst says why a case whose sections are all known has no first call.
func (p *parser) noFirst() {
	if len(p.byPrefix) == 0 {
		p.fail(1, definition.RuleRequired, "the case has a world and no call", "add -- event.json -- with what the plugin is called with, and -- want.json -- with what shall come of it")
		return
	}
	first := p.last()
	for _, one := range p.byPrefix {
		first = min(first, one.line)
	}
	p.fail(first, definition.RuleRequired, "the case has no first call: all its sections have a number before them, and those of the first call have none",
		"write -- event.json -- and -- want.json -- for the first call, and 2/ before the sections of the second")
}

// last is the line of the call that stands last in the file.
func (p *parser) last() int {
	line := 1
	for _, one := range p.byPrefix {
		line = max(line, one.line)
	}
	return line
}

// section takes one section in.
func (p *parser) section(c *Case, s *section) {
	if slices.Contains(p.seen, s.name) {
		p.fail(s.line, definition.RuleDuplicateKey, fmt.Sprintf("the section %s is there twice", s.name), "")
		return
	}
	p.seen = append(p.seen, s.name)
	prefix, name := "", s.name
	if number, rest, ok := strings.Cut(s.name, "/"); ok {
		n, err := strconv.Atoi(number)
		if err != nil || n < 2 || n > maxCalls || strconv.Itoa(n) != number {
			p.fail(s.line, definition.RuleUnknownKey, fmt.Sprintf("the section %s has no number of a call before its slash", s.name),
				fmt.Sprintf("the first call has none, further ones have 2/ to %d/", maxCalls))
			return
		}
		prefix, name = number+"/", rest
	}
	if !slices.Contains(sections, name) {
		hint := "known are: " + strings.Join(sections, ", ")
		if near := definition.Nearest(name, sections); near != "" {
			hint = "did you mean " + prefix + near + "?"
		}
		p.fail(s.line, definition.RuleUnknownKey, fmt.Sprintf("there is no section %s", s.name), hint)
		return
	}
	if name == sectionWorld {
		if prefix != "" {
			p.fail(s.line, definition.RuleConflict, "there is one world for all calls", "write world.json without a number")
			return
		}
		c.world.section = s
		p.decode(s, &c.world.worldDef, nil)
		p.checkWorld(c)
		return
	}
	one := p.byPrefix[prefix]
	if one == nil {
		one = &call{prefix: prefix, line: s.line, wanted: map[string]*section{}}
		p.byPrefix[prefix] = one
	}
	p.callSection(one, s, name)
}

func (p *parser) callSection(one *call, s *section, name string) {
	switch name {
	case sectionCall:
		p.decode(s, &one.callDef, nil)
		if one.prefix != "" && (one.Isolation != "" || one.ABI != "") {
			p.fail(s.line, definition.RuleConflict, "isolation and abi are the plugin's, and so the same for all calls", "write them in the first call.json")
		}
		p.checkCall(one, s)
	case sectionEvent:
		one.event = s
		p.validJSON(s)
	case sectionBody:
		one.body = withoutNewline(s.data)
	case sectionBody64:
		one.body = p.base64(s)
	default:
		one.wanted[name] = s
	}
}

func (p *parser) checkCall(one *call, s *section) {
	for _, known := range []struct {
		key, value string
		values     []string
	}{
		{"entry", one.Entry, entries},
		{"isolation", one.Isolation, []string{string(host.IsolationPooled), string(host.IsolationReset), string(host.IsolationFresh)}},
		{"abi", one.ABI, []string{host.ABIPostern, host.ABICGI, host.ABIStdio}},
	} {
		if known.value != "" && !slices.Contains(known.values, known.value) {
			p.fail(s.lineOf(known.key), definition.RuleInvalidValue, fmt.Sprintf("%s %q is none of %s", known.key, known.value, strings.Join(known.values, ", ")), meant(known.value, known.values))
		}
	}
	if one.Repeat < 0 || one.Repeat > maxRepeat {
		p.fail(s.lineOf("repeat"), definition.RuleInvalidValue, fmt.Sprintf("repeat must be from 1 to %d", maxRepeat), "")
	}
	if one.After != "" {
		d, err := time.ParseDuration(one.After)
		if err != nil || d < 0 {
			p.fail(s.lineOf("after"), definition.RuleInvalidValue, fmt.Sprintf("after %q is no duration", one.After), "write it as 90s, 5m or 1h30m")
		}
		one.after = max(0, d)
	}
	if one.BodyTimes < 0 {
		p.fail(s.lineOf("bodyTimes"), definition.RuleInvalidValue, "bodyTimes must be at least 1", "")
	}
}

var entries = []string{host.EntryAuthorize, host.EntryMapRequest, host.EntryMapResponse, host.EntryHandle, host.EntryFilterRequest, host.EntryFilterResponse}

// check looks at what belongs together.
func (p *parser) check(one *call) {
	if int64(len(one.body))*int64(max(1, one.BodyTimes)) > maxBody {
		p.fail(one.line, definition.RuleTooLarge, fmt.Sprintf("the body is over %d MiB", maxBody>>20), "")
		one.BodyTimes = 1
	}
	for _, name := range []string{sectionWant, sectionText, sectionText64, sectionTextJS} {
		if s := one.wanted[name]; s != nil && one.wanted[sectionError] != nil {
			p.fail(s.line, definition.RuleConflict, fmt.Sprintf("%s and %s exclude each other: a call that fails has no answer", s.name, one.wanted[sectionError].name), "")
		}
	}
	for _, pair := range [][2]string{{sectionText, sectionText64}, {sectionText, sectionTextJS}, {sectionText64, sectionTextJS}, {sectionBody, sectionBody64}} {
		if slices.Contains(p.seen, one.prefix+pair[0]) && slices.Contains(p.seen, one.prefix+pair[1]) {
			p.fail(one.line, definition.RuleConflict, fmt.Sprintf("%s and %s exclude each other", one.prefix+pair[0], one.prefix+pair[1]), "")
		}
	}
	for _, name := range []string{sectionWant, sectionTextJS, sectionEffects} {
		if s := one.wanted[name]; s != nil && len(bytes.TrimSpace(s.data)) > 0 {
			p.validJSON(s)
		}
	}
	if s := one.wanted[sectionText64]; s != nil {
		p.base64(s)
	}
	p.checkEffects(one.wanted[sectionEffects])
	p.checkError(one)
}

// checkError compiles a want.error that is a regular expression.
func (p *parser) checkError(one *call) {
	s := one.wanted[sectionError]
	if s == nil {
		return
	}
	text := strings.TrimSpace(string(s.data))
	if len(text) < 2 || text[0] != '/' || text[len(text)-1] != '/' {
		return
	}
	pattern, err := regexp.Compile(text[1 : len(text)-1])
	if err != nil {
		p.fail(s.line+1, definition.RuleInvalidValue, fmt.Sprintf("%s: %v", s.name, err), "between slashes stands a regular expression of Go (RE2)")
		return
	}
	one.error = pattern
}

func (p *parser) base64(s *section) []byte {
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(s.data)), ""))
	if err != nil {
		p.fail(s.line+1, definition.RuleInvalidValue, fmt.Sprintf("%s: %v", s.name, err), "it is base64, in as many lines as you like")
	}
	return data
}

// withoutNewline takes off the newline that a section always ends with. Who means one writes an empty line more.
func withoutNewline(data []byte) []byte { return bytes.TrimSuffix(data, []byte("\n")) }

func meant(name string, known []string) string {
	if near := definition.Nearest(name, known); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}
