// Command number is a filter that numbers the lines of text as they pass.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/postern/postern/sdk/go"
)

func main() {}

//go:wasmexport filter_response
func filterResponse() int32 { return postern.FilterResponse(number) }

func number(r *postern.LiveResponse) (*postern.ResponseEdits, error) {
	edits := &postern.ResponseEdits{Body: func(w *postern.Writer) error { return numberLines(w, r.Body) }}
	edits.AddHeaders = postern.Fields{{"x-numbered", "yes"}}
	return edits, nil
}

// flusher is what sends a line on its way before the next one is there.
type flusher interface {
	io.Writer
	Flush() error
}

func numberLines(w flusher, body io.Reader) error {
	lines := bufio.NewReader(body)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if line != "" {
			if _, err := fmt.Fprintf(w, "%d  %s", n, line); err != nil {
				return err
			}
			if err := w.Flush(); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
