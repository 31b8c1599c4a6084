/* The entries of a plugin: an event comes in, a plugin's function answers, its answer goes out. */
#include "host.h"

#ifdef __wasm__
/* The marker of the ABI. */
POSTERN_EXPORT(postern_abi_1) void postern_abi(void);
void postern_abi(void) {}
#endif

static bool reported; /* the plugin has said why the call fails */

int postern_error(postern_str type, postern_str message) {
	reported = true;
	postern_host_error(type.ptr, type.len, message.ptr, message.len, NULL, 0);
	return 1;
}

int postern_unauthorized(void) { return postern_error(PS("Error"), PS("Unauthorized")); }

__attribute__((noinline)) _Noreturn void postern_panic(postern_str message) { /* to be named in the stack */
	postern_error(PS("panic"), message);
	__builtin_trap();
}

static postern_str result_text(int result) {
	static const char *const texts[] = {"nobody reads on", "not found", "over a limit of size", "not now", "not allowed",
		"the other end could not be reached", "the call's time is over", "an argument makes no sense", "too many are open", "another revision"};
	if (result == POSTERN_NO_MEMORY)
		return PS("the plugin's memory is at its limit");
	if (result == POSTERN_MALFORMED)
		return PS("malformed JSON");
	if (result > -1 || result < -10)
		return (postern_str){NULL, 0};
	const char *text = texts[-result - 1];
	size_t len = 0;
	while (text[len] != 0)
		len++;
	return (postern_str){text, len};
}

/* The end of a call, of which result says how it went. */
static int finish(int result) {
	if (result == POSTERN_OK)
		return 0;
	if (reported)
		return 1;
	postern_str text = result_text(result), reason = {NULL, 0};
	if (result < 0 && result >= POSTERN_CONFLICT)
		reason = postern_reason();
	postern_buffer message = {0};
	postern_append(&message, text.ptr != NULL ? text : PS("the plugin's function returned "));
	if (text.ptr == NULL)
		postern_append_int(&message, result);
	if (reason.len > 0) {
		postern_append(&message, PS(": "));
		postern_append(&message, reason);
	}
	postern_error(PS("Error"), message.failed ? text : postern_buffer_text(&message));
	return 1;
}

/* Begins a call: its event. */
static int begin(postern_json *event) {
	postern_reset();
	reported = false;
	postern_str meta;
	int n = postern_read_value((postern_source){.from = READ_META}, &meta);
	return n < 0 ? n : postern_parse(meta, event);
}

static int write_meta(const postern_writer *w) {
	postern_str meta;
	int n = postern_written(w, &meta);
	return n < 0 ? n : postern_host_meta_write(meta.ptr, meta.len);
}

static void write_named(postern_writer *w, postern_str name, postern_str value) {
	if (value.ptr == NULL)
		return;
	postern_name(w, name);
	postern_write_text(w, value);
}

/* A list of one text. */
static void write_named_list(postern_writer *w, postern_str name, postern_str value) {
	postern_name(w, name);
	postern_array(w);
	postern_write_text(w, value);
	postern_end_array(w);
}

/* Fields as an object; nothing where there are none. */
static void write_object(postern_writer *w, postern_str name, const postern_fields *f) {
	w->buffer.failed |= f->failed;
	if (f->first == NULL)
		return;
	postern_name(w, name);
	postern_object(w);
	for (const postern_field *i = f->first; i != NULL; i = i->next)
		write_named(w, i->name, i->value.ptr == NULL ? PS("") : i->value);
	postern_end_object(w);
}

static void write_pair(postern_writer *w, postern_str name, postern_str value) {
	postern_array(w);
	postern_write_text(w, name);
	postern_write_text(w, value);
	postern_end_array(w);
}

static void write_pairs(postern_writer *w, const postern_fields *f) {
	w->buffer.failed |= f->failed;
	for (const postern_field *i = f->first; i != NULL; i = i->next)
		write_pair(w, i->name, i->value);
}

/* Fields as a list of names and values; nothing where there are none, unless always. */
static void write_list(postern_writer *w, postern_str name, const postern_fields *f, bool always) {
	w->buffer.failed |= f->failed;
	if (f->first == NULL && !always)
		return;
	postern_name(w, name);
	postern_array(w);
	write_pairs(w, f);
	postern_end_array(w);
}

/* The values of fields, or their names, as a list. */
static void write_texts(postern_writer *w, postern_str name, const postern_fields *f, bool names) {
	w->buffer.failed |= f->failed;
	if (f->first == NULL)
		return;
	postern_name(w, name);
	postern_array(w);
	for (const postern_field *i = f->first; i != NULL; i = i->next)
		postern_write_text(w, names ? i->name : i->value);
	postern_end_array(w);
}

/* ---- Functions ---- */

#define MEMBER(type, key, how, field) {key, how, offsetof(type, field)}

/* Of requests, and of the events that begin with one. */
#define REQUEST_MEMBERS \
	MEMBER(postern_request, "routeKey", TO_TEXT, route_key), MEMBER(postern_request, "rawPath", TO_TEXT, path), \
	MEMBER(postern_request, "rawQueryString", TO_TEXT, query), MEMBER(postern_request, "headers", TO_JSON, headers), \
	MEMBER(postern_request, "cookies", TO_JSON, cookies), MEMBER(postern_request, "queryStringParameters", TO_JSON, query_parameters), \
	MEMBER(postern_request, "pathParameters", TO_JSON, path_parameters), MEMBER(postern_request, "stageVariables", TO_JSON, stage_variables), \
	MEMBER(postern_request, "requestContext", TO_JSON, context), \
	MEMBER(postern_request, "httpMethod", TO_TEXT, method), MEMBER(postern_request, "path", TO_TEXT, path) /* 1.0 */

static const postern_member request_members[] = {REQUEST_MEMBERS};

static const postern_member context_members[] = {
	MEMBER(postern_request, "requestId", TO_TEXT, request_id), MEMBER(postern_request, "stage", TO_TEXT, stage),
	MEMBER(postern_request, "apiId", TO_TEXT, api_id), MEMBER(postern_request, "domainName", TO_TEXT, domain_name),
	MEMBER(postern_request, "timeEpoch", TO_INT64, time), MEMBER(postern_request, "requestTimeEpoch", TO_INT64, time),
	MEMBER(postern_request, "authorizer", TO_JSON, authorizer),
};

/* Who asks: in an object of its own, which 2.0 and 1.0 name differently. */
typedef struct caller {
	postern_json http, identity;
} caller;

static const postern_member caller_members[] = {MEMBER(caller, "http", TO_JSON, http), MEMBER(caller, "identity", TO_JSON, identity)};

static const postern_member http_members[] = {
	MEMBER(postern_request, "method", TO_TEXT, method), MEMBER(postern_request, "sourceIp", TO_TEXT, source_ip),
	MEMBER(postern_request, "userAgent", TO_TEXT, user_agent),
};

#define FILL(object, table, target) postern_fill(object, table, sizeof(table) / sizeof(table)[0], target)

/* Fills in what is a level below. */
static void fill_context(postern_request *r) {
	caller from = {0};
	FILL(r->context, context_members, r);
	FILL(r->context, caller_members, &from);
	FILL(from.http, http_members, r);
	FILL(from.identity, http_members, r);
	postern_json lambda = postern_get(r->authorizer, PS("lambda"));
	if (postern_kind_of(lambda) == POSTERN_OBJECT) /* of 1.0 there is no such level, and values are no objects */
		r->authorizer = lambda;
}

void postern_cookie(postern_response *res, postern_str cookie) { postern_add(&res->cookies, PS("set-cookie"), cookie); }

int postern_respond_text(postern_response *res, int status, postern_str body) {
	res->status = status;
	res->body = body;
	postern_set(&res->headers, PS("content-type"), PS("text/plain; charset=utf-8"));
	return POSTERN_OK;
}

int postern_respond_json(postern_response *res, int status, const postern_writer *w) {
	res->status = status;
	postern_set(&res->headers, PS("content-type"), PS("application/json"));
	return postern_written(w, &res->body);
}

int postern_respond_result(postern_response *res, const postern_writer *w) { return postern_written(w, &res->result); }

int postern_send_head(postern_response *res) {
	postern_writer w = {0};
	postern_object(&w);
	postern_name(&w, PS("statusCode"));
	postern_write_int(&w, res->status == 0 ? 200 : res->status);
	write_object(&w, PS("headers"), &res->headers);
	write_texts(&w, PS("cookies"), &res->cookies, false);
	postern_end_object(&w);
	res->sent = true;
	return write_meta(&w);
}

int postern_run_function(postern_function *fn) {
	postern_request r = {0};
	postern_response res = {0};
	int n = begin(&r.event);
	if (n < 0)
		return finish(n);
	FILL(r.event, request_members, &r);
	fill_context(&r);
	n = fn(&r, &res);
	if (n != POSTERN_OK || res.sent)
		return finish(n);
	if (res.result.ptr != NULL)
		return finish(postern_host_meta_write(res.result.ptr, res.result.len));
	n = postern_send_head(&res);
	return finish(n < 0 ? n : postern_write(res.body));
}

/* ---- Authorizers ---- */

_Static_assert(offsetof(postern_authorizer_event, request) == 0, "REQUEST_MEMBERS are of what begins with a request");

static const postern_member authorizer_members[] = {
	REQUEST_MEMBERS,
	MEMBER(postern_authorizer_event, "type", TO_TEXT, type), MEMBER(postern_authorizer_event, "routeArn", TO_TEXT, arn),
	MEMBER(postern_authorizer_event, "methodArn", TO_TEXT, arn), MEMBER(postern_authorizer_event, "authorizationToken", TO_TEXT, token),
	MEMBER(postern_authorizer_event, "identitySource", TO_JSON, identity_source),
};

int postern_allow(postern_decision *d, const postern_writer *context) {
	d->allow = true;
	return context == NULL ? POSTERN_OK : postern_written(context, &d->context);
}

int postern_allow_arn(postern_decision *d, postern_str principal_id, postern_str arn) {
	postern_writer w = {0};
	postern_object(&w);
	write_named(&w, PS("Version"), PS("2012-10-17"));
	postern_name(&w, PS("Statement"));
	postern_array(&w);
	postern_object(&w);
	write_named(&w, PS("Effect"), PS("Allow"));
	write_named_list(&w, PS("Action"), PS("execute-api:Invoke"));
	write_named_list(&w, PS("Resource"), arn);
	postern_end_object(&w);
	postern_end_array(&w);
	postern_end_object(&w);
	d->principal_id = principal_id;
	return postern_written(&w, &d->policy);
}

int postern_run_authorizer(postern_authorizer *fn) {
	postern_authorizer_event ev = {0};
	postern_decision d = {0};
	int n = begin(&ev.request.event);
	if (n < 0)
		return finish(n);
	FILL(ev.request.event, authorizer_members, &ev);
	fill_context(&ev.request);
	if ((n = fn(&ev, &d)) != POSTERN_OK)
		return finish(n);
	postern_writer w = {0};
	postern_object(&w);
	if (d.policy.ptr != NULL) {
		write_named(&w, PS("principalId"), d.principal_id.ptr == NULL ? PS("") : d.principal_id);
		postern_name(&w, PS("policyDocument"));
		postern_write_json(&w, (postern_json){d.policy.ptr, d.policy.len});
	} else {
		postern_name(&w, PS("isAuthorized"));
		postern_write_bool(&w, d.allow);
	}
	if (d.context.len > 0) {
		postern_name(&w, PS("context"));
		postern_write_json(&w, (postern_json){d.context.ptr, d.context.len});
	}
	postern_end_object(&w);
	return finish(write_meta(&w));
}

/* ---- Mappings ---- */

static const postern_member params_members[] = {
	MEMBER(postern_mapping, "path", TO_JSON, path), MEMBER(postern_mapping, "querystring", TO_JSON, query),
	MEMBER(postern_mapping, "header", TO_JSON, header),
};

static const postern_member mapping_members[] = {
	MEMBER(postern_mapping, "context", TO_JSON, context), MEMBER(postern_mapping, "stageVariables", TO_JSON, stage_variables),
};

static const postern_member mapped_members[] = {
	MEMBER(postern_mapping, "status", TO_INT, status), MEMBER(postern_mapping, "headers", TO_JSON, response_headers),
};

postern_str postern_parameter(const postern_mapping *in, postern_str name) {
	const postern_json groups[] = {in->path, in->query, in->header};
	for (int i = 0; i < 3; i++) {
		postern_json v = postern_get(groups[i], name);
		if (v.ptr != NULL)
			return postern_text(v);
	}
	return (postern_str){NULL, 0};
}

int postern_run_mapper(postern_mapper *fn) {
	postern_mapping in = {0};
	postern_mapped out = {0};
	int n = begin(&in.event);
	if (n < 0)
		return finish(n);
	FILL(in.event, mapping_members, &in);
	FILL(postern_get(in.event, PS("params")), params_members, &in);
	FILL(postern_get(in.event, PS("response")), mapped_members, &in);
	if ((n = fn(&in, &out)) != POSTERN_OK)
		return finish(n);
	postern_writer w = {0};
	postern_object(&w);
	write_named(&w, PS("contentType"), out.content_type);
	if (out.request_path.first != NULL || out.request_query.first != NULL || out.request_header.first != NULL) {
		postern_name(&w, PS("requestOverride"));
		postern_object(&w);
		write_object(&w, PS("header"), &out.request_header);
		write_object(&w, PS("querystring"), &out.request_query);
		write_object(&w, PS("path"), &out.request_path);
		postern_end_object(&w);
	}
	if (out.response_status != 0 || out.response_header.first != NULL) {
		postern_name(&w, PS("responseOverride"));
		postern_object(&w);
		if (out.response_status != 0) {
			postern_name(&w, PS("status"));
			postern_write_int(&w, out.response_status);
		}
		write_object(&w, PS("header"), &out.response_header);
		postern_end_object(&w);
	}
	w.buffer.failed |= out.request_path.failed | out.request_query.failed | out.request_header.failed | out.response_header.failed;
	postern_end_object(&w);
	n = write_meta(&w);
	return finish(n < 0 ? n : postern_write(out.body));
}

/* ---- Filters ---- */

static const postern_member exchange_members[] = {
	MEMBER(postern_exchange, "pathParameters", TO_JSON, path_parameters), MEMBER(postern_exchange, "stageVariables", TO_JSON, stage_variables),
};

static const postern_member live_members[] = {
	MEMBER(postern_exchange, "method", TO_TEXT, request.method), MEMBER(postern_exchange, "scheme", TO_TEXT, request.scheme),
	MEMBER(postern_exchange, "host", TO_TEXT, request.host), MEMBER(postern_exchange, "path", TO_TEXT, request.path),
	MEMBER(postern_exchange, "query", TO_TEXT, request.query), MEMBER(postern_exchange, "headers", TO_JSON, request.headers),
	MEMBER(postern_exchange, "length", TO_INT64, request.length), MEMBER(postern_exchange, "upgrade", TO_TEXT, request.upgrade),
};

static const postern_member answer_members[] = {
	MEMBER(postern_exchange, "statusCode", TO_INT, status), MEMBER(postern_exchange, "headers", TO_JSON, response_headers),
	MEMBER(postern_exchange, "length", TO_INT64, response_length),
};

static const postern_member around_members[] = {
	MEMBER(postern_exchange, "requestId", TO_TEXT, request_id), MEMBER(postern_exchange, "apiId", TO_TEXT, api_id),
	MEMBER(postern_exchange, "stage", TO_TEXT, stage), MEMBER(postern_exchange, "routeKey", TO_TEXT, route_key),
	MEMBER(postern_exchange, "sourceIp", TO_TEXT, source_ip), MEMBER(postern_exchange, "protocol", TO_TEXT, protocol),
	MEMBER(postern_exchange, "domainName", TO_TEXT, domain_name), MEMBER(postern_exchange, "timeEpoch", TO_INT64, time),
};

static void write_answer(postern_writer *w, const postern_response *res) {
	postern_name(w, PS("response"));
	postern_object(w);
	postern_name(w, PS("statusCode"));
	postern_write_int(w, res->status == 0 ? 200 : res->status);
	w->buffer.failed |= res->headers.failed | res->cookies.failed;
	if (res->headers.first != NULL || res->cookies.first != NULL) {
		postern_name(w, PS("headers"));
		postern_array(w);
		write_pairs(w, &res->headers);
		write_pairs(w, &res->cookies);
		postern_end_array(w);
	}
	postern_end_object(w);
}

int postern_send_edits(postern_edits *e) {
	postern_writer w = {0};
	postern_object(&w);
	write_named(&w, PS("method"), e->method);
	write_named(&w, PS("path"), e->path);
	write_named(&w, PS("host"), e->host);
	write_named(&w, PS("query"), e->query);
	if (e->status != 0) {
		postern_name(&w, PS("statusCode"));
		postern_write_int(&w, e->status);
	}
	write_list(&w, PS("headers"), &e->headers, e->replace);
	write_texts(&w, PS("removeHeaders"), &e->remove, true);
	write_list(&w, PS("setHeaders"), &e->set, false);
	write_list(&w, PS("addHeaders"), &e->add, false);
	if (e->answer != NULL) {
		write_answer(&w, e->answer);
	} else if (e->new_body) {
		postern_name(&w, PS("body"));
		postern_write_bool(&w, true);
	}
	postern_end_object(&w);
	e->sent = true;
	return write_meta(&w);
}

int postern_run_filter(postern_filter *fn) {
	postern_exchange x = {.request.length = -1, .response_length = -1};
	postern_edits e = {0};
	int n = begin(&x.event);
	if (n < 0)
		return finish(n);
	FILL(x.event, exchange_members, &x);
	FILL(postern_get(x.event, PS("request")), live_members, &x);
	FILL(postern_get(x.event, PS("response")), answer_members, &x);
	FILL(postern_get(x.event, PS("context")), around_members, &x);
	if ((n = fn(&x, &e)) != POSTERN_OK || e.sent)
		return finish(n);
	n = postern_send_edits(&e);
	if (n == POSTERN_OK && e.answer != NULL)
		n = postern_write(e.answer->body);
	return finish(n);
}
