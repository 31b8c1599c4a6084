package sealed

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/atomicfile"
)

// maxFile bounds a key file, in bytes: some hundreds of identities.
const maxFile = 64 << 10

// Open reads a key file. One that is not there has Kind NotFound; one that others than its owner can read, that a passphrase protects or that
// holds no identity has Kind Invalid, with what to do.
func Open(path string) (*Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, about(path, fileKind(err), err)
	}
	defer f.Close() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, about(path, host.Internal, err)
	}
	if !info.Mode().IsRegular() {
		return nil, about(path, host.Invalid, errors.New("it is not a regular file"))
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, about(path, host.Invalid, fmt.Errorf("others than its owner may use it (mode %04o): chmod 600 %s", info.Mode().Perm(), path))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, about(path, fileKind(err), err)
	}
	if len(data) > maxFile {
		return nil, about(path, host.TooLarge, fmt.Errorf("it is longer than %d bytes", maxFile))
	}
	identities, err := parse(data, path)
	if err != nil {
		return nil, about(path, host.Invalid, err)
	}
	return newKey(identities)
}

// parse reads the lines of a key file one by one, for age's own errors may quote characters of a key.
func parse(data []byte, path string) ([]age.Identity, error) {
	if bytes.HasPrefix(data, []byte("age-encryption.org/")) || bytes.HasPrefix(data, []byte("-----BEGIN AGE ENCRYPTED FILE")) {
		return nil, fmt.Errorf("a passphrase or another key protects it, and a host starts without a human: age -d -o NEW %s, chmod 600 NEW, and name that", path)
	}
	var identities []age.Identity
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxFile+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "age1"):
			return nil, fmt.Errorf("line %d is a public key: the file must hold the secret one, AGE-SECRET-KEY-1…", n)
		case strings.HasPrefix(line, "AGE-PLUGIN-"):
			return nil, fmt.Errorf("line %d is an identity of an age plugin, which a host does not run", n)
		}
		parsed, err := age.ParseIdentities(strings.NewReader(line))
		if err != nil {
			return nil, fmt.Errorf("line %d is not an identity as age-keygen writes it", n)
		}
		identities = append(identities, parsed...)
	}
	if err := lines.Err(); err != nil {
		return nil, errors.New("its lines cannot be read")
	}
	if len(identities) == 0 {
		return nil, errors.New("it holds no identity: age-keygen makes one")
	}
	return identities, nil
}

// Create makes a new key and writes its file, which only the owner can read. It is there whole or not at all, also after a
// power cut. A file that is there already has Kind Conflict, and stays as it is.
func Create(path string) (*Key, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, about(path, host.Internal, err)
	}
	text := fmt.Sprintf("# created: %s\n# public key: %s\n%s\n", time.Now().UTC().Format(time.RFC3339), identity.Recipient(), identity)
	if err := atomicfile.Create(path, []byte(text), 0o600); err != nil {
		return nil, about(path, fileKind(err), err)
	}
	return newKey([]age.Identity{identity})
}

func fileKind(err error) host.Kind {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return host.NotFound
	case errors.Is(err, fs.ErrExist):
		return host.Conflict
	case errors.Is(err, fs.ErrPermission):
		return host.Forbidden
	}
	return host.Internal
}

func about(path string, kind host.Kind, err error) error {
	return &host.Error{Op: "key file " + path, Kind: kind, Err: err}
}
