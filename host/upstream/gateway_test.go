package upstream_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestStreamingBothWays(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		buf := make([]byte, 16)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			w.(http.Flusher).Flush()
			if err != nil {
				return
			}
		}
	}))
	s.Start()
	defer s.Close()
	addr := proxy(t, s.URL) // through the whole gateway
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	r, w := io.Pipe()
	req, _ := http.NewRequest("POST", "http://"+addr, r)
	go func() { _, _ = io.WriteString(w, "ping") }()
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	for range 3 {
		if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != "ping" {
			t.Fatal(string(buf), err)
		}
		go func() { _, _ = io.WriteString(w, "ping") }()
	}
	if _, err := io.ReadFull(res.Body, buf); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil {
		t.Error(rest, err)
	}
}

// An upstream may answer before it has the whole request.
func TestEarlyAnswer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no room", http.StatusRequestEntityTooLarge)
	}))
	defer s.Close()
	addr := proxy(t, s.URL)
	for range 5 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nthe beginning")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != 413 {
			t.Fatal(res, err)
		}
		if b, err := io.ReadAll(res.Body); string(b) != "no room\n" || err != nil {
			t.Error(string(b), err)
		}
		_ = c.Close()
	}
}

// A response that the upstream cuts off is cut off for the client too.
func TestCutOffThroughGateway(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
	} {
		res, err := http.Get("http://" + proxy(t, "http://"+rawServer(t, says(answer))))
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if err == nil {
			t.Error("the client took a part for the whole")
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
