// Package web is what the web API of both JavaScript runtimes does natively: URLs, forms, text, cryptography, compression, and the way of a
// fetch through redirects, over plain values of Go. host/js and host/quickjs bring them to scripts; the API itself is host/js/prelude.
package web

// An Exception is an error that a script sees: one of the language's, by its name as TypeError, or a DOMException.
type Exception struct{ Name, Message string }

// Error returns "name: message".
func (e *Exception) Error() string { return e.Name + ": " + e.Message }

func typeError(text string) error { return &Exception{"TypeError", text} }
