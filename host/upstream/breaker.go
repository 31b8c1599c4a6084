package upstream

import (
	"errors"

	"github.com/sony/gobreaker/v2"

	"github.com/postern/postern/host"
)

// A breaker leaves an upstream alone that keeps failing. A nil breaker never opens.
type breaker struct {
	two *gobreaker.TwoStepCircuitBreaker[struct{}]
}

// What a request tells the breaker of its last attempt, beside nil for good.
var (
	errBad     = errors.New("the upstream failed")
	errNothing = errors.New("nothing was learned of the upstream")
)

var errTrial = errors.New("circuit breaker is half-open, and the request that tries the upstream is under way")

func newBreaker(def *host.Breaker, p *Pool) *breaker {
	failures := uint32(orDefault(def.Failures, host.DefaultBreakerFailures))
	p.opts.Metrics.Breaker(gobreaker.StateClosed.String())
	return &breaker{gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:     orDefault(def.For, host.DefaultBreakerFor),
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failures },
		IsExcluded:  func(err error) bool { return errors.Is(err, errNothing) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			p.opts.Metrics.Breaker(to.String())
			p.opts.Logger.Warn("upstream breaker", "upstream", p.def.Name, "from", from.String(), "to", to.String())
		},
	})}
}

// allow reports whether a request may be tried, and returns what must be told of its end.
func (b *breaker) allow() (func(verdict), error) {
	if b == nil {
		return func(verdict) {}, nil
	}
	done, err := b.two.Allow()
	if errors.Is(err, gobreaker.ErrTooManyRequests) {
		err = errTrial // the library's text blames whoever asks
	}
	if err != nil {
		return nil, err
	}
	return func(v verdict) {
		switch v {
		case verdictGood:
			done(nil)
		case verdictBad:
			done(errBad)
		default:
			done(errNothing)
		}
	}, nil
}
