/* The host functions of spec/abi.md, and what the SDK's own files share. Plugins use postern.h. */
#ifndef POSTERN_HOST_H
#define POSTERN_HOST_H

#include "postern.h"

/* Elsewhere than in WebAssembly these are ordinary functions, which a test defines. */
#ifdef __wasm__
#define HOST(result, name) __attribute__((import_module("postern"), import_name(#name))) result postern_host_##name
#else
#define HOST(result, name) result postern_host_##name
#endif

HOST(int32_t, meta_read)(void *ptr, size_t cap);
HOST(int32_t, body_read)(void *ptr, size_t cap);
HOST(int32_t, config_read)(void *ptr, size_t cap);
HOST(int32_t, env_read)(const char *name, size_t name_len, void *ptr, size_t cap);
HOST(int32_t, secret_read)(const char *name, size_t name_len, void *ptr, size_t cap);
HOST(int32_t, context_read)(void *ptr, size_t cap);
HOST(int32_t, reason_read)(void *ptr, size_t cap);
HOST(int32_t, meta_write)(const char *ptr, size_t len);
HOST(int32_t, body_write)(const char *ptr, size_t len);
HOST(int32_t, body_flush)(void);
HOST(int32_t, error)(const char *type, size_t type_len, const char *msg, size_t msg_len, const char *stack, size_t stack_len);
HOST(int32_t, log)(int32_t level, const char *ptr, size_t len);
HOST(int64_t, now)(void);
HOST(int32_t, random)(void *ptr, size_t len);
HOST(int32_t, fetch)(const char *meta, size_t meta_len, const char *body, size_t body_len);
HOST(int32_t, fetch_meta_read)(int32_t handle, void *ptr, size_t cap);
HOST(int32_t, fetch_body_read)(int32_t handle, void *ptr, size_t cap);
HOST(int32_t, fetch_close)(int32_t handle);
HOST(int32_t, span_start)(const char *name, size_t len);
HOST(int32_t, span_end)(int32_t id, const char *text, size_t len);
HOST(int32_t, kv_get)(const char *key, size_t key_len, void *ptr, size_t cap);
HOST(int64_t, kv_revision)(void);
HOST(int32_t, kv_put)(const char *key, size_t key_len, const char *ptr, size_t len, int64_t ttl_ms, int64_t revision);
HOST(int32_t, kv_delete)(const char *key, size_t key_len, int64_t revision);
HOST(int32_t, kv_keys)(const char *prefix, size_t prefix_len, const char *after, size_t after_len, void *ptr, size_t cap);
HOST(int32_t, metric)(int32_t kind, const char *name, size_t len, double value);
HOST(int32_t, traceparent_read)(void *ptr, size_t cap);

/* Gives all memory of the call that was back to the next one. */
void postern_reset(void);
/* What postern_alloc can give without more from the host: at least the bytes asked for, or NULL. postern_take makes it allocated. */
void *postern_room(size_t least, size_t *room);
void postern_take(size_t size);
/* Copies; of no bytes the pointers may be anything. */
void postern_copy(void *to, const void *from, size_t len);

/* How many bytes at the beginning of a text, which is not empty, are one character of UTF-8; 0 where they are none (RFC 3629, section 4). */
size_t postern_character(const char *ptr, size_t len);

/* A value of the host: what reads it, with whose arguments. Of no length it is an empty text. */
typedef struct postern_source {
	enum { READ_META, READ_CONFIG, READ_ENV, READ_SECRET, READ_CONTEXT, READ_REASON, READ_FETCH, READ_KV, READ_KEYS, READ_TRACE } from;
	postern_str a, b;
	int32_t handle;
} postern_source;

int postern_read_value(postern_source source, postern_str *out);

/* A member of an object, and where its value goes. */
typedef struct postern_member {
	const char *name;
	enum { TO_TEXT, TO_JSON, TO_INT64, TO_INT } to;
	size_t offset;
} postern_member;

/* Stores the members of object that the table names in target, in one walk. What is not there stays. */
void postern_fill(postern_json object, const postern_member *table, size_t count, void *target);

#endif
