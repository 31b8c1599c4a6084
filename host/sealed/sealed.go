// Package sealed keeps values from whoever can read the store but has not the host's key: secrets, and the secrets of access keys.
//
// A value is sealed as an age file (https://age-encryption.org/v1) for one identity, which stands in a file as age-keygen writes it:
// so the key can be made, kept and recovered with a tool that is not ours, and `age -d -i KEYFILE` opens what a host has sealed.
// The file may hold several identities: the first seals, and all open. That is how the key is rotated: a new identity becomes the
// first line, and the old ones stay as long as something is sealed for them.
//
// What this does not do: it does not tell which document a sealed value belongs to, so whoever can write the store can put
// one sealed value in the place of another. Whoever can write the store can point a stage anywhere, too.
package sealed

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/postern/postern/host"
)

// markInfo binds the key of the marks to their use (RFC 5869, 3.2), so that it is not the key of anything else.
const markInfo = "postern: the mark of a sealed value, 1"

// A Key seals and opens values. It is immutable, and safe for concurrent use. Its text is its public half.
type Key struct {
	recipients []age.Recipient // of identities, in their order
	identities []age.Identity
	mark       []byte // keys the HMAC of Same
}

// Memory returns a new key that is kept nowhere: what it seals is lost with the process.
func Memory() (*Key, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, failed(host.Internal, err)
	}
	return newKey([]age.Identity{identity})
}

// newKey makes a key of identities that age.ParseIdentities knows: the first seals.
func newKey(identities []age.Identity) (*Key, error) {
	k := &Key{identities: identities}
	for _, identity := range identities {
		recipient, err := recipientOf(identity)
		if err != nil {
			return nil, err
		}
		k.recipients = append(k.recipients, recipient)
	}
	secret := fmt.Sprint(identities[0]) // its AGE-SECRET-KEY line
	mark, err := hkdf.Key(sha256.New, []byte(secret), nil, markInfo, sha256.Size)
	if err != nil {
		return nil, failed(host.Internal, err)
	}
	k.mark = mark
	return k, nil
}

func recipientOf(identity age.Identity) (age.Recipient, error) {
	switch i := identity.(type) {
	case *age.X25519Identity:
		return i.Recipient(), nil
	case *age.HybridIdentity:
		return i.Recipient(), nil
	}
	return nil, failed(host.Unsupported, errors.New("this kind of age identity is not handled"))
}

// Recipient returns the public half of the identity that seals, such as "age1…".
func (k *Key) Recipient() string { return fmt.Sprint(k.recipients[0]) }

// Recipients returns the public halves of all identities: what was sealed for one of them can be opened.
func (k *Key) Recipients() []string {
	texts := make([]string, len(k.recipients))
	for i, r := range k.recipients {
		texts[i] = fmt.Sprint(r)
	}
	return texts
}

// String returns Recipient's text, so that a key that is printed tells nothing.
func (k *Key) String() string { return k.Recipient() }

// GoString is String, for %#v.
func (k *Key) GoString() string { return k.Recipient() }

// Seal returns a value sealed: some 200 bytes longer, and never twice the same.
func (k *Key) Seal(value []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, k.recipients[0])
	if err != nil {
		return nil, failed(host.Internal, err)
	}
	if _, err := w.Write(value); err != nil {
		return nil, failed(host.Internal, err)
	}
	if err := w.Close(); err != nil {
		return nil, failed(host.Internal, err)
	}
	return out.Bytes(), nil
}

// Open returns the value that was sealed. One that is sealed for an identity that the key has not, and one that is damaged, have
// Kind Invalid. The errors hold no part of a value.
func (k *Key) Open(sealed []byte) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), k.identities...)
	if err != nil {
		var other *age.NoIdentityMatchError
		if errors.As(err, &other) {
			return nil, failed(host.Invalid, errors.New("it was sealed with another key: add the identity that it was sealed with to the host's key file"))
		}
		return nil, failed(host.Invalid, errors.New("the sealed value is damaged"))
	}
	value, err := io.ReadAll(r)
	if err != nil {
		return nil, failed(host.Invalid, errors.New("the sealed value is damaged"))
	}
	return value, nil
}

// Same returns a mark that equal values of one key have in common, and that tells nothing else of them: an HMAC-SHA-256 in hexadecimal, with a
// key derived from the first identity. After a rotation all marks are others.
func (k *Key) Same(value []byte) string {
	mac := hmac.New(sha256.New, k.mark)
	mac.Write(value)
	return hex.EncodeToString(mac.Sum(nil))
}

func failed(kind host.Kind, err error) error {
	return &host.Error{Op: "sealing key", Kind: kind, Err: err}
}
