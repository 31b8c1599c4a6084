//go:build race

package main

const raced = true // the race detector runs: everything takes several times as long
