/* Hostile input for all that reads: the JSON reader on checked and unchecked text, and the entries of a plugin on events and bodies
 * that are anything. What is undefined, the sanitizers find; what is inconsistent ends here. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(postern_json v, int depth) {
	double d;
	int64_t n;
	size_t seen = 1 + postern_text(v).len + (size_t)postern_number(v, &d) + (size_t)postern_int(v, &n) + (size_t)postern_is(v, PS("a"));
	postern_items items = postern_each(v);
	postern_json name, value;
	while (depth < 20 && postern_next(&items, &name, &value))
		seen += walk(value, depth + 1) + postern_text(name).len;
	return seen + postern_header(v, PS("a")).len + postern_path(v, PS("a.b")).len;
}

static void rewrite(postern_writer *w, postern_json v, int depth) {
	postern_items items = postern_each(v);
	postern_json name, value;
	double d;
	switch (postern_kind_of(v)) {
	case POSTERN_OBJECT:
		postern_object(w);
		while (postern_next(&items, &name, &value)) {
			postern_name(w, postern_text(name));
			depth < 60 ? rewrite(w, value, depth + 1) : postern_write_null(w);
		}
		postern_end_object(w);
		return;
	case POSTERN_ARRAY:
		postern_array(w);
		while (postern_next(&items, NULL, &value))
			depth < 60 ? rewrite(w, value, depth + 1) : postern_write_null(w);
		postern_end_array(w);
		return;
	case POSTERN_STRING: postern_write_text(w, postern_text(v)); return;
	case POSTERN_NUMBER:
		if (!postern_number(v, &d))
			abort();
		postern_write_number(w, d);
		return;
	default: postern_write_json(w, v);
	}
}

static int serve(const postern_request *r, postern_response *res) {
	postern_str body;
	postern_json config;
	postern_context context;
	postern_fetch_response answer;
	postern_fetch_request req = {.url = r->path, .method = r->method, .body = r->query};
	postern_set(&req.headers, r->stage, r->source_ip);
	postern_set(&res->headers, r->route_key, postern_header(r->headers, r->route_key));
	postern_cookie(res, r->user_agent);
	(void)postern_config(&config);
	(void)postern_call_context(&context);
	if (postern_fetch(&req, &answer) == POSTERN_OK)
		(void)postern_header(answer.headers, PS("a"));
	int n = postern_read_all(1000, &body);
	return n < 0 ? n : postern_respond_text(res, (int)r->time, body);
}

static int decide(const postern_authorizer_event *ev, postern_decision *d) { return postern_allow_arn(d, ev->token, ev->arn); }

static int map(const postern_mapping *in, postern_mapped *out) {
	postern_set(&out->request_header, PS("a"), postern_parameter(in, PS("a")));
	out->response_status = in->status;
	return postern_read_all(1000, &out->body);
}

static int filter(const postern_exchange *x, postern_edits *e) {
	static postern_response answer;
	answer = (postern_response){.status = x->status, .body = x->request.host};
	e->path = x->request.path;
	postern_set(&e->set, x->request_id, postern_header(x->request.headers, PS("a")));
	e->answer = x->status == 7 ? &answer : NULL;
	return POSTERN_OK;
}

/* What was written must be JSON. */
static void check_meta(int result) {
	postern_json v;
	if (result == 0 && postern_parse((postern_str){host.meta.ptr, host.meta.len}, &v) != POSTERN_OK)
		abort();
	host_clear();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *copy = malloc(size + 1); /* of its own, so that a step too far is found */
	if (copy == NULL)
		return 0;
	memcpy(copy, data, size);
	char *text = realloc(copy, size > 0 ? size : 1);
	postern_str all = {text, size};
	postern_json v;
	postern_reset();
	if (postern_parse(all, &v) == POSTERN_OK) {
		postern_writer w = {0};
		postern_str out;
		rewrite(&w, v, 0);
		if (postern_written(&w, &out) != POSTERN_OK || postern_parse(out, &v) != POSTERN_OK)
			abort();
	}
	postern_reset();
	(void)walk((postern_json){text, size}, 0); /* not checked, as no user should */
	for (int i = 0; i < 4; i++) {
		host_clear();
		host.event = host.body = host.value = all;
		check_meta(i == 0 ? postern_run_function(serve) : i == 1 ? postern_run_authorizer(decide) : i == 2 ? postern_run_mapper(map) : postern_run_filter(filter));
	}
	free(text);
	return 0;
}
