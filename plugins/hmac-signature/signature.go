package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/sdk/go"
)

// algorithm is the only one (RFC 9421, section 3.3.3).
const algorithm = "hmac-sha256"

// maxNonce is how long a nonce may be, in bytes.
const maxNonce = 256

// A signature is one that has been verified.
type signature struct {
	keyID      string
	components []string
	created    time.Time
	nonce      string
}

func (s *signature) covers(name string) bool { return slices.Contains(s.components, name) }

// verify holds a request against its signature (RFC 9421, section 3.2), but for the body.
func (s *settings) verify(r *postern.LiveRequest) (*signature, error) {
	input, mac, err := s.parse(r.Headers)
	if err != nil {
		return nil, err
	}
	sig, err := s.describe(input)
	if err != nil {
		return nil, err
	}
	base, err := signatureBase(r, input)
	if err != nil {
		return nil, err
	}
	key, err := s.key(sig.keyID)
	if err != nil {
		return nil, err
	}
	known := key != nil
	if !known {
		key = make([]byte, minKey) // so that a keyid that is not takes as long
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(base))
	if !hmac.Equal(h.Sum(nil), mac) || !known {
		return nil, refuse("the signature of %q is wrong, or nobody has that keyid", sig.keyID)
	}
	return sig, nil
}

// parse finds the signature that counts: the one with the label, or the only one.
func (s *settings) parse(headers postern.Fields) (input list, mac []byte, err error) {
	inputs, ok := fieldValue(headers, "signature-input")
	macs, also := fieldValue(headers, "signature")
	if !ok || !also {
		return list{}, nil, refuse("there is no signature")
	}
	described, err := parseDictionary(inputs)
	if err != nil {
		return list{}, nil, refuse("signature-input: %v", err)
	}
	signed, err := parseDictionary(macs)
	if err != nil {
		return list{}, nil, refuse("signature: %v", err)
	}
	label := s.Label
	if label == "" {
		if len(described) != 1 {
			return list{}, nil, refuse("there are %d signatures, and config.label does not say which counts", len(described))
		}
		label = described[0].key
	}
	in, isList := described.get(label).(list)
	bytes, isBytes := signed.get(label).([]byte)
	if !isList || !isBytes {
		return list{}, nil, refuse("the signature %q is not whole", label)
	}
	return in, bytes, nil
}

// describe takes the parameters of a signature and looks at what they must be (RFC 9421, sections 2.3 and 3.2.1).
func (s *settings) describe(in list) (*signature, error) {
	sig := &signature{}
	for _, component := range in.items {
		name, ok := component.value.(string)
		if !ok || len(component.params) > 0 {
			return nil, refuse("a covered component is no plain name")
		}
		if sig.covers(name) {
			return nil, refuse("the component %q is covered twice", name)
		}
		sig.components = append(sig.components, name)
	}
	for _, name := range s.Components {
		if !sig.covers(name) {
			return nil, refuse("the component %q is not covered", name)
		}
	}
	if alg, ok := in.params.get("alg").(string); in.params.has("alg") && (!ok || alg != algorithm) {
		return nil, refuse("the algorithm is not %s", algorithm)
	}
	var ok bool
	if sig.keyID, ok = in.params.get("keyid").(string); !ok || sig.keyID == "" {
		return nil, refuse("there is no keyid")
	}
	if sig.nonce, ok = in.params.get("nonce").(string); s.nonces() && (!ok || sig.nonce == "" || len(sig.nonce) > maxNonce) {
		return nil, refuse("there is no nonce of 1 to %d characters", maxNonce)
	}
	return sig, s.times(sig, in.params)
}

// times looks at when a signature was made and until when it holds.
func (s *settings) times(sig *signature, params dictionary) error {
	now, skew := time.Now(), time.Duration(s.Skew)*time.Second
	created, ok := params.get("created").(int64)
	if !ok {
		return refuse("it does not say when it was created")
	}
	sig.created = time.Unix(created, 0)
	switch {
	case sig.created.After(now.Add(skew)):
		return refuse("it was created in the future")
	case now.After(sig.created.Add(s.window())):
		return refuse("it was created over %d s ago", s.MaxAge+s.Skew)
	}
	if !params.has("expires") {
		return nil
	}
	expires, ok := params.get("expires").(int64)
	if !ok || !now.Before(time.Unix(expires, 0)) {
		return refuse("it has expired")
	}
	return nil
}

// once refuses a nonce that was there before, for as long as its signature would be taken again. Only verified signatures come here: nobody else
// can fill the map.
func (s *settings) once(sig *signature) error {
	if !s.nonces() {
		return nil
	}
	digest := sha256.Sum256([]byte(sig.keyID + "\x00" + sig.nonce))
	left := time.Until(sig.created.Add(s.window())) + time.Second
	_, err := postern.KVUpdate("nonce/"+hex.EncodeToString(digest[:]), nil, left, 0)
	if errors.Is(err, postern.ErrConflict) {
		return refuse("the nonce of %q was there before", sig.keyID)
	}
	return err
}

// checkDigest holds a body against Content-Digest (RFC 9530): each digest of an algorithm that is known must be the body's, and there must be one.
func checkDigest(value string, body []byte) error {
	digests, err := parseDictionary(value)
	if err != nil {
		return refuse("content-digest: %v", err)
	}
	known := false
	for _, d := range digests {
		var sum []byte
		switch d.key {
		case "sha-256":
			digest := sha256.Sum256(body)
			sum = digest[:]
		case "sha-512":
			digest := sha512.Sum512(body)
			sum = digest[:]
		default:
			continue
		}
		if said, ok := d.value.([]byte); !ok || !hmac.Equal(said, sum) {
			return refuse("the body is another than content-digest says")
		}
		known = true
	}
	if !known {
		return refuse("content-digest has neither sha-256 nor sha-512")
	}
	return nil
}

// signatureBase is what was signed (RFC 9421, section 2.5).
func signatureBase(r *postern.LiveRequest, in list) (string, error) {
	var b strings.Builder
	for _, component := range in.items {
		name, _ := component.value.(string)
		value, ok := componentValue(r, name)
		if !ok {
			return "", refuse("the covered component %q is not there", name)
		}
		b.WriteString(serializeString(name) + ": " + value + "\n")
	}
	b.WriteString(`"@signature-params": ` + in.serialize())
	return b.String(), nil
}

// componentValue returns the value of a component (RFC 9421, sections 2.1 and 2.2): of the request as it came, with the stage in its path.
func componentValue(r *postern.LiveRequest, name string) (string, bool) {
	path := r.Context.Path
	if path == "" {
		path = r.Path
	}
	target := path
	if r.Query != "" {
		target += "?" + r.Query
	}
	switch name {
	case "@method":
		return r.Method, true
	case "@authority":
		return authority(r), true
	case "@scheme":
		return strings.ToLower(r.Scheme), true
	case "@path":
		return path, true
	case "@query":
		return "?" + r.Query, true
	case "@request-target":
		return target, true
	case "@target-uri":
		return strings.ToLower(r.Scheme) + "://" + authority(r) + target, true
	}
	if name == "" || name[0] == '@' || name != strings.ToLower(name) {
		return "", false
	}
	return fieldValue(r.Headers, name)
}

// authority is the host in lower case, without the port that its scheme has anyway (RFC 9421, section 2.2.3).
func authority(r *postern.LiveRequest) string {
	host := strings.ToLower(r.Host)
	if port := map[string]string{"http": ":80", "https": ":443"}[strings.ToLower(r.Scheme)]; port != "" {
		host = strings.TrimSuffix(host, port)
	}
	return host
}

// fieldValue joins the lines of a field (RFC 9421, section 2.1).
func fieldValue(headers postern.Fields, name string) (string, bool) {
	var lines []string
	for _, f := range headers {
		if strings.EqualFold(f[0], name) {
			lines = append(lines, strings.Trim(f[1], " \t"))
		}
	}
	return strings.Join(lines, ", "), len(lines) > 0
}
