package openapi

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/postern/postern/host/document"
)

const (
	maxRefs     = 32        // references that may follow one another
	maxFollowed = 2_000_000 // values that references may lead to, counted as often as they do: a small document may stand for a very large one
)

// deref returns what n refers to, or n itself. It is nil when the reference leads nowhere, which is an error.
func (r *reader) deref(n *document.Node) *document.Node {
	for range maxRefs {
		ref := n.Get("$ref")
		if ref == nil || n.Shape != document.Object {
			return n
		}
		if n = r.pointer(ref); n == nil || !r.follow(n, ref) {
			return nil
		}
	}
	r.wrong(n.Pos, document.RuleConflict, "the references go in a circle, or on for too long", "")
	return nil
}

// follow counts what a reference leads to, and reports whether it is not too much. That it is, is said once.
func (r *reader) follow(n, ref *document.Node) bool {
	if r.followed > maxFollowed {
		return false
	}
	r.followed = count(n, r.followed)
	if r.followed > maxFollowed {
		r.wrong(ref.Pos, document.RuleTooLarge, fmt.Sprintf("up to here, references lead to more than %d values", maxFollowed), "divide the API into several")
		return false
	}
	return true
}

// count adds the values in n to so many, and stops beyond maxFollowed.
func count(n *document.Node, so int) int {
	so++
	for i := 0; i < len(n.Items) && so <= maxFollowed; i++ {
		so = count(n.Items[i], so)
	}
	for i := 0; i < len(n.Members) && so <= maxFollowed; i++ {
		so = count(n.Members[i].Value, so)
	}
	return so
}

// pointer follows a reference within the document (RFC 6901, section 6).
func (r *reader) pointer(ref *document.Node) *document.Node {
	text, inside := strings.CutPrefix(ref.Text, "#")
	if ref.Shape != document.Text || !inside {
		r.wrong(ref.Pos, document.RuleUnsupported, "the reference "+document.Quote(ref.Text)+" leads out of the document, and is not followed",
			"put what it refers to into the document, as `redocly bundle` and `swagger-cli bundle` do")
		return nil
	}
	at := r.root
	for i, token := range strings.Split(text, "/") {
		if i == 0 && token == "" {
			continue
		}
		if unescaped, err := url.PathUnescape(token); err == nil {
			token = unescaped
		}
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		next := at.Get(token)
		if index, err := strconv.Atoi(token); err == nil && at.Shape == document.List && index >= 0 && index < len(at.Items) {
			next = at.Items[index]
		}
		if next == nil {
			r.wrong(ref.Pos, document.RuleUnknownReference, "the reference "+document.Quote(ref.Text)+" leads to nothing", r.suggestKey(token, at))
			return nil
		}
		at = next
	}
	return at
}

// intrinsic says what to do about a function of CloudFormation, which only a template can use; "" for other values.
func intrinsic(n *document.Node) string {
	if len(n.Members) != 1 || n.Members[0].Key != "Ref" && !strings.HasPrefix(n.Members[0].Key, "Fn::") {
		return ""
	}
	return n.Members[0].Key + " belongs to a template of CloudFormation: import the template that includes the document, or write the value itself"
}
