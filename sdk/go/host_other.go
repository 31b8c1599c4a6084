//go:build !wasip1

package postern

import (
	"context"
	"io"
	"log/slog"
)

// Outside WebAssembly there is no call to answer: what is passed to Handle and its siblings is tested by calling it.
const noCall = "postern: Handle, HandleJSON, Authorize, MapRequest, MapResponse, FilterRequest and FilterResponse run in a Postern host only; test the function that you pass to them"

func meta() []byte                         { panic(noCall) }
func writeMeta([]byte) error               { return ErrNoHost }
func writeBody([]byte) error               { return ErrNoHost }
func flushBody() error                     { return ErrNoHost }
func readBody([]byte) (int, error)         { return 0, io.EOF }
func report(_, text, _ string)             { panic(text) }
func config() []byte                       { return nil }
func secret(string) (string, error)        { return "", ErrNoHost }
func traceParent() string                  { return "" }
func startSpan(string) int32               { return 0 }
func endSpan(int32, string)                {}
func closeFetch(int32)                     {}
func logLine(level int32, m string)        { slog.Log(context.Background(), slog.Level(level), m) }
func readFetch(int32, []byte) (int, error) { return 0, ErrNoHost }

func fetch(_, _ []byte) (handle int32, head []byte, err error) { return 0, nil, ErrNoHost }

func callContext() ([]byte, error)                      { return nil, ErrNoHost }
func kvGet(string) ([]byte, int64, error)               { return nil, 0, ErrNoHost }
func kvPut(string, []byte, int64, int64) (int64, error) { return 0, ErrNoHost }
func kvDelete(string, int64) error                      { return ErrNoHost }
func kvKeys(string, string) ([]byte, error)             { return nil, ErrNoHost }
func metric(int32, string, float64) error               { return ErrNoHost }
