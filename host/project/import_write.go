package project

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/atomicfile"
	"github.com/postern/postern/host/cloudformation"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
)

// How a document meets an API of its name that the definition has already (API Gateway API reference, "PutRestApi", mode).
const (
	ImportMerge     = "merge"     // both; what the document has comes first
	ImportOverwrite = "overwrite" // the document, with the stages and addresses that the API had
)

// keptKeys are those of an API that no document has a word for: an API that is overwritten keeps them.
var keptKeys = []string{"stages", "root", "defaultEndpoint"}

// Write writes what was imported into the definition of the project in dir, which is made if it is not there, and returns the file's path. What
// else the file has stays as it is, comments included. A definition that has to be rewritten as a whole is refused (Kind Conflict), and so is
// another file where one is to be; and a definition that would be wrong with what was imported (definition.Errors): then nothing is written.
func (im *ImportedProject) Write(dir, mode string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", notWritten(err)
	}
	unlock, err := lockFolder(dir) // of two imports at once, the second sees what the first has written
	if err != nil {
		return "", notWritten(err)
	}
	defer unlock()
	p, err := find(dir)
	file := filepath.Join(dir, FileName)
	if host.KindOf(err) == host.NotFound {
		if err := im.writeFiles(dir); err != nil {
			return "", err
		}
		return file, notWritten(atomicfile.Create(file, document.YAML(im.Definition), 0o644))
	}
	if err != nil {
		return "", err
	}
	before, err := definition.Read(os.DirFS(p.Dir), p.File)
	if err != nil {
		return "", err
	}
	after, err := im.into(p.File, before, mode)
	if err != nil {
		return "", err
	}
	if _, err := definition.Parse(p.File, after, definition.Options{Host: true, Document: anyDocument}); err != nil {
		return "", err
	}
	if err := im.writeFiles(p.Dir); err != nil {
		return "", err
	}
	file = filepath.Join(p.Dir, p.File)
	return file, replace(file, after)
}

// replace replaces the text of a definition. Where it is a symbolic link, that goes on leading to it; and it keeps its mode.
func replace(file string, text []byte) error {
	target, err := filepath.EvalSymlinks(file)
	if err != nil {
		return notWritten(err)
	}
	info, err := os.Stat(target)
	if err != nil {
		return notWritten(err)
	}
	return notWritten(atomicfile.Replace(target, text, info.Mode().Perm()))
}

// notWritten is why something could not be written; nil for none.
func notWritten(err error) error {
	if err == nil {
		return nil
	}
	return &host.Error{Op: opImport, Kind: host.Internal, Err: err}
}

// writeFiles writes the files that stand beside the definition. One that is there already, and is the same, stays; another is in the way.
func (im *ImportedProject) writeFiles(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return notWritten(err)
	}
	defer root.Close()
	var missing []cloudformation.File
	for _, f := range im.Files {
		switch same, err := holds(root, f); {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, f)
		case err != nil:
			return notWritten(err)
		case !same:
			return &host.Error{Op: opImport, Kind: host.Conflict, Err: fmt.Errorf("%s is there, and is another file than the one to be written: move it away", f.Path)}
		}
	}
	for _, f := range missing {
		if err := root.MkdirAll(path.Dir(f.Path), 0o755); err != nil {
			return notWritten(err)
		}
		if err := atomicfile.CreateIn(root, f.Path, f.Data, 0o644); err != nil {
			return notWritten(err)
		}
	}
	return nil
}

// holds reports whether a folder has a file with what is to be written.
func holds(root *os.Root, f cloudformation.File) (bool, error) {
	info, err := root.Stat(f.Path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(f.Data)) { // to open a pipe would block for ever
		return false, err
	}
	before, err := root.ReadFile(f.Path)
	return bytes.Equal(before, f.Data), err
}

// anyDocument stands for the documents of other APIs, which are not looked at.
func anyDocument(ref definition.DocumentRef) (*definition.Document, error) {
	return &definition.Document{File: ref.Ref, API: document.NewObject(host.Position{File: ref.Ref})}, nil
}

// into returns the text of a definition with what was imported.
func (im *ImportedProject) into(name string, text []byte, mode string) ([]byte, error) {
	for _, section := range []string{"apis", "functions", "aws"} {
		for _, m := range im.members(section) {
			root, err := parse(name, text)
			if err != nil {
				return nil, err
			}
			value := m.Value
			old := root.Get(section).Get(m.Key)
			switch {
			case section == "apis" && old != nil:
				if value, err = meet(old, m.Value, m.Key, mode); err != nil {
					return nil, err
				}
			case old != nil: // code and keys that are there are the user's
				continue
			}
			if text, err = setMember(name, text, root, section, m.Key, value); err != nil {
				return nil, err
			}
		}
	}
	return text, nil
}

// blank matches a text of empty lines and comments.
var blank = regexp.MustCompile(`^\s*(#.*\s*)*$`)

// parse reads a definition, which may be empty yet.
func parse(name string, text []byte) (*document.Node, error) {
	if blank.Match(text) {
		return document.NewObject(host.Position{File: name, Line: 1, Column: 1}), nil
	}
	return document.Parse(name, text, document.Limits{})
}

func (im *ImportedProject) members(section string) []document.Member {
	if n := im.Definition.Get(section); n != nil {
		return n.Members
	}
	return nil
}

// meet puts what was imported over the API of the name.
func meet(old, imported *document.Node, name, mode string) (*document.Node, error) {
	if ref := old.Get("openapi"); ref != nil {
		return nil, &host.Error{Op: opImport, Kind: host.Conflict, Pos: ref.Pos, Err: fmt.Errorf(
			"the API %s is made of the document %s as it runs: replace that file, or take another name (--name)", name, document.Quote(ref.Text))}
	}
	out := document.NewObject(old.Pos)
	for _, m := range old.Members {
		if mode == ImportMerge || slices.Contains(keptKeys, m.Key) {
			out.Set(m.Key, m.Pos, m.Value)
		}
	}
	for _, m := range imported.Members {
		before := out.Get(m.Key)
		if before == nil || before.Shape != document.Object || m.Value.Shape != document.Object || !slices.Contains(definition.ByName, m.Key) {
			if before == nil || !slices.Contains(keptKeys, m.Key) {
				out.Set(m.Key, m.Pos, m.Value)
			}
			continue
		}
		both := document.NewObject(before.Pos)
		for _, n := range slices.Concat(before.Members, m.Value.Members) {
			both.Set(n.Key, n.Pos, n.Value)
		}
		out.Set(m.Key, m.Pos, both)
	}
	return out, nil
}

// setMember sets section.key in the text of a definition in block style, and leaves every other line as it is.
func setMember(name string, text []byte, root *document.Node, section, key string, value *document.Node) ([]byte, error) {
	lines := strings.SplitAfter(string(text), "\n")
	if last := len(lines) - 1; lines[last] == "" {
		lines = lines[:last]
	} else {
		lines[last] += "\n"
	}
	at := root.Member(section)
	from, to, indent := len(lines), len(lines), 2
	head, end := "", "\n"
	if bytes.Contains(text, []byte("\r\n")) {
		end = "\r\n"
	}
	switch {
	case at == nil:
		head = section + ":" + end
	case at.Value.Shape == document.Null:
		from, to = at.Pos.Line, at.Pos.Line
	case at.Value.Shape != document.Object || len(at.Value.Members) == 0 || at.Value.Members[0].Pos.Line == at.Pos.Line:
		return nil, &host.Error{Op: opImport, Kind: host.Conflict, Pos: at.Pos, Err: fmt.Errorf(
			"%s is written on one line: write it as a block, one name below the other, or import into another folder", section)}
	default:
		indent = at.Value.Members[0].Pos.Column - 1
		from, to = extent(lines, root, at, key, indent)
	}
	member := document.NewObject(value.Pos)
	member.Set(key, value.Pos, value)
	var out strings.Builder
	out.WriteString(strings.Join(lines[:from], "") + head)
	for line := range strings.Lines(string(document.YAML(member))) {
		if line != "\n" {
			out.WriteString(strings.Repeat(" ", indent))
		}
		out.WriteString(strings.TrimSuffix(line, "\n") + end)
	}
	out.WriteString(strings.Join(lines[to:], ""))
	after := []byte(out.String())
	if !sameBut(name, root, after, section, key, value) {
		return nil, &host.Error{Op: opImport, Kind: host.Conflict, Err: fmt.Errorf(
			"%s cannot be put into %s without changing something else there: import into another folder, and take it from there", section+"."+key, name)}
	}
	return after, nil
}

// extent returns the lines that a member of a section takes, or where a new one goes, from and to as indexes.
func extent(lines []string, root *document.Node, section *document.Member, key string, indent int) (from, to int) {
	end := len(lines)
	for _, m := range root.Members {
		if m.Pos.Line > section.Pos.Line {
			end = min(end, m.Pos.Line-1)
		}
	}
	from = -1
	if m := section.Value.Member(key); m != nil {
		from = m.Pos.Line - 1
		for _, other := range section.Value.Members {
			if other.Pos.Line > m.Pos.Line {
				end = min(end, other.Pos.Line-1)
			}
		}
	}
	for end > 0 && isBetween(lines[end-1], indent) { // what stands before the next name belongs to that
		end--
	}
	if from < 0 {
		return end, end
	}
	return from, end
}

// isBetween reports whether a line is empty or a comment that stands no deeper than the names of a section.
func isBetween(line string, indent int) bool {
	text := strings.TrimLeft(line, " ")
	return strings.TrimSpace(text) == "" || text[0] == '#' && len(line)-len(text) <= indent
}

// sameBut reports whether a text holds what root does, but for one member of a section, which is value.
func sameBut(name string, root *document.Node, after []byte, section, key string, value *document.Node) bool {
	now, err := document.Parse(name, after, document.Limits{})
	if err != nil || now == nil {
		return false
	}
	want := document.NewObject(root.Pos)
	for _, m := range root.Members {
		want.Set(m.Key, m.Pos, m.Value)
	}
	members := document.NewObject(root.Pos)
	if old := want.Get(section); old != nil {
		for _, m := range old.Members {
			members.Set(m.Key, m.Pos, m.Value)
		}
	}
	members.Set(key, value.Pos, value)
	want.Set(section, root.Pos, members)
	return reflect.DeepEqual(now.Plain(), want.Plain()) && bytes.HasSuffix(after, []byte("\n"))
}
