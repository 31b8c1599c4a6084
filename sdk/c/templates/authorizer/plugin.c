/* {{name}} is an authorizer: it lets in whoever knows the secret API_KEY. */
#include "postern.h"

/* Compares in constant time: how long a wrong key takes tells nothing of the right one. */
static bool same(postern_str given, postern_str key) {
	unsigned char differ = given.len != key.len;
	for (size_t i = 0; i < given.len; i++)
		differ |= (unsigned char)(given.ptr[i] ^ (key.len > 0 ? key.ptr[i % key.len] : 0));
	return differ == 0;
}

static int check(const postern_authorizer_event *ev, postern_decision *d) {
	postern_str given = postern_header(ev->request.headers, PS("x-api-key")), key;
	if (given.len == 0)
		return postern_unauthorized();
	int n = postern_secret(PS("API_KEY"), &key);
	if (n < 0)
		return n;
	if (!same(given, key))
		return POSTERN_OK; /* a decision that says nothing refuses */

	postern_writer context = {0};
	postern_object(&context);
	postern_name(&context, PS("caller"));
	postern_write_text(&context, PS("key"));
	postern_end_object(&context);
	return postern_allow(d, &context);
}

POSTERN_AUTHORIZER(check)
