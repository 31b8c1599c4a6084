package cases

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"
)

// Update returns the file of a case with its want sections as they came. Sections that are there are kept where they stand, and a key of
// want.json that came with another value gets it; a call without any gets those that say what it did. A call that failed loses the wants of an answer, and
// the other way round. The case itself stays as it was.
func (r *Result) Update() []byte {
	c := r.Case
	if r.NotOffered != "" || len(r.Calls) < len(c.calls) {
		return txtar.Format(c.archive)
	}
	out := &txtar.Archive{Comment: c.archive.Comment}
	written := map[string]bool{}
	wants := map[string][]txtar.File{} // of each call, by its prefix
	for i := range c.calls {
		wants[c.calls[i].prefix] = c.calls[i].update(&r.Calls[i])
	}
	prefixOf := func(name string) string {
		if number, _, ok := strings.Cut(name, "/"); ok {
			return number + "/"
		}
		return ""
	}
	flush := func(prefix string) {
		for _, f := range wants[prefix] {
			if !written[f.Name] {
				written[f.Name] = true
				out.Files = append(out.Files, f)
			}
		}
	}
	for i, f := range c.archive.Files {
		prefix := prefixOf(f.Name)
		if !strings.HasPrefix(strings.TrimPrefix(f.Name, prefix), "want.") {
			out.Files = append(out.Files, f)
		} else {
			for _, w := range wants[prefix] {
				if w.Name == f.Name {
					written[w.Name] = true
					out.Files = append(out.Files, w)
				}
			}
		}
		if i+1 == len(c.archive.Files) || prefixOf(c.archive.Files[i+1].Name) != prefix && !later(c.archive.Files[i+1:], prefix, prefixOf) {
			flush(prefix)
		}
	}
	return txtar.Format(out)
}

// later reports whether a call has further sections.
func later(files []txtar.File, prefix string, prefixOf func(string) string) bool {
	for _, f := range files {
		if prefixOf(f.Name) == prefix {
			return true
		}
	}
	return false
}

// update makes the wants of a call of what it did.
func (one *call) update(seen *Seen) []txtar.File {
	var files []txtar.File
	add := func(name string, data []byte) {
		if len(data) > 0 && data[len(data)-1] != '\n' {
			data = append(bytes.Clone(data), '\n')
		}
		files = append(files, txtar.File{Name: one.prefix + name, Data: data})
	}
	has := func(name string) bool { return one.wanted[name] != nil }
	if seen.Err != nil {
		kind, message := typed(seen.Err)
		if one.error != nil && one.error.MatchString(kind+": "+message) {
			add(sectionError, one.wanted[sectionError].data)
		} else {
			add(sectionError, []byte(kind))
		}
	} else {
		if has(sectionWant) || !has(sectionText) && !has(sectionText64) && !has(sectionTextJS) {
			add(sectionWant, updatedJSON(one.wanted[sectionWant], seen.Meta))
		}
		one.updateBody(seen, has, add)
	}
	if has(sectionLog) {
		add(sectionLog, []byte(strings.Join(seen.Logs, "\n")))
	}
	if has(sectionEffects) {
		add(sectionEffects, indented(seen.Effects))
	}
	return files
}

func (one *call) updateBody(seen *Seen, has func(string) bool, add func(string, []byte)) {
	times := max(1, one.BodyTimes)
	body := seen.Body
	if len(body)%times == 0 && bytes.Equal(bytes.Repeat(body[:len(body)/times], times), body) {
		body = body[:len(body)/times]
	}
	switch {
	case has(sectionTextJS):
		add(sectionTextJS, updatedJSON(one.wanted[sectionTextJS], seen.Body))
	case !has(sectionText) && !has(sectionText64) && len(body) == 0:
	case has(sectionText64), !utf8.Valid(body), txtar.NeedsQuote(append(bytes.Clone(body), '\n')):
		add(sectionText64, []byte(base64.StdEncoding.EncodeToString(body)))
	default:
		add(sectionText, append(bytes.Clone(body), '\n'))
	}
}

// updatedJSON keeps the keys that were wanted, with what came; without any, all that came.
func updatedJSON(s *section, meta []byte) []byte {
	var want, got any
	if json.Unmarshal(meta, &got) != nil {
		return meta
	}
	if s == nil || json.Unmarshal(s.data, &want) != nil {
		return indented(meta)
	}
	foldHeaders(want)
	foldHeaders(got)
	if len(differences("", want, got)) == 0 {
		return s.data // as it was written
	}
	return []byte(compact(keep(want, got)))
}

// keep returns of what came the part that was wanted.
func keep(want, got any) any {
	w, ok := want.(map[string]any)
	g, is := got.(map[string]any)
	if !ok || !is {
		return got
	}
	kept := map[string]any{}
	for key := range w {
		if value, there := g[key]; there {
			kept[key] = keep(w[key], value)
		}
	}
	return kept
}

func indented(data []byte) []byte {
	var b bytes.Buffer
	if json.Indent(&b, data, "", "  ") != nil {
		return data
	}
	return b.Bytes()
}
