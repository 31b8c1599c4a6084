package pipeline

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/postern/postern/host"
)

// FailurePayload is the error of a function as a payload (Lambda developer guide, "Lambda function handler errors"): what the guest itself said,
// and for what is the host's to know its kind alone.
func FailurePayload(err error) []byte {
	told := struct {
		Message string   `json:"errorMessage"`
		Type    string   `json:"errorType"`
		Trace   []string `json:"trace,omitempty"`
	}{Message: host.KindOf(err).String(), Type: "Runtime.Error"}
	var guest *host.GuestError
	switch {
	case errors.As(err, &guest):
		told.Message, told.Type = guest.Message, guest.Type
		if guest.Stack != "" {
			told.Trace = strings.Split(strings.TrimSpace(guest.Stack), "\n")
		}
	case errors.Is(err, host.Timeout):
		told.Message, told.Type = "the function did not answer in time", "Sandbox.Timedout"
	case errors.Is(err, host.TooLarge):
		told.Message, told.Type = "the function's result is over its limit (maxResult)", "Function.ResponseSizeTooLarge"
	case errors.Is(err, host.Internal):
		told.Message = "the function could not be run; the host's log has the reason"
	}
	data, err := json.Marshal(told)
	if err != nil {
		return []byte(`{"errorMessage":"internal","errorType":"Runtime.Error"}`)
	}
	return data
}
