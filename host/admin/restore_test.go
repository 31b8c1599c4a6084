package admin

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/postern/postern/host"
)

// forgedBackup has a state, and checksums that fit.
func forgedBackup(t *testing.T, state string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	files := tar.NewWriter(zip)
	sums := ""
	for _, f := range [][2]string{{"manifest.json", `{"format":1,"revision":5}`}, {"documents/state", state}, {"SHA256SUMS", ""}} {
		name, data := f[0], f[1]
		if name == "SHA256SUMS" {
			data = sums
		}
		sums += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(data)), name)
		err := files.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o600, Typeflag: tar.TypeReg})
		if err == nil {
			_, err = files.Write([]byte(data))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(files.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestRestoreOfGarbage: a state that no host could run leaves the host empty, and a good backup is still welcome.
func TestRestoreOfGarbage(t *testing.T) {
	from, to := start(t), start(t)
	from.uploaded("greet", numbered(1))
	good := from.want(200, "GET", "/v1/backup", nil).body
	for state, kind := range map[string]host.Kind{
		"": host.Invalid, "[]": host.Invalid, "\xff\x00": host.Invalid, `{"format":99}`: host.Unsupported,
		`{"format":1,"documents":{"function":{"greet":"` + fmt.Sprintf("%064d", 0) + `"}}}`: host.Invalid,
	} {
		to.wantProblem(map[host.Kind]int{host.Invalid: 422, host.Unsupported: 415}[kind], kind, "POST", "/v1/restore", forgedBackup(t, state))
		to.want(200, "GET", "/v1/functions", nil)
	}
	to.want(200, "POST", "/v1/restore?withoutSecrets=true", good)
	to.want(200, "GET", "/v1/functions/greet/versions/1", nil)
}
