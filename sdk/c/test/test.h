/* What a test tells the host, and what the host was told. */
#ifndef POSTERN_TEST_H
#define POSTERN_TEST_H

#include "host.h"

struct kept {
	char *ptr;
	size_t len;
};

extern struct host {
	postern_str event, body, value; /* value is that of everything else that is read */
	int32_t refuse;                 /* what a write of the body returns */
	struct kept meta, written, error;
} host;

/* A new call. */
void host_clear(void);

#endif
