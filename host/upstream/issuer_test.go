package upstream_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/upstream"
)

// TestAnyIssuer takes a certificate that nobody knows, but not one of another name.
func TestAnyIssuer(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	server.Config.ErrorLog = quiet()
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String() // 127.0.0.1, which the certificate is of
	named := strings.Replace(address, "127.0.0.1", "localhost", 1)
	for _, tc := range []struct {
		name, address string
		any, ok       bool
	}{
		{"any issuer", address, true, true},
		{"a known issuer alone", address, false, false},
		{"another name", named, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			direct := upstream.NewDirect(upstream.Options{AnyIssuer: tc.any})
			t.Cleanup(direct.Close)
			resp, _, err := direct.Do(t.Context(), https(get(tc.address)), "")
			if tc.ok {
				if err != nil || resp.Status != 204 {
					t.Fatalf("%v, %v", resp, err)
				}
				if resp.Body != nil {
					_ = resp.Body.Close()
				}
				return
			}
			if !errors.Is(err, host.BadGateway) {
				t.Errorf("%v", err)
			}
		})
	}
}
