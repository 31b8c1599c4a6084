package web

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/hmac"
	"encoding/binary"
	"fmt"
)

// deriveHKDF(key, hash, salt, info, bits) is RFC 5869.
func deriveHKDF(_ context.Context, c *cryptoCall) (any, error) {
	hash := hashNamed(c.text(1))
	n := int(c.number(4) / 8)
	if n < 0 || n > 255*hash.Size() {
		return nil, operationError("The length is too long")
	}
	return hkdf.Key(hash.New, c.key(0).secret, c.bytes(2), string(c.bytes(3)), n)
}

// derivePBKDF2(key, hash, salt, iterations, bits) is RFC 8018, section 5.2. It is not crypto/pbkdf2's, which goes on when the
// call is over.
func derivePBKDF2(ctx context.Context, c *cryptoCall) (any, error) {
	iterations, n := c.number(3), int(c.number(4)/8)
	switch {
	case iterations == 0:
		return nil, operationError("The iterations must be 1 at least")
	case iterations > maxIterations:
		return nil, operationError(fmt.Sprintf("The iterations are more than %d", maxIterations))
	case n < 0 || n > maxDerived:
		return nil, operationError("The length is too long")
	}
	prf := hmac.New(hashNamed(c.text(1)).New, c.key(0).secret)
	out := make([]byte, 0, n+prf.Size())
	var u, t []byte
	for block := uint32(1); len(out) < n; block++ {
		prf.Reset()
		prf.Write(c.bytes(2))
		prf.Write(binary.BigEndian.AppendUint32(nil, block))
		u = prf.Sum(u[:0])
		t = append(t[:0], u...)
		for i := int64(1); i < iterations; i++ {
			if i%1000 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			prf.Reset()
			prf.Write(u)
			u = prf.Sum(u[:0])
			for j := range t {
				t[j] ^= u[j]
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		out = append(out, t...)
	}
	return out[:n], nil
}

// agree(private, public, bits) is the secret of ECDH and X25519; bits -1 is all of it.
func agree(_ context.Context, c *cryptoCall) (any, error) {
	private, err := ecdhPrivate(c.key(0))
	if err != nil {
		return nil, err
	}
	public, err := ecdhPublic(c.key(1))
	if err != nil {
		return nil, err
	}
	secret, err := private.ECDH(public)
	if err != nil {
		return nil, err
	}
	bits := c.number(2)
	if bits < 0 {
		return secret, nil
	}
	n := int((bits + 7) / 8)
	if n > len(secret) {
		return nil, operationError("The length is too long")
	}
	secret = secret[:n]
	if rest := bits % 8; rest != 0 {
		secret[n-1] &= 0xff << (8 - rest)
	}
	return secret, nil
}

func ecdhPrivate(k Key) (*ecdh.PrivateKey, error) {
	switch p := k.private.(type) {
	case *ecdh.PrivateKey:
		return p, nil
	case *ecdsa.PrivateKey:
		return p.ECDH()
	}
	return nil, notSupported("The key cannot derive")
}

func ecdhPublic(k Key) (*ecdh.PublicKey, error) {
	switch p := k.public.(type) {
	case *ecdh.PublicKey:
		return p, nil
	case *ecdsa.PublicKey:
		return p.ECDH()
	}
	return nil, notSupported("The key cannot derive")
}
