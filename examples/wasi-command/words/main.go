// Command words is a CGI program (RFC 3875): it counts the lines and words of what is sent to it, while it comes.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
)

func main() {
	if os.Getenv("REQUEST_METHOD") != "POST" {
		fmt.Printf("Content-Type: text/plain\n\nPOST a text to http://%s%s\n", os.Getenv("HTTP_HOST"), os.Getenv("SCRIPT_NAME"))
		return
	}
	lines, words, err := count(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(1)
	}
	if words == 0 {
		fmt.Print("Status: 422 Unprocessable Content\nContent-Type: text/plain\n\nthere is no word in it\n")
		return
	}
	fmt.Printf("Content-Type: text/plain\n\n%d lines, %d %s\n", lines, words, os.Getenv("WORDS_UNIT"))
}

// count holds a line at a time.
func count(r io.Reader) (lines, words int, err error) {
	in := bufio.NewScanner(r)
	for in.Scan() {
		lines++
		words += len(bytes.Fields(in.Bytes()))
	}
	return lines, words, in.Err()
}
