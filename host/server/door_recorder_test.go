package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
)

// A recorder is an upstream that takes requests apart itself, strictly, and keeps what it got.
type recorder struct {
	t    *testing.T
	addr string
	got  chan recorded
}

type recorded struct {
	seen   string
	fields []string
}

func startRecorder(t *testing.T) *recorder {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	r := &recorder{t: t, addr: ln.Addr().String(), got: make(chan recorded, 100)}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go r.serve(c)
		}
	}()
	return r
}

func (r *recorder) serve(c net.Conn) {
	defer c.Close()
	br := bufio.NewReader(c)
	for {
		got, err := record(br)
		if err != nil {
			if err != io.EOF && err != io.ErrUnexpectedEOF { // a request that was cut off is no request
				r.got <- recorded{seen: "not HTTP: " + err.Error()}
			}
			return
		}
		r.got <- got
		body := got.seen
		head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body))
		if strings.HasPrefix(got.seen, "HEAD ") {
			body = ""
		}
		_, _ = io.WriteString(c, head+body)
	}
}

// record reads one request.
func record(br *bufio.Reader) (got recorded, err error) {
	line, err := recordLine(br)
	if err != nil {
		return got, err
	}
	line, ok := strings.CutSuffix(line, " HTTP/1.1")
	if !ok {
		return got, fmt.Errorf("request line %q", line)
	}
	framing, length := "none", 0
	for {
		field, err := recordLine(br)
		if err != nil {
			return got, fmt.Errorf("%w in the header", err)
		}
		if field == "" {
			break
		}
		got.fields = append(got.fields, field)
		name, value, ok := strings.Cut(field, ": ")
		if !ok || strings.ContainsAny(name, " \t") {
			return got, fmt.Errorf("field %q", field)
		}
		switch strings.ToLower(name) {
		case "content-length":
			if length, err = strconv.Atoi(value); err != nil || framing != "none" {
				return got, fmt.Errorf("framing %q", got.fields)
			}
			framing = "length"
		case "transfer-encoding":
			if value != "chunked" || framing != "none" {
				return got, fmt.Errorf("framing %q", got.fields)
			}
			framing = "chunked"
		}
	}
	var body []byte
	switch framing {
	case "length":
		body = make([]byte, length)
		_, err = io.ReadFull(br, body)
	case "chunked":
		body, err = recordChunks(br, &got)
	}
	got.seen = seen(line, framing, string(body))
	return got, err
}

func recordChunks(br *bufio.Reader, got *recorded) (body []byte, err error) {
	for {
		line, err := recordLine(br)
		if err != nil {
			return nil, io.ErrUnexpectedEOF
		}
		size, err := strconv.ParseUint(line, 16, 31)
		if err != nil {
			return nil, err
		}
		if size == 0 {
			for {
				field, err := recordLine(br)
				if err != nil || field == "" {
					return body, err
				}
				got.fields = append(got.fields, "trailer "+field)
			}
		}
		chunk := make([]byte, size+2)
		if _, err := io.ReadFull(br, chunk); err != nil {
			return nil, io.ErrUnexpectedEOF
		}
		if string(chunk[size:]) != "\r\n" {
			return nil, fmt.Errorf("a chunk ends with %q", chunk[size:])
		}
		body = append(body, chunk[:size]...)
	}
}

func recordLine(br *bufio.Reader) (string, error) {
	line, err := br.ReadString('\n')
	if err != nil {
		return "", err
	}
	line, ok := strings.CutSuffix(line, "\r\n")
	if !ok || strings.ContainsAny(line, "\r\x00") {
		return "", fmt.Errorf("line %q", line)
	}
	return line, nil
}
