package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this binary the command itself when a script runs postern.
func TestMain(m *testing.M) {
	if runBenchRole() {
		return
	}
	testscript.Main(m, map[string]func(){"postern": main})
}
