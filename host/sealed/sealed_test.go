package sealed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
)

var _ catalog.Sealer = (*Key)(nil)

func TestSealOpen(t *testing.T) {
	key, err := Memory()
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range [][]byte{nil, []byte("x"), []byte("hunter2"), bytes.Repeat([]byte("s"), 300<<10)} {
		a, err := key.Seal(value)
		if err != nil {
			t.Fatal(err)
		}
		b, err := key.Seal(value)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(a, b) {
			t.Error("two seals of one value are equal: whoever reads the store could tell")
		}
		if len(value) > 4 && bytes.Contains(a, value) {
			t.Error("the sealed value has the value in it")
		}
		got, err := key.Open(a)
		if err != nil || !bytes.Equal(got, value) {
			t.Errorf("Open = %d bytes, %v; want %d bytes", len(got), err, len(value))
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	key, other := memory(t), memory(t)
	value := []byte("hunter2-hunter2")
	sealed, err := key.Seal(value)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Seal(value)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]byte{"foreign": foreign, "empty": nil, "text": value, "longer": append(bytes.Clone(sealed), 'x')}
	for i := range sealed {
		garbled := bytes.Clone(sealed)
		garbled[i] ^= 1
		cases[fmt.Sprint("garbled at ", i)] = garbled
		cases[fmt.Sprint("cut at ", i)] = sealed[:i]
	}
	for name, sealed := range cases {
		got, err := key.Open(sealed)
		if !errors.Is(err, host.Invalid) || got != nil {
			t.Errorf("%s: Open = %q, %v; want Kind Invalid", name, got, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error tells the value: %v", name, err)
		}
	}
}

func TestSame(t *testing.T) {
	key, other := memory(t), memory(t)
	if mark := key.Same([]byte("a")); mark != key.Same([]byte("a")) || mark == key.Same([]byte("b")) {
		t.Error("marks do not tell equal values from others")
	}
	if key.Same([]byte("a")) == other.Same([]byte("a")) {
		t.Error("two keys give one mark: it can be guessed without the key")
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := Open(path); !errors.Is(err, host.NotFound) {
		t.Fatalf("Open of nothing: %v; want Kind NotFound", err)
	}
	key, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("the file: %v, %v; want mode 0600", info, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v; want the key alone", entries, err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path); !errors.Is(err, host.Conflict) {
		t.Errorf("Create over a key: %v; want Kind Conflict", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Error("Create has changed a key that was there")
	}

	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := key.Seal([]byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open(sealed); err != nil || string(got) != "v" {
		t.Errorf("after reading the file again: %q, %v", got, err)
	}
	if key.Same([]byte("v")) != again.Same([]byte("v")) {
		t.Error("marks are others after reading the file again")
	}
	// age itself opens it: the file and the format are age's.
	identities, err := age.ParseIdentities(bytes.NewReader(before))
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), identities...)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "v" {
		t.Errorf("age opens %q, %v", got, err)
	}
}

func TestCreateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	var wait sync.WaitGroup
	made := make(chan *Key, 16)
	for range cap(made) {
		wait.Go(func() {
			key, err := Create(path)
			if err == nil {
				made <- key
			} else if !errors.Is(err, host.Conflict) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	key, err := Open(path)
	if err != nil || len(made) != 1 || (<-made).Recipient() != key.Recipient() {
		t.Errorf("%d keys were made, and the file has %v, %v; want one, that one", len(made), key, err)
	}
}

func TestRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	old, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := old.Seal([]byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, identity := range identities(t) {
		put(t, path, fmt.Sprintf("# new\r\n  %s\r\n\n%s", identity, text))
		both, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := both.Open(sealed); err != nil || string(got) != "v" {
			t.Errorf("%s: what the old key sealed: %q, %v", name, got, err)
		}
		fresh, err := both.Seal([]byte("w"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := old.Open(fresh); !errors.Is(err, host.Invalid) {
			t.Errorf("%s: the old key opens what the new one sealed: %v", name, err)
		}
		if got, err := both.Open(fresh); err != nil || string(got) != "w" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if all := both.Recipients(); len(all) != 2 || all[0] != both.Recipient() || all[1] != old.Recipient() {
			t.Errorf("%s: recipients %v", name, all)
		}
	}
}

func identities(t *testing.T) map[string]fmt.Stringer {
	plain, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]fmt.Stringer{"X25519": plain, "post-quantum": hybrid}
}

func TestOpenFileRefuses(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	secret := identity.String()
	var locked, armored bytes.Buffer
	encrypt(t, &locked, secret)
	w := armor.NewWriter(&armored)
	encrypt(t, w, secret)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		text, hint string
		kind       host.Kind
	}{
		"empty":      {"", "age-keygen", host.Invalid},
		"comments":   {"# nothing\n", "age-keygen", host.Invalid},
		"garbage":    {"hello\n", "line 1", host.Invalid},
		"cut":        {"#\n" + secret[:40], "line 2", host.Invalid},
		"one letter": {strings.Replace(secret, "AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1b", 1), "line 1", host.Invalid},
		"public":     {identity.Recipient().String(), "public key", host.Invalid},
		"plugin":     {"AGE-PLUGIN-YUBIKEY-1Q", "plugin", host.Invalid},
		"passphrase": {locked.String(), "age -d", host.Invalid},
		"armored":    {armored.String(), "age -d", host.Invalid},
		"binary":     {"\x00\xff\xfe", "line 1", host.Invalid},
		"large":      {strings.Repeat("#\n", maxFile), "longer", host.TooLarge},
	}
	for name, c := range cases {
		path := filepath.Join(t.TempDir(), "key")
		put(t, path, c.text)
		_, err := Open(path)
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.hint) {
			t.Errorf("%s: %v; want Kind %v and %q", name, err, c.kind, c.hint)
			continue
		}
		if strings.Contains(err.Error(), secret[20:30]) {
			t.Errorf("%s: the error tells the key: %v", name, err)
		}
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, host.Invalid) {
		t.Errorf("a folder: %v; want Kind Invalid", err)
	}
}

func TestOpenFileOfOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such modes")
	}
	path := filepath.Join(t.TempDir(), "key")
	if _, err := Create(path); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o777, 0o602} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v; want Kind Invalid and what to do", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err != nil {
		t.Errorf("mode 400: %v", err)
	}
}

func TestKeyPrintsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	key, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if got := fmt.Sprintf(format, key); strings.Contains(got, "SECRET") || !strings.Contains(got, key.Recipient()) {
			t.Errorf("%s prints %s", format, got)
		}
	}
}

func memory(t *testing.T) *Key {
	t.Helper()
	key, err := Memory()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func encrypt(t *testing.T, out io.Writer, text string) {
	t.Helper()
	recipient, err := age.NewScryptRecipient("passphrase")
	if err != nil {
		t.Fatal(err)
	}
	recipient.SetWorkFactor(4)
	w, err := age.Encrypt(out, recipient)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
