// Command gocommand is a WASI command for the tests of host/wasm, of the standard library alone: a CGI program that does what its path says,
// and without CGI a filter that does what its input says.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

func main() {
	if os.Getenv("GATEWAY_INTERFACE") == "" {
		filter()
		return
	}
	switch os.Getenv("PATH_INFO") {
	case "/env":
		env := os.Environ()
		slices.Sort(env)
		text("%s\n%s\n", strings.Join(os.Args, " "), strings.Join(env, "\n"))
	case "/echo":
		text("")
		_, _ = io.Copy(os.Stdout, os.Stdin)
	case "/raw": // the whole output is the input
		_, _ = io.Copy(os.Stdout, os.Stdin)
	case "/ticks":
		text("")
		for i := range 3 {
			fmt.Printf("tick %d\n", i)
			_, _ = io.ReadFull(os.Stdin, make([]byte, 1))
		}
	case "/world":
		_, file := os.ReadFile("/etc/passwd")
		_, socket := net.Dial("tcp", "127.0.0.1:80")
		list, dir := os.ReadDir("/")
		text("file %v, socket %v, folder %v %d, time %v\n", file != nil, socket != nil, dir != nil, len(list), time.Now().Year() > 2000)
	case "/exit":
		fmt.Fprint(os.Stderr, "one\ntwo")
		os.Exit(3)
	case "/zero":
		text("done")
		os.Exit(0)
	case "/cut":
		text("some")
		os.Exit(1)
	case "/panic":
		panic("the shelf fell over")
	case "/hoard":
		var hoard [][]byte
		for {
			hoard = append(hoard, bytes.Repeat([]byte("x"), 1<<20))
		}
	case "/spin":
		for i := 0; ; i++ {
			spun += i
		}
	case "/sleep":
		time.Sleep(time.Hour)
	}
}

var spun int

func text(format string, args ...any) {
	fmt.Printf("Content-Type: text/plain\n\n"+format, args...)
}

// filter answers an event with what it was, and any other input in upper case.
func filter() {
	in, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var event map[string]any
	if json.Unmarshal(in, &event) != nil {
		fmt.Print(strings.ToUpper(string(in)))
		return
	}
	switch event["do"] {
	case "fail":
		fmt.Fprintln(os.Stderr, "it cannot be done")
		os.Exit(2)
	case "nothing":
	case "nonsense":
		fmt.Print("this is no JSON")
	case "pour":
		for {
			if _, err := fmt.Print(strings.Repeat("x", 64<<10)); err != nil {
				os.Exit(1)
			}
		}
	case "allow":
		fmt.Print(`{"isAuthorized":true}` + "\n")
	default:
		_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"event": event, "env": os.Environ(), "args": os.Args})
	}
}
