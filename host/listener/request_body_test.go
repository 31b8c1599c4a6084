package listener_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

// Who reads on behind the end of a body, as transports do to see that nothing follows, does not cost the client its connection.
func TestReadingOnBehindTheEnd(t *testing.T) {
	_, c := startRaw(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		_, _ = io.Copy(io.Discard, r.Body)
		var begun sync.WaitGroup
		for range 4 {
			begun.Add(1)
			go func() {
				for i := range 5000 {
					_, _ = r.Body.Read(make([]byte, 1))
					if i == 10 {
						begun.Done()
					}
				}
			}()
		}
		begun.Wait()
		return text("whole")
	}}, false)
	br := bufio.NewReader(c)
	for i := range 200 {
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"); err != nil {
			t.Fatal(i, err)
		}
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(fmt.Errorf("request %d: %w", i, err))
		}
		if body, err := io.ReadAll(resp.Body); resp.Close || string(body) != "whole" || err != nil {
			t.Fatalf("request %d: close %v, %q, %v", i, resp.Close, body, err)
		}
	}
}
