package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/postern/postern/sdk/go"
)

// example is the request of RFC 9421, appendix B.2.
func example() *postern.LiveRequest {
	return &postern.LiveRequest{Method: "POST", Scheme: "https", Host: "example.com", Path: "/foo", Query: "param=Value&Pet=dog", Headers: postern.Fields{
		{"Date", "Tue, 20 Apr 2021 02:07:55 GMT"}, {"Content-Type", "application/json"},
		{"Content-Digest", "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"}}}
}

// TestVector is RFC 9421, appendix B.2.5, "Signing a Request Using hmac-sha256".
func TestVector(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==")
	if err != nil {
		t.Fatal(err)
	}
	input, err := parseDictionary(`sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`)
	if err != nil {
		t.Fatal(err)
	}
	base, err := signatureBase(example(), input.get("sig-b25").(list))
	if err != nil {
		t.Fatal(err)
	}
	want := `"date": Tue, 20 Apr 2021 02:07:55 GMT
"@authority": example.com
"content-type": application/json
"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`
	if base != want {
		t.Errorf("the signature base is\n%s", base)
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(base))
	if got := base64.StdEncoding.EncodeToString(h.Sum(nil)); got != "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=" {
		t.Errorf("the signature is %s", got)
	}
	if err := checkDigest(example().Headers.Get("content-digest"), []byte(`{"hello": "world"}`)); err != nil {
		t.Error(err)
	}
}

// TestComponents has the examples of RFC 9421, sections 2.1 and 2.2.
func TestComponents(t *testing.T) {
	r := example()
	r.Headers = append(r.Headers, [2]string{"Cache-Control", "max-age=60 "}, [2]string{"cache-control", "\tmust-revalidate"}, [2]string{"X-Empty", ""})
	staged := example()
	staged.Context.Path, staged.Query, staged.Host = "/prod/foo", "", "EXAMPLE.com:443"
	for _, test := range []struct {
		r          *postern.LiveRequest
		name, want string
		there      bool
	}{
		{r, "@method", "POST", true}, {r, "@authority", "example.com", true}, {r, "@scheme", "https", true}, {r, "@path", "/foo", true},
		{r, "@query", "?param=Value&Pet=dog", true}, {r, "@request-target", "/foo?param=Value&Pet=dog", true},
		{r, "@target-uri", "https://example.com/foo?param=Value&Pet=dog", true},
		{r, "cache-control", "max-age=60, must-revalidate", true}, {r, "x-empty", "", true},
		{r, "x-none", "", false}, {r, "Date", "", false}, {r, "@status", "", false}, {r, "@query-param", "", false}, {r, "", "", false},
		{staged, "@path", "/prod/foo", true}, {staged, "@query", "?", true}, {staged, "@authority", "example.com", true},
		{staged, "@target-uri", "https://example.com/prod/foo", true},
	} {
		if got, there := componentValue(test.r, test.name); got != test.want || there != test.there {
			t.Errorf("%s: %q, %v", test.name, got, there)
		}
	}
}

func TestDictionaries(t *testing.T) {
	for text, want := range map[string]string{
		`a=( "x"  "y";sf );created=1;ok;tag="a\"\\";k=tok/en;b=:AQI=:;no=?0;neg=-5`: `("x" "y";sf);created=1;ok;tag="a\"\\";k=tok/en;b=:AQI=:;no=?0;neg=-5`,
		`a=()`:         `()`,
		`x=1 ,	a=();b`: `();b`,
	} {
		d, err := parseDictionary(text)
		l, ok := d.get("a").(list)
		if err != nil || !ok || l.serialize() != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
	for _, text := range []string{`a=("x"`, `a=("x""y")`, `a=(x;a;a)`, `a=1,a=2`, `a=1,`, `a=1 b=2`, `A=1`, `a=1.5`, `a=1234567890123456`, `a="x`, `a="\x"`, "a=\"\x01\"", `a=:AQI:`, `a=:A`, `a=?2`,
		`a=@5`, `a=`, `=`, `a;=1`, `a=("é")`} {
		if d, err := parseDictionary(text); err == nil {
			t.Errorf("%s is %v", text, d)
		}
	}
}

// FuzzDictionaries: what is read is written so that it is read as the same.
func FuzzDictionaries(f *testing.F) {
	f.Add(`sig-b25=("date" "@authority");created=1618884473;keyid="k";x=:AQ==:;t=a/b;no=?0`)
	f.Add(`sha-256=:AQI=:, b=?1, c`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDictionary(text)
		if err != nil {
			return
		}
		for _, m := range d {
			l, ok := m.value.(list)
			if !ok {
				continue
			}
			once := l.serialize()
			again, err := parseDictionary(m.key + "=" + once)
			if err != nil || again.get(m.key).(list).serialize() != once || strings.ContainsAny(once, "\r\n") {
				t.Errorf("%q: %q, %v", text, once, err)
			}
		}
	})
}

func TestDigests(t *testing.T) {
	const empty = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
	for value, ok := range map[string]bool{
		empty: true, "md5=:AQI=:, " + empty: true,
		"": false, "md5=:AQI=:": false, "sha-256=:AQI=:": false, empty + ", sha-512=:AQI=:": false, "sha-256=47": false, "sha-256": false,
	} {
		if err := checkDigest(value, nil); (err == nil) != ok {
			t.Errorf("%s: %v", value, err)
		}
	}
}
