package project

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// Limits of what is read, in bytes. They protect the machine from a slip, such as a reference to a disk image.
const (
	maxModule     = 256 << 20
	maxSecret     = 1 << 20 // also of certificates
	maxSourceFile = 16 << 20
)

var (
	errNotFile  = errors.New("it is not a file")
	errTooLarge = errors.New("it is too large")
)

// read returns a file of the project.
func (l *loader) read(name string, limit int64) ([]byte, error) {
	if info, err := l.root.Stat(filepath.FromSlash(path.Clean(name))); err == nil && info.Mode().IsRegular() && info.Size() > limit {
		return nil, fmt.Errorf("%w: %d bytes, and %d are the most", errTooLarge, info.Size(), limit)
	}
	data, err := readStart(l.root, name, limit)
	if err == nil && int64(len(data)) > limit {
		err = errTooLarge
	}
	return data, err
}

// readStart returns a file of a folder, or as much of it as shows that it has more than limit bytes. What is no regular file is refused: a
// pipe would block for ever.
func readStart(root *os.Root, name string, limit int64) ([]byte, error) {
	name = filepath.FromSlash(path.Clean(name))
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotFile
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit+1))
}

// unreadable says why a file of the project cannot be used.
func (l *loader) unreadable(name string, err error) *definition.Error {
	return unreadable(l.root, name, err)
}

// unreadable says why a file of a project's folder cannot be used.
func unreadable(root *os.Root, name string, err error) *definition.Error {
	e := &definition.Error{Rule: RuleUnreadableFile, Message: fmt.Sprintf("%s cannot be read: %s", name, reason(err))}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Rule, e.Message, e.Hint = RuleMissingFile, "there is no "+name, similar(root, name)
	case errors.Is(err, fs.ErrPermission):
		e.Hint = "give yourself the right to read it: chmod u+r " + path.Clean(name)
	case strings.Contains(err.Error(), "escapes"): // os.Root has no error value for it
		e.Rule, e.Message = RuleOutside, name+" is a symbolic link that leads out of the project's folder"
		e.Hint = "copy what it leads to into the project"
	}
	return e
}

// reason drops the path from an error, since the message has it as the user wrote it.
func reason(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// similar looks for what a missing file may have been meant to be: the same name with another ending or in other letters.
func similar(root *os.Root, name string) string {
	dir, base := path.Split(path.Clean(name))
	entries, err := fs.ReadDir(root.FS(), path.Clean(dir))
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if stem(e.Name()) == stem(base) {
			return fmt.Sprintf("did you mean %q?", "./"+dir+e.Name())
		}
	}
	return ""
}

func stem(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, path.Ext(name)))
	return strings.NewReplacer("_", "", "-", "", ".", "").Replace(name)
}

// secret reads the value of a secret that stands at a path of the definition. No message holds one.
func (l *loader) secret(secret *host.Secret, path string) {
	at := definition.Error{Pos: secret.Pos, Path: path}
	switch {
	case secret.Store != "" || secret.Env != "" && l.opts.Host: // the host's own
	case secret.Env != "":
		value, ok := l.opts.Env(secret.Env)
		if !ok {
			at.Rule, at.Message = RuleMissingSecret, fmt.Sprintf("the environment variable %s, which the secret %s is read from, is not set", secret.Env, secret.Name)
			at.Hint = "set it for the postern command, or read the secret from a file: {file: ./" + strings.ToLower(secret.Name) + ".secret}"
			l.fail(&at)
		}
		secret.Value = host.SecretValue(value)
	case secret.File != "": // without one, it is the definition's own error
		l.secretFile(secret, at)
	}
}

func (l *loader) secretFile(secret *host.Secret, at definition.Error) {
	l.input(path.Clean(secret.File))
	data, err := l.read(secret.File, maxSecret)
	if err != nil {
		e := l.unreadable(secret.File, err)
		e.Pos, e.Path = at.Pos, at.Path
		e.Message += fmt.Sprintf(" (it holds the secret %s)", secret.Name)
		l.fail(e)
		return
	}
	// Editors end a file with a new line, which belongs to no password.
	text := strings.TrimSuffix(string(data), "\n")
	if l.opts.Host && !utf8.ValidString(text) {
		at.Rule, at.Message = definition.RuleInvalidValue, fmt.Sprintf("%s, which holds the secret %s, is not text in UTF-8", secret.File, secret.Name)
		at.Hint = "a host keeps secrets as text; encode it, in base64 for example"
		l.fail(&at)
		return
	}
	secret.Value = host.SecretValue(strings.TrimSuffix(text, "\r"))
}
