package web

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"encoding/asn1"
	"math/big"
)

// sign(algorithm, key, hash, saltLength, data) is a signature.
func sign(_ context.Context, c *cryptoCall) (any, error) {
	key, data := c.key(1), c.bytes(4)
	if c.text(0) == "HMAC" {
		return mac(c.text(2), key.secret, data), nil
	}
	hash := hashNamed(c.text(2))
	switch k := key.private.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(k, data), nil
	case *ecdsa.PrivateKey:
		return signECDSA(k, hash, sum(c.text(2), data))
	case *rsa.PrivateKey:
		if c.text(0) != "RSA-PSS" {
			return rsa.SignPKCS1v15(nil, k, hash, sum(c.text(2), data))
		}
		opts, err := pss(k.Size(), hash, c.number(3))
		if err != nil {
			return nil, err
		}
		return rsa.SignPSS(c.random, k, hash, sum(c.text(2), data), opts)
	}
	return nil, notSupported("The key cannot sign")
}

// pss gives the options of RSA-PSS. In crypto/rsa a length of 0 means any.
func pss(size int, hash crypto.Hash, salt int64) (*rsa.PSSOptions, error) {
	if salt == 0 {
		return nil, notSupported("RSA-PSS without a salt is not supported")
	}
	if salt > int64(size-hash.Size()-2) {
		return nil, operationError("The salt is too long for the key")
	}
	return &rsa.PSSOptions{SaltLength: int(salt), Hash: hash}, nil
}

type ecdsaSignature struct{ R, S *big.Int }

// signECDSA signs deterministically (RFC 6979), so that a call can be replayed. The two numbers stand side by side
// (webcrypto, section 23.7.1), where crypto/ecdsa has ASN.1.
func signECDSA(k *ecdsa.PrivateKey, hash crypto.Hash, sum []byte) (any, error) {
	der, err := k.Sign(nil, sum, hash)
	if err != nil {
		return nil, err
	}
	var s ecdsaSignature
	if _, err := asn1.Unmarshal(der, &s); err != nil {
		return nil, err
	}
	n := (k.Curve.Params().BitSize + 7) / 8
	out := make([]byte, 2*n)
	s.R.FillBytes(out[:n])
	s.S.FillBytes(out[n:])
	return out, nil
}

// verify(algorithm, key, hash, saltLength, data, signature) tells whether the signature is right.
func verify(_ context.Context, c *cryptoCall) (any, error) {
	key, data, signature := c.key(1), c.bytes(4), c.bytes(5)
	if c.text(0) == "HMAC" {
		return hmac.Equal(mac(c.text(2), key.secret, data), signature), nil
	}
	hash := hashNamed(c.text(2))
	switch k := key.public.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(k, data, signature), nil
	case *ecdsa.PublicKey:
		n := (k.Curve.Params().BitSize + 7) / 8
		if len(signature) != 2*n {
			return false, nil
		}
		der, err := asn1.Marshal(ecdsaSignature{new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])})
		return err == nil && ecdsa.VerifyASN1(k, sum(c.text(2), data), der), nil
	case *rsa.PublicKey:
		if c.text(0) != "RSA-PSS" {
			return rsa.VerifyPKCS1v15(k, hash, sum(c.text(2), data), signature) == nil, nil
		}
		opts, err := pss(k.Size(), hash, c.number(3))
		if err != nil {
			return nil, err
		}
		return rsa.VerifyPSS(k, hash, sum(c.text(2), data), signature, opts) == nil, nil
	}
	return nil, notSupported("The key cannot verify")
}

func mac(hash string, key, data []byte) []byte {
	h := hmac.New(hashNamed(hash).New, key)
	h.Write(data)
	return h.Sum(nil)
}
