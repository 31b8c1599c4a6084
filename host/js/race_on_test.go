//go:build race

package js_test

const raced = true // the race detector runs: everything takes several times as long
