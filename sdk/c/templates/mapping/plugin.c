/* {{name}} is a mapping: it turns a client's order into what the backend wants. */
#include "postern.h"

static int order(const postern_mapping *in, postern_mapped *out) {
	(void)in; /* the request's parameters, context and stage variables */
	postern_str body;
	postern_json client;
	int n;
	if ((n = postern_read_all(1 << 20, &body)) < 0 || (n = postern_parse(body, &client)) < 0)
		return n;
	postern_str item = postern_text(postern_get(client, PS("item")));
	char *sku = postern_alloc(item.len);
	if (sku == NULL)
		return POSTERN_NO_MEMORY;
	for (size_t i = 0; i < item.len; i++)
		sku[i] = (char)(item.ptr[i] >= 'a' && item.ptr[i] <= 'z' ? item.ptr[i] - 32 : item.ptr[i]);

	postern_writer w = {0};
	postern_object(&w);
	postern_name(&w, PS("sku"));
	postern_write_text(&w, (postern_str){sku, item.len});
	postern_end_object(&w);
	out->content_type = PS("application/json");
	return postern_written(&w, &out->body);
}

POSTERN_MAP_REQUEST(order)
