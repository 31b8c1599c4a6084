package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
)

func TestFunctionsVersionsAndAliases(t *testing.T) {
	f := start(t)
	one := f.uploaded("greet", numbered(1))
	if one.Version != 1 || one.By != "token root" {
		t.Errorf("%+v", one)
	}
	two := f.uploaded("greet", numbered(2))
	f.want(200, "POST", "/v1/functions/greet/versions", numbered(2), "Content-Type", TypeJavaScript) // equals the newest
	f.want(201, "POST", "/v1/functions/greet/versions?promote=false&message=the+third", numbered(3), "Content-Type", TypeJavaScript)
	var g catalog.Function
	f.want(200, "GET", "/v1/functions/greet", nil).into(t, &g)
	if g.Live != two.Version || g.Version != 3 {
		t.Errorf("%+v", g)
	}
	var a catalog.Alias
	f.want(200, "PUT", "/v1/functions/greet/aliases/live", AliasInput{Version: 2, Second: 3, Weight: 0.1}).into(t, &a)
	if a.Second != 3 || a.Weight != 0.1 {
		t.Errorf("%+v", a)
	}
	a = catalog.Alias{}
	f.want(200, "POST", "/v1/functions/greet/aliases/live/rollback", nil).into(t, &a)
	if a.Second != 0 || a.Version != 2 {
		t.Errorf("%+v", a)
	}
	a = catalog.Alias{}
	f.want(200, "POST", "/v1/functions/greet/aliases/live/rollback", nil).into(t, &a)
	if a.Version != 1 {
		t.Errorf("%+v", a)
	}
	f.want(200, "PUT", "/v1/functions/greet/aliases/canary", AliasInput{Version: 3})
	f.wantProblem(409, host.Conflict, "DELETE", "/v1/functions/greet/versions/3", nil)
	f.want(204, "DELETE", "/v1/functions/greet/aliases/canary", nil)
	f.want(204, "DELETE", "/v1/functions/greet/versions/3", nil)
	f.wantProblem(404, host.NotFound, "GET", "/v1/functions/greet/versions/3", nil)
	var v catalog.Version
	f.want(201, "PUT", "/v1/functions/greet/config", catalog.FunctionConfig{Timeout: "7s", Env: map[string]string{"TABLE": "orders"}}).into(t, &v)
	if v.Config.Timeout != "7s" || v.Digest == "" {
		t.Errorf("%+v", v)
	}
	f.want(200, "GET", "/v1/functions/greet/versions?limit=1&after=1", nil)
	f.want(200, "GET", "/v1/functions/greet/aliases", nil)
	f.want(200, "GET", "/v1/functions/greet/aliases/live", nil)
	f.wantProblem(404, host.NotFound, "GET", "/v1/functions/greet/aliases/liv", nil)
	f.want(204, "DELETE", "/v1/functions/greet", nil)
}

func TestVersionOfASavedBlob(t *testing.T) {
	f := start(t)
	code := []byte("exports.handler = async () => 7\n")
	sum := sha256.Sum256(code)
	digest := hex.EncodeToString(sum[:])
	f.want(404, "HEAD", "/v1/blobs/"+digest, nil)
	f.want(201, "PUT", "/v1/blobs/"+digest, code, "Content-Type", TypeOctets)
	f.want(200, "PUT", "/v1/blobs/"+digest, code)
	if a := f.want(200, "HEAD", "/v1/blobs/"+digest, nil); a.header.Get("Content-Length") != strconv.Itoa(len(code)) {
		t.Errorf("%v", a.header)
	}
	if a := f.want(200, "GET", "/v1/blobs/"+digest, nil); !slices.Equal(a.body, code) {
		t.Errorf("%q", a.body)
	}
	f.wantProblem(422, host.Invalid, "PUT", "/v1/blobs/"+strings.Repeat("0", 64), code)
	f.wantProblem(404, host.NotFound, "GET", "/v1/blobs/"+strings.Repeat("0", 64), nil)
	no := false
	var v catalog.Version
	f.want(201, "POST", "/v1/functions/seven/versions", UploadInput{Code: &catalog.Code{Runtime: "js", Digest: digest, Exports: []string{"handler"}, Size: int64(len(code))},
		Config: &catalog.FunctionConfig{Timeout: "5s"}, Promote: &no, Message: "by digest"}).into(t, &v)
	if v.Message != "by digest" || v.Config.Timeout != "5s" {
		t.Errorf("%+v", v)
	}
	var g catalog.Function
	f.want(200, "GET", "/v1/functions/seven", nil).into(t, &g)
	if g.Live != 0 {
		t.Errorf("live is %d", g.Live)
	}
}

// What a zip says of its configuration holds from then on, and is told with places.
func TestUploadedSchema(t *testing.T) {
	f := start(t)
	schema := `{"type": "object", "properties": {"limit": {"type": "integer"}}}`
	zip := zipped(t, "index.js", "export const handler = async () => 2\n", "config.schema.json", schema)
	f.wantProblem(422, host.Invalid, "POST", "/v1/functions/greet/versions?config="+url.QueryEscape(`{"config": {"limit": "x"}}`), zip, "Content-Type", TypeZip)
	f.want(201, "POST", "/v1/functions/greet/versions", zip, "Content-Type", TypeZip)
	a := f.want(422, "PUT", "/v1/functions/greet/config", catalog.FunctionConfig{Config: json.RawMessage(`{"limit": "x"}`)})
	if body := string(a.body); !strings.Contains(body, `"rule": "config"`) || !strings.Contains(body, `"path": "config.limit"`) {
		t.Errorf("%s", body)
	}
	f.want(201, "PUT", "/v1/functions/greet/config", catalog.FunctionConfig{Config: json.RawMessage(`{"limit": 5}`)})
}

func TestProgressOfLongWork(t *testing.T) {
	f := start(t)
	a := f.want(200, "POST", "/v1/functions/greet/versions", numbered(1), "Content-Type", TypeJavaScript, "Accept", TypeNDJSON)
	var last ProgressLine
	for line := range strings.Lines(string(a.body)) {
		last = ProgressLine{}
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatal(err)
		}
	}
	var v catalog.Version
	if err := json.Unmarshal(last.Result, &v); err != nil || v.Version != 1 {
		t.Errorf("%v: %s", err, a.body)
	}
	// What is refused before anything began has its own status.
	f.wantProblem(415, host.Unsupported, "POST", "/v1/functions/greet/versions", "x", "Content-Type", "text/css", "Accept", TypeNDJSON)
}

func TestDeadLetters(t *testing.T) {
	f := start(t)
	f.uploaded("greet", numbered(1))
	f.gate.set(func() {
		for i := range uint64(3) {
			f.gate.letters = append(f.gate.letters, DeadLetter{Sequence: i + 1, Function: "greet", RequestID: "r", Condition: "RetriesExhausted", Attempts: 3, Payload: json.RawMessage("1")})
		}
	})
	var list List[DeadLetter]
	f.want(200, "GET", "/v1/functions/greet/dead-letters?limit=2", nil).into(t, &list)
	if len(list.Items) != 2 || list.Next != "2" {
		t.Errorf("%+v", list)
	}
	f.want(204, "DELETE", "/v1/functions/greet/dead-letters?upTo=2", nil)
	list = List[DeadLetter]{}
	f.want(200, "GET", "/v1/functions/greet/dead-letters", nil).into(t, &list)
	if len(list.Items) != 1 || list.Next != "" {
		t.Errorf("%+v", list)
	}
	f.wantProblem(400, host.Invalid, "DELETE", "/v1/functions/greet/dead-letters", nil)
	f.wantProblem(404, host.NotFound, "GET", "/v1/functions/greeet/dead-letters", nil)
}
