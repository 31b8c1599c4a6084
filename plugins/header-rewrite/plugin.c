/* header-rewrite is a filter that removes, renames, sets and adds header fields of requests and responses, as its configuration says. */
#include "postern.h"

/* One half of an exchange: its event, and the header fields that are to be rewritten. */
typedef struct half {
	const postern_exchange *exchange;
	postern_json headers;
	postern_edits *edits;
} half;

static int wrong(const char *problem, size_t len, postern_str what) {
	postern_buffer text = {0};
	postern_append(&text, PS("config: "));
	postern_append(&text, (postern_str){problem, len});
	postern_append(&text, what);
	return postern_error(PS("ConfigError"), postern_buffer_text(&text));
}

#define WRONG(problem, what) wrong(problem, sizeof(problem) - 1, what)

/* Takes a prefix off a text, where it has it. */
static bool behind(postern_str *text, postern_str prefix) {
	if (!postern_has_prefix(*text, prefix))
		return false;
	text->ptr += prefix.len;
	text->len -= prefix.len;
	return true;
}

/* The value of ${name}. What a request need not have is an empty text; what there never is, is an error. */
static int variable(const half *h, postern_str name, postern_str *value) {
	const postern_exchange *x = h->exchange;
	postern_str rest = name;
	*value = PS("");
	if (behind(&rest, PS("header."))) {
		*value = postern_header(h->headers, rest);
		return POSTERN_OK;
	}
	if (behind(&rest, PS("request.header."))) {
		*value = postern_header(x->request.headers, rest);
		return POSTERN_OK;
	}
	if (behind(&rest, PS("secret.")))
		return postern_secret(rest, value);
	/* The others are named as the event has them. */
	bool given = postern_has_prefix(name, PS("context.")) || postern_has_prefix(name, PS("request."));
	bool maybe = postern_has_prefix(name, PS("pathParameters.")) || postern_has_prefix(name, PS("stageVariables."));
	postern_json found = given || maybe ? postern_path(x->event, name) : (postern_json){0};
	if (postern_kind_of(found) == POSTERN_STRING)
		*value = postern_text(found);
	else if (!maybe)
		return WRONG("there is no variable ", name);
	return POSTERN_OK;
}

/* Makes a field's value of its template. CR, LF, NUL and other control characters become spaces, as RFC 9110, section 5.5, has it: a
 * path parameter may hold any. */
static int expand(const half *h, postern_str template, postern_str *value) {
	postern_buffer out = {0};
	for (size_t i = 0; i < template.len; i++) {
		if (template.ptr[i] != '$' || i + 1 == template.len || template.ptr[i + 1] != '{') {
			postern_append(&out, (postern_str){template.ptr + i, 1});
			continue;
		}
		size_t start = i += 2;
		while (i < template.len && template.ptr[i] != '}')
			i++;
		if (i == template.len)
			return WRONG("a ${ without its } in ", template);
		postern_str part;
		int n = variable(h, (postern_str){template.ptr + start, i - start}, &part);
		if (n != POSTERN_OK)
			return n;
		postern_append(&out, part);
	}
	for (size_t i = 0; i < out.len; i++) {
		unsigned char c = (unsigned char)out.ptr[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			out.ptr[i] = ' ';
	}
	*value = out.len == 0 ? PS("") : postern_buffer_text(&out);
	return out.failed ? POSTERN_NO_MEMORY : POSTERN_OK;
}

/* A part of the rules, which must be of a kind where it is there. */
static int part_of(postern_json rules, postern_str name, postern_kind kind, postern_items *items) {
	postern_json part = postern_get(rules, name);
	postern_kind found = postern_kind_of(part);
	*items = postern_each(part);
	if (found == kind || found == POSTERN_NONE)
		return POSTERN_OK;
	return kind == POSTERN_ARRAY ? WRONG("this is no list: ", name) : WRONG("this is no object: ", name);
}

/* Whether an object has a member of that name, in any case. */
static bool has_name(postern_json object, postern_str name) {
	postern_items items = postern_each(object);
	postern_json key, value;
	while (postern_next(&items, &key, &value))
		if (postern_equal_fold(postern_text(key), name))
			return true;
	return false;
}

static int remove_fields(const half *h, postern_json rules) {
	postern_items items;
	postern_json value;
	int n = part_of(rules, PS("remove"), POSTERN_ARRAY, &items);
	while (n == POSTERN_OK && postern_next(&items, NULL, &value)) {
		postern_str name = postern_text(value);
		if (name.len == 0)
			return WRONG("remove has names, as texts", PS(""));
		postern_add(&h->edits->remove, name, PS(""));
	}
	return n;
}

/* Gives the fields of one name another, in place of those that already have it. */
static int rename_fields(const half *h, postern_json rules) {
	postern_items items;
	postern_json key, value;
	int n = part_of(rules, PS("rename"), POSTERN_OBJECT, &items);
	while (n == POSTERN_OK && postern_next(&items, &key, &value)) {
		postern_str from = postern_text(key), to = postern_text(value);
		if (to.len == 0)
			return WRONG("rename needs a name for ", from);
		if (postern_header(h->headers, from).ptr == NULL)
			continue;
		postern_add(&h->edits->remove, from, PS(""));
		if (has_name(postern_get(rules, PS("set")), to))
			continue; /* what is set comes later, and wins */
		postern_items fields = postern_each(h->headers);
		postern_json field, part;
		while (postern_next(&fields, NULL, &field)) {
			postern_items pair = postern_each(field);
			if (postern_next(&pair, NULL, &part) && postern_equal_fold(postern_text(part), from) && postern_next(&pair, NULL, &part))
				postern_add(&h->edits->set, to, postern_text(part));
		}
	}
	return n;
}

/* Writes one field, or one for each text of a list. */
static int write_field(const half *h, postern_fields *to, postern_str name, postern_json value) {
	postern_items items = postern_each(value);
	bool list = postern_kind_of(value) == POSTERN_ARRAY;
	postern_str text;
	while (!list || postern_next(&items, NULL, &value)) {
		if (postern_kind_of(value) != POSTERN_STRING)
			return WRONG("this value is no text: ", name);
		int n = expand(h, postern_text(value), &text);
		if (n != POSTERN_OK)
			return n;
		postern_add(to, name, text);
		if (!list)
			break;
	}
	return POSTERN_OK;
}

static int write_fields(const half *h, postern_json rules, postern_str part, postern_fields *to) {
	postern_items items;
	postern_json key, value;
	int n = part_of(rules, part, POSTERN_OBJECT, &items);
	while (n == POSTERN_OK && postern_next(&items, &key, &value))
		n = write_field(h, to, postern_text(key), value);
	return n;
}

static int rewrite(const half *h, postern_str name) {
	postern_json config;
	int n = postern_config(&config);
	if (n != POSTERN_OK)
		return n;
	if (postern_kind_of(config) != POSTERN_OBJECT)
		return WRONG("it has to say what is to be done, under request or response", PS(""));
	postern_json rules = postern_get(config, name);
	if (postern_kind_of(rules) == POSTERN_NONE)
		return POSTERN_OK;
	if (postern_kind_of(rules) != POSTERN_OBJECT)
		return WRONG("this is no object: ", name);
	if ((n = remove_fields(h, rules)) == POSTERN_OK && (n = rename_fields(h, rules)) == POSTERN_OK &&
		(n = write_fields(h, rules, PS("set"), &h->edits->set)) == POSTERN_OK)
		n = write_fields(h, rules, PS("add"), &h->edits->add);
	return n;
}

static int request(const postern_exchange *x, postern_edits *e) {
	return rewrite(&(half){x, x->request.headers, e}, PS("request"));
}

static int response(const postern_exchange *x, postern_edits *e) {
	return rewrite(&(half){x, x->response_headers, e}, PS("response"));
}

POSTERN_FILTER_REQUEST(request)
POSTERN_FILTER_RESPONSE(response)
