package pipeline

import "github.com/postern/postern/host"

// A step is one handler at its phase. Its name is the phase's, and so is its span's.
type step struct {
	phase   host.Phase
	handler host.Handler
}
