/* The smallest host: it lets a test or a fuzzer say what is read, and keeps what is written. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

struct host host;

static int32_t value(postern_str v, void *ptr, size_t cap) {
	if (v.len > 0)
		memcpy(ptr, v.ptr, v.len < cap ? v.len : cap);
	return (int32_t)v.len;
}

static postern_str next(postern_str *from, size_t cap) {
	size_t n = from->len < cap ? from->len : cap;
	if (n > 7)
		n = 7; /* bodies come in pieces */
	postern_str piece = {from->ptr, n};
	if (n > 0)
		*from = (postern_str){from->ptr + n, from->len - n};
	return piece;
}

static void keep(struct kept *k, const char *ptr, size_t len) {
	if (len == 0)
		return;
	char *grown = realloc(k->ptr, k->len + len);
	if (grown == NULL)
		abort();
	memcpy(grown + k->len, ptr, len);
	k->ptr = grown;
	k->len += len;
}

void host_clear(void) {
	free(host.meta.ptr);
	free(host.written.ptr);
	free(host.error.ptr);
	host = (struct host){0};
}

int32_t postern_host_meta_read(void *ptr, size_t cap) { return value(host.event, ptr, cap); }
int32_t postern_host_body_read(void *ptr, size_t cap) { return value(next(&host.body, cap), ptr, cap); }
int32_t postern_host_config_read(void *ptr, size_t cap) { return value(host.value, ptr, cap); }
int32_t postern_host_context_read(void *ptr, size_t cap) { return value(host.value, ptr, cap); }
int32_t postern_host_reason_read(void *ptr, size_t cap) { return value(PS("because"), ptr, cap); }
int32_t postern_host_traceparent_read(void *ptr, size_t cap) { return value(host.value, ptr, cap); }

int32_t postern_host_env_read(const char *name, size_t name_len, void *ptr, size_t cap) {
	return postern_equal((postern_str){name, name_len}, PS("OTHER")) ? POSTERN_NOT_FOUND : value(host.value, ptr, cap);
}

int32_t postern_host_secret_read(const char *name, size_t name_len, void *ptr, size_t cap) { return postern_host_env_read(name, name_len, ptr, cap); }

int32_t postern_host_meta_write(const char *ptr, size_t len) {
	keep(&host.meta, ptr, len);
	return 0;
}

int32_t postern_host_body_write(const char *ptr, size_t len) {
	keep(&host.written, ptr, len);
	return host.refuse;
}

int32_t postern_host_body_flush(void) { return 0; }

int32_t postern_host_error(const char *type, size_t type_len, const char *msg, size_t msg_len, const char *stack, size_t stack_len) {
	(void)stack, (void)stack_len;
	host.error.len = 0;
	keep(&host.error, type, type_len);
	keep(&host.error, ": ", 2);
	keep(&host.error, msg, msg_len);
	return 0;
}

int32_t postern_host_log(int32_t level, const char *ptr, size_t len) {
	(void)level, (void)ptr, (void)len;
	return 0;
}

int64_t postern_host_now(void) { return 1767225600000000000; }

int32_t postern_host_random(void *ptr, size_t len) {
	memset(ptr, 7, len);
	return 0;
}

int32_t postern_host_fetch(const char *meta, size_t meta_len, const char *body, size_t body_len) {
	(void)meta, (void)meta_len, (void)body, (void)body_len;
	return 1;
}

int32_t postern_host_fetch_meta_read(int32_t handle, void *ptr, size_t cap) { return handle == 1 ? value(host.value, ptr, cap) : POSTERN_NOT_FOUND; }
int32_t postern_host_fetch_body_read(int32_t handle, void *ptr, size_t cap) { return handle == 1 ? postern_host_body_read(ptr, cap) : POSTERN_NOT_FOUND; }

int32_t postern_host_fetch_close(int32_t handle) {
	(void)handle;
	return 0;
}

int32_t postern_host_span_start(const char *name, size_t len) {
	(void)name, (void)len;
	return 1;
}

int32_t postern_host_span_end(int32_t id, const char *text, size_t len) {
	(void)id, (void)text, (void)len;
	return 0;
}

int32_t postern_host_kv_get(const char *key, size_t key_len, void *ptr, size_t cap) {
	(void)key, (void)key_len;
	return value(host.value, ptr, cap);
}

int64_t postern_host_kv_revision(void) { return 3; }

int32_t postern_host_kv_put(const char *key, size_t key_len, const char *ptr, size_t len, int64_t ttl_ms, int64_t revision) {
	(void)key, (void)key_len, (void)ptr, (void)len, (void)ttl_ms;
	return revision == 0 ? POSTERN_CONFLICT : 0;
}

int32_t postern_host_kv_delete(const char *key, size_t key_len, int64_t revision) {
	(void)key, (void)key_len, (void)revision;
	return 0;
}

int32_t postern_host_kv_keys(const char *prefix, size_t prefix_len, const char *after, size_t after_len, void *ptr, size_t cap) {
	(void)prefix, (void)prefix_len, (void)after, (void)after_len;
	return value(host.value, ptr, cap);
}

int32_t postern_host_metric(int32_t kind, const char *name, size_t len, double v) {
	(void)kind, (void)name, (void)len, (void)v;
	return 0;
}
