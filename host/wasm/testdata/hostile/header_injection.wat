;; Answers with header fields that would end their line, or the head, or make another response: CR, LF and NUL in names and values.
(module
  (import "postern" "meta_write" (func $meta_write (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "{\"statusCode\":200,\"headers\":{\"x-a\":\"b\\r\\nset-cookie: evil=1\",\"x-b\\r\\nx-c\":\"d\",\"x-e\":\"f\\u0000g\",\"x-h\":\"i\\n\\nHTTP/1.1 200 OK\"}}")
  (func (export "postern_abi_1"))
  (func $handle (export "handle") (result i32) (call $meta_write (i32.const 16) (i32.const 125))))
