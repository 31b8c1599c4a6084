/* The memory of a call: chunks that are handed out from front to back, and all taken back at once. WebAssembly gives no
 * memory back to the host, so chunks are kept for the next call. They come from memory.grow alone, which leaves __heap_base and
 * whatever lies behind it to a libc's malloc. */
#include "host.h"

#ifndef __wasm__
#include <stdlib.h>
#endif

enum { ALIGN = 16, PAGE = 64 << 10 };

typedef struct chunk {
	_Alignas(16) struct chunk *next;
	size_t size; /* of what follows */
} chunk;

/* Most calls need no more than this. */
static struct {
	chunk head;
	_Alignas(16) unsigned char data[16 << 10];
} first;

#define FIRST ((chunk *)(void *)&first)

static chunk *current; /* NULL before the first call */
static size_t used;    /* of current */

static unsigned char *data_of(chunk *c) { return (unsigned char *)(c + 1); }

void postern_reset(void) {
	first.head.size = sizeof first.data; /* here, so that no module holds them as zeros */
	current = FIRST;
	used = 0;
}

#ifdef __wasm__
/* Adds room behind the last chunk, which is current: to it, where the host's memory goes on there. */
static bool grow(size_t least) {
	size_t pages = (least + sizeof(chunk) + PAGE - 1) / PAGE;
	size_t old = __builtin_wasm_memory_grow(0, pages);
	if (old == SIZE_MAX)
		return false;
	uintptr_t at = (uintptr_t)old * PAGE;
	if (current != FIRST && (uintptr_t)data_of(current) + current->size == at) {
		current->size += pages * PAGE;
		return true;
	}
	chunk *c = (chunk *)at;
	c->next = NULL;
	c->size = pages * PAGE - sizeof(chunk);
	current->next = c;
	return true;
}
#else
static bool grow(size_t least) {
	size_t size = (least + PAGE - 1) / PAGE * PAGE;
	chunk *c = aligned_alloc(ALIGN, size + sizeof(chunk));
	if (c == NULL)
		return false;
	c->next = NULL;
	c->size = size;
	current->next = c;
	return true;
}
#endif

void *postern_room(size_t least, size_t *room) {
	if (least > (size_t)INT32_MAX)
		return NULL;
	if (current == NULL)
		postern_reset();
	while (current->size - used < least) {
		if (current->next == NULL && !grow(least))
			return NULL;
		if (current->next != NULL) {
			current = current->next;
			used = 0;
		}
	}
	*room = current->size - used;
	return data_of(current) + used;
}

void postern_take(size_t size) {
	size_t rounded = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	size_t left = current->size - used;
	used += rounded < left ? rounded : left;
}

void *postern_alloc(size_t size) {
	size_t room;
	if (size == 0)
		size = 1;
	void *p = postern_room(size, &room);
	if (p != NULL)
		postern_take(size);
	return p;
}

/* Extends an allocation in its place: the last one, where there is room behind it. */
static bool extend(const void *p, size_t old, size_t size) {
	size_t rounded = (old + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (p == NULL || current == NULL || (const unsigned char *)p + rounded != data_of(current) + used || current->size - (used - rounded) < size)
		return false;
	used -= rounded;
	postern_take(size);
	return true;
}

void postern_append(postern_buffer *b, postern_str text) {
	if (b->failed || text.len == 0)
		return;
	if (text.len > b->cap - b->len) {
		if (text.len > (size_t)INT32_MAX - b->len) {
			b->failed = true;
			return;
		}
		size_t cap = b->cap < 128 ? 256 : b->cap * 2;
		if (cap < b->len + text.len)
			cap = b->len + text.len;
		if (!extend(b->ptr, b->cap, cap)) {
			char *p = postern_alloc(cap);
			if (p == NULL) {
				b->failed = true;
				return;
			}
			postern_copy(p, b->ptr, b->len);
			b->ptr = p;
		}
		b->cap = cap;
	}
	postern_copy(b->ptr + b->len, text.ptr, text.len);
	b->len += text.len;
}

void postern_append_int(postern_buffer *b, int64_t n) {
	char digits[20];
	size_t at = sizeof digits;
	uint64_t rest = n < 0 ? -(uint64_t)n : (uint64_t)n;
	do
		digits[--at] = (char)('0' + rest % 10);
	while ((rest /= 10) != 0);
	if (n < 0)
		digits[--at] = '-';
	postern_append(b, (postern_str){digits + at, sizeof digits - at});
}

postern_str postern_buffer_text(const postern_buffer *b) {
	if (b->failed)
		return (postern_str){NULL, 0};
	return (postern_str){b->ptr == NULL ? "" : b->ptr, b->len};
}

void postern_copy(void *to, const void *from, size_t len) {
	if (len > 0)
		__builtin_memcpy(to, from, len);
}

#ifdef __wasm__
/* What compilers call on their own. A libc's are taken instead where it comes first. */
#define WEAK(name) __attribute__((weak, no_builtin(name)))

void *memcpy(void *restrict to, const void *restrict from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int value, size_t len);
int memcmp(const void *a, const void *b, size_t len);

WEAK("memcpy") void *memcpy(void *restrict to, const void *restrict from, size_t len) {
	unsigned char *t = to;
	const unsigned char *f = from;
	for (; len >= 8; len -= 8, t += 8, f += 8)
		__builtin_memcpy(t, f, 8); /* one load and one store */
	for (; len > 0; len--)
		*t++ = *f++;
	return to;
}

WEAK("memmove") void *memmove(void *to, const void *from, size_t len) {
	unsigned char *t = to;
	const unsigned char *f = from;
	if ((uintptr_t)t - (uintptr_t)f >= len) {
		for (; len > 0; len--)
			*t++ = *f++;
	} else {
		while (len-- > 0)
			t[len] = f[len];
	}
	return to;
}

WEAK("memset") void *memset(void *to, int value, size_t len) {
	for (unsigned char *t = to; len > 0; len--)
		*t++ = (unsigned char)value;
	return to;
}

WEAK("memcmp") int memcmp(const void *a, const void *b, size_t len) {
	const unsigned char *x = a, *y = b;
	for (; len > 0; len--, x++, y++)
		if (*x != *y)
			return *x < *y ? -1 : 1;
	return 0;
}
#endif
