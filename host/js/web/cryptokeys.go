package web

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
)

const (
	curveEd25519 = "Ed25519"
	curveX25519  = "X25519"
)

func curveNamed(name string) elliptic.Curve {
	switch name {
	case "P-256":
		return elliptic.P256()
	case "P-384":
		return elliptic.P384()
	case "P-521":
		return elliptic.P521()
	}
	return nil
}

// secretKey(bytes) is a symmetric key.
func secretKey(_ context.Context, c *cryptoCall) (any, error) {
	return &Key{secret: bytes.Clone(c.bytes(0))}, nil
}

func pair(private crypto.PrivateKey, public crypto.PublicKey) (any, error) {
	return []any{&Key{private: private}, &Key{public: public}}, nil
}

// generateRSA(bits, exponent) is a private and a public key. The standard library has its own random numbers for them, and
// one exponent.
func generateRSA(_ context.Context, c *cryptoCall) (any, error) {
	bits := c.number(0)
	if bits < 1024 || bits > maxNewModulus {
		return nil, operationError(fmt.Sprintf("The modulusLength must be 1024 to %d", maxNewModulus))
	}
	if new(big.Int).SetBytes(c.bytes(1)).Cmp(big.NewInt(65537)) != 0 {
		return nil, operationError("The publicExponent must be 65537")
	}
	key, err := rsa.GenerateKey(rand.Reader, int(bits))
	if err != nil {
		return nil, err
	}
	return pair(key, &key.PublicKey)
}

// generateEC(curve) is a private and a public key.
func generateEC(_ context.Context, c *cryptoCall) (any, error) {
	switch c.text(0) {
	case curveEd25519:
		seed := make([]byte, ed25519.SeedSize)
		if _, err := io.ReadFull(c.random, seed); err != nil {
			return nil, err
		}
		key := ed25519.NewKeyFromSeed(seed)
		return pair(key, key.Public())
	case curveX25519:
		seed := make([]byte, 32)
		if _, err := io.ReadFull(c.random, seed); err != nil {
			return nil, err
		}
		key, err := ecdh.X25519().NewPrivateKey(seed)
		if err != nil {
			return nil, err
		}
		return pair(key, key.PublicKey())
	}
	curve := curveNamed(c.text(0))
	bits := curve.Params().BitSize
	d := make([]byte, (bits+7)/8)
	for range 100 { // a number that is no key is rare: FIPS 186-5, appendix A.2.2
		if _, err := io.ReadFull(c.random, d); err != nil {
			return nil, err
		}
		if extra := len(d)*8 - bits; extra > 0 {
			d[0] &= 0xff >> extra
		}
		if key, err := ecdsa.ParseRawPrivateKey(curve, d); err == nil {
			return pair(key, &key.PublicKey)
		}
	}
	return nil, operationError("The random numbers are not random")
}

// importKey(format, curve or "rsa", bytes) reads a key in a binary format.
func importKey(_ context.Context, c *cryptoCall) (any, error) {
	kind, data := c.text(1), c.bytes(2)
	if len(data) > maxKeyData { // to parse a private key is to check its numbers
		return nil, dataError("The data is no such key")
	}
	switch c.text(0) {
	case "raw":
		return rawPublic(kind, data)
	case "spki":
		public, err := x509.ParsePKIXPublicKey(data)
		if err != nil || !fits(kind, public) {
			return nil, dataError("The data is no such public key")
		}
		return &Key{public: public}, nil
	}
	private, err := x509.ParsePKCS8PrivateKey(data)
	if err != nil {
		return nil, dataError("The data is no such private key")
	}
	if k, ok := private.(interface{ Public() crypto.PublicKey }); !ok || !fits(kind, k.Public()) {
		return nil, dataError("The data is no such private key")
	}
	return &Key{private: private}, nil
}

func fits(kind string, public crypto.PublicKey) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return kind == "rsa" && k.N.BitLen() <= maxModulus
	case *ecdsa.PublicKey:
		return curveNamed(kind) == k.Curve
	case ed25519.PublicKey:
		return kind == curveEd25519
	case *ecdh.PublicKey:
		return kind == curveX25519 && k.Curve() == ecdh.X25519()
	}
	return false
}

func rawPublic(kind string, data []byte) (any, error) {
	switch kind {
	case curveEd25519:
		if len(data) != ed25519.PublicKeySize {
			return nil, dataError("An Ed25519 key has 32 bytes")
		}
		return &Key{public: ed25519.PublicKey(bytes.Clone(data))}, nil
	case curveX25519:
		key, err := ecdh.X25519().NewPublicKey(data)
		if err != nil {
			return nil, dataError("An X25519 key has 32 bytes")
		}
		return &Key{public: key}, nil
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curveNamed(kind), data)
	if err != nil {
		return nil, dataError("The data is no uncompressed point of the curve")
	}
	return &Key{public: key}, nil
}

// exportKey(format, key) is a key in a binary format.
func exportKey(_ context.Context, c *cryptoCall) (any, error) {
	key := c.key(1)
	switch c.text(0) {
	case "pkcs8":
		return x509.MarshalPKCS8PrivateKey(key.private)
	case "spki":
		return x509.MarshalPKIXPublicKey(key.public)
	}
	switch k := key.public.(type) {
	case ed25519.PublicKey:
		return bytes.Clone(k), nil
	case *ecdh.PublicKey:
		return k.Bytes(), nil
	case *ecdsa.PublicKey:
		return k.Bytes()
	}
	return bytes.Clone(key.secret), nil
}

// keyNumbers(key) is the numbers of a key as JWK has them (RFC 7518, section 6): n, e, d, p, q, dp, dq, qi of RSA; x, y, d of a
// curve; x, d of Ed25519 and X25519; those of a public key stop before d.
func keyNumbers(_ context.Context, c *cryptoCall) (any, error) {
	key := c.key(0)
	switch k := key.private.(type) {
	case *rsa.PrivateKey:
		k.Precompute()
		pre := k.Precomputed
		return []any{k.N.Bytes(), big.NewInt(int64(k.E)).Bytes(), k.D.Bytes(), k.Primes[0].Bytes(), k.Primes[1].Bytes(),
			pre.Dp.Bytes(), pre.Dq.Bytes(), pre.Qinv.Bytes()}, nil
	case *ecdsa.PrivateKey:
		d, err := k.Bytes()
		if err != nil {
			return nil, err
		}
		numbers, err := point(&k.PublicKey)
		return append(numbers, d), err
	case ed25519.PrivateKey:
		return []any{[]byte(k.Public().(ed25519.PublicKey)), k.Seed()}, nil
	case *ecdh.PrivateKey:
		return []any{k.PublicKey().Bytes(), k.Bytes()}, nil
	}
	switch k := key.public.(type) {
	case *rsa.PublicKey:
		return []any{k.N.Bytes(), big.NewInt(int64(k.E)).Bytes()}, nil
	case *ecdsa.PublicKey:
		return point(k)
	case ed25519.PublicKey:
		return []any{bytes.Clone(k)}, nil
	case *ecdh.PublicKey:
		return []any{k.Bytes()}, nil
	}
	return nil, notSupported("The key has no numbers")
}

func point(k *ecdsa.PublicKey) ([]any, error) {
	raw, err := k.Bytes()
	if err != nil {
		return nil, err
	}
	n := len(raw) / 2
	return []any{raw[1 : 1+n], raw[1+n:]}, nil
}

// rsaOfNumbers(n, e) is a public key; with d, p, q, dp, dq, qi after them, a private one.
func rsaOfNumbers(_ context.Context, c *cryptoCall) (any, error) {
	number := func(i int) *big.Int { return new(big.Int).SetBytes(c.bytes(i)) }
	for i := range c.args { // before the numbers are worked with
		if len(c.bytes(i)) > maxKeyData {
			return nil, dataError("The numbers are no RSA key")
		}
	}
	public := rsa.PublicKey{N: number(0)}
	if e := number(1); e.IsInt64() && e.Int64() < 1<<31 {
		public.E = int(e.Int64())
	}
	if public.E < 2 || public.N.BitLen() > maxModulus || public.N.Sign() == 0 {
		return nil, dataError("The numbers are no RSA key")
	}
	if c.args[2] == nil {
		return &Key{public: &public}, nil
	}
	key := &rsa.PrivateKey{PublicKey: public, D: number(2), Primes: []*big.Int{number(3), number(4)}}
	if err := key.Validate(); err != nil {
		return nil, dataError("The numbers are no RSA key")
	}
	key.Precompute()
	return &Key{private: key}, nil
}

// ecOfNumbers(curve, x, y, d) is a key; y is undefined for Ed25519 and X25519, d for public keys.
func ecOfNumbers(_ context.Context, c *cryptoCall) (any, error) {
	kind, x, y, d := c.text(0), c.bytes(1), c.bytes(2), c.bytes(3)
	wrong := dataError("The numbers are no key of the curve " + kind)
	raw := x
	if curve := curveNamed(kind); curve != nil {
		n := (curve.Params().BitSize + 7) / 8
		if len(x) != n || len(y) != n {
			return nil, wrong
		}
		raw = append(append([]byte{4}, x...), y...)
	}
	made, err := rawPublic(kind, raw)
	if err != nil {
		return nil, wrong
	}
	public := made.(*Key)
	if c.args[3] == nil {
		return public, nil
	}
	private, err := rawPrivate(kind, d)
	if err != nil {
		return nil, wrong
	}
	own := private.(interface{ Public() crypto.PublicKey }).Public()
	if same, ok := own.(interface{ Equal(crypto.PublicKey) bool }); !ok || !same.Equal(public.public) {
		return nil, wrong
	}
	return &Key{private: private}, nil
}

func rawPrivate(kind string, d []byte) (crypto.PrivateKey, error) {
	switch kind {
	case curveEd25519:
		if len(d) != ed25519.SeedSize {
			return nil, dataError("An Ed25519 key has 32 bytes")
		}
		return ed25519.NewKeyFromSeed(d), nil
	case curveX25519:
		return ecdh.X25519().NewPrivateKey(d)
	}
	return ecdsa.ParseRawPrivateKey(curveNamed(kind), d)
}

func rsaPublic(c *cryptoCall) *rsa.PublicKey {
	if private, ok := c.key(0).private.(*rsa.PrivateKey); ok {
		return &private.PublicKey
	}
	return c.key(0).public.(*rsa.PublicKey)
}

// modulusLength(key) is in bits.
func modulusLength(_ context.Context, c *cryptoCall) (any, error) {
	return int64(rsaPublic(c).N.BitLen()), nil
}

// publicExponent(key) is bytes, the first the most significant.
func publicExponent(_ context.Context, c *cryptoCall) (any, error) {
	return big.NewInt(int64(rsaPublic(c).E)).Bytes(), nil
}
