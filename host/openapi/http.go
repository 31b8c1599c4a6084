package openapi

// httpOperation makes a route of an HTTP API.
func (r *reader) httpOperation(o *operation) {
	r.unsupported(o.pos, "protocol", "HTTP APIs are not read")
}

// httpSettings makes what belongs to an HTTP API as a whole.
func (r *reader) httpSettings() {}
