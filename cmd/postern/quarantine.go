package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/quarantine"
)

const compileCheck = "compile-check"

// newCompileCheck is the child of a host that compiles foreign code. It is for hosts and not for people, and hidden.
func newCompileCheck(std *streams) *cobra.Command {
	return &cobra.Command{
		Use:    compileCheck,
		Short:  "Compile code for a host that does not trust it",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if quarantine.Main(std.in, std.out) != 0 {
				return &toldError{errors.New("nothing was compiled")}
			}
			return nil
		},
	}
}

// itself is the file of this program. On Linux it is so also after another version was installed in its place (proc_pid_exe(5)).
func itself() (string, error) {
	const running = "/proc/self/exe"
	if _, err := os.Stat(running); err == nil {
		return running, nil
	}
	return os.Executable()
}
