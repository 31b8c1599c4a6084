package web

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/binary"
	"math/big"
)

// encrypt(algorithm, key, data, hash, ...parameters) is what RSA-OAEP (label), AES-CBC (iv), AES-CTR (counter, length) or AES-GCM (iv, tag
// length, additional data) makes of data.
func encrypt(_ context.Context, c *cryptoCall) (any, error) {
	key, data, iv := c.key(1), c.bytes(2), c.bytes(4)
	if c.text(0) == "RSA-OAEP" {
		public, ok := key.public.(*rsa.PublicKey)
		if !ok {
			return nil, notSupported("The key cannot encrypt")
		}
		return rsa.EncryptOAEP(hashNamed(c.text(3)).New(), c.random, public, data, iv)
	}
	block, err := aes.NewCipher(key.secret)
	if err != nil {
		return nil, err
	}
	switch c.text(0) {
	case "AES-GCM":
		aead, err := gcm(block, len(iv), c.number(5))
		if err != nil {
			return nil, err
		}
		return aead.Seal(nil, iv, data, c.bytes(6)), nil
	case "AES-CTR":
		return ctr(block, iv, c.number(5), data)
	}
	if len(iv) != aes.BlockSize {
		return nil, operationError("The iv must have 16 bytes")
	}
	pad := aes.BlockSize - len(data)%aes.BlockSize // PKCS #7 (RFC 5652, section 6.3)
	padded := append(bytes.Clone(data), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(padded, padded)
	return padded, nil
}

// decrypt(…) is the inverse of encrypt, with the same arguments.
func decrypt(_ context.Context, c *cryptoCall) (any, error) {
	key, data, iv := c.key(1), c.bytes(2), c.bytes(4)
	if c.text(0) == "RSA-OAEP" {
		private, ok := key.private.(*rsa.PrivateKey)
		if !ok {
			return nil, notSupported("The key cannot decrypt")
		}
		return rsa.DecryptOAEP(hashNamed(c.text(3)).New(), nil, private, data, iv)
	}
	block, err := aes.NewCipher(key.secret)
	if err != nil {
		return nil, err
	}
	switch c.text(0) {
	case "AES-GCM":
		aead, err := gcm(block, len(iv), c.number(5))
		if err != nil {
			return nil, err
		}
		out, err := aead.Open(nil, iv, data, c.bytes(6))
		return notNil(out), err
	case "AES-CTR":
		return ctr(block, iv, c.number(5), data)
	}
	if len(iv) != aes.BlockSize {
		return nil, operationError("The iv must have 16 bytes")
	}
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, operationError("The operation failed")
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > aes.BlockSize || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, operationError("The operation failed")
	}
	return plain[:len(plain)-pad], nil
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// gcm makes AES-GCM. The standard library has other lengths of the iv, or of the tag, but not both at once.
func gcm(block cipher.Block, iv int, tag int64) (cipher.AEAD, error) {
	switch {
	case iv == 0:
		return nil, operationError("The iv is empty")
	case tag == 128:
		return cipher.NewGCMWithNonceSize(block, iv)
	case tag == 32 || tag == 64:
		return nil, notSupported("AES-GCM tags of 32 and 64 bits are not supported: they can be forged")
	case tag < 96 || tag > 128 || tag%8 != 0:
		return nil, operationError("The tagLength must be 96, 104, 112, 120 or 128")
	case iv != 12:
		return nil, notSupported("AES-GCM with a shorter tag needs an iv of 12 bytes")
	}
	return cipher.NewGCMWithTagSize(block, int(tag/8))
}

// ctr is AES-CTR, of whose counter block the last length bits count (webcrypto, section 27.4): they wrap, where the
// standard library carries into the rest.
func ctr(block cipher.Block, counter []byte, length int64, data []byte) (any, error) {
	if len(counter) != aes.BlockSize {
		return nil, operationError("The counter must have 16 bytes")
	}
	if length < 1 || length > 128 {
		return nil, operationError("The length must be 1 to 128 bits")
	}
	out := make([]byte, len(data))
	space := new(big.Int).Lsh(big.NewInt(1), uint(length))
	low := new(big.Int).Mod(new(big.Int).SetBytes(counter), space)
	blocks := big.NewInt(int64((len(data) + aes.BlockSize - 1) / aes.BlockSize))
	if blocks.Cmp(space) > 0 {
		return nil, operationError("The data is too long for the counter")
	}
	first := len(data)
	if left := new(big.Int).Sub(space, low); left.Cmp(blocks) < 0 {
		first = int(left.Int64()) * aes.BlockSize
	}
	cipher.NewCTR(block, counter).XORKeyStream(out[:first], data[:first])
	if first < len(data) {
		again := new(big.Int).SetBytes(counter)
		again.Sub(again, low)
		cipher.NewCTR(block, again.FillBytes(make([]byte, aes.BlockSize))).XORKeyStream(out[first:], data[first:])
	}
	return out, nil
}

const wrapIV = 0xa6a6a6a6a6a6a6a6 // RFC 3394, section 2.2.3.1

// wrap(key, data) is AES Key Wrap (RFC 3394, section 2.2.1).
func wrap(_ context.Context, c *cryptoCall) (any, error) {
	data := c.bytes(1)
	if len(data)%8 != 0 || len(data) < 16 {
		return nil, operationError("What AES-KW wraps must have a multiple of 8 bytes, 16 at least")
	}
	block, err := aes.NewCipher(c.key(0).secret)
	if err != nil {
		return nil, err
	}
	out := append(binary.BigEndian.AppendUint64(nil, wrapIV), data...)
	var b [16]byte
	copy(b[:8], out)
	n := len(data) / 8
	for t := 0; t < 6*n; t++ {
		at := out[8+t%n*8:][:8]
		copy(b[8:], at)
		block.Encrypt(b[:], b[:])
		copy(at, b[8:])
		binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^uint64(t+1))
	}
	copy(out, b[:8])
	return out, nil
}

// unwrap(key, data) is its inverse (RFC 3394, section 2.2.2).
func unwrap(_ context.Context, c *cryptoCall) (any, error) {
	data := bytes.Clone(c.bytes(1))
	if len(data)%8 != 0 || len(data) < 24 {
		return nil, operationError("The operation failed")
	}
	block, err := aes.NewCipher(c.key(0).secret)
	if err != nil {
		return nil, err
	}
	var b [16]byte
	copy(b[:8], data)
	n := len(data)/8 - 1
	for t := 6*n - 1; t >= 0; t-- {
		at := data[8+t%n*8:][:8]
		binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^uint64(t+1))
		copy(b[8:], at)
		block.Decrypt(b[:], b[:])
		copy(at, b[8:])
	}
	if subtle.ConstantTimeCompare(b[:8], binary.BigEndian.AppendUint64(nil, wrapIV)) != 1 {
		return nil, operationError("The operation failed")
	}
	return data[8:], nil
}
