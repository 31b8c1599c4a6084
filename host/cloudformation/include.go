package cloudformation

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// transform evaluates Fn::Transform: AWS::Include of a file beside the template. Other macros run at AWS only.
func (t *template) transform(m *document.Member) *document.Node {
	n := m.Value
	name := n.Get("Name")
	if !t.is(n, document.Object, m.Key) || !t.is(name, document.Text, "Name") {
		t.wrong(m.Pos, document.RuleRequired, "Fn::Transform has no Name", "")
		return unknown(m.Pos, m.Key)
	}
	if name.Text != "AWS::Include" {
		t.find(openapi.Unsupported, m.Pos, m.Key, "the macro "+document.Quote(name.Text)+" is not run: import the processed template, which the console shows")
		return unknown(m.Pos, m.Key)
	}
	location := t.eval(n.Get("Parameters").Get("Location"))
	if !t.is(location, document.Text, "Location") {
		t.wrong(m.Pos, document.RuleRequired, "AWS::Include has no Location", "")
		return unknown(m.Pos, m.Key)
	}
	if t.including {
		t.wrong(location.Pos, document.RuleConflict, "a file that is included includes another", "put it into the template")
		return unknown(m.Pos, m.Key)
	}
	included := t.file(location)
	if included == nil {
		return unknown(m.Pos, m.Key)
	}
	t.including = true
	defer func() { t.including = false }()
	return t.eval(included)
}

// file reads a document beside the template; nil when it cannot be read, which is said.
func (t *template) file(ref *document.Node) *document.Node {
	switch name, err := t.inside(ref.Text); {
	case strings.Contains(ref.Text, "://"):
		t.find(openapi.Unsupported, ref.Pos, "S3", document.Quote(ref.Text)+" is not fetched: download it, and name the file")
	case err != nil:
		t.wrong(ref.Pos, document.RuleInvalidValue, document.Quote(ref.Text)+": "+err.Error(), "")
	default:
		limits := openapi.Limits()
		data, err := t.read(name, limits.Bytes)
		if err != nil {
			t.wrong(ref.Pos, document.RuleInvalidValue, document.Quote(ref.Text)+" cannot be read: "+err.Error(), "")
			return nil
		}
		if !t.spend(ref.Pos, 0, len(data)) {
			return nil
		}
		n, err := Parse(name, data, limits)
		var errs document.Errors
		if errors.As(err, &errs) {
			t.errs = append(t.errs, errs...)
			return nil
		}
		if t.isWide(n) {
			return nil
		}
		return n
	}
	return nil
}

var errOutside = errors.New("the file is outside of the template's folder")

// inside returns the path of a file in the template's folder.
func (t *template) inside(ref string) (string, error) {
	name := path.Clean(strings.ReplaceAll(ref, `\`, "/"))
	switch {
	case t.opts.Files == nil:
		return "", errors.New("files beside this template are not read here")
	case ref == "" || !fs.ValidPath(name):
		return "", errOutside
	}
	return name, nil
}

// read reads a file of the template's folder.
func (t *template) read(name string, most int) ([]byte, error) {
	info, err := fs.Stat(t.opts.Files, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("there is no such file")
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular(): // to open a pipe would block for ever
		return nil, errors.New("it is not a regular file")
	}
	f, err := t.opts.Files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err == nil && len(data) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return data, err
}

// isFile reports whether a file is there; isFolder, whether a folder is.
func (t *template) isFile(name string) bool {
	info, err := fs.Stat(t.opts.Files, name)
	return err == nil && info.Mode().IsRegular()
}

func (t *template) isFolder(name string) bool {
	info, err := fs.Stat(t.opts.Files, name)
	return err == nil && info.IsDir()
}
