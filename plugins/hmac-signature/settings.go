package main

import (
	"encoding/base64"
	"fmt"
	"time"

	"github.com/postern/postern/sdk/go"
)

// What config.contentDigest may be.
const (
	digestRequired = "required"
	digestCovered  = "covered"
)

// minKey is how many bytes a key must have: a key that can be guessed signs for anybody.
const minKey = 16

// Settings are the configuration, as config.schema.json has it.
type settings struct {
	Keys          map[string]string `json:"keys"`        // the name of a secret for each keyid
	KeyEncoding   string            `json:"keyEncoding"` // base64 or text
	Components    []string          `json:"components"`  // that a signature must cover
	ContentDigest string            `json:"contentDigest"`
	Label         string            `json:"label"`
	MaxAge        int64             `json:"maxAge"` // seconds
	Skew          int64             `json:"skew"`   // seconds
	Nonce         *bool             `json:"nonce"`
	Header        string            `json:"header"`
	MaxBody       int64             `json:"maxBody"` // bytes
}

func readSettings() (*settings, error) {
	s := &settings{KeyEncoding: "base64", Components: []string{"@method", "@authority", "@path", "@query"}, ContentDigest: digestRequired,
		MaxAge: 300, Skew: 30, Header: "x-signature-keyid", MaxBody: 1 << 20}
	if err := postern.Config(s); err != nil {
		return nil, fmt.Errorf("the configuration: %w", err)
	}
	return s, nil
}

// label is how the signature that counts is called, or how a client may call it.
func (s *settings) label() string {
	if s.Label == "" {
		return "sig1"
	}
	return s.Label
}

func (s *settings) nonces() bool { return s.Nonce == nil || *s.Nonce }

func (s *settings) window() time.Duration { return time.Duration(s.MaxAge+s.Skew) * time.Second }

// key returns the key of a keyid, nil where there is none. The error is one of the settings.
func (s *settings) key(id string) ([]byte, error) {
	name, ok := s.Keys[id]
	if !ok {
		return nil, nil
	}
	text, err := postern.Secret(name)
	if err != nil {
		return nil, fmt.Errorf("the key %q: %w", id, err)
	}
	key := []byte(text)
	if s.KeyEncoding == "base64" {
		if key, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, fmt.Errorf("the secret %s, which is the key %q, is not base64", name, id)
		}
	}
	if len(key) < minKey {
		return nil, fmt.Errorf("the secret %s, which is the key %q, has %d bytes, and %d are the least", name, id, len(key), minKey)
	}
	return key, nil
}
