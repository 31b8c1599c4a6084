package openapi

// plainIntegration makes an integration of an operation of a document without extensions: its server is the upstream.
func (r *reader) plainIntegration(o *operation) {
	r.unsupported(o.pos, "servers", "documents without extensions are not read")
}
