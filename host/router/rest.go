package router

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// anyMethods are the methods that ANY means on rest APIs (reference 1.3, "ANY" [LS]).
var anyMethods = [...]string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

func anyMeans(method string) bool { return slices.Contains(anyMethods[:], method) }

// NewRESTTable builds the table of a rest API (reference 1.3). Its errors are those of NewTable; a $default route and a
// method that is none of the seven that ANY means are errors too. What differs from http APIs:
//
//   - A slash at the end of a path counts for nothing, in patterns neither, and is no part of what {greedy+} takes. Slashes before the
//     first segment are one. Slashes within what {greedy+} takes are kept.
//   - At each segment a literal comes before a {param} and that before a {greedy+}: the first segment that differs decides, also
//     between a {greedy+} below a literal and a full match of parameters. What lacks the method steps aside.
//   - ANY means DELETE, GET, HEAD, OPTIONS, PATCH, POST and PUT.
func NewRESTTable(routes []*host.Route) (*Table, error) {
	return (&Table{nodes: 1, rest: true}).fill(routes)
}

// checkREST refuses routes that no rest API has.
func checkREST(r *host.Route) error {
	switch {
	case r.Pattern == "":
		return fmt.Errorf("a rest API has no %s route; ANY /{proxy+} and ANY / take what no other takes", host.DefaultRoute)
	case strings.Contains(r.Pattern, "//"):
		return errors.New("a segment within the path is empty")
	case r.Method != "" && !anyMeans(r.Method):
		return fmt.Errorf("a rest API has no method %s; it has ANY, %s", r.Method, strings.Join(anyMethods[:], ", "))
	}
	return nil
}

// restPath is what a path of a rest API is matched as: without slashes at the start that are too many [REC], nor one at the end [REC].
func restPath(path string) string {
	for len(path) > 1 && path[0] == '/' && path[1] == '/' {
		path = path[1:]
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return path
}
