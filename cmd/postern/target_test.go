package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/datadir"
	"github.com/postern/postern/host/definition"
)

// configured makes a configuration folder of its own, with two contexts and this machine's host as asked.
func configured(t *testing.T, current string, local bool) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("HOME", dir) // where other systems look
	for _, name := range []string{"POSTERN_HOST", "POSTERN_TOKEN", "POSTERN_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	file, err := configFile("contexts.json")
	if err != nil {
		t.Fatal(err)
	}
	tokens := filepath.Join(dir, "tokens")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"flag": "pst_flag\n", "env": "pst_envfile", "prod": "pst_prod"} {
		if err := os.WriteFile(filepath.Join(tokens, name), []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := &contexts{Current: current, Contexts: map[string]hostContext{
		"prod": {Host: "https://prod:1", TokenFile: filepath.Join(tokens, "prod"), CA: "pem"},
		"test": {Host: "http://test:2", Token: "pst_test"},
		"open": {Host: "http://open:3"},
	}}
	if err := c.save(); err != nil {
		t.Fatal(err)
	}
	if local {
		folder, err := datadir.Open(t.Context(), filepath.Join(dir, "data"), datadir.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = folder.Close() })
		if err := os.WriteFile(folder.Path("local"), []byte("pst_local\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		data := `{"url": "http://127.0.0.1:4", "tokenFile": "` + filepath.ToSlash(folder.Path("local")) + `"}`
		if err := writePrivate(filepath.Join(filepath.Dir(file), "local.json"), []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestPrecedence is the whole order in which a host and its token are chosen.
func TestPrecedence(t *testing.T) {
	type want struct{ url, token, origin, tokenOrigin string }
	for name, tt := range map[string]struct {
		current string
		local   bool
		remote  remote
		env     map[string]string
		want    want
	}{
		"nothing":                     {want: want{defaultHost, "", "the default", ""}},
		"this machine's host":         {local: true, want: want{"http://127.0.0.1:4", "pst_local", "this machine's host", "data/local"}},
		"the current context":         {current: "test", local: true, want: want{"http://test:2", "pst_test", "the context test", "the context test"}},
		"its token's file":            {current: "prod", want: want{"https://prod:1", "pst_prod", "the context prod", "the context prod"}},
		"the environment":             {current: "test", local: true, env: map[string]string{"POSTERN_HOST": "http://env:5", "POSTERN_TOKEN": " pst_env\n"}, want: want{"http://env:5", "pst_env", "POSTERN_HOST", "POSTERN_TOKEN"}},
		"a token file":                {env: map[string]string{"POSTERN_TOKEN_FILE": "env"}, want: want{defaultHost, "pst_envfile", "the default", "POSTERN_TOKEN_FILE"}},
		"a token for the context":     {current: "test", env: map[string]string{"POSTERN_TOKEN": "pst_env"}, want: want{"http://test:2", "pst_env", "the context test", "POSTERN_TOKEN"}},
		"no token of another host":    {current: "test", local: true, env: map[string]string{"POSTERN_HOST": "http://env:5"}, want: want{"http://env:5", "", "POSTERN_HOST", ""}},
		"the local host by its URL":   {current: "test", local: true, env: map[string]string{"POSTERN_HOST": "http://127.0.0.1:4/"}, want: want{"http://127.0.0.1:4/", "pst_local", "POSTERN_HOST", "data/local"}},
		"--host":                      {current: "test", env: map[string]string{"POSTERN_HOST": "http://env:5"}, remote: remote{host: "http://flag:6"}, want: want{"http://flag:6", "", "--host", ""}},
		"--token-file":                {current: "test", env: map[string]string{"POSTERN_TOKEN": "pst_env"}, remote: remote{tokenFile: "flag"}, want: want{"http://test:2", "pst_flag", "the context test", "--token-file"}},
		"--context keeps its token":   {current: "test", env: map[string]string{"POSTERN_HOST": "http://env:5", "POSTERN_TOKEN": "pst_env"}, remote: remote{context: "prod"}, want: want{"https://prod:1", "pst_prod", "the context prod", "the context prod"}},
		"--context without a token":   {env: map[string]string{"POSTERN_TOKEN": "pst_env"}, remote: remote{context: "open"}, want: want{"http://open:3", "pst_env", "the context open", "POSTERN_TOKEN"}},
		"an open context is not ours": {local: true, current: "open", want: want{"http://open:3", "", "the context open", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := configured(t, tt.current, tt.local)
			t.Chdir(filepath.Join(dir, "tokens"))
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			r := tt.remote
			if err := r.resolve(); err != nil {
				t.Fatal(err)
			}
			got := want{r.target.URL, r.target.Token, r.target.Origin, r.target.TokenOrigin}
			if tt.want.tokenOrigin == "data/local" {
				tt.want.tokenOrigin = filepath.Join(dir, "data", "local")
			}
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestTargetMistakes(t *testing.T) {
	for name, tt := range map[string]struct {
		remote remote
		env    map[string]string
		want   string
	}{
		"both":              {remote: remote{host: "http://x", context: "prod"}, want: "leave one out"},
		"an unknown name":   {remote: remote{context: "prd"}, want: "did you mean prod?"},
		"no token file":     {remote: remote{tokenFile: "nowhere"}, want: "nowhere"},
		"two lines":         {env: map[string]string{"POSTERN_TOKEN": "a\nb"}, want: "POSTERN_TOKEN holds no token"},
		"no CA":             {remote: remote{ca: "nowhere"}, want: "--ca"},
		"no URL":            {remote: remote{host: "127.0.0.1:8090"}, want: "no address of an admin API"},
		"a URL with a user": {remote: remote{host: "http://me:secret@x"}, want: "no address of an admin API"},
	} {
		t.Run(name, func(t *testing.T) {
			configured(t, "", false)
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			_, err := tt.remote.client()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			if code := exitCode(err); code != exitBadInput {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// TestContextsOfOthers: a file that somebody else can write sends tokens wherever they like.
func TestContextsOfOthers(t *testing.T) {
	configured(t, "test", true)
	file, err := configFile("contexts.json")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(file, 0o620); err != nil {
		t.Fatal(err)
	}
	_, err = (&remote{}).client()
	var problem *definition.Error
	if !errors.As(err, &problem) || !strings.Contains(problem.Hint, "chmod 600") {
		t.Fatalf("%v", err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (&remote{}).client(); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Fatalf("%v", err)
	}
	local, err := configFile("local.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(local, 0o666); err != nil {
		t.Fatal(err)
	}
	if len(readLocal()) != 0 {
		t.Error("a local.json that everybody can write was believed")
	}
}

// TestWritePrivate leaves nothing behind but the file.
func TestWritePrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a", "f")
	for _, text := range []string{"one", "two"} {
		if err := writePrivate(file, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "two" {
		t.Errorf("%q, %v", got, err)
	}
	if err := os.Mkdir(file+"2", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writePrivate(file+"2", nil); err == nil {
		t.Error("a folder was replaced")
	}
	if entries, _ := os.ReadDir(filepath.Dir(file)); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

// TestExplain adds to an error which host it is of.
func TestExplain(t *testing.T) {
	r := &remote{target: destination{URL: "http://h", Origin: "the context prod"}}
	for kind, want := range map[host.Kind]string{
		host.Unavailable: "http://h was chosen by the context prod", host.BadGateway: "chosen by the context prod",
		host.Unauthenticated: "no token was sent to http://h", host.Forbidden: "from the context prod", host.Conflict: "",
	} {
		err := r.explain(&host.Error{Kind: kind, Err: errors.New("x")})
		if host.KindOf(err) != kind {
			t.Errorf("%v became %v", kind, host.KindOf(err))
		}
		list := problems(err)
		if len(list) != 1 || list[0].Message != "x" || !strings.Contains(list[0].Hint, want) {
			t.Errorf("%v: %+v", kind, list[0])
		}
	}
	r.target.Token, r.target.TokenOrigin = "pst_secret", "POSTERN_TOKEN"
	if hint := problems(r.explain(&host.Error{Kind: host.Unauthenticated}))[0].Hint; !strings.Contains(hint, "the token is from POSTERN_TOKEN") || strings.Contains(hint, "pst_secret") {
		t.Error(hint)
	}
}

// What listens at a host's port once it has ended, or was killed, is a stranger.
func TestNoTokenForAStranger(t *testing.T) {
	dir := configured(t, "", true)
	t.Setenv("POSTERN_HOST", "http://127.0.0.1:4")
	r := &remote{}
	if err := r.resolve(); err != nil || r.target.Token != "pst_local" {
		t.Fatalf("while the host runs: %q, %v", r.target.Token, err)
	}
	if err := os.Remove(filepath.Join(dir, "data", "postern.lock")); err != nil {
		t.Fatal(err)
	}
	r = &remote{}
	if err := r.resolve(); err != nil || r.target.Token != "" {
		t.Errorf("once it has ended: %q, %v", r.target.Token, err)
	}
}

func TestContextsOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("to make a file of another user's needs root")
	}
	dir := configured(t, "test", false)
	file, err := configFile("contexts.json")
	if err != nil {
		t.Fatal(dir, err)
	}
	if err := os.Chown(file, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := loadContexts(); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("contexts that somebody planted are believed: %v", err)
	}
}

func TestPrintableLines(t *testing.T) {
	const hostile = "a\x1b]0;title\a\tb\u202eexe\u2028c\u009bd\nnext"
	if got, want := printableLines(hostile), "a ]0;title \tb exe c d\nnext"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
