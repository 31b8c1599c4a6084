package recording

import (
	"strings"
	"testing"
)

// TestHostileTextIsReadInLinearTime hides a secret of equal letters in a text of such letters, as a guest may write.
func TestHostileTextIsReadInLinearTime(t *testing.T) {
	text := Text(strings.Repeat(strings.Repeat("a", 1023)+`\n`, 512))
	v := struct{ Text Text }{text}
	c := newCover("m", map[string]string{"S": strings.Repeat("a", 1024)})
	c.hide(&v) // it takes minutes where the patterns are run over it
	if string(v.Text) != string(text) {
		t.Error("the text is another one")
	}
}

func TestUnescaped(t *testing.T) {
	for text, want := range map[string]string{`a\u0062c`: "abc", `\ud83d\ude00!`: "😀!", `\"\\\/\n`: "\"\\/\n", `\u12`: "u12", `\`: `\`, `\ud83dx`: "\ufffdx", "plain": "plain"} {
		if got := string(unescaped([]byte(text))); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
