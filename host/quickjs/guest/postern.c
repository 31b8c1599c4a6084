// The guest's side of host/quickjs: QuickJS, one function by which scripts' prelude reaches the host, and the loop that runs a script.
// What crosses the border is written as values.go says. All that is made lives as long as the instance: nothing is freed at its end.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "quickjs.h"

#define IMPORT(name) __attribute__((import_module("postern_js"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

IMPORT(call) int32_t host_call(const uint8_t *args, int32_t length); // the length of the result, which take copies
IMPORT(take) void host_take(uint8_t *to);
IMPORT(release) void host_release(int32_t handle);
IMPORT(late) int32_t host_late(void);                            // 1, once, when the deadline is near
IMPORT(trace) void host_trace(const char *text, int32_t length); // where the script was then
IMPORT(fail) void host_fail(const char *text, int32_t length);   // the script failed, and cannot say so by itself

JSValue JS_GetAsyncValues(JSContext *ctx); // quickjs.patch adds them
void JS_SetAsyncValues(JSContext *ctx, JSValue values);

enum { UNDEFINED, NUL, FALSE, TRUE, NUMBER, TEXT, UTF16, BYTES, BUFFER, LIST, HANDLE, ERROR };

#define HEADROOM (1 << 20) // bytes that calls may use before the memory grows: an instance that has grown cannot be put back
#define MAX_DEPTH 16         // of lists in lists
#define STACK_LIMIT POSTERN_LIMIT // bytes of the stack that scripts may use: of wazero's own stack, calls take twenty times that


static JSRuntime *rt;
static JSContext *ctx;
static JSClassID handle_class;
static JSValue dispatch, describe, make_error, rejected; // of boot.js
static JSValue error_class;

// Writing.

typedef struct {
  uint8_t *at;
  size_t len, cap;
  int failed;
} Buffer;

static uint8_t *room(Buffer *b, size_t n) {
  if (b->len + n > b->cap) {
    size_t cap = b->cap * 2 > b->len + n ? b->cap * 2 : b->len + n + 256;
    uint8_t *grown = cap > INT32_MAX ? NULL : realloc(b->at, cap);
    if (!grown) {
      b->failed = 1;
      return NULL;
    }
    b->at = grown;
    b->cap = cap;
  }
  uint8_t *p = b->at + b->len;
  b->len += n;
  return p;
}

static void put_tag(Buffer *b, uint8_t tag) {
  uint8_t *p = room(b, 1);
  if (p) *p = tag;
}

static void put_bytes(Buffer *b, uint8_t tag, const void *from, size_t n) {
  uint8_t *p = room(b, 5 + n);
  if (!p) return;
  uint32_t length = (uint32_t)n;
  p[0] = tag;
  memcpy(p + 1, &length, 4);
  if (n) memcpy(p + 5, from, n);
}

static void put(Buffer *b, JSValueConst v, int depth) {
  switch (JS_VALUE_GET_NORM_TAG(v)) {
  case JS_TAG_NULL: put_tag(b, NUL); return;
  case JS_TAG_BOOL: put_tag(b, JS_VALUE_GET_BOOL(v) ? TRUE : FALSE); return;
  case JS_TAG_INT:
  case JS_TAG_FLOAT64: {
    double d;
    JS_ToFloat64(ctx, &d, v);
    uint8_t *p = room(b, 9);
    if (!p) return;
    p[0] = NUMBER;
    memcpy(p + 1, &d, 8);
    return;
  }
  case JS_TAG_STRING:
  case JS_TAG_STRING_ROPE: {
    size_t n;
    const char *s = JS_ToCStringLen(ctx, &n, v);
    if (!s) {
      b->failed = 1;
      return;
    }
    put_bytes(b, TEXT, s, n);
    JS_FreeCString(ctx, s);
    return;
  }
  case JS_TAG_OBJECT: break;
  default: put_tag(b, UNDEFINED); return;
  }
  size_t n;
  uint8_t *bytes;
  if (JS_IsArrayBuffer(v)) {
    bytes = JS_GetArrayBuffer(ctx, &n, v);
    if (!bytes) JS_FreeValue(ctx, JS_GetException(ctx)), n = 0; // detached
    put_bytes(b, BYTES, bytes, n);
  } else if (JS_GetTypedArrayType(v) >= 0) {
    size_t offset, length, size, all;
    JSValue buffer = JS_GetTypedArrayBuffer(ctx, v, &offset, &length, &size);
    bytes = JS_IsException(buffer) ? NULL : JS_GetArrayBuffer(ctx, &all, buffer);
    if (!bytes || offset + length > all) {
      JS_FreeValue(ctx, JS_GetException(ctx));
      bytes = NULL;
      offset = length = 0;
    }
    put_bytes(b, BYTES, bytes ? bytes + offset : NULL, length);
    JS_FreeValue(ctx, buffer);
  } else if (JS_GetClassID(v) == handle_class) {
    int32_t id = (int32_t)(intptr_t)JS_GetOpaque(v, handle_class);
    uint8_t *p = room(b, 5);
    if (!p) return;
    p[0] = HANDLE;
    memcpy(p + 1, &id, 4);
  } else if (JS_IsArray(v) && depth < MAX_DEPTH) {
    int64_t count = 0;
    if (JS_GetLength(ctx, v, &count) < 0 || count > INT32_MAX) {
      b->failed = 1;
      return;
    }
    uint8_t *p = room(b, 5);
    if (!p) return;
    uint32_t n32 = (uint32_t)count;
    p[0] = LIST;
    memcpy(p + 1, &n32, 4);
    for (int64_t i = 0; i < count && !b->failed; i++) {
      JSValue item = JS_GetPropertyInt64(ctx, v, i);
      if (JS_IsException(item)) b->failed = 1;
      else put(b, item, depth + 1);
      JS_FreeValue(ctx, item);
    }
  } else {
    put_tag(b, UNDEFINED);
  }
}

// Reading. What the host writes is well formed.

static uint32_t get_u32(const uint8_t **p) {
  uint32_t n;
  memcpy(&n, *p, 4);
  *p += 4;
  return n;
}

static JSValue get(const uint8_t **p) {
  switch (*(*p)++) {
  case NUL: return JS_NULL;
  case FALSE: return JS_FALSE;
  case TRUE: return JS_TRUE;
  case NUMBER: {
    double d;
    memcpy(&d, *p, 8);
    *p += 8;
    return JS_NewNumber(ctx, d);
  }
  case TEXT: {
    uint32_t n = get_u32(p);
    *p += n;
    return JS_NewStringLen(ctx, (const char *)*p - n, n);
  }
  case UTF16: {
    uint32_t n = get_u32(p);
    uint16_t *units = malloc(n + 2); // aligned
    if (!units) return JS_ThrowOutOfMemory(ctx);
    memcpy(units, *p, n);
    *p += n;
    JSValue v = JS_NewStringUTF16(ctx, units, n / 2);
    free(units);
    return v;
  }
  case BYTES: {
    uint32_t n = get_u32(p);
    *p += n;
    return JS_NewUint8ArrayCopy(ctx, *p - n, n);
  }
  case BUFFER: {
    uint32_t n = get_u32(p);
    *p += n;
    return JS_NewArrayBufferCopy(ctx, *p - n, n);
  }
  case LIST: {
    uint32_t n = get_u32(p);
    JSValue list = JS_NewArray(ctx);
    for (uint32_t i = 0; i < n && !JS_IsException(list); i++) {
      JSValue item = get(p);
      if (JS_IsException(item) || JS_DefinePropertyValueUint32(ctx, list, i, item, JS_PROP_C_W_E) < 0) {
        JS_FreeValue(ctx, list);
        return JS_EXCEPTION;
      }
    }
    return list;
  }
  case HANDLE: {
    int32_t id = (int32_t)get_u32(p);
    JSValue v = JS_NewObjectClass(ctx, handle_class);
    if (!JS_IsException(v)) JS_SetOpaque(v, (void *)(intptr_t)id);
    return v;
  }
  case ERROR: { // its name and message
    JSValue args[2];
    args[0] = get(p);
    args[1] = get(p);
    JSValue e = JS_IsException(args[0]) || JS_IsException(args[1]) ? JS_EXCEPTION : JS_Call(ctx, make_error, JS_UNDEFINED, 2, (JSValueConst *)args);
    JS_FreeValue(ctx, args[0]);
    JS_FreeValue(ctx, args[1]);
    return JS_IsException(e) ? e : JS_Throw(ctx, e);
  }
  }
  return JS_UNDEFINED;
}

// ask calls the host with the arguments that are written in b, and frees them.
static JSValue ask(Buffer *b) {
  if (b->failed) {
    free(b->at);
    return JS_HasException(ctx) ? JS_EXCEPTION : JS_ThrowOutOfMemory(ctx);
  }
  int32_t n = host_call(b->at, (int32_t)b->len);
  free(b->at);
  uint8_t small[256], *result = small;
  if (n > (int32_t)sizeof small && !(result = malloc(n))) return JS_ThrowOutOfMemory(ctx);
  host_take(result);
  const uint8_t *p = result;
  JSValue v = get(&p);
  if (result != small) free(result);
  return v;
}

static JSValue host(JSContext *c, JSValueConst this, int argc, JSValueConst *argv) {
  Buffer b = {0};
  for (int i = 0; i < argc && !b.failed; i++) put(&b, argv[i], 0);
  return ask(&b);
}

static JSValue ask_for(const char *what) {
  Buffer b = {0};
  put_bytes(&b, TEXT, what, strlen(what));
  return ask(&b);
}

// evaluate(text, name, strict) runs a program.
static JSValue evaluate(JSContext *c, JSValueConst this, int argc, JSValueConst *argv) {
  size_t n;
  const char *text = JS_ToCStringLen(ctx, &n, argv[0]), *name = text ? JS_ToCString(ctx, argv[1]) : NULL;
  JSValue v = JS_EXCEPTION;
  if (name) v = JS_Eval(ctx, text, n, name, JS_EVAL_TYPE_GLOBAL | (JS_ToBool(ctx, argv[2]) ? JS_EVAL_FLAG_STRICT : 0));
  JS_FreeCString(ctx, name);
  JS_FreeCString(ctx, text);
  return v;
}

// asyncValues(), and asyncValues(values) that sets them.
static JSValue async_values(JSContext *c, JSValueConst this, int argc, JSValueConst *argv) {
  if (argc == 0) return JS_GetAsyncValues(ctx);
  JS_SetAsyncValues(ctx, JS_DupValue(ctx, argv[0]));
  return JS_UNDEFINED;
}

static void finalize(JSRuntime *r, JSValueConst v) { host_release((int32_t)(intptr_t)JS_GetOpaque(v, handle_class)); }

static void reject(JSContext *c, JSValueConst promise, JSValueConst reason, bool handled, void *opaque) {
  JSValueConst args[3] = {promise, reason, JS_NewBool(ctx, handled)};
  JSValue v = JS_Call(ctx, rejected, JS_UNDEFINED, 3, args);
  if (JS_IsException(v)) JS_FreeValue(ctx, JS_GetException(ctx));
  JS_FreeValue(ctx, v);
}

// interrupt tells the host where the script is when its time is nearly over. What ends it is the host, whatever it does.
static int interrupt(JSRuntime *r, void *opaque) {
  if (!host_late()) return 0;
  JSValue e = JS_CallConstructor(ctx, error_class, 0, NULL), stack = JS_IsException(e) ? e : JS_GetPropertyStr(ctx, e, "stack");
  const char *text = JS_IsException(stack) ? NULL : JS_ToCString(ctx, stack);
  if (text) host_trace(text, (int32_t)strlen(text));
  else JS_FreeValue(ctx, JS_GetException(ctx));
  JS_FreeCString(ctx, text);
  JS_FreeValue(ctx, stack);
  JS_FreeValue(ctx, e);
  return 0;
}

// failed tells the host what was thrown.
static void failed(void) {
  JSValue e = JS_GetException(ctx);
  JSValue v = JS_Call(ctx, describe, JS_UNDEFINED, 1, (JSValueConst *)&e);
  const char *text = NULL;
  if (JS_IsException(v)) { // the end of the memory or of the stack, once more
    JS_FreeValue(ctx, e);
    e = JS_GetException(ctx);
    text = JS_ToCString(ctx, e);
    if (!text) JS_FreeValue(ctx, JS_GetException(ctx));
    host_fail(text ? text : "InternalError: out of memory", (int32_t)(text ? strlen(text) : 28));
    JS_FreeCString(ctx, text);
  }
  JS_FreeValue(ctx, v);
  JS_FreeValue(ctx, e);
}

static int done(JSValue v) {
  int ok = !JS_IsException(v);
  if (!ok) failed();
  JS_FreeValue(ctx, v);
  return ok;
}

// jobs runs those of promises that wait.
static int jobs(void) {
  JSContext *c;
  int r;
  while ((r = JS_ExecutePendingJob(rt, &c)) > 0) {}
  if (r < 0) failed();
  return r == 0;
}

static JSValue member(JSValueConst from, const char *name) { return JS_GetPropertyStr(ctx, from, name); }

// prepare makes a context, and loads the prelude and the script in it. The host has heard why where it fails.
EXPORT(prepare) int32_t prepare(void) {
  static const JSClassDef handles = {.class_name = "Handle", .finalizer = finalize};
  static const char no_memory[] = "InternalError: out of memory";
  rt = JS_NewRuntime();
  ctx = rt ? JS_NewContext(rt) : NULL;
  if (!ctx) {
    host_fail(no_memory, sizeof no_memory - 1);
    return 1;
  }
  JS_SetMaxStackSize(rt, STACK_LIMIT);
  JS_UpdateStackTop(rt);
  JS_NewClassID(rt, &handle_class);
  JS_NewClass(rt, handle_class, &handles);
  dispatch = describe = make_error = rejected = JS_UNDEFINED;
  JSValue global = JS_GetGlobalObject(ctx);
  error_class = member(global, "Error");
  JS_FreeValue(ctx, global);
  JSValue args[3] = {ask_for("boot"), JS_NewString(ctx, "postern:boot.js"), JS_TRUE};
  JSValue boot = evaluate(ctx, JS_UNDEFINED, 3, (JSValueConst *)args);
  JSValue given[3] = {JS_NewCFunction(ctx, host, "host", 1), JS_NewCFunction(ctx, evaluate, "evaluate", 3),
                      JS_NewCFunction(ctx, async_values, "asyncValues", 0)};
  JSValue made = JS_Call(ctx, boot, JS_UNDEFINED, 3, (JSValueConst *)given);
  if (JS_IsException(made)) {
    JSValue e = JS_GetException(ctx);
    const char *text = JS_ToCString(ctx, e);
    host_fail(text ? text : no_memory, (int32_t)(text ? strlen(text) : sizeof no_memory - 1));
    return 1;
  }
  dispatch = member(made, "dispatch");
  describe = member(made, "describe");
  make_error = member(made, "makeError");
  rejected = member(made, "rejected");
  JS_SetHostPromiseRejectionTracker(rt, reject, NULL);
  JS_SetInterruptHandler(rt, interrupt, NULL);
  if (!done(JS_Call(ctx, member(made, "load"), JS_UNDEFINED, 0, NULL)) || !jobs()) return 1;
  JS_RunGC(rt);
  void *volatile room = malloc(HEADROOM); // volatile, or the compiler leaves it out
  free(room);
  return 0;
}

// run serves what the host has for the script, until there is nothing more.
EXPORT(run) int32_t run(void) {
  JS_UpdateStackTop(rt);
  for (;;) {
    JSValue event = ask_for("wait");
    if (JS_IsUndefined(event)) return 0;
    int ok = !JS_IsException(event);
    if (ok) ok = done(JS_Call(ctx, dispatch, JS_UNDEFINED, 1, (JSValueConst *)&event));
    else failed();
    JS_FreeValue(ctx, event);
    if (ok) jobs();
  }
}
