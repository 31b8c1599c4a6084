/* Reading JSON in place: a check of a whole text, and walks that stay inside their text whatever is in it. */
#include "host.h"

enum { MAX_DEPTH = 512 };

static const char *space(const char *p, const char *end) {
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

static bool digit(const char *p, const char *end) { return p < end && *p >= '0' && *p <= '9'; }

static int hex(char c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What \uXXXX at p stands for; below zero where there is none. */
static int32_t code_unit(const char *p, const char *end) {
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	int32_t unit = 0;
	for (int i = 2; i < 6; i++) {
		int h = hex(p[i]);
		if (h < 0)
			return -1;
		unit = unit << 4 | h;
	}
	return unit;
}

/* The highest bit of each of eight bytes that is below n, which is at most 128; of those behind the first perhaps that of another. */
static uint64_t bytes_below(uint64_t bytes, uint64_t n) {
	const uint64_t each = 0x0101010101010101;
	return (bytes - each * n) & ~bytes & each << 7;
}

static uint64_t bytes_that_are(uint64_t bytes, char c) { return bytes_below(bytes ^ 0x0101010101010101 * (unsigned char)c, 1); }

/* The first byte from p on that is more than a plain character of a string: a quote, a backslash, a control character, one of UTF-8. Eight at a
 * time, of which the first is lowest, as wherever WebAssembly runs. */
static const char *plain_end(const char *p, const char *end) {
	for (; end - p >= 8; p += 8) {
		uint64_t bytes;
		__builtin_memcpy(&bytes, p, 8);
		uint64_t found = bytes_that_are(bytes, '"') | bytes_that_are(bytes, '\\') | bytes_below(bytes, ' ') | (bytes & 0x8080808080808080);
		if (found != 0)
			return p + __builtin_ctzll(found) / 8;
	}
	while (p < end && *p != '"' && *p != '\\' && *p >= ' ' && (unsigned char)*p < 0x80)
		p++;
	return p;
}

/* The end of the string that begins at p and has been checked, or looks like one; NULL where the text ends first. */
static const char *string_skip(const char *p, const char *end) {
	for (p = plain_end(p + 1, end); p < end; p = plain_end(p + 1, end)) {
		if (*p == '"')
			return p + 1;
		if (*p == '\\' && ++p == end)
			return NULL;
	}
	return NULL;
}

/* The end of the escape that begins at p; NULL where it is none. */
static const char *escape_end(const char *p, const char *end) {
	if (end - p < 2)
		return NULL;
	switch (p[1]) {
	case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
		return p + 2;
	case 'u':
		return code_unit(p, end) < 0 ? NULL : p + 6;
	default:
		return NULL;
	}
}

/* The end of the string that begins at p, behind its quote; NULL where it has none or is malformed. */
static const char *string_end(const char *p, const char *end) {
	for (p = plain_end(p + 1, end); p < end; p = plain_end(p, end)) {
		if (*p == '"')
			return p + 1;
		if (*p == '\\') {
			if ((p = escape_end(p, end)) == NULL)
				return NULL;
			continue;
		}
		size_t n = (unsigned char)*p < ' ' ? 0 : postern_character(p, (size_t)(end - p));
		if (n == 0)
			return NULL;
		p += n;
	}
	return NULL;
}

static const char *digits_end(const char *p, const char *end) {
	if (!digit(p, end))
		return NULL;
	while (digit(p, end))
		p++;
	return p;
}

static const char *number_end(const char *p, const char *end) {
	if (p < end && *p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else if ((p = digits_end(p, end)) == NULL)
		return NULL;
	if (p < end && *p == '.' && (p = digits_end(p + 1, end)) == NULL)
		return NULL;
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		return digits_end(p, end);
	}
	return p;
}

/* The end of a number that a double holds, as all who read JSON ask for. */
static const char *finite_end(const char *p, const char *end) {
	const char *stop = number_end(p, end);
	double d;
	if (stop == NULL || stop - p < 5 || (postern_number((postern_json){p, (size_t)(stop - p)}, &d) && __builtin_isfinite(d)))
		return stop; /* 1e309 is the shortest that none does */
	return NULL;
}

static const char *word_end(const char *p, const char *end, const char *word) {
	for (; *word != 0; word++, p++)
		if (p == end || *p != *word)
			return NULL;
	return p;
}

/* The end of a value that is no array and no object; NULL where it is malformed. */
static const char *scalar_end(const char *p, const char *end) {
	switch (*p) {
	case '"': return string_end(p, end);
	case 't': return word_end(p, end, "true");
	case 'f': return word_end(p, end, "false");
	case 'n': return word_end(p, end, "null");
	default: return finite_end(p, end);
	}
}

/* The end of a member's name and its colon. */
static const char *name_end(const char *p, const char *end) {
	p = space(p, end);
	if (p == end || *p != '"' || (p = string_end(p, end)) == NULL)
		return NULL;
	p = space(p, end);
	return p < end && *p == ':' ? p + 1 : NULL;
}

/* The end of a whole value, strictly; no recursion, so that no text can exhaust the stack. */
static const char *value_end(const char *p, const char *end) {
	unsigned char objects[MAX_DEPTH / 8] = {0}; /* one bit a level */
	int depth = 0;
	for (;;) {
		p = space(p, end);
		if (p == end)
			return NULL;
		if (*p == '{' || *p == '[') {
			if (depth == MAX_DEPTH)
				return NULL;
			bool object = *p == '{';
			const char *inside = space(p + 1, end);
			if (inside < end && *inside == (object ? '}' : ']')) {
				p = inside + 1;
			} else {
				unsigned char bit = (unsigned char)(1u << (depth % 8));
				objects[depth / 8] = (unsigned char)(object ? objects[depth / 8] | bit : objects[depth / 8] & ~bit);
				depth++;
				p++;
				if (object && (p = name_end(p, end)) == NULL)
					return NULL;
				continue;
			}
		} else if ((p = scalar_end(p, end)) == NULL) {
			return NULL;
		}
		for (;;) { /* behind a value */
			if (depth == 0)
				return p;
			bool object = objects[(depth - 1) / 8] >> ((depth - 1) % 8) & 1;
			p = space(p, end);
			if (p == end)
				return NULL;
			if (*p == ',') {
				p++;
				if (object && (p = name_end(p, end)) == NULL)
					return NULL;
				break;
			}
			if (*p++ != (object ? '}' : ']'))
				return NULL;
			depth--;
		}
	}
}

int postern_parse(postern_str text, postern_json *out) {
	*out = (postern_json){NULL, 0};
	if (text.len == 0)
		return POSTERN_MALFORMED;
	const char *end = text.ptr + text.len, *begin = space(text.ptr, end);
	const char *stop = value_end(begin, end);
	if (stop == NULL || space(stop, end) != end)
		return POSTERN_MALFORMED;
	*out = (postern_json){begin, (size_t)(stop - begin)};
	return POSTERN_OK;
}

/* The end of a value that has been checked, or of what looks like one: NULL where the text ends first. */
static const char *skip(const char *p, const char *end) {
	size_t depth = 0;
	while (p < end) {
		switch (*p) {
		case '"':
			if ((p = string_skip(p, end)) == NULL)
				return NULL;
			break;
		case '{': case '[':
			depth++;
			p++;
			continue;
		case '}': case ']':
			if (depth == 0)
				return NULL;
			depth--;
			p++;
			break;
		case ',': case ':': case ' ': case '\t': case '\n': case '\r':
			if (depth == 0)
				return NULL;
			p++;
			continue;
		default:
			while (p < end && *p != ',' && *p != '}' && *p != ']' && *p != ' ' && *p != '\n' && *p != '\r' && *p != '\t')
				p++;
		}
		if (depth == 0)
			return p;
	}
	return NULL;
}

postern_kind postern_kind_of(postern_json v) {
	if (v.len == 0)
		return POSTERN_NONE;
	switch (v.ptr[0]) {
	case '{': return POSTERN_OBJECT;
	case '[': return POSTERN_ARRAY;
	case '"': return POSTERN_STRING;
	case 't': case 'f': return POSTERN_BOOL;
	case 'n': return POSTERN_NULL;
	case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9': return POSTERN_NUMBER;
	default: return POSTERN_NONE;
	}
}

postern_items postern_each(postern_json v) {
	postern_kind kind = postern_kind_of(v);
	if (kind != POSTERN_ARRAY && kind != POSTERN_OBJECT)
		return (postern_items){NULL, NULL, false};
	return (postern_items){v.ptr + 1, v.ptr + v.len, kind == POSTERN_OBJECT};
}

bool postern_next(postern_items *items, postern_json *name, postern_json *value) {
	const char *p = items->ptr, *end = items->end;
	if (p == NULL)
		return false;
	items->ptr = NULL; /* unless it goes on */
	if (name != NULL)
		*name = (postern_json){NULL, 0};
	p = space(p, end);
	if (items->object) {
		if (p == end || *p != '"')
			return false;
		const char *stop = string_skip(p, end);
		if (stop == NULL)
			return false;
		if (name != NULL)
			*name = (postern_json){p, (size_t)(stop - p)};
		p = space(stop, end);
		if (p == end || *p != ':')
			return false;
		p = space(p + 1, end);
	}
	const char *stop = p == end ? NULL : skip(p, end);
	if (stop == NULL || stop == p)
		return false;
	*value = (postern_json){p, (size_t)(stop - p)};
	p = space(stop, end);
	if (p < end && *p == ',')
		items->ptr = p + 1;
	return true;
}

/* A walk through the bytes of a string, with escapes as what they stand for, up to four bytes each time. */
typedef struct walk {
	const char *p, *end;
	char bytes[4];
	size_t len;
} walk;

static walk walk_of(postern_json v) {
	if (v.len < 2 || v.ptr[0] != '"' || v.ptr[v.len - 1] != '"')
		return (walk){0};
	return (walk){.p = v.ptr + 1, .end = v.ptr + v.len - 1};
}

static void put_utf8(walk *w, int32_t c) {
	if (c < 0x80) {
		w->bytes[0] = (char)c;
		w->len = 1;
		return;
	}
	w->len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = w->len - 1; i > 0; i--, c >>= 6)
		w->bytes[i] = (char)(0x80 | (c & 0x3f));
	w->bytes[0] = (char)((w->len == 2 ? 0xc0 : w->len == 3 ? 0xe0 : 0xf0) | c);
}

static bool step(walk *w) {
	if (w->p == w->end)
		return false;
	w->len = 1;
	w->bytes[0] = *w->p;
	if (*w->p != '\\') {
		w->p++;
		return true;
	}
	int32_t unit = code_unit(w->p, w->end);
	if (unit >= 0) {
		w->p += 6;
		int32_t low;
		if (unit >= 0xd800 && unit < 0xdc00 && (low = code_unit(w->p, w->end)) >= 0xdc00 && low < 0xe000) {
			w->p += 6;
			unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
		} else if (unit >= 0xd800 && unit < 0xe000) {
			unit = 0xfffd;
		}
		put_utf8(w, unit);
		return true;
	}
	if (++w->p == w->end)
		return false;
	static const char escapes[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	w->bytes[0] = *w->p;
	for (int i = 0; i < 5; i++)
		if (*w->p == escapes[i])
			w->bytes[0] = meanings[i];
	w->p++;
	return true;
}

postern_str postern_text(postern_json v) {
	walk w = walk_of(v);
	if (w.p == NULL)
		return (postern_str){NULL, 0};
	size_t len = (size_t)(w.end - w.p);
	const char *escape = plain_end(w.p, w.end);
	while (escape < w.end && *escape != '\\')
		escape++;
	if (escape == w.end)
		return (postern_str){w.p, len};
	char *text = postern_alloc(len); /* escapes only shrink */
	if (text == NULL)
		return (postern_str){NULL, 0};
	size_t n = 0;
	while (step(&w)) {
		postern_copy(text + n, w.bytes, w.len);
		n += w.len;
	}
	return (postern_str){text, n};
}

bool postern_is(postern_json v, postern_str text) {
	walk w = walk_of(v);
	if (w.p == NULL)
		return false;
	size_t n = 0;
	while (step(&w)) {
		if (w.len > text.len - n)
			return false;
		for (size_t i = 0; i < w.len; i++)
			if (w.bytes[i] != text.ptr[n++])
				return false;
	}
	return n == text.len;
}

postern_json postern_get(postern_json v, postern_str name) {
	postern_items items = postern_each(v);
	postern_json key, value;
	while (items.object && postern_next(&items, &key, &value))
		if (key.len >= name.len + 2 && postern_is(key, name))
			return value;
	return (postern_json){NULL, 0};
}

postern_json postern_path(postern_json v, postern_str names) {
	while (names.ptr != NULL)
		v = postern_get(v, postern_cut(&names, '.'));
	return v;
}

bool postern_true(postern_json v) { return v.len == 4 && v.ptr[0] == 't'; }

bool postern_int(postern_json v, int64_t *out) {
	if (v.len == 0)
		return false;
	const char *p = v.ptr, *end = p + v.len;
	bool negative = *p == '-';
	if (negative)
		p++;
	if (digits_end(p, end) != end)
		return false;
	uint64_t n = 0, limit = negative ? (uint64_t)1 << 63 : INT64_MAX;
	for (; p < end; p++) {
		uint64_t d = (uint64_t)(*p - '0');
		if (n > (limit - d) / 10)
			return false;
		n = n * 10 + d;
	}
	*out = negative ? n == 0 ? 0 : -(int64_t)(n - 1) - 1 : (int64_t)n;
	return true;
}

static double scale(double d, int exponent) {
	for (; exponent >= 22; exponent -= 22)
		d *= 1e22;
	for (; exponent <= -22; exponent += 22)
		d /= 1e22;
	double power = 1;
	for (int i = exponent < 0 ? -exponent : exponent; i > 0; i--)
		power *= 10;
	return exponent < 0 ? d / power : d * power;
}

bool postern_number(postern_json v, double *out) {
	if (v.len == 0 || number_end(v.ptr, v.ptr + v.len) != v.ptr + v.len)
		return false;
	const char *p = v.ptr, *end = p + v.len;
	bool negative = *p == '-', fraction = false;
	uint64_t digits = 0;
	int exponent = 0, written = 0;
	for (p += negative; p < end && *p != 'e' && *p != 'E'; p++) {
		if (*p == '.') {
			fraction = true;
			continue;
		}
		if (digits < 100000000000000000u) /* 18 digits fit */
			digits = digits * 10 + (uint64_t)(*p - '0');
		else if (exponent < 100000)
			exponent++;
		if (fraction && exponent > -100000)
			exponent--;
	}
	if (p < end) {
		bool below = *++p == '-';
		if (*p == '-' || *p == '+')
			p++;
		for (; p < end; p++)
			if (written < 100000)
				written = written * 10 + (*p - '0');
		exponent += below ? -written : written;
	}
	double d = digits == 0 ? 0 : scale((double)digits, exponent > 400 ? 400 : exponent < -400 ? -400 : exponent);
	*out = negative ? -d : d;
	return true;
}
