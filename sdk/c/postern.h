/*
 * Plugins of Postern in C: functions, authorizers, mappings and filters, compiled to WebAssembly.
 *
 * A plugin names, with one line each, the functions that answer the entries it implements:
 *
 *	#include "postern.h"
 *
 *	static int serve(const postern_request *r, postern_response *res) {
 *		return postern_respond_text(res, 200, postern_text(postern_get(r->path_parameters, PS("name"))));
 *	}
 *
 *	POSTERN_FUNCTION(serve)
 *
 * What it does not name, it does not implement. A plugin stays alive between calls, so static variables keep their values, and
 * takes one call at a time. Memory of postern_alloc, and all texts and values that come from these functions, last until the end
 * of the call.
 *
 * Functions that can fail return an int: 0 or more is success, below zero one of POSTERN_CLOSED and its siblings, for which
 * postern_reason has a text. A plugin's function returns 0 for success; whatever else it returns fails the call, and is for the
 * log: clients never see it. So `if (n < 0) return n;` passes a failure on, and `return postern_error(type, message);` makes one.
 *
 * C11, without a libc; with one, it stays out of its way. Nothing here is undefined for any input, however malformed.
 */
#ifndef POSTERN_H
#define POSTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Results ---- */

enum {
	POSTERN_OK = 0,
	POSTERN_CLOSED = -1,    /* nobody reads the output on, or the input is gone with its sender */
	POSTERN_NOT_FOUND = -2, /* no such variable, secret, response, span or entry */
	POSTERN_TOO_LARGE = -3, /* over a limit of size */
	POSTERN_ORDER = -4,     /* not now: a head after a body, a body that was not announced */
	POSTERN_DENIED = -5,    /* the plugin may not */
	POSTERN_FAILED = -6,    /* the other end could not be reached, or broke off */
	POSTERN_TIMEOUT = -7,   /* the time of the call is over */
	POSTERN_INVALID = -8,   /* an argument makes no sense */
	POSTERN_BUSY = -9,      /* too many are open */
	POSTERN_CONFLICT = -10, /* the entry of the map has another revision */
	POSTERN_NO_MEMORY = -100, /* the plugin's memory is at its limit */
	POSTERN_MALFORMED = -101, /* this is no JSON, or not the kind of value that was asked for */
};

/* ---- Texts ---- */

/* A text is a pointer and a length in bytes; no NUL ends it. One without a pointer is none at all, which is not the same as an
 * empty one where that matters: an edit of an empty query empties it, and one of none leaves it. */
typedef struct postern_str {
	const char *ptr;
	size_t len;
} postern_str;

/* PS makes a text of a string literal. */
#define PS(literal) ((postern_str){("" literal), sizeof(literal) - 1})

/* Whether two texts have the same bytes; none equals an empty one. */
bool postern_equal(postern_str a, postern_str b);
/* The same, with the letters of ASCII in any case, as names of header fields are compared. */
bool postern_equal_fold(postern_str a, postern_str b);
bool postern_has_prefix(postern_str text, postern_str prefix);
/* Takes text up to, and without, the first sep, and leaves in *text what comes after it; all of it where there is no sep, and
 * none is left. */
postern_str postern_cut(postern_str *text, char sep);

/* ---- Memory of a call ---- */

/* Returns size bytes that last until the end of the call, aligned for anything, not cleared; NULL at the limit of the plugin's memory. */
void *postern_alloc(size_t size);

/* A buffer is a text that grows. Zeroed, it is empty. Once it did not get memory, failed is set and it stays as it is. */
typedef struct postern_buffer {
	char *ptr;
	size_t len, cap;
	bool failed;
} postern_buffer;

void postern_append(postern_buffer *b, postern_str text);
void postern_append_int(postern_buffer *b, int64_t n);
/* What is in a buffer; none after a failure. It is good until the next append. */
postern_str postern_buffer_text(const postern_buffer *b);

/* ---- Reading JSON ---- */

/* A value within a JSON text, which must outlive it. Nothing is copied or allocated to walk through one. */
typedef struct postern_json {
	const char *ptr;
	size_t len;
} postern_json;

typedef enum postern_kind { POSTERN_NONE, POSTERN_NULL, POSTERN_BOOL, POSTERN_NUMBER, POSTERN_STRING, POSTERN_ARRAY, POSTERN_OBJECT } postern_kind;

/* Checks a whole text against RFC 8259, nested at most 512 deep and with numbers that a double holds, and makes *out its value: 0, or
 * POSTERN_MALFORMED, when *out is none. Events, configuration and whatever else comes from the host is checked already. */
int postern_parse(postern_str text, postern_json *out);
/* What a value is; POSTERN_NONE where there is none. */
postern_kind postern_kind_of(postern_json v);
/* The member of an object with that name, the first if there are several; none where there is none, or v is no object. */
postern_json postern_get(postern_json v, postern_str name);
/* The same through several objects, with dots between the names: "requestContext.http.method". */
postern_json postern_path(postern_json v, postern_str names);

/* What is left of an array or an object to walk through. */
typedef struct postern_items {
	const char *ptr, *end;
	bool object;
} postern_items;

/* The items of an array or an object: no items of anything else. */
postern_items postern_each(postern_json v);
/* Takes the next item; false at the end. *name, which may be NULL, gets a member's name as a JSON string, none in an array. */
bool postern_next(postern_items *items, postern_json *name, postern_json *value);

/* A string's text, without copying where it has no escapes; none for anything else, or without memory. Half a surrogate pair
 * becomes U+FFFD. */
postern_str postern_text(postern_json v);
/* Whether v is a string of this text; copies nothing. */
bool postern_is(postern_json v, postern_str text);
/* A whole number between INT64_MIN and INT64_MAX, written without fraction and exponent: false for anything else, and *out stays. */
bool postern_int(postern_json v, int64_t *out);
/* A number; beyond 15 digits or 10^22 the last bits may be off. False for anything else, and *out stays. */
bool postern_number(postern_json v, double *out);
/* True for true; false for everything else. */
bool postern_true(postern_json v);

/* ---- Writing JSON ---- */

/* A writer makes one JSON value, with the commas where they belong. Zeroed, it is new. After a mistake (a value without a name
 * in an object, an end too many, more than 64 levels) or without memory it writes nothing any more, and postern_written says so. */
typedef struct postern_writer {
	postern_buffer buffer;
	uint64_t objects; /* one bit a level */
	int depth;
	bool comma, named, invalid;
} postern_writer;

void postern_object(postern_writer *w);
void postern_end_object(postern_writer *w);
void postern_array(postern_writer *w);
void postern_end_array(postern_writer *w);
/* The name of the member that comes next. */
void postern_name(postern_writer *w, postern_str name);
/* A string. What is no UTF-8 becomes U+FFFD; none is written as an empty one. */
void postern_write_text(postern_writer *w, postern_str text);
void postern_write_int(postern_writer *w, int64_t n);
/* A number with up to 15 digits; null for what JSON has no number for. */
void postern_write_number(postern_writer *w, double n);
void postern_write_bool(postern_writer *w, bool v);
void postern_write_null(postern_writer *w);
/* A value as it stands, without a check; null for none. */
void postern_write_json(postern_writer *w, postern_json v);
/* The whole value. 0, POSTERN_INVALID after a mistake or when something is still open, or POSTERN_NO_MEMORY. */
int postern_written(const postern_writer *w, postern_str *out);

/* ---- Lists of names and values ---- */

typedef struct postern_field {
	struct postern_field *next;
	postern_str name, value;
} postern_field;

/* Header fields, or parameters, in their order. Zeroed, the list is empty. The texts must last as long as the list. */
typedef struct postern_fields {
	postern_field *first, *last;
	bool failed; /* there was no memory: a call that uses the list fails */
} postern_fields;

/* Sets the value of a name, in the place of the first field of that name, in any case; adds it where there is none. */
void postern_set(postern_fields *f, postern_str name, postern_str value);
void postern_add(postern_fields *f, postern_str name, postern_str value);

/* The first value of a header field: of an event's object of headers, or of the list of a filter or a fetched response, with
 * the name in any case. None where there is no such field. */
postern_str postern_header(postern_json headers, postern_str name);

/* ---- Functions ---- */

/* An HTTP request as a function sees it: an event in Lambda's payload format 2.0 (the fields that 1.0 has by other names are
 * taken from there). What an event does not have is none. */
typedef struct postern_request {
	postern_json event; /* all of it; any JSON where the function is called by name */
	postern_str method, path, query; /* path with the stage, unless that is $default; query as received */
	postern_str route_key, request_id, stage, api_id, domain_name, source_ip, user_agent;
	int64_t time; /* when it came in, in milliseconds since 1970 */
	postern_json headers; /* lower-case names; several values are joined by commas */
	postern_json cookies, query_parameters, path_parameters, stage_variables;
	postern_json context;    /* all of requestContext, for what has no member here */
	postern_json authorizer; /* the context that an authorizer returned */
} postern_request;

/* A function's answer. Zeroed, it is an empty 200. */
typedef struct postern_response {
	int status; /* 0 is 200 */
	postern_fields headers, cookies; /* of cookies, the value: each becomes a Set-Cookie header */
	postern_str body;
	postern_str result; /* when set, JSON that is the whole answer, as for a call by name */
	bool sent;          /* by postern_send_head */
} postern_response;

int postern_respond_text(postern_response *res, int status, postern_str body);
/* Answers with what w wrote; fails where that is not whole. */
int postern_respond_json(postern_response *res, int status, const postern_writer *w);
/* Makes what w wrote the whole answer of a call by name. */
int postern_respond_result(postern_response *res, const postern_writer *w);
/* Adds a cookie: "a=b; HttpOnly". */
void postern_cookie(postern_response *res, postern_str cookie);
/* Sends status, headers and cookies, so that the body can be written piece by piece with postern_write. res->body is then ignored. */
int postern_send_head(postern_response *res);

/* ---- Bodies ---- */

/* Waits for at least one byte of the call's body and takes up to cap, at least 1: how many, 0 at the end, or below zero
 * (POSTERN_CLOSED, POSTERN_FAILED where the sender broke off, POSTERN_TIMEOUT). */
int postern_read(void *ptr, size_t cap);
/* The whole rest of the call's body: POSTERN_TOO_LARGE where it has more than max bytes. */
int postern_read_all(size_t max, postern_str *out);
/* Appends to the answer's body, all or nothing, and waits while the reader is slow: 0, or below zero (POSTERN_CLOSED once the
 * reader has gone, POSTERN_ORDER before the head). */
int postern_write(postern_str data);
/* Sends what is written so far to the client, be it little. */
int postern_flush(void);

/* ---- Authorizers ---- */

/* The request that somebody wants to make: Lambda's authorizer event, 2.0 or 1.0. */
typedef struct postern_authorizer_event {
	postern_request request;
	postern_str type;  /* REQUEST or TOKEN */
	postern_str arn;   /* what is asked for: routeArn, or methodArn in 1.0 */
	postern_str token; /* authorizationToken of 1.0 */
	postern_json identity_source;
} postern_authorizer_event;

/* An authorizer's answer. Zeroed, it refuses with 403. */
typedef struct postern_decision {
	bool allow;
	postern_str principal_id, policy; /* with a policy, a JSON document, allow is ignored */
	postern_str context;              /* a JSON object that is handed to the integration */
} postern_decision;

/* Lets pass, with what w wrote as context; NULL for none. */
int postern_allow(postern_decision *d, const postern_writer *context);
/* Answers with a policy that allows execute-api:Invoke of arn, which may hold * and ?. */
int postern_allow_arn(postern_decision *d, postern_str principal_id, postern_str arn);
/* Fails the call such that the client is answered with 401. */
int postern_unauthorized(void);

/* ---- Mappings ---- */

/* What surrounds a body that is to be turned into another. The body is read with postern_read or postern_read_all. */
typedef struct postern_mapping {
	postern_json event;
	postern_json path, query, header; /* the request's parameters */
	postern_json context;             /* Amazon's $context */
	postern_json stage_variables;
	int status;                    /* of the integration's response; 0 in a request's mapping */
	postern_json response_headers; /* likewise */
} postern_mapping;

/* A parameter by its name, looked for in path, query and header, in this order. */
postern_str postern_parameter(const postern_mapping *in, postern_str name);

/* The new body, and what else changes. Zeroed, the new body is empty and nothing else changes. */
typedef struct postern_mapped {
	postern_str body, content_type; /* no content type leaves it */
	postern_fields request_path, request_query, request_header; /* replace parameters of the request to the integration */
	int response_status; /* 0 leaves it */
	postern_fields response_header;
} postern_mapped;

/* ---- Filters ---- */

/* A request on its way through the gateway: what arrived, in the first half; what was sent on, in the second. */
typedef struct postern_live_request {
	postern_str method, scheme, host, path, query; /* path below the stage, undecoded */
	postern_json headers; /* a list of names and values, in order */
	int64_t length;       /* bytes of the body; -1 when unknown */
	postern_str upgrade;  /* "websocket", or none */
} postern_live_request;

/* An exchange as a filter sees it, in either half. */
typedef struct postern_exchange {
	postern_json event;
	postern_live_request request;
	int status;                    /* of the response; 0 in the first half, as the two below */
	postern_json response_headers; /* a list */
	int64_t response_length;       /* bytes; -1 when unknown */
	postern_str request_id, api_id, stage, route_key, source_ip, protocol, domain_name;
	int64_t time; /* when the request came in, in milliseconds since 1970 */
	postern_json path_parameters, stage_variables;
} postern_exchange;

/* What a filter changes. Zeroed, nothing. */
typedef struct postern_edits {
	postern_str method, path, query, host; /* of a request; none leaves it */
	int status;                            /* of a response; 0 leaves it */
	bool replace;                          /* headers replaces all fields */
	postern_fields headers, remove, set, add; /* made in this order; of remove, the names */
	bool new_body;               /* what is written becomes the body */
	postern_response *answer;    /* answers a request, which then goes no further */
	bool sent;                   /* by postern_send_edits */
} postern_edits;

/* Sends the edits, so that a new body, which is thereby announced, can be written with postern_write while the old one is read with
 * postern_read. */
int postern_send_edits(postern_edits *e);

/* ---- The world ---- */

/* The plugin's configuration, config: in the definition; none where there is none. */
int postern_config(postern_json *out);
/* An environment variable of the plugin: 0 or POSTERN_NOT_FOUND. */
int postern_env(postern_str name, postern_str *out);
/* A secret that the definition declares for this plugin: 0 or POSTERN_NOT_FOUND. */
int postern_secret(postern_str name, postern_str *out);

/* What belongs to this call. All but the deadline are there for functions alone. */
typedef struct postern_context {
	int64_t deadline; /* in milliseconds since 1970, as all here */
	postern_str request_id, function_name, function_version, function_arn;
	postern_json client; /* that a caller by name sent */
} postern_context;

int postern_call_context(postern_context *out);
/* Milliseconds until the call's deadline; 0 when it has passed, or is not known. */
int64_t postern_remaining(void);

typedef enum postern_level { POSTERN_DEBUG = -4, POSTERN_INFO = 0, POSTERN_WARN = 4, POSTERN_ERROR = 8 } postern_level;

/* A line for the host's log. */
void postern_log(postern_level level, postern_str message);
/* Nanoseconds since 1970, in UTC. */
int64_t postern_now(void);
/* Fills memory with bytes that cannot be foreseen. */
int postern_random(void *ptr, size_t len);
/* The W3C traceparent of this call's span; empty when nothing is traced. postern_fetch does not send it by itself. */
postern_str postern_traceparent(void);

/* Opens a child of this call's span: its number, or POSTERN_BUSY. What is still open at the end of the call ends as failed. */
int postern_span_start(postern_str name);
/* Ends it; a text says that it failed, and why. */
int postern_span_end(int span, postern_str failure);

/* Metrics of the plugin: names of at most 63 letters, digits, _ and dots, a letter first. POSTERN_BUSY beyond 32 names. */
int postern_count(postern_str name, double by);
int postern_gauge(postern_str name, double value);
int postern_record(postern_str name, double value); /* in a histogram */

/* A request to a server outside, which the definition's egress list must allow. */
typedef struct postern_fetch_request {
	postern_str method; /* none is GET */
	postern_str url;
	postern_fields headers;
	postern_str body;
} postern_fetch_request;

typedef struct postern_fetch_response {
	int status;
	postern_json headers; /* a list, for postern_header */
	int handle;
} postern_fetch_response;

/* Makes the request and waits for the head of its response. Redirects are not followed. POSTERN_DENIED, POSTERN_TIMEOUT,
 * POSTERN_FAILED, POSTERN_TOO_LARGE, POSTERN_BUSY (16 are open). */
int postern_fetch(const postern_fetch_request *req, postern_fetch_response *out);
/* As postern_read, of the response's body. */
int postern_fetch_read(const postern_fetch_response *res, void *ptr, size_t cap);
/* As postern_read_all. */
int postern_fetch_read_all(const postern_fetch_response *res, size_t max, postern_str *out);
/* Frees the response; the end of the call does, too. */
void postern_fetch_close(postern_fetch_response *res);

/* The plugin's own small map, which outlives its instances and versions. A key has 1 to 512 bytes of UTF-8, a value at most 64 KiB. */
#define POSTERN_ANY_REVISION ((int64_t)-1)

/* An entry's value and, where revision is not NULL, its revision: 0 or POSTERN_NOT_FOUND. */
int postern_kv_get(postern_str key, postern_str *value, int64_t *revision);
/* Sets an entry, which is gone after ttl_ms milliseconds, rounded up to seconds; 0 keeps it. revision is what the entry must have
 * now: POSTERN_ANY_REVISION, 0 for there being none; otherwise POSTERN_CONFLICT. *new_revision, which may be NULL, is what it gets. */
int postern_kv_put(postern_str key, postern_str value, int64_t ttl_ms, int64_t revision, int64_t *new_revision);
/* Removes an entry of that revision; with POSTERN_ANY_REVISION, also what is not there. */
int postern_kv_delete(postern_str key, int64_t revision);
/* A JSON array of up to 1,000 keys that begin with prefix and come after the key after, sorted by their bytes. */
int postern_kv_keys(postern_str prefix, postern_str after, postern_json *keys);

/* ---- Failing ---- */

/* Why the last of these functions failed in this call: a text for people. */
postern_str postern_reason(void);
/* Says why the call fails; what it returns is for a plugin's function to return. */
int postern_error(postern_str type, postern_str message);
/* Ends the plugin's instance, with a message: for what cannot be. The next call gets a new one. */
_Noreturn void postern_panic(postern_str message);

/* ---- Entries ---- */

typedef int postern_function(const postern_request *r, postern_response *res);
typedef int postern_authorizer(const postern_authorizer_event *ev, postern_decision *d);
typedef int postern_mapper(const postern_mapping *in, postern_mapped *out);
typedef int postern_filter(const postern_exchange *x, postern_edits *e);

int postern_run_function(postern_function *fn);
int postern_run_authorizer(postern_authorizer *fn);
int postern_run_mapper(postern_mapper *fn);
int postern_run_filter(postern_filter *fn);

#ifdef __wasm__
#define POSTERN_EXPORT(name) __attribute__((export_name(#name)))
#else
#define POSTERN_EXPORT(name)
#endif
#define POSTERN_ENTRY(name, run, fn) \
	POSTERN_EXPORT(name) int postern_entry_##name(void); \
	int postern_entry_##name(void) { return run(fn); }

/* Each names the function that answers one entry, once in a plugin, without a semicolon. */
#define POSTERN_FUNCTION(fn) POSTERN_ENTRY(handle, postern_run_function, fn)
#define POSTERN_AUTHORIZER(fn) POSTERN_ENTRY(authorize, postern_run_authorizer, fn)
#define POSTERN_MAP_REQUEST(fn) POSTERN_ENTRY(map_request, postern_run_mapper, fn)
#define POSTERN_MAP_RESPONSE(fn) POSTERN_ENTRY(map_response, postern_run_mapper, fn)
#define POSTERN_FILTER_REQUEST(fn) POSTERN_ENTRY(filter_request, postern_run_filter, fn)
#define POSTERN_FILTER_RESPONSE(fn) POSTERN_ENTRY(filter_response, postern_run_filter, fn)

#endif
