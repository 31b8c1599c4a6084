/* What a plugin can do to the world, and the small things that the other files share. */
#include "host.h"

/* ---- Texts ---- */

bool postern_equal(postern_str a, postern_str b) { return a.len == b.len && (a.len == 0 || __builtin_memcmp(a.ptr, b.ptr, a.len) == 0); }

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

bool postern_equal_fold(postern_str a, postern_str b) {
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.ptr[i]) != lower(b.ptr[i]))
			return false;
	return true;
}

bool postern_has_prefix(postern_str text, postern_str prefix) {
	return text.len >= prefix.len && postern_equal((postern_str){text.ptr, prefix.len}, prefix);
}

postern_str postern_cut(postern_str *text, char sep) {
	postern_str all = *text;
	for (size_t i = 0; i < all.len; i++)
		if (all.ptr[i] == sep) {
			*text = (postern_str){all.ptr + i + 1, all.len - i - 1};
			return (postern_str){all.ptr, i};
		}
	*text = (postern_str){NULL, 0};
	return all;
}

size_t postern_character(const char *ptr, size_t len) {
	const unsigned char *p = (const unsigned char *)ptr;
	if (p[0] < 0x80)
		return 1;
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
	bool outside = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
	return overlong || outside ? 0 : n;
}

/* ---- Fields ---- */

void postern_add(postern_fields *f, postern_str name, postern_str value) {
	postern_field *field = postern_alloc(sizeof *field);
	if (field == NULL) {
		f->failed = true;
		return;
	}
	*field = (postern_field){NULL, name, value};
	if (f->last == NULL)
		f->first = field;
	else
		f->last->next = field;
	f->last = field;
}

void postern_set(postern_fields *f, postern_str name, postern_str value) {
	for (postern_field *i = f->first; i != NULL; i = i->next)
		if (postern_equal_fold(i->name, name)) {
			i->value = value;
			return;
		}
	postern_add(f, name, value);
}

postern_str postern_header(postern_json headers, postern_str name) {
	postern_items items = postern_each(headers), pair;
	postern_json key, value;
	while (postern_next(&items, &key, &value)) {
		if (!items.object) {
			pair = postern_each(value);
			if (!postern_next(&pair, NULL, &key) || !postern_next(&pair, NULL, &value))
				continue;
		}
		if (key.len >= name.len + 2 && postern_equal_fold(postern_text(key), name))
			return postern_text(value);
	}
	return (postern_str){NULL, 0};
}

static bool names(postern_json key, const char *name) {
	size_t i = 0;
	for (; i + 2 < key.len; i++)
		if (name[i] == 0 || key.ptr[i + 1] != name[i])
			return false;
	return name[i] == 0;
}

void postern_fill(postern_json object, const postern_member *table, size_t count, void *target) {
	postern_items items = postern_each(object);
	postern_json key, value;
	while (items.object && postern_next(&items, &key, &value)) {
		const postern_member *m = table;
		while (m < table + count && !names(key, m->name))
			m++;
		if (m == table + count || postern_kind_of(value) == POSTERN_NULL)
			continue;
		char *at = (char *)target + m->offset;
		int64_t n = 0;
		switch (m->to) {
		case TO_TEXT: *(postern_str *)(void *)at = postern_text(value); break;
		case TO_JSON: *(postern_json *)(void *)at = value; break;
		case TO_INT64: (void)postern_int(value, (int64_t *)(void *)at); break;
		case TO_INT:
			if (postern_int(value, &n) && n >= INT32_MIN && n <= INT32_MAX)
				*(int *)(void *)at = (int)n;
		}
	}
}

/* ---- Values ---- */

static int32_t read_from(postern_source s, void *ptr, size_t cap) {
	switch (s.from) {
	case READ_META: return postern_host_meta_read(ptr, cap);
	case READ_CONFIG: return postern_host_config_read(ptr, cap);
	case READ_ENV: return postern_host_env_read(s.a.ptr, s.a.len, ptr, cap);
	case READ_SECRET: return postern_host_secret_read(s.a.ptr, s.a.len, ptr, cap);
	case READ_CONTEXT: return postern_host_context_read(ptr, cap);
	case READ_REASON: return postern_host_reason_read(ptr, cap);
	case READ_FETCH: return postern_host_fetch_meta_read(s.handle, ptr, cap);
	case READ_KV: return postern_host_kv_get(s.a.ptr, s.a.len, ptr, cap);
	case READ_KEYS: return postern_host_kv_keys(s.a.ptr, s.a.len, s.b.ptr, s.b.len, ptr, cap);
	case READ_TRACE: return postern_host_traceparent_read(ptr, cap);
	}
	return POSTERN_INVALID;
}

int postern_read_value(postern_source source, postern_str *out) {
	*out = (postern_str){NULL, 0};
	for (size_t least = 1024;;) { /* which has room for most */
		size_t room;
		char *p = postern_room(least, &room);
		if (p == NULL)
			return POSTERN_NO_MEMORY;
		if (room > (size_t)INT32_MAX)
			room = INT32_MAX;
		int32_t n = read_from(source, p, room);
		if (n < 0)
			return n;
		if ((size_t)n <= room) {
			postern_take((size_t)n);
			*out = (postern_str){p, (size_t)n};
			return POSTERN_OK;
		}
		least = (size_t)n;
	}
}

static int read_json(postern_source source, postern_json *out) {
	postern_str text;
	int n = postern_read_value(source, &text);
	*out = (postern_json){NULL, 0};
	return n < 0 || text.len == 0 ? n : postern_parse(text, out);
}

int postern_config(postern_json *out) { return read_json((postern_source){.from = READ_CONFIG}, out); }
int postern_env(postern_str name, postern_str *out) { return postern_read_value((postern_source){.from = READ_ENV, .a = name}, out); }
int postern_secret(postern_str name, postern_str *out) { return postern_read_value((postern_source){.from = READ_SECRET, .a = name}, out); }

static postern_str text_of(postern_source source) {
	postern_str text;
	return postern_read_value(source, &text) < 0 ? PS("") : text;
}

postern_str postern_reason(void) { return text_of((postern_source){.from = READ_REASON}); }
postern_str postern_traceparent(void) { return text_of((postern_source){.from = READ_TRACE}); }

int postern_call_context(postern_context *out) {
	postern_json v;
	int n = read_json((postern_source){.from = READ_CONTEXT}, &v);
	*out = (postern_context){0};
	if (n < 0)
		return n;
	(void)postern_int(postern_get(v, PS("deadline")), &out->deadline);
	out->request_id = postern_text(postern_get(v, PS("requestId")));
	postern_json function = postern_get(v, PS("function"));
	out->function_name = postern_text(postern_get(function, PS("name")));
	out->function_version = postern_text(postern_get(function, PS("version")));
	out->function_arn = postern_text(postern_get(function, PS("arn")));
	out->client = postern_get(v, PS("client"));
	return POSTERN_OK;
}

int64_t postern_remaining(void) {
	postern_context context;
	int64_t now = postern_now() / 1000000;
	return postern_call_context(&context) < 0 || context.deadline < now ? 0 : context.deadline - now;
}

/* ---- Bodies ---- */

static size_t clip(size_t cap) { return cap > (size_t)INT32_MAX ? (size_t)INT32_MAX : cap; }

int postern_read(void *ptr, size_t cap) { return postern_host_body_read(ptr, clip(cap)); }

/* All of a body: the call's, or of a response where handle is above 0. */
static int read_all(int32_t handle, size_t max, postern_str *out) {
	postern_buffer all = {0};
	*out = PS("");
	for (;;) {
		char piece[4096];
		int n = handle > 0 ? postern_host_fetch_body_read(handle, piece, sizeof piece) : postern_read(piece, sizeof piece);
		if (n < 0)
			return n;
		if (n == 0)
			break;
		if ((size_t)n > max - all.len)
			return POSTERN_TOO_LARGE;
		postern_append(&all, (postern_str){piece, (size_t)n});
		if (all.failed)
			return POSTERN_NO_MEMORY;
	}
	*out = postern_buffer_text(&all);
	return POSTERN_OK;
}

int postern_read_all(size_t max, postern_str *out) { return read_all(0, max, out); }

int postern_write(postern_str data) {
	if (data.len > (size_t)INT32_MAX)
		return POSTERN_TOO_LARGE;
	return postern_host_body_write(data.ptr, data.len);
}

int postern_flush(void) { return postern_host_body_flush(); }

/* ---- Effects ---- */

void postern_log(postern_level level, postern_str message) { postern_host_log(level, message.ptr, message.len); }

int64_t postern_now(void) { return postern_host_now(); }

int postern_random(void *ptr, size_t len) {
	unsigned char *p = ptr;
	for (size_t n; len > 0; p += n, len -= n) {
		n = len > 65536 ? 65536 : len;
		int32_t result = postern_host_random(p, n);
		if (result < 0)
			return result;
	}
	return POSTERN_OK;
}

int postern_span_start(postern_str name) { return postern_host_span_start(name.ptr, name.len); }
int postern_span_end(int span, postern_str failure) { return postern_host_span_end(span, failure.ptr, failure.len); }

int postern_count(postern_str name, double by) { return postern_host_metric(0, name.ptr, name.len, by); }
int postern_gauge(postern_str name, double value) { return postern_host_metric(1, name.ptr, name.len, value); }
int postern_record(postern_str name, double value) { return postern_host_metric(2, name.ptr, name.len, value); }

int postern_fetch(const postern_fetch_request *req, postern_fetch_response *out) {
	*out = (postern_fetch_response){0};
	postern_writer w = {0};
	postern_object(&w);
	if (req->method.len > 0) {
		postern_name(&w, PS("method"));
		postern_write_text(&w, req->method);
	}
	postern_name(&w, PS("url"));
	postern_write_text(&w, req->url);
	w.buffer.failed |= req->headers.failed;
	postern_name(&w, PS("headers"));
	postern_array(&w);
	for (const postern_field *i = req->headers.first; i != NULL; i = i->next) {
		postern_array(&w);
		postern_write_text(&w, i->name);
		postern_write_text(&w, i->value);
		postern_end_array(&w);
	}
	postern_end_array(&w);
	postern_end_object(&w);
	postern_str meta;
	int n = postern_written(&w, &meta);
	if (n < 0)
		return n;
	if ((n = postern_host_fetch(meta.ptr, meta.len, req->body.ptr, req->body.len)) < 0)
		return n;
	out->handle = n;
	postern_json head;
	int64_t status = 0;
	if ((n = read_json((postern_source){.from = READ_FETCH, .handle = out->handle}, &head)) < 0) {
		postern_fetch_close(out);
		return n;
	}
	(void)postern_int(postern_get(head, PS("status")), &status);
	out->status = (int)status;
	out->headers = postern_get(head, PS("headers"));
	return POSTERN_OK;
}

int postern_fetch_read(const postern_fetch_response *res, void *ptr, size_t cap) {
	return postern_host_fetch_body_read(res->handle, ptr, clip(cap));
}

int postern_fetch_read_all(const postern_fetch_response *res, size_t max, postern_str *out) {
	*out = PS("");
	return res->handle <= 0 ? POSTERN_NOT_FOUND : read_all(res->handle, max, out);
}

void postern_fetch_close(postern_fetch_response *res) {
	if (res->handle > 0)
		postern_host_fetch_close(res->handle);
	res->handle = 0;
}

int postern_kv_get(postern_str key, postern_str *value, int64_t *revision) {
	int n = postern_read_value((postern_source){.from = READ_KV, .a = key}, value);
	if (n == POSTERN_OK && revision != NULL)
		*revision = postern_host_kv_revision();
	return n;
}

int postern_kv_put(postern_str key, postern_str value, int64_t ttl_ms, int64_t revision, int64_t *new_revision) {
	int n = postern_host_kv_put(key.ptr, key.len, value.ptr, value.len, ttl_ms, revision);
	if (n == POSTERN_OK && new_revision != NULL)
		*new_revision = postern_host_kv_revision();
	return n;
}

int postern_kv_delete(postern_str key, int64_t revision) { return postern_host_kv_delete(key.ptr, key.len, revision); }

int postern_kv_keys(postern_str prefix, postern_str after, postern_json *keys) {
	return read_json((postern_source){.from = READ_KEYS, .a = prefix, .b = after}, keys);
}
