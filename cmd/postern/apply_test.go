package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/server/servertest"
)

// TestApplyMeanwhile: another apply comes between the look at a project and the change. The last one wins, and says over what; but not
// where the user has agreed to what would change, as that was something else.
func TestApplyMeanwhile(t *testing.T) {
	t.Parallel()
	h := servertest.StartHost(t)
	files := func(body string) map[string]string {
		return map[string]string{"postern.yaml": "functions: {f: {plugin: ./f.js}}\n", "f.js": "export const handler = () => " + body + ";\n"}
	}
	dir := filepath.Join(t.TempDir(), "shop")
	other := func(body string) {
		if _, err := h.Apply(t, servertest.Apply{Project: "shop", Files: files(body), Write: admin.Write{Message: "the other one"}}); err != nil {
			t.Fatal(err)
		}
	}
	other("1")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files("2") {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, asked := range []bool{true, false} {
		var said bytes.Buffer
		std := &streams{out: &bytes.Buffer{}, err: &said, color: "never"}
		a := &application{change: change{std: std}, settings: newSettings(), format: formatTable}
		cmd := &cobra.Command{}
		cmd.SetContext(t.Context())
		a.settings.addBuild(cmd)
		in, err := a.load(cmd, h.Admin, []string{dir}, std.progress())
		if err != nil {
			t.Fatal(err)
		}
		other("3 + " + map[bool]string{true: "1", false: "2"}[asked])
		now, err := h.Admin.Project(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		a.asked = asked
		_, err = a.send(t.Context(), h.Admin, in, admin.Write{})
		after, lookErr := h.Admin.Project(t.Context(), "shop")
		if lookErr != nil {
			t.Fatal(lookErr)
		}
		if asked {
			var conflict *conflictError
			if !errors.As(err, &conflict) || !strings.Contains(err.Error(), "(the other one)") || exitCode(err) != exitFailed || after.Revision != now.Revision {
				t.Errorf("%v; revision %d, then %d", err, now.Revision, after.Revision)
			}
		} else if err != nil || after.Revision == now.Revision || !strings.Contains(said.String(), "was changed meanwhile, by token admin") {
			t.Errorf("%v; revision %d, then %d\n%s", err, now.Revision, after.Revision, said.String())
		}
	}
	// Another conflict is told as what it is.
	a := &application{change: change{std: &streams{err: &bytes.Buffer{}}}, project: "shop", folder: true}
	err := a.named(&host.Error{Kind: host.Conflict, Err: errors.New(`the api "x" belongs to the project "y": give this one another name`)})
	if list := problems(err); len(list) != 1 || !strings.HasSuffix(list[0].Hint, "--project y") {
		t.Errorf("%v", err)
	}
}
