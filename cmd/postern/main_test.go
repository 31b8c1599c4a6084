package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this binary the command itself when a script runs postern.
func TestMain(m *testing.M) {
	if runBenchRole() {
		return
	}
	if os.Getenv(raceOptions) == "" {
		_ = os.Setenv(raceOptions, "atexit_sleep_ms=0") // fails for no such name and value
	}
	testscript.Main(m, map[string]func(){"postern": main})
}

// raceOptions is the variable with the race detector's options. Its default, a second of sleep at the end of a process, is most of the time of
// scripts that run the command many times; what a process has raced with by then is told without it.
const raceOptions = "GORACE"
