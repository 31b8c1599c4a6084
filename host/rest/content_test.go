package rest_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/rest"
)

func TestBinaryTypes(t *testing.T) { // reference 1.4.2 [GUIDE], 1.6 "Binary out" [AST]
	tests := []struct {
		name             string
		types            []string
		value            string
		binary, accepted bool
	}{
		{"none are set", nil, "image/png", false, false},
		{"the very type", []string{"image/png"}, "image/png", true, true},
		{"another", []string{"image/png"}, "image/jpeg", false, false},
		{"case and parameters do not count", []string{"Image/PNG"}, " image/png ; q=0.5", true, true},
		{"a range", []string{"image/*"}, "image/jpeg", true, true},
		{"a range is of whole types", []string{"image/*"}, "image2/png", false, false},
		{"a range of the client's is no type", []string{"image/png"}, "image/*", false, false},
		{"any of the client's is no type", []string{"image/png"}, "*/*", false, false},
		{"a range that is registered", []string{"image/*"}, "image/*", true, true},
		{"all", []string{"*/*"}, "text/plain", true, true},
		{"all, and the client says nothing", []string{"*/*"}, "", true, true},
		{"nothing is JSON as a body, and accepts no type", []string{"application/json"}, "", true, false},
		{"no type", []string{"image/*"}, "image/", false, false},
	}
	for _, test := range tests {
		b, err := rest.CompileBinaryTypes(test.types)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got := b.IsBinary(test.value); got != test.binary {
			t.Errorf("%s: IsBinary is %t", test.name, got)
		}
		if got := b.Accepts(test.value); got != test.accepted {
			t.Errorf("%s: Accepts is %t", test.name, got)
		}
	}
	b, err := rest.CompileBinaryTypes([]string{"image/png"})
	if err != nil {
		t.Fatal(err)
	}
	if !b.Accepts("image/png;q=0.1, text/html") || b.Accepts("text/html, image/png") {
		t.Error("another value of Accept than the first decided")
	}
	var zero rest.BinaryTypes
	if zero.IsBinary("image/png") || (*rest.BinaryTypes)(nil).Accepts("image/png") {
		t.Error("the zero value has a type")
	}
	for _, wrong := range []string{"", "image", "image/", "/png", "*/png", "image/png;q=1", "a b/c", "image/x/y"} {
		if _, err := rest.CompileBinaryTypes([]string{"image/png", wrong}); !errors.Is(err, host.Invalid) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

const (
	plainText  = "text"
	brokenText = "t\xFFx"
	base64Text = "AP8=" // of octets
	someOctets = "\x00\xff"
)

func TestRequestContent(t *testing.T) { // reference 1.4.2, "Request" [REC]
	tests := []struct {
		name, body string
		binary     bool
		handling   string
		want       string
		octets     bool
		fails      bool
	}{
		{"text", brokenText, false, "", "t\uFFFDx", false, false},
		{"text to text", brokenText, false, host.ConvertToText, "t\uFFFDx", false, false},
		{"text to binary", base64Text, false, host.ConvertToBinary, someOctets, true, false},
		{"text to binary that is no base64", "%%%", false, host.ConvertToBinary, "", true, true},
		{"text to binary that is cut", "AP8", false, host.ConvertToBinary, "", true, true},
		{"binary", someOctets, true, "", someOctets, true, false},
		{"binary to binary", someOctets, true, host.ConvertToBinary, someOctets, true, false},
		{"binary to text", someOctets, true, host.ConvertToText, base64Text, false, false},
		{"nothing to binary", "", false, host.ConvertToBinary, "", true, false},
		{"nothing to text", "", true, host.ConvertToText, "", false, false},
	}
	for _, test := range tests {
		given := []byte(test.body)
		got, isOctets, err := rest.RequestContent(given, test.binary, test.handling)
		checkContent(t, test.name, string(got), test.want, isOctets, test.octets, err, test.fails)
		if string(given) != test.body {
			t.Errorf("%s: the given body has changed", test.name)
		}
	}
}

func TestResponseContent(t *testing.T) { // reference 1.4.2, "Response" [REC]: payload, Accept, contentHandling
	tests := []struct {
		name, body       string
		binary, accepted bool
		handling         string
		want             string
		octets, fails    bool
	}{
		{"text, plainText, none", brokenText, false, false, "", "t\uFFFDx", false, false},
		{"text, plainText, to text", plainText, false, false, host.ConvertToText, plainText, false, false},
		{"text, plainText, to binary", base64Text, false, false, host.ConvertToBinary, someOctets, true, false},
		{"text, plainText, to binary, no base64", "{}", false, false, host.ConvertToBinary, "", true, true},
		{"text, binary, none", base64Text, false, true, "", someOctets, true, false},
		{"text, binary, none, no base64", "{}", false, true, "", "", true, true},
		{"text, binary, to text", base64Text, false, true, host.ConvertToText, base64Text, false, false},
		{"text, binary, to binary", base64Text, false, true, host.ConvertToBinary, someOctets, true, false},
		{"binary, plainText, none", someOctets, true, false, "", base64Text, false, false},
		{"binary, plainText, to text", someOctets, true, false, host.ConvertToText, base64Text, false, false},
		{"binary, plainText, to binary", someOctets, true, false, host.ConvertToBinary, someOctets, true, false},
		{"binary, binary, none", someOctets, true, true, "", someOctets, true, false},
		{"binary, binary, to text", someOctets, true, true, host.ConvertToText, base64Text, false, false},
		{"binary, binary, to binary", someOctets, true, true, host.ConvertToBinary, someOctets, true, false},
	}
	for _, test := range tests {
		got, isOctets, err := rest.ResponseContent([]byte(test.body), test.binary, test.accepted, test.handling)
		checkContent(t, test.name, string(got), test.want, isOctets, test.octets, err, test.fails)
	}
}

func checkContent(t *testing.T, name, got, want string, octets, wantOctets bool, err error, fails bool) {
	t.Helper()
	if fails {
		if err == nil || host.KindOf(err) != host.Internal {
			t.Errorf("%s: the error is %v, and should be a 500", name, err)
		}
		return
	}
	if err != nil || octets != wantOctets {
		t.Errorf("%s: octets is %t, and the error %v", name, octets, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

// What is valid is not copied, however large it is.
func TestContentIsNotCopied(t *testing.T) {
	body := bytes.Repeat([]byte("aé€😀"), 5000)
	for _, binary := range []bool{false, true} {
		got, _, err := rest.RequestContent(body, binary, "")
		if err != nil || &got[0] != &body[0] || len(got) != len(body) {
			t.Errorf("binary %t: another body came back (%v)", binary, err)
		}
	}
}

// The parts of broken sequences (reference 1.4.2 [REC] that invalid bytes are replaced; Unicode standard, tables 3-8 to 3-11, by how many).
func TestReplacement(t *testing.T) {
	const r = "\uFFFD"
	tests := []struct{ body, want string }{
		{"\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64", "a" + r + r + r + "b" + r + "c" + r + r + "d"},
		{"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", r + r + r + r + r + r + r + r + "A"},
		{"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", r + r + r + r + r + r + r + r + "A"},
		{"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", r + r + r + r + r + "A" + r + r + "B"},
		{"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", r + r + r + r + "A"},
		{"\xF0\x9F\x98", r},
		{"\uFFFD\xE2\x82", "\uFFFD" + r},
	}
	for _, test := range tests {
		for _, before := range []string{"", "é"} {
			got, _, err := rest.RequestContent([]byte(before+test.body), false, "")
			if err != nil || string(got) != before+test.want {
				t.Errorf("% x: % x, and should be % x (%v)", test.body, got[len(before):], test.want, err)
			}
		}
	}
}

// Large bodies of nothing but broken sequences take linear time: each byte is looked at a few times.
func TestReplacementIsLinear(t *testing.T) {
	for _, part := range []string{"\x80", "\xF0\x9F", "é\xFF"} {
		body := bytes.Repeat([]byte(part), 4<<20)
		got, _, err := rest.RequestContent(body, false, "")
		if err != nil || bytes.Count(got, []byte("\uFFFD")) != 4<<20 {
			t.Errorf("%q: %d bytes (%v)", part, len(got), err)
		}
	}
}

func FuzzContent(f *testing.F) {
	for _, s := range []string{"", plainText, brokenText, base64Text, someOctets, "\xF0\x9F\x98", "AP\n8=\n", "\xE1\x80\xE2"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		given := bytes.Clone(body)
		valid, _, err := rest.RequestContent(body, false, "")
		if err != nil || !utf8.Valid(valid) {
			t.Fatalf("% x is no text (%v)", valid, err)
		}
		if utf8.Valid(body) != bytes.Equal(valid, body) || !bytes.Equal(bytes.ToValidUTF8(body, nil), bytes.ReplaceAll(valid, []byte("\uFFFD"), nil)) && !bytes.Contains(body, []byte("\uFFFD")) {
			t.Fatalf("% x became % x", body, valid)
		}
		coded, _, err := rest.ResponseContent(body, true, false, "")
		if err != nil {
			t.Fatal(err)
		}
		back, isOctets, err := rest.ResponseContent(coded, false, true, "")
		if err != nil || !isOctets || !bytes.Equal(back, body) {
			t.Fatalf("% x came back as % x (%v)", body, back, err)
		}
		decoded, _, err := rest.RequestContent(body, false, host.ConvertToBinary)
		if want, wrong := base64.StdEncoding.DecodeString(string(body)); (err == nil) != (wrong == nil) || err == nil && !bytes.Equal(decoded, want) {
			t.Fatalf("% x was decoded to % x (%v)", body, decoded, err)
		}
		if !bytes.Equal(given, body) {
			t.Fatal("the given body has changed")
		}
	})
}
