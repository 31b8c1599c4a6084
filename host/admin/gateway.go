package admin

import (
	"context"
	"encoding/json"
	"iter"
	"time"
)

// A Gateway is the running host, as its admin API sees it. host/server is one.
type Gateway interface {
	// Status tells what serves now. It asks nobody: a probe shall not wait for a store that does not answer.
	Status() Status
	// StoreHealth returns why the state cannot be reached or written; nil when all is well.
	StoreHealth(ctx context.Context) error
	// Parts tells of each stage and each version of a function what should serve on this host and what does.
	Parts() []Part
	// Plugins tells how each open plugin is, sorted by name.
	Plugins() []Plugin
	// Wait waits until this host has tried to serve the state's revision or a later one. Its error has Kind Timeout when ctx ends.
	Wait(ctx context.Context, revision uint64) error
	// Invoke calls a function by name and waits for its result. What the function fails with is in the result; an error means that it
	// was not called: Kind NotFound, Throttled when its instances are busy, TooLarge, Unavailable.
	Invoke(ctx context.Context, call Call) (*CallResult, error)
	// InvokeLater keeps an event durably and returns; the function is called soon, with retries (host.Async). Its errors are Invoke's.
	InvokeLater(ctx context.Context, call Call) (requestID string, err error)
	// DeadLetters yields the events of a function that were given up and had no function to go to, oldest first.
	DeadLetters(ctx context.Context, function string) iter.Seq2[DeadLetter, error]
	// PurgeDeadLetters deletes them up to a sequence number.
	PurgeDeadLetters(ctx context.Context, function string, upTo uint64) error
	// Logs yields the lines that fit, as they come, until ctx ends; before them as many of the last ones as asked for.
	Logs(ctx context.Context, filter LogFilter) iter.Seq[LogLine]
}

// A Part is a stage, or a version of a function that something points at.
type Part struct {
	API      string `json:"api,omitempty"`
	Stage    string `json:"stage,omitempty"`
	Canary   bool   `json:"canary,omitempty"` // of the stage
	Function string `json:"function,omitempty"`
	Desired  int    `json:"desired"`          // the deployment, or the version
	Applied  int    `json:"applied"`          // what serves on this host; 0 for nothing
	Reason   string `json:"reason,omitempty"` // why they differ, or why what serves is not as it should be
}

// A Call is one invocation by name.
type Call struct {
	Function      string
	Qualifier     string // an alias or a version's number; "" is live
	Payload       []byte // any JSON; empty is null
	ClientContext json.RawMessage
	RequestID     string // "" makes one
}

// A CallResult is how a call ended.
type CallResult struct {
	RequestID string
	Version   int    // that was executed; 0 for the only one
	Payload   []byte // the result, or the error as Lambda has it: {"errorMessage":…,"errorType":…,"trace":[…]}
	Error     string // "Unhandled" when the function failed, as X-Amz-Function-Error has it; "" otherwise
	Log       []byte // what the call logged, with Lambda's START, END and REPORT lines; at most its last 64 KiB
	Duration  time.Duration
	Memory    int64 // bytes that the instance holds after the call; 0 when unknown
}

// A DeadLetter is an event that was given up.
type DeadLetter struct {
	Sequence  uint64          `json:"sequence"`
	Function  string          `json:"function"`
	Qualifier string          `json:"qualifier,omitempty"`
	RequestID string          `json:"requestId"`
	Condition string          `json:"condition"` // RetriesExhausted or EventAgeExceeded, as Lambda's destinations have it
	Attempts  int             `json:"attempts"`
	Time      time.Time       `json:"time"`
	Payload   json.RawMessage `json:"payload"`
	Error     json.RawMessage `json:"error,omitempty"` // what the last attempt answered
}

// A LogFilter chooses lines. Empty fields choose all.
type LogFilter struct {
	API, Stage, Route, Function string
	Status                      string // "404", "5xx", "400-499"
	Level                       string // the lowest: debug, info, warn, error
	Last                        int    // how many of the lines before now
	Follow                      bool   // and then those that come
}

// A LogLine is one line of the host's log.
type LogLine struct {
	Time    time.Time      `json:"time"`
	Level   string         `json:"level"`
	Message string         `json:"msg"`
	Fields  map[string]any `json:"fields,omitempty"`
	Dropped int            `json:"dropped,omitempty"` // lines lost before this one, since the reader was too slow
}
