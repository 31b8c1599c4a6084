package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/server/servertest"
)

// deadLetters are those of a function, as the admin API lists them.
func deadLetters(t *testing.T, g *servertest.Host, function string) (list []admin.DeadLetter) {
	t.Helper()
	for letter, err := range g.Admin.DeadLetters(t.Context(), function) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, letter)
	}
	return list
}

func compact(text []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return err.Error()
	}
	return b.String()
}

func later(t *testing.T, g *servertest.Host, function, qualifier, payload string) string {
	t.Helper()
	id, err := g.Admin.InvokeLater(t.Context(), admin.Call{Function: function, Qualifier: qualifier, Payload: []byte(payload)})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// logged counts the lines that a function has logged.
func logged(g *servertest.Host, text string) (n int) {
	for _, l := range g.Log.Lines() {
		if strings.Contains(l.Text("msg")+l.Text("message"), text) {
			n++
		}
	}
	return n
}

const laterProject = `
functions:
  fails: {plugin: ./fails.js}
  once: {plugin: ./fails.js, async: {retries: 0}}
  sends: {plugin: ./fails.js, async: {retries: 1, deadLetter: takes}}
  takes: {plugin: ./takes.js, async: {retries: 0, deadLetter: sends}}
  loud: {plugin: ./loud.js, async: {retries: 0, deadLetter: hears}}
  hears: {plugin: ./hears.js}
`

var laterFiles = map[string]string{
	"postern.yaml": laterProject,
	"fails.js":     `export const handler = (e, c) => { console.log("tried " + c.functionName + " " + e.n); throw new RangeError("no " + e.n) };`,
	"takes.js":     `export const handler = (e) => { console.log("took " + JSON.stringify(e)); if (e.requestPayload.n === 7) throw new Error("nor I") };`,
	"loud.js":      `export const handler = () => { throw new Error("x".repeat(3 << 20)) };`,
	"hears.js":     `export const handler = (e) => { console.log("heard of " + e.responsePayload.errorMessage.length) };`,
}

// An event of the most bytes that the admin API takes is kept, and so is its dead letter, whatever characters it has.
func TestTheLargestEvent(t *testing.T) {
	g := servertest.StartHost(t)
	g.MustApply(t, laterFiles)
	payload := `{"x":"` + strings.Repeat("<", host.MaxDocument-4<<10-8) + `"}`
	later(t, g, "once", "", payload)
	servertest.Eventually(t, "the event is given up", func() bool { return len(deadLetters(t, g, "once")) == 1 })
	if letter := deadLetters(t, g, "once")[0]; compact(letter.Payload) != payload {
		t.Errorf("%d bytes of the payload are left: %.100s", len(letter.Payload), letter.Payload)
	}
}

func TestCallsLaterAreRetriedAndBuried(t *testing.T) {
	g := servertest.StartHost(t)
	g.MustApply(t, laterFiles)
	id := later(t, g, "fails", "", `{"n":1}`)
	later(t, g, "once", "", `{"n":2}`)
	var letter admin.DeadLetter
	servertest.Eventually(t, "the event is given up", func() bool {
		list := deadLetters(t, g, "fails")
		if len(list) == 1 {
			letter = list[0]
		}
		return len(list) == 1 && len(deadLetters(t, g, "once")) == 1
	})
	var why struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(letter.Error, &why); err != nil || why.ErrorType != "RangeError" || why.ErrorMessage != "no 1" {
		t.Errorf("%s %v", letter.Error, err)
	}
	if letter.RequestID != id || letter.Attempts != 3 || letter.Condition != "RetriesExhausted" || compact(letter.Payload) != `{"n":1}` {
		t.Errorf("%+v", letter)
	}
	if fails, once := logged(g, "tried fails 1"), logged(g, "tried once 2"); fails != 3 || once != 1 {
		t.Errorf("tried %d and %d times", fails, once)
	}
	if err := g.Admin.PurgeDeadLetters(t.Context(), "fails", letter.Sequence, admin.Write{}); err != nil {
		t.Error(err)
	}
	if left := deadLetters(t, g, "fails"); len(left) != 0 {
		t.Errorf("%+v", left)
	}
}

func TestDeadLettersGoToAFunction(t *testing.T) {
	g := servertest.StartHost(t)
	g.MustApply(t, laterFiles)
	id := later(t, g, "sends", "", `{"n":3}`)
	line := g.Log.Wait(t, "the record", func(l servertest.Line) bool { return strings.Contains(l.Text("msg")+l.Text("message"), "took {") })
	_, text, _ := strings.Cut(line.Text("msg")+line.Text("message"), "took ")
	var record struct {
		Version, Timestamp string
		RequestContext     struct {
			RequestID, FunctionArn, Condition string
			ApproximateInvokeCount            int
		}
		RequestPayload  struct{ N int }
		ResponseContext struct {
			StatusCode                     int
			ExecutedVersion, FunctionError string
		}
		ResponsePayload struct{ ErrorType, ErrorMessage string }
	}
	if err := json.Unmarshal([]byte(text), &record); err != nil {
		t.Fatal(err, text)
	}
	if c := record.RequestContext; record.Version != "1.0" || c.RequestID != id || c.Condition != "RetriesExhausted" || c.ApproximateInvokeCount != 2 ||
		!strings.HasSuffix(c.FunctionArn, ":function:sends") || record.RequestPayload.N != 3 || record.ResponseContext.FunctionError != "Unhandled" ||
		record.ResponseContext.ExecutedVersion != "1" || record.ResponsePayload.ErrorMessage != "no 3" {
		t.Errorf("%+v", record)
	}
	// The two are each other's dead-letter functions: what fails in both is kept, and goes on for ever in neither.
	later(t, g, "sends", "", `{"n":7}`)
	servertest.Eventually(t, "the letter is kept", func() bool { return len(deadLetters(t, g, "takes")) == 1 })
	if n := logged(g, "tried sends"); n != 4 { // two of each event
		t.Errorf("tried %d times", n)
	}
	// What a function throws may be larger than what a queue takes.
	later(t, g, "loud", "", `{}`)
	g.Log.Wait(t, "the letter", func(l servertest.Line) bool { return strings.Contains(l.Text("msg")+l.Text("message"), "heard of ") })
}

func TestCallsLaterOutliveARestart(t *testing.T) {
	g := servertest.StartHost(t)
	g.MustUpload(t, "flaky", "export const handler = (e) => { throw new Error('not yet') };")
	g.MustUpload(t, "numbered", "export const handler = (e) => { console.log('numbered one') };")
	g.MustUpload(t, "numbered", "export const handler = (e) => { console.log('numbered two') };")
	g.MustUpload(t, "gone", "export const handler = (e) => { throw new Error('not yet') };")
	later(t, g, "numbered", "1", `{}`) // nothing points there
	g.Log.Wait(t, "the call", func(l servertest.Line) bool { return strings.Contains(l.Text("msg")+l.Text("message"), "numbered one") })
	if _, err := g.Admin.InvokeLater(t.Context(), admin.Call{Function: "numbered", Qualifier: "9"}); err == nil {
		t.Error("a version that is not there is called")
	}

	g.State().Retry *= 100 // so that the retries fall behind the restart
	g = g.Restart(t)
	const n = 5
	for i := range n {
		later(t, g, "flaky", "", fmt.Sprintf(`{"n":%d}`, i))
	}
	later(t, g, "gone", "", `{}`)
	servertest.Eventually(t, "all failed once", func() bool { return logged(g, "an asynchronous call failed") == n+1 })
	g = g.Restart(t)
	g.MustUpload(t, "flaky", "export const handler = (e) => { console.log('done ' + e.n) };")
	if err := g.Admin.DeleteFunction(t.Context(), "gone", admin.Write{}); err != nil {
		t.Error(err)
	}
	for i := range n {
		g.Log.Wait(t, "the retry", func(l servertest.Line) bool {
			return strings.Contains(l.Text("msg")+l.Text("message"), fmt.Sprint("done ", i))
		})
	}
	g.Log.Wait(t, "the deleted function's event is given up", func(l servertest.Line) bool {
		return l.Text("msg") == "an asynchronous call is given up" && l.Text("function") == "gone"
	})
}

// TestCallsLaterWaitForAFreeInstance sends more than a function takes at once: none of them counts as an attempt that failed.
func TestCallsLaterWaitForAFreeInstance(t *testing.T) {
	g := servertest.StartHost(t)
	g.MustApply(t, map[string]string{"postern.yaml": "functions: {busy: {plugin: ./busy.js, concurrency: 1, async: {retries: 0}}}\n",
		"busy.js": "export const handler = async (e) => { await new Promise(r => setTimeout(r, 20)); console.log('was busy with ' + e.n) };"})
	const n = 30
	for i := range n {
		later(t, g, "busy", "", fmt.Sprintf(`{"n":%d}`, i))
	}
	servertest.Eventually(t, "all are done", func() bool { return logged(g, "was busy with") == n })
	if list := deadLetters(t, g, "busy"); len(list) > 0 {
		t.Errorf("%+v", list)
	}
}
