package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/postern/postern/host"
)

// Codes of NATS's JetStream API that nats.go has no name for (its server/errors.json).
const (
	codeInsufficientResources = 10023
	codeStorageExceeded       = 10047
	codeMemoryExceeded        = 10028
	codeReplicasUnsupported   = 10074
	codeNoSuitablePeers       = 10005
	codeStreamStoreFailed     = 10077 // also: a stream's own bounds, by its text
)

// fail wraps what NATS answered with its Kind and, where there is one, a remedy.
func (s *State) fail(op string, err error) error {
	var known *host.Error
	if errors.As(err, &known) {
		return err
	}
	if denied := s.link.lacking(); denied != nil && unanswered(err) {
		err = fmt.Errorf("%w: %w", err, denied)
	}
	kind, remedy := s.classify(err)
	if remedy != "" {
		err = fmt.Errorf("%w (%s)", err, remedy)
	}
	return &host.Error{Op: op, Kind: kind, Err: err}
}

func unanswered(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders)
}

func (s *State) classify(err error) (kind host.Kind, remedy string) {
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		if s.server != nil {
			return host.Unavailable, s.stopped()
		}
		return host.Unsupported, "enable JetStream on the NATS server and for this account"
	case errors.Is(err, nats.ErrPermissionViolation), errors.Is(err, nats.ErrAuthorization):
		return host.Forbidden, "the NATS user lacks a permission; spec/state.md lists those that are needed"
	}
	if s.nc == nil || s.nc.IsClosed() {
		return host.Unavailable, "the state was closed"
	}
	if down := s.link.lost(); !down.IsZero() {
		return host.Unavailable, fmt.Sprintf("no connection to NATS since %s", down.UTC().Format(time.RFC3339))
	}
	if errors.Is(err, context.Canceled) {
		return host.Unavailable, ""
	}
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return classifyCode(api)
	}
	if why := s.told.stopped(); why != "" {
		return host.Unavailable, s.stopped()
	}
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		if s.server != nil && !s.server.JetStreamEnabled() {
			return host.Unavailable, s.stopped()
		}
		return host.Unavailable, "NATS answers, but JetStream does not: it may be electing a leader, be out of space, or be off"
	case unanswered(err):
		return host.Timeout, "NATS did not answer in time"
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrReconnectBufExceeded),
		errors.Is(err, nats.ErrConnectionReconnecting):
		return host.Unavailable, ""
	case errors.Is(err, nats.ErrMaxPayload):
		return host.TooLarge, ""
	}
	return host.Internal, ""
}

func classifyCode(api *jetstream.APIError) (host.Kind, string) {
	switch api.ErrorCode {
	case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return host.Conflict, ""
	case jetstream.JSErrCodeMessageNotFound:
		return host.NotFound, ""
	case codeInsufficientResources, codeStorageExceeded, codeMemoryExceeded:
		return host.Unavailable, "the space that NATS may use is full: free some, or raise its limit"
	case codeReplicasUnsupported:
		return host.Unsupported, "that many copies need a cluster of as many NATS servers"
	case codeNoSuitablePeers:
		return host.Unavailable, "the cluster has fewer servers, or less room, than that many copies need"
	case jetstream.JSErrCodeStreamMessageExceedsMaximum:
		return host.TooLarge, ""
	case jetstream.JSErrCodeStreamNotFound:
		return host.Unavailable, "the stream is gone: was it deleted by hand?"
	}
	if api.Code >= 500 {
		return host.Unavailable, ""
	}
	return host.Internal, ""
}

// stopped explains an embedded server whose JetStream has switched itself off, as it does when a write fails.
func (s *State) stopped() string {
	why := s.told.stopped()
	if why == "" {
		why = "JetStream is off"
	}
	return "the embedded store has stopped: " + why + "; see that the disk at " + s.opts.Dir + " has room and is writable, and start again"
}

// conflict reports whether a compare-and-swap was lost.
func conflict(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
