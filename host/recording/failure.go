package recording

import (
	"context"
	"errors"

	"github.com/postern/postern/host"
)

// The causes of a Failure.
const (
	causeCanceled = "canceled"
	causeDeadline = "deadline"
)

// failureOf describes an error, nil for none. Of a guest's own it has the guest's words, which are the same wherever the guest runs.
func failureOf(err error) *Failure {
	if err == nil {
		return nil
	}
	f := &Failure{Kind: host.KindOf(err).String(), Text: Text(err.Error())}
	switch {
	case errors.Is(err, context.Canceled):
		f.Cause = causeCanceled
	case errors.Is(err, context.DeadlineExceeded):
		f.Cause = causeDeadline
	}
	var guest *host.GuestError
	if errors.As(err, &guest) {
		f.Type, f.Text = guest.Type, Text(guest.Message)
	}
	return f
}

// err is the error again: of the same kind, with the same text.
func (f *Failure) err() error {
	if f == nil {
		return nil
	}
	return &host.Error{Kind: kindNamed(f.Kind), Err: &replayed{string(f.Text), f.Cause}}
}

// A replayed error has a text, and may be the end of a context.
type replayed struct{ text, cause string }

// Error returns the text.
func (e *replayed) Error() string { return e.text }

// Is reports whether a context's end was the cause.
func (e *replayed) Is(target error) bool {
	return e.cause == causeCanceled && target == context.Canceled || e.cause == causeDeadline && target == context.DeadlineExceeded
}
