//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package project

// lock does nothing where there is no flock: two commands that build one folder at once may then disturb each other.
func lock(string) (unlock func(), err error) { return func() {}, nil }

// lockFolder does nothing, as lock.
func lockFolder(string) (unlock func(), err error) { return func() {}, nil }
