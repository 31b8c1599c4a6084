/* A function, an authorizer, two mappings and a filter in one, which use all that the SDK has. The tests of host/wasm and the
 * cases of spec/conformance hold it to the contracts. */
#include "postern.h"

/* An instance keeps its variables. */
static int calls;
static volatile int sink;
static char kept[1024], seen[1024];
static size_t kept_len, seen_len;

static postern_str keep(char *to, size_t cap, size_t *len, postern_str text) {
	*len = text.len < cap ? text.len : cap;
	for (size_t i = 0; i < *len; i++)
		to[i] = text.ptr[i];
	return (postern_str){to, *len};
}

static char upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 32) : c; }

/* Writes a member of an object. */
static void text_member(postern_writer *w, postern_str name, postern_str text) {
	postern_name(w, name);
	postern_write_text(w, text);
}

static void bool_member(postern_writer *w, postern_str name, bool v) {
	postern_name(w, name);
	postern_write_bool(w, v);
}

/* ---- Functions ---- */

static postern_str query(const postern_request *r, postern_str name) { return postern_text(postern_get(r->query_parameters, name)); }

/* A whole number of the query; otherwise where it is not there. */
static int64_t query_int(const postern_request *r, postern_str name, int64_t otherwise) {
	postern_str text = query(r, name);
	(void)postern_int((postern_json){text.ptr, text.len}, &otherwise);
	return otherwise;
}

static int order(const postern_request *r, postern_response *res) {
	postern_writer w = {0};
	postern_object(&w);
	text_member(&w, PS("id"), postern_text(postern_get(r->path_parameters, PS("id"))));
	postern_name(&w, PS("who"));
	postern_write_json(&w, postern_get(r->authorizer, PS("user")));
	postern_end_object(&w);
	return postern_respond_json(res, 201, &w);
}

static int count_calls(const postern_request *r, postern_response *res) {
	(void)r;
	postern_buffer b = {0};
	postern_append_int(&b, calls);
	return postern_respond_text(res, 200, postern_buffer_text(&b));
}

/* Passes the body on as it comes, by way of change. */
static int pass_on(char (*change)(char)) {
	static char piece[16 << 10];
	for (;;) {
		int n = postern_read(piece, sizeof piece);
		if (n <= 0)
			return n;
		for (int i = 0; change != NULL && i < n; i++)
			piece[i] = change(piece[i]);
		if ((n = postern_write((postern_str){piece, (size_t)n})) < 0)
			return n;
	}
}

static int echo(const postern_request *r, postern_response *res) {
	(void)r;
	int n = postern_send_head(res);
	return n < 0 ? n : pass_on(NULL);
}

static int ticks(const postern_request *r, postern_response *res) {
	(void)r;
	static const postern_str lines[] = {{"tick 0\n", 7}, {"tick 1\n", 7}, {"tick 2\n", 7}};
	postern_set(&res->headers, PS("content-type"), PS("text/event-stream"));
	postern_cookie(res, PS("a=b"));
	int n = postern_send_head(res);
	for (int i = 0; n == 0 && i < 3; i++) {
		n = postern_write(lines[i]);
		if (n == 0 && i < 2)
			n = postern_flush();
	}
	return n;
}

static int world(const postern_request *r, postern_response *res) {
	(void)r;
	postern_json config;
	postern_str secret, other, color;
	unsigned char bytes[8];
	int n;
	if ((n = postern_config(&config)) < 0 || (n = postern_secret(PS("TOKEN"), &secret)) < 0 || (n = postern_random(bytes, sizeof bytes)) < 0)
		return n;
	bool missing = postern_secret(PS("OTHER"), &other) == POSTERN_NOT_FOUND;
	if (postern_env(PS("COLOR"), &color) < 0)
		color = PS("");
	postern_log(POSTERN_INFO, PS("looked around"));
	if ((n = postern_span_start(PS("look"))) < 0 || (n = postern_span_end(n, PS(""))) < 0)
		return n;
	if ((n = postern_span_start(PS("fail"))) < 0 || (n = postern_span_end(n, PS("it broke"))) < 0)
		return n;
	if ((n = postern_count(PS("looks"), 1)) < 0)
		return n;
	char random[16];
	for (int i = 0; i < 16; i++)
		random[i] = "0123456789abcdef"[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
	postern_writer w = {0};
	postern_object(&w);
	postern_name(&w, PS("issuer"));
	postern_write_json(&w, postern_get(config, PS("issuer")));
	text_member(&w, PS("secret"), secret);
	bool_member(&w, PS("missing"), missing);
	text_member(&w, PS("color"), color);
	postern_name(&w, PS("now"));
	postern_write_int(&w, postern_now() / 1000000);
	text_member(&w, PS("random"), (postern_str){random, sizeof random});
	text_member(&w, PS("trace"), postern_traceparent());
	postern_end_object(&w);
	return postern_respond_json(res, 200, &w);
}

static int fetch(const postern_request *r, postern_response *res) {
	postern_fetch_request req = {.method = PS("POST"), .url = query(r, PS("url"))};
	postern_fetch_response answer;
	int n = postern_read_all(1 << 20, &req.body);
	if (n < 0)
		return n;
	postern_set(&req.headers, PS("x-from"), PS("conformance"));
	switch (n = postern_fetch(&req, &answer)) {
	case POSTERN_OK: break;
	case POSTERN_DENIED: return postern_respond_text(res, 403, PS("denied"));
	case POSTERN_TIMEOUT: return postern_respond_text(res, 504, PS("timeout"));
	default: return n;
	}
	postern_str x_seen = postern_header(answer.headers, PS("x-seen"));
	res->status = answer.status;
	if (x_seen.ptr != NULL)
		postern_set(&res->headers, PS("x-seen"), x_seen);
	n = postern_fetch_read_all(&answer, 1 << 20, &res->body);
	postern_fetch_close(&answer);
	return n;
}

static int revised(postern_response *res, int64_t revision) {
	postern_buffer b = {0};
	postern_append_int(&b, revision);
	postern_set(&res->headers, PS("x-revision"), postern_buffer_text(&b));
	return POSTERN_OK;
}

static int kv_keys(const postern_request *r, postern_response *res) {
	postern_json keys;
	int n = postern_kv_keys(query(r, PS("prefix")), PS(""), &keys);
	postern_writer w = {0};
	postern_write_json(&w, keys);
	return n < 0 ? n : postern_respond_json(res, 200, &w);
}

static int kv(const postern_request *r, postern_response *res) {
	postern_str op = query(r, PS("op")), key = query(r, PS("key")), value;
	int64_t revision = query_int(r, PS("revision"), POSTERN_ANY_REVISION);
	int n;
	if (postern_equal(op, PS("get"))) {
		n = postern_kv_get(key, &value, &revision);
		if (n == POSTERN_OK) {
			postern_respond_text(res, 200, value);
			return revised(res, revision);
		}
	} else if (postern_equal(op, PS("put"))) {
		n = postern_kv_put(key, query(r, PS("value")), query_int(r, PS("ttl"), 0) * 1000, revision, &revision);
		if (n == POSTERN_OK)
			return revised(res, revision);
	} else if (postern_equal(op, PS("delete"))) {
		n = postern_kv_delete(key, revision);
		if (n == POSTERN_OK)
			res->status = 204;
	} else {
		return kv_keys(r, res);
	}
	switch (n) {
	case POSTERN_NOT_FOUND: res->status = 404; return POSTERN_OK;
	case POSTERN_CONFLICT: res->status = 409; return POSTERN_OK;
	case POSTERN_TOO_LARGE: res->status = 413; return POSTERN_OK;
	default: return n;
	}
}

static int context(const postern_request *r, postern_response *res) {
	(void)r;
	postern_context c;
	int n = postern_call_context(&c);
	if (n < 0)
		return n;
	postern_writer w = {0};
	postern_object(&w);
	text_member(&w, PS("function"), c.function_name);
	text_member(&w, PS("version"), c.function_version);
	text_member(&w, PS("requestId"), c.request_id);
	bool_member(&w, PS("remaining"), postern_remaining() > 0);
	postern_end_object(&w);
	return postern_respond_json(res, 200, &w);
}

static int no_stock(const postern_request *r, postern_response *res) {
	(void)r, (void)res;
	return postern_error(PS("Error"), PS("no stock"));
}

static int panic(const postern_request *r, postern_response *res) {
	(void)r, (void)res;
	postern_panic(PS("the shelf fell over"));
}

static int spin(const postern_request *r, postern_response *res) {
	(void)r, (void)res;
	for (;;)
		sink++;
}

/* Ends when sink, which nobody changes meanwhile, is what it is not; what comes after the call keeps it from being a loop. */
static __attribute__((noinline)) int descend(int n) { // NOLINT(misc-no-recursion)
	if (n == sink - 1)
		return n;
	int below = descend(n + 1);
	sink = sink;
	return below ^ n;
}

static int deep(const postern_request *r, postern_response *res) {
	(void)r;
	sink = 0;
	res->status = descend(0) == 0 ? 200 : 201;
	return POSTERN_OK;
}

static int hoard(const postern_request *r, postern_response *res) {
	(void)r, (void)res;
	for (;;) {
		volatile char *piece = postern_alloc(1 << 20);
		if (piece == NULL)
			postern_panic(PS("out of memory"));
		for (int i = 0; i < 1 << 20; i += 4096)
			piece[i] = 'x';
	}
}

static int keep_value(const postern_request *r, postern_response *res) {
	postern_buffer before = {0};
	postern_append(&before, (postern_str){kept, kept_len});
	keep(kept, sizeof kept, &kept_len, query(r, PS("value")));
	return postern_respond_text(res, 200, postern_buffer_text(&before));
}

static int binary(const postern_request *r, postern_response *res) {
	(void)r;
	static char bytes[256];
	for (int i = 0; i < 256; i++)
		bytes[i] = (char)i;
	postern_set(&res->headers, PS("content-type"), PS("application/octet-stream"));
	res->body = (postern_str){bytes, sizeof bytes};
	return POSTERN_OK;
}

static const struct {
	postern_str path;
	postern_function *serve;
} routes[] = {
#define ROUTE(path, fn) {{path, sizeof(path) - 1}, fn}
	ROUTE("/order", order), ROUTE("/calls", count_calls), ROUTE("/echo", echo), ROUTE("/ticks", ticks), ROUTE("/world", world),
	ROUTE("/fetch", fetch), ROUTE("/kv", kv), ROUTE("/context", context), ROUTE("/error", no_stock), ROUTE("/panic", panic),
	ROUTE("/exit", panic), ROUTE("/spin", spin), ROUTE("/deep", deep), ROUTE("/hoard", hoard), ROUTE("/keep", keep_value), ROUTE("/binary", binary),
};

static int serve(const postern_request *r, postern_response *res) {
	calls++;
	if (r->path.ptr == NULL) { /* called by name */
		postern_writer w = {0};
		postern_object(&w);
		postern_name(&w, PS("echo"));
		postern_write_json(&w, r->event);
		postern_end_object(&w);
		return postern_respond_result(res, &w);
	}
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
		if (postern_equal(r->path, routes[i].path))
			return routes[i].serve(r, res);
	res->status = 404;
	return POSTERN_OK;
}

POSTERN_FUNCTION(serve)

/* ---- Authorizers, mappings, filters ---- */

static int decide(const postern_authorizer_event *ev, postern_decision *d) {
	postern_str token = postern_header(ev->request.headers, PS("authorization"));
	if (token.ptr == NULL)
		return postern_unauthorized();
	if (postern_equal(token, PS("Bearer policy")))
		return postern_allow_arn(d, PS("p"), ev->arn);
	if (!postern_equal(token, PS("Bearer demo")))
		return POSTERN_OK;
	postern_writer context = {0};
	postern_object(&context);
	text_member(&context, PS("user"), PS("demo"));
	postern_end_object(&context);
	return postern_allow(d, &context);
}

POSTERN_AUTHORIZER(decide)

static int map_order(const postern_mapping *in, postern_mapped *out) {
	postern_str body;
	postern_json order_body;
	int n;
	if ((n = postern_read_all(1 << 20, &body)) < 0 || (n = postern_parse(body, &order_body)) < 0)
		return n;
	postern_str item = postern_text(postern_get(order_body, PS("item")));
	char *sku = postern_alloc(item.len);
	if (sku == NULL)
		return POSTERN_NO_MEMORY;
	for (size_t i = 0; i < item.len; i++)
		sku[i] = upper(item.ptr[i]);
	postern_writer w = {0};
	postern_object(&w);
	text_member(&w, PS("sku"), (postern_str){sku, item.len});
	postern_end_object(&w);
	out->content_type = PS("application/json");
	postern_set(&out->request_path, PS("id"), postern_text(postern_get(in->path, PS("id"))));
	return postern_written(&w, &out->body);
}

POSTERN_MAP_REQUEST(map_order)

static int map_created(const postern_mapping *in, postern_mapped *out) {
	out->response_status = in->status + 1;
	postern_set(&out->response_header, PS("x-mapped"), PS("yes"));
	return POSTERN_OK;
}

POSTERN_MAP_RESPONSE(map_created)

static void remember(const postern_exchange *x) {
	postern_buffer b = {0};
	postern_append(&b, x->request.method);
	postern_append(&b, PS(" "));
	postern_append(&b, x->request.path);
	postern_append(&b, PS(" "));
	postern_append(&b, x->request_id);
	keep(seen, sizeof seen, &seen_len, postern_buffer_text(&b));
}

static int filter_order(const postern_exchange *x, postern_edits *e) {
	static postern_response early;
	remember(x);
	if (postern_equal(x->request.path, PS("/early"))) {
		early = (postern_response){.status = 403, .body = PS("no")};
		postern_cookie(&early, PS("a=b"));
		e->answer = &early;
		return POSTERN_OK;
	}
	if (postern_equal(x->request.path, PS("/as-it-is")))
		return POSTERN_OK;
	if (postern_equal(x->request.path, PS("/panic")))
		postern_panic(PS("the shelf fell over"));
	e->method = PS("PUT");
	e->path = PS("/new");
	e->query = PS("");
	e->host = PS("other.example");
	postern_add(&e->remove, PS("x-old"), PS(""));
	postern_set(&e->set, PS("x-param"), postern_text(postern_get(x->path_parameters, PS("id"))));
	postern_add(&e->add, PS("x-a"), PS("1"));
	postern_add(&e->add, PS("x-a"), PS("2"));
	e->new_body = true;
	int n = postern_send_edits(e);
	return n < 0 ? n : pass_on(upper);
}

POSTERN_FILTER_REQUEST(filter_order)

static int filter_answer(const postern_exchange *x, postern_edits *e) {
	e->status = x->status + 1;
	postern_set(&e->set, PS("x-seen"), (postern_str){seen, seen_len});
	postern_set(&e->set, PS("x-type"), postern_header(x->response_headers, PS("content-type")));
	postern_set(&e->set, PS("x-sent"), x->request.method);
	e->new_body = true;
	int n = postern_send_edits(e);
	return n < 0 ? n : pass_on(upper);
}

POSTERN_FILTER_RESPONSE(filter_answer)
