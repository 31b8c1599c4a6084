package upstream

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/postern/postern/host"
)

// TCP gives up on a connection that is there by the same error as on one that is made.
func TestTCPGivesUp(t *testing.T) {
	for op, want := range map[string]Cause{"dial": CauseConnectTimeout, "read": CauseClosed} {
		err := &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, syscall.ETIMEDOUT)}
		if got := CauseOf(classify(context.Background(), &host.Request{}, err)); got != want {
			t.Errorf("%s: %s", op, got)
		}
	}
}
