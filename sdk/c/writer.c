/* Writing JSON. */
#include "host.h"

static void raw(postern_writer *w, postern_str text) { postern_append(&w->buffer, text); }

/* Whether a value may come now; writes what separates it from the one before. */
static bool begin_value(postern_writer *w) {
	bool object = w->depth > 0 && (w->objects >> (w->depth - 1) & 1);
	if (w->invalid || object != w->named || (w->depth == 0 && w->buffer.len > 0)) {
		w->invalid = true;
		return false;
	}
	if (w->comma && !w->named)
		raw(w, PS(","));
	w->named = false;
	w->comma = true;
	return true;
}

static void open(postern_writer *w, bool object) {
	if (!begin_value(w))
		return;
	if (w->depth == 64) {
		w->invalid = true;
		return;
	}
	uint64_t bit = (uint64_t)1 << w->depth++;
	w->objects = object ? w->objects | bit : w->objects & ~bit;
	w->comma = false;
	raw(w, object ? PS("{") : PS("["));
}

static void close(postern_writer *w, bool object) {
	if (w->invalid || w->named || w->depth == 0 || (w->objects >> (w->depth - 1) & 1) != object) {
		w->invalid = true;
		return;
	}
	w->depth--;
	w->comma = true;
	raw(w, object ? PS("}") : PS("]"));
}

void postern_object(postern_writer *w) { open(w, true); }
void postern_end_object(postern_writer *w) { close(w, true); }
void postern_array(postern_writer *w) { open(w, false); }
void postern_end_array(postern_writer *w) { close(w, false); }

static void escape(postern_writer *w, unsigned char c) {
	static const char hex[] = "0123456789abcdef";
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	for (int i = 0; i < 7; i++)
		if (c == (unsigned char)from[i]) {
			raw(w, (postern_str){(char[]){'\\', to[i]}, 2});
			return;
		}
	raw(w, (postern_str){(char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6});
}

static void quote(postern_writer *w, postern_str text) {
	const unsigned char *p = (const unsigned char *)text.ptr;
	raw(w, PS("\""));
	size_t from = 0;
	for (size_t i = 0; i < text.len;) {
		size_t n = postern_character(text.ptr + i, text.len - i);
		if (n > 0 && p[i] >= ' ' && p[i] != '"' && p[i] != '\\') {
			i += n;
			continue;
		}
		raw(w, (postern_str){text.ptr + from, i - from});
		if (n == 0)
			raw(w, PS("\xef\xbf\xbd"));
		else
			escape(w, p[i]);
		from = ++i;
	}
	if (text.len > from)
		raw(w, (postern_str){text.ptr + from, text.len - from});
	raw(w, PS("\""));
}

void postern_name(postern_writer *w, postern_str name) {
	if (w->invalid || w->named || w->depth == 0 || !(w->objects >> (w->depth - 1) & 1)) {
		w->invalid = true;
		return;
	}
	if (w->comma)
		raw(w, PS(","));
	quote(w, name);
	raw(w, PS(":"));
	w->named = true;
}

void postern_write_text(postern_writer *w, postern_str text) {
	if (begin_value(w))
		quote(w, text);
}

void postern_write_int(postern_writer *w, int64_t n) {
	if (begin_value(w))
		postern_append_int(&w->buffer, n);
}

void postern_write_bool(postern_writer *w, bool v) {
	if (begin_value(w))
		raw(w, v ? PS("true") : PS("false"));
}

void postern_write_null(postern_writer *w) {
	if (begin_value(w))
		raw(w, PS("null"));
}

void postern_write_json(postern_writer *w, postern_json v) {
	if (begin_value(w))
		raw(w, v.len > 0 ? (postern_str){v.ptr, v.len} : PS("null"));
}

/* Scales d, which is above zero, to 10^14 <= d < 10^15, and says by which power of ten. */
static int normalize(double *d) {
	int exponent = 0;
	while (*d >= 1e30) {
		*d /= 1e15;
		exponent += 15;
	}
	while (*d < 1e-1) {
		*d *= 1e15;
		exponent -= 15;
	}
	while (*d >= 1e15) {
		*d /= 10;
		exponent++;
	}
	while (*d < 1e14) {
		*d *= 10;
		exponent--;
	}
	return exponent;
}

void postern_write_number(postern_writer *w, double n) {
	if (!begin_value(w))
		return;
	if (!(n - n == 0)) { /* infinite, or not a number */
		raw(w, PS("null"));
		return;
	}
	if (n < 0) {
		raw(w, PS("-"));
		n = -n;
	}
	if (n < 1e15 && n == (double)(int64_t)n) {
		postern_append_int(&w->buffer, (int64_t)n);
		return;
	}
	int exponent = normalize(&n);
	int64_t digits = (int64_t)(n + 0.5);
	for (; digits % 10 == 0; digits /= 10)
		exponent++;
	if (exponent < 0 && exponent >= -15) { /* digits with a point among or before them */
		int64_t unit = 1;
		for (int i = exponent; i < 0; i++)
			unit *= 10;
		postern_append_int(&w->buffer, digits / unit);
		raw(w, PS("."));
		for (digits %= unit; (unit /= 10) > 0; digits %= unit)
			postern_append_int(&w->buffer, digits / unit);
		return;
	}
	postern_append_int(&w->buffer, digits);
	raw(w, PS("e"));
	postern_append_int(&w->buffer, exponent);
}

int postern_written(const postern_writer *w, postern_str *out) {
	*out = (postern_str){NULL, 0};
	if (w->buffer.failed)
		return POSTERN_NO_MEMORY;
	if (w->invalid || w->depth > 0 || w->buffer.len == 0)
		return POSTERN_INVALID;
	*out = postern_buffer_text(&w->buffer);
	return POSTERN_OK;
}
