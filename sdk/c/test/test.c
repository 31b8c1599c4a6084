/* The SDK as a program of this machine. `make native` runs it under AddressSanitizer and UndefinedBehaviorSanitizer. */
#include "test.h"

#include <stdio.h>
#include <string.h>

static int failures;

static void check(bool ok, int line, const char *what) {
	if (!ok) {
		printf("test.c:%d: %s\n", line, what);
		failures++;
	}
}

#define CHECK(what) check(what, __LINE__, #what)

static bool eq(postern_str got, const char *want) {
	bool same = got.len == strlen(want) && (got.len == 0 || memcmp(got.ptr, want, got.len) == 0);
	if (!same)
		printf("got %.*s, want %s\n", (int)got.len, got.ptr, want);
	return same;
}

static postern_str str(const char *text) { return (postern_str){text, strlen(text)}; }

static postern_json json(const char *text) {
	postern_json v;
	if (postern_parse(str(text), &v) != POSTERN_OK)
		printf("malformed: %s\n", text);
	return v;
}

static bool malformed(const char *text) {
	postern_json v;
	return postern_parse(str(text), &v) == POSTERN_MALFORMED && v.ptr == NULL;
}

static void test_parse(void) {
	static const char *const bad[] = {"", " ", "{", "}", "[", "]", "{]", "[}", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "nul", "nulll", "tru",
		"01", "-", "1.", ".5", "1e", "1e+", "+1", "--1", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\n\"", "1 2", "[1 2]", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xe2\x82\"", "{\"a\":1 \"b\":2}", "[1,,2]", ",", ":", "\"a\":1", "[]]",
		"1e309", "[-1e400]", "\"12345678\n\"", "\"1234567\\", "\"12345678\x1f" "1234567\"", "\"1234567\xff" "1234567\""};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (!malformed(bad[i])) {
			printf("taken: %s\n", bad[i]);
			failures++;
		}
	char deep[2 * 513];
	memset(deep, '[', 512);
	memset(deep + 512, ']', 512);
	postern_json v;
	CHECK(postern_parse((postern_str){deep, 1024}, &v) == POSTERN_OK);
	memset(deep, '[', 513);
	memset(deep + 513, ']', 513);
	CHECK(postern_parse((postern_str){deep, 1026}, &v) == POSTERN_MALFORMED);
	CHECK(postern_kind_of(json(" {} ")) == POSTERN_OBJECT && postern_kind_of(json("[ ]")) == POSTERN_ARRAY && postern_kind_of(json("-0.5e-7")) == POSTERN_NUMBER);
	CHECK(postern_kind_of(json("null")) == POSTERN_NULL && postern_kind_of(json("false")) == POSTERN_BOOL && postern_kind_of((postern_json){0}) == POSTERN_NONE);
}

static void test_walk(void) {
	postern_json v = json(" { \"a\" : [ 1 , {\"b\":\"x}\"} , \"]\\\"\" ] , \"\\u0063\" : { \"d\" : { \"e\" : true } } , \"a\" : 2 , \"\":0} ");
	CHECK(eq(postern_text(postern_path(v, PS("c.d"))), "") && postern_true(postern_path(v, PS("c.d.e"))));
	CHECK(postern_get(v, PS("nothing")).ptr == NULL && postern_path(v, PS("a.b")).ptr == NULL && postern_kind_of(postern_get(v, PS(""))) == POSTERN_NUMBER);
	CHECK(postern_get((postern_json){0}, PS("a")).ptr == NULL && postern_get(json("[\"a\",1]"), PS("a")).ptr == NULL);
	postern_items items = postern_each(postern_get(v, PS("a")));
	postern_json name, item;
	int64_t n = 0;
	CHECK(postern_next(&items, &name, &item) && name.ptr == NULL && postern_int(item, &n) && n == 1);
	CHECK(postern_next(&items, NULL, &item) && eq(postern_text(postern_get(item, PS("b"))), "x}"));
	CHECK(postern_next(&items, NULL, &item) && eq(postern_text(item), "]\""));
	CHECK(!postern_next(&items, NULL, &item) && !postern_next(&items, NULL, &item));
	items = postern_each(json("[]"));
	CHECK(!postern_next(&items, NULL, &item));
	items = postern_each(json("7"));
	CHECK(!postern_next(&items, NULL, &item));
}

static void test_scalars(void) {
	int64_t n = 5;
	double d = 0;
	CHECK(postern_int(json("-9223372036854775808"), &n) && n == INT64_MIN && postern_int(json("9223372036854775807"), &n) && n == INT64_MAX);
	CHECK(!postern_int(json("9223372036854775808"), &n) && !postern_int(json("-9223372036854775809"), &n) && !postern_int(json("1.0"), &n) && n == INT64_MAX);
	CHECK(!postern_int(json("\"1\""), &n) && !postern_int((postern_json){0}, &n) && !postern_int(json("1e3"), &n));
	CHECK(postern_number(json("-12.5e1"), &d) && d == -125 && postern_number(json("0.1"), &d) && d == 0.1);
	CHECK(postern_number(json("-1.7976931348623157e308"), &d) && d < -1.7e308 && postern_number(json("1e-400"), &d) && d == 0);
	CHECK(postern_number(json("123456789012345"), &d) && d == 123456789012345.0 && !postern_number(json("true"), &d) && postern_number(json("0e99999999999"), &d) && d == 0);
	CHECK(eq(postern_text(json("\"\\u00e9\\ud83d\\ude00\\n\\/\\\"\"")), "é😀\n/\"") && eq(postern_text(json("\"\\ud83d x\\udc00\"")), "\xef\xbf\xbd x\xef\xbf\xbd"));
	CHECK(eq(postern_text(json("\"12345678\u00e912345\\\"12345678\\\\\"")), "12345678é12345\"12345678\\") && eq(postern_text(json("\"12345678é12345678\"")), "12345678é12345678"));
	CHECK(postern_text(json("1")).ptr == NULL && postern_text((postern_json){0}).ptr == NULL && eq(postern_text(json("\"\"")), ""));
	CHECK(postern_is(json("\"\\u0061b\""), PS("ab")) && !postern_is(json("\"ab\""), PS("a")) && !postern_is(json("\"a\""), PS("ab")) && !postern_is(json("1"), PS("1")));
}

static const char *number(double d) {
	static char text[64];
	postern_writer w = {0};
	postern_write_number(&w, d);
	snprintf(text, sizeof text, "%.*s", (int)w.buffer.len, w.buffer.ptr);
	return text;
}

static void test_write(void) {
	postern_writer w = {0};
	postern_str out;
	postern_object(&w);
	postern_name(&w, PS("a\n\x01\"\\"));
	postern_array(&w);
	postern_write_int(&w, INT64_MIN);
	postern_write_null(&w);
	postern_object(&w);
	postern_end_object(&w);
	postern_write_bool(&w, true);
	postern_end_array(&w);
	CHECK(postern_written(&w, &out) == POSTERN_INVALID && out.ptr == NULL);
	postern_name(&w, PS("b"));
	postern_write_text(&w, PS("é\xff\xc0\x80\xed\xa0\x80"));
	postern_name(&w, PS("c"));
	postern_write_json(&w, json("{\"x\":[]}"));
	postern_end_object(&w);
	CHECK(postern_written(&w, &out) == POSTERN_OK);
	CHECK(eq(out, "{\"a\\n\\u0001\\\"\\\\\":[-9223372036854775808,null,{},true],\"b\":\"é\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"c\":{\"x\":[]}}"));
	postern_write_int(&w, 1);
	CHECK(postern_written(&w, &out) == POSTERN_INVALID);
	postern_writer mistakes[3];
	memset(mistakes, 0, sizeof mistakes);
	postern_end_array(&mistakes[0]);
	postern_object(&mistakes[1]);
	postern_write_int(&mistakes[1], 1);
	for (int i = 0; i < 65; i++)
		postern_array(&mistakes[2]);
	for (int i = 0; i < 3; i++)
		CHECK(postern_written(&mistakes[i], &out) == POSTERN_INVALID);
	CHECK(eq(str(number(0.1)), "0.1") && eq(str(number(-2.5)), "-2.5") && eq(str(number(1e300)), "1e300") && eq(str(number(1.5e-9)), "0.0000000015"));
	CHECK(eq(str(number(3)), "3") && eq(str(number(1.0 / 3)), "0.333333333333333") && eq(str(number(1e-300)), "1e-300") && eq(str(number(123456.789)), "123456.789"));
	double zero = 0;
	CHECK(eq(str(number(1 / zero)), "null") && eq(str(number(zero / zero)), "null"));
}

static void test_memory(void) {
	postern_reset();
	postern_buffer b = {0}, other = {0};
	for (int i = 0; i < 50000; i++) {
		postern_append(&b, PS("0123456789"));
		if (i % 1000 == 0)
			postern_append(&other, PS("x"));
	}
	CHECK(postern_buffer_text(&b).len == 500000 && memcmp(b.ptr + 499990, "0123456789", 10) == 0 && postern_buffer_text(&other).len == 50);
	unsigned char *p = postern_alloc(0), *q = postern_alloc(1);
	CHECK(p != NULL && q != NULL && p != q && (uintptr_t)q % 16 == 0 && postern_alloc(SIZE_MAX) == NULL && postern_alloc((size_t)INT32_MAX + 1) == NULL);
	postern_reset();
	CHECK(postern_alloc(1) != NULL);
	postern_str list = PS("a=1; b; "), rest = list;
	CHECK(eq(postern_cut(&rest, ';'), "a=1") && eq(postern_cut(&rest, ';'), " b") && rest.ptr != NULL && eq(postern_cut(&rest, ';'), " ") && rest.ptr == NULL);
	CHECK(postern_equal_fold(PS("Content-TYPE"), PS("content-type")) && !postern_equal_fold(PS("a"), PS("ab")) && postern_has_prefix(list, PS("a=")) && !postern_has_prefix(PS("a"), PS("a=")));
}

static int serve(const postern_request *r, postern_response *res) {
	postern_str body;
	int n = postern_read_all(20, &body);
	if (n < 0)
		return n;
	if (postern_equal(r->path, PS("/error")))
		return postern_error(PS("Error"), PS("no stock"));
	postern_buffer b = {0};
	postern_append(&b, r->method);
	postern_append(&b, r->path);
	postern_append(&b, postern_header(r->headers, PS("X-Name")));
	postern_append(&b, postern_text(postern_get(r->authorizer, PS("user"))));
	postern_append(&b, r->source_ip);
	postern_append(&b, body);
	return postern_respond_text(res, 201, postern_buffer_text(&b));
}

static int decide(const postern_authorizer_event *ev, postern_decision *d) {
	return ev->arn.len == 0 ? postern_unauthorized() : postern_allow_arn(d, ev->token, ev->arn);
}

static void test_entries(void) {
	host_clear();
	host.event = PS("{\"rawPath\":\"/a\",\"headers\":{\"x-name\":\"N\"},\"requestContext\":{\"http\":{\"method\":\"PUT\",\"sourceIp\":\"1.2\"},\"authorizer\":{\"lambda\":{\"user\":\"u\"}}}}");
	host.body = PS("body in pieces");
	CHECK(postern_run_function(serve) == 0 && eq((postern_str){host.written.ptr, host.written.len}, "PUT/aNu1.2body in pieces"));
	CHECK(eq((postern_str){host.meta.ptr, host.meta.len}, "{\"statusCode\":201,\"headers\":{\"content-type\":\"text/plain; charset=utf-8\"}}"));
	host_clear();
	host.event = PS("{\"httpMethod\":\"GET\",\"path\":\"/v1\",\"requestContext\":{\"identity\":{\"sourceIp\":\"9\"},\"authorizer\":{\"user\":\"w\"}}}");
	CHECK(postern_run_function(serve) == 0 && eq((postern_str){host.written.ptr, host.written.len}, "GET/v1w9"));
	host_clear();
	host.event = PS("{\"rawPath\":\"/error\"}");
	CHECK(postern_run_function(serve) == 1 && eq((postern_str){host.error.ptr, host.error.len}, "Error: no stock") && host.meta.len == 0);
	host_clear();
	host.event = PS("{}");
	host.body = PS("more than twenty bytes of it");
	CHECK(postern_run_function(serve) == 1 && eq((postern_str){host.error.ptr, host.error.len}, "Error: over a limit of size: because"));
	host_clear();
	host.event = PS("{\"methodArn\":\"arn:\\u0078\",\"authorizationToken\":\"t\"}");
	CHECK(postern_run_authorizer(decide) == 0 && eq((postern_str){host.meta.ptr, host.meta.len},
		"{\"principalId\":\"t\",\"policyDocument\":{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"execute-api:Invoke\"],\"Resource\":[\"arn:x\"]}]}}"));
	host_clear();
	host.event = PS("[]");
	CHECK(postern_run_authorizer(decide) == 1 && eq((postern_str){host.error.ptr, host.error.len}, "Error: Unauthorized"));
	host_clear();
}

int main(void) {
	test_parse();
	test_walk();
	test_scalars();
	test_write();
	test_memory();
	test_entries();
	return failures == 0 ? 0 : 1;
}
