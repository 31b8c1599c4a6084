package admin

import (
	"errors"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
)

// Whatever a body is, it is taken or is the client's fault.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{"", "{}", "{}{}", `{"bundle":{"text":"x","code":{"a":{"size":1}}}}`, `{"bundel":1}`, "[[[", "\"\xff\"", `{"prune":1e400}`, "\n\n{,"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var in catalog.Input
		if err := decodeStrict(data, &in); err != nil && !errors.Is(err, host.Invalid) {
			t.Errorf("%q: %v", data, err)
		}
	})
}

// Whatever a function is called in a path, what is read of it is a name and a qualifier.
func FuzzLambdaName(f *testing.F) {
	for _, seed := range []string{"greet", "greet:1", "greet:$LATEST", "arn:aws:lambda:eu-west-1:123456789012:function:greet:live", "1:function:greet", "::", "arn:::::::"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parts := lambdaName.FindStringSubmatch(text)
		if parts == nil {
			return
		}
		if !names["function"].MatchString(parts[1]) || parts[2] != "" && parts[2] != latest && !names["alias"].MatchString(parts[2]) {
			t.Errorf("%q reads as %q", text, parts)
		}
	})
}
