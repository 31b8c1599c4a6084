// Command postern is a self-hosted, programmable API gateway.
//
// Results go to standard output and talk to standard error. The exit codes are 0 for success, 1 for failure, 2 for differences
// that plan found, 3 for bad usage or a bad definition, 4 when something cannot be reached, 5 when something is denied, and 124 when time ran out.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], &streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}
