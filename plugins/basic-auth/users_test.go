package main

import (
	"encoding/base64"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func hash(t *testing.T, password string, cost int) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	return "$2y" + string(h[3:])
}

func TestUsers(t *testing.T) {
	u, err := parseUsers("# staff\n\nalice:" + hash(t, "a", 5) + "\r\nbob:" + hash(t, "b", 7) + "  \n")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, password string
		want           bool
	}{{"alice", "a", true}, {"bob", "b", true}, {"alice", "b", false}, {"bob", "", false}, {"carol", "a", false}, {"", "a", false}, {"alice", strings.Repeat("a", 80), false}} {
		if got := u.check(test.name, test.password); got != test.want {
			t.Errorf("%s with %q: %v", test.name, test.password, got)
		}
	}
	if cost, err := bcrypt.Cost(decoyOf(u.cost)); err != nil || cost != 7 {
		t.Errorf("the decoy's cost is %d, %v: it would be rejected at once", cost, err)
	}
	if err := bcrypt.CompareHashAndPassword(decoyOf(5), []byte("a")); err != bcrypt.ErrMismatchedHashAndPassword {
		t.Errorf("the decoy is no hash that is compared: %v", err)
	}
}

func TestBrokenUsers(t *testing.T) {
	good := hash(t, "a", 5)
	for text, want := range map[string]string{
		"":                                  "no users",
		"# nobody\n":                        "no users",
		"alice":                             "line 1 is not",
		"\n:" + good:                        "line 2 is not",
		"alice:secret":                      "no hash of bcrypt",
		"alice:{SHA}5en6G6MezRroT3XKqkdPOm": "no hash of bcrypt",
		"alice:" + good + "x":               "no hash of bcrypt",
		"alice:" + good + "\nalice:" + good: "line 2 has a user",
		"alice:" + strings.Replace(good, "$05$", "$04$", 1): "the cost 4",
		"alice:" + strings.Replace(good, "$05$", "$13$", 1): "the cost 13",
	} {
		_, err := parseUsers(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzCredentials(f *testing.F) {
	f.Add("Basic YTpi")
	f.Add("basic  YTpi ")
	f.Add("Basic YTo6")
	f.Fuzz(func(t *testing.T, value string) {
		name, password, ok := credentials(value)
		if !ok {
			return
		}
		if name == "" || strings.Contains(name, ":") || strings.ContainsAny(name+password, "\x00\r\n") {
			t.Errorf("%q, %q", name, password)
		}
		if n, p, ok := credentials("Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))); !ok || n != name || p != password {
			t.Errorf("%q, %q does not come round", name, password)
		}
	})
}
