package sigv4

import (
	"errors"
	"net/http"
	"testing"

	"github.com/postern/postern/host"
)

// An unread body is read by nobody.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) { u.t.Error("the body was read"); return 0, errors.New("no") }
func (u unread) Close() error             { return nil }

// TestTheBodyComesLast: where the header has the body's hash, nothing of the body is read before the signature fits.
func TestTheBodyComesLast(t *testing.T) {
	r := request(t, "POST", "/", "", http.Header{hashHeader: {hexSum("another")}})
	if BodyFirst(r) {
		t.Error("the header has the hash")
	}
	if !BodyFirst(request(t, "POST", "/", "", nil)) {
		t.Error("the header does not have the hash")
	}
	sign(t, r, "another", "lambda", noon)
	r.Body, r.ContentLength = unread{t}, 1000
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(r, "not the secret", options()); !errors.Is(err, host.Unauthenticated) {
		t.Errorf("%v", err)
	}
}
