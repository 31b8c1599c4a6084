// A guest that keeps what it is told in a variable, on the heap, and in a stream of the C library that is not flushed. The second byte of
// its event, which is a JSON string, says what to do, and the third is what to keep.
#include <stdio.h>
#include <stdlib.h>

#define IMPORT(name) __attribute__((import_module("postern"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

IMPORT(meta_read) int meta_read(void *p, int n);
IMPORT(meta_write) int meta_write(const void *p, int n);

EXPORT(postern_abi_1) void postern_abi_1(void) {}

static char variable = '-';
static char *heap;
static char buffer[4096];

EXPORT(handle) int handle(void) {
	char event[8] = {0}, answer[4] = "\"--\"";
	meta_read(event, sizeof event);
	if (event[1] == 'k') {
		variable = event[2];
		heap = malloc(1);
		*heap = event[2];
		setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
		putchar(event[2]);
	}
	if (event[1] == 'f') {
		fflush(stdout);
	}
	answer[1] = variable;
	answer[2] = heap ? *heap : '-';
	return meta_write(answer, 4);
}
