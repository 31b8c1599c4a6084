package postern

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
)

// run is a call of an entry: it returns what the host takes as its end, 0 when all is well.
func run(entry func() error) (result int32) {
	defer func() {
		if p := recover(); p != nil {
			report("panic", fmt.Sprint(p), string(debug.Stack()))
			result = 1
		}
	}()
	if err := entry(); err != nil {
		report(errorType(err), err.Error(), "")
		return 1
	}
	return 0
}

// errorType names an error by its Go type where that says something: "*main.NotAllowed".
func errorType(err error) string {
	switch name := reflect.TypeOf(err).String(); name {
	case "*errors.errorString", "*fmt.wrapError", "*fmt.wrapErrors", "*errors.joinError":
		return "Error"
	default:
		return name
	}
}

// ErrUnauthorized, returned by an authorizer, has the client answered with 401, as "Unauthorized" does at Amazon.
var ErrUnauthorized = errors.New("Unauthorized")

func writeMetaJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("the result: %w", err)
	}
	return writeMeta(b)
}

func writeObject(e *encoder) error {
	b, err := e.end()
	if err != nil {
		return fmt.Errorf("the result: %w", err)
	}
	return writeMeta(b)
}
