//go:build !linux

package engine

// machineMemory is a guess where nobody has needed more than that: the budget can be set.
func machineMemory() int64 { return 4 << 30 }
