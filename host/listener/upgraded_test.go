package listener_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

func TestUpgrade(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint(secure), func(t *testing.T) {
			ended := make(chan error, 1)
			cfg := listener.Config{Handler: func(context.Context, *host.Request) *host.Response {
				return &host.Response{Status: 101, Header: host.Header{{Name: "Upgrade", Value: "websocket"}},
					Upgrade: func(_ context.Context, c net.Conn) {
						_, _ = io.Copy(c, c)
						_ = c.Close()
					},
					End: func(err error) { ended <- err }}
			}}
			_, c := startRaw(t, cfg, secure)
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly ")
			br := bufio.NewReader(c)
			res, err := http.ReadResponse(br, nil)
			if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "websocket" {
				t.Fatal(res, err)
			}
			_, _ = io.WriteString(c, "late")
			buf := make([]byte, 10)
			if _, err := io.ReadFull(br, buf); err != nil || string(buf) != "early late" {
				t.Fatal(string(buf), err)
			}
			_ = c.Close()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
