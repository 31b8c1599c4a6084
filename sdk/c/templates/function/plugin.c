/* {{name}} is a function: it answers HTTP requests, and calls by name. */
#include "postern.h"

/* Greets whom the route's {name} names. */
static int hello(const postern_request *r, postern_response *res) {
	postern_str name = postern_text(postern_get(r->path_parameters, PS("name")));
	if (name.len == 0)
		return postern_respond_text(res, 400, PS("who is it?"));

	postern_buffer line = {0}, message = {0};
	postern_append(&line, PS("greeting "));
	postern_append(&line, name);
	postern_log(POSTERN_INFO, postern_buffer_text(&line));
	postern_append(&message, PS("hello, "));
	postern_append(&message, name);

	postern_writer w = {0};
	postern_object(&w);
	postern_name(&w, PS("message"));
	postern_write_text(&w, postern_buffer_text(&message));
	postern_end_object(&w);
	return postern_respond_json(res, 200, &w);
}

POSTERN_FUNCTION(hello)
