/* {{name}} is a filter: it sees each request on its way in and each response on its way out. */
#include "postern.h"

/* Answers for the host what is not to reach a backend, and tells the backend the request's id. */
static int incoming(const postern_exchange *x, postern_edits *e) {
	static postern_response blocked;
	if (postern_header(x->request.headers, PS("x-blocked")).len > 0) {
		blocked = (postern_response){0};
		e->answer = &blocked;
		return postern_respond_text(&blocked, 403, PS("blocked"));
	}
	postern_set(&e->set, PS("x-request-id"), x->request_id);
	return POSTERN_OK;
}

POSTERN_FILTER_REQUEST(incoming)

/* Hides what the backend says of itself. The body passes as it is. */
static int outgoing(const postern_exchange *x, postern_edits *e) {
	(void)x;
	postern_add(&e->remove, PS("server"), PS(""));
	postern_add(&e->remove, PS("x-powered-by"), PS(""));
	return POSTERN_OK;
}

POSTERN_FILTER_RESPONSE(outgoing)
