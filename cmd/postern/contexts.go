package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/atomicfile"
	"github.com/postern/postern/host/datadir"
	"github.com/postern/postern/host/definition"
)

// contexts are the hosts that a user works with. They are kept in contexts.json of the user's configuration folder, which
// nobody else may write: whoever can would be sent the tokens.
type contexts struct {
	Current  string                 `json:"current,omitempty"`
	Contexts map[string]hostContext `json:"contexts"`
}

// A hostContext is one of them. The token is here or in a file, or there is none.
type hostContext struct {
	Host      string `json:"host"`
	Token     string `json:"token,omitempty"`
	TokenFile string `json:"tokenFile,omitempty"` // absolute
	CA        string `json:"ca,omitempty"`        // in PEM
}

// configFile is a file of the user's configuration folder.
func configFile(name string) (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", usageErrorf("there is no folder for contexts: %w", err)
	}
	return filepath.Join(dir, "postern", name), nil
}

// loadContexts reads the contexts. Where none were ever added, they are empty.
func loadContexts() (*contexts, error) {
	file, err := configFile("contexts.json")
	if err != nil {
		return nil, err
	}
	c := &contexts{Contexts: map[string]hostContext{}}
	data, err := readPrivate(file)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, &usageError{&definition.Error{Message: fmt.Sprintf("%s cannot be read: %v", file, err), Hint: "mend it, or remove it and add the contexts again"}}
	}
	return c, nil
}

// maxConfig bounds a file of the configuration folder, in bytes.
const maxConfig = 16 << 20

// readPrivate reads a file of this user's that nobody else may write.
func readPrivate(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read from
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if datadir.Foreign(info) {
		return nil, &usageError{&definition.Error{Message: fmt.Sprintf("%s belongs to another user, who could have tokens sent elsewhere", file),
			Hint: "remove it, and add the contexts again"}}
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, &usageError{&definition.Error{Message: fmt.Sprintf("%s can be written by others (%v), who could have tokens sent elsewhere", file, info.Mode().Perm()),
			Hint: "see that it is as you left it, then: chmod 600 " + file}}
	}
	if !info.Mode().IsRegular() || info.Size() > maxConfig {
		return nil, usageErrorf("%s is no file of contexts", file)
	}
	return io.ReadAll(io.LimitReader(f, maxConfig))
}

// save writes the contexts, whole or not at all.
func (c *contexts) save() error {
	file, err := configFile("contexts.json")
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return writePrivate(file, append(data, '\n'))
}

// writePrivate replaces a file by one that only its owner can read, whole or not at all.
func writePrivate(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return atomicfile.Replace(file, data, 0o600)
}

// get returns a context by its name.
func (c *contexts) get(name string) (hostContext, error) {
	if found, ok := c.Contexts[name]; ok {
		return found, nil
	}
	hint := "add it: postern context add " + name + " --host URL"
	if near := definition.Nearest(name, c.names()); near != "" {
		hint = "did you mean " + near + "? Or " + hint
	}
	return hostContext{}, &usageError{&definition.Error{Message: fmt.Sprintf("there is no context %q", name), Hint: hint}}
}

func (c *contexts) names() []string { return slices.Sorted(maps.Keys(c.Contexts)) }

// readToken reads a token from a file that was named.
func readToken(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", &host.Error{Op: "read the token", Kind: host.Invalid, Err: err}
	}
	return oneToken(string(data), file)
}
