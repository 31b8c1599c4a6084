;; Answers with bytes that are no JSON, and no UTF-8 either.
(module
  (import "postern" "meta_write" (func $meta_write (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "{\"statusCode\":\ff\00")
  (func (export "postern_abi_1"))
  (func $handle (export "handle") (result i32) (call $meta_write (i32.const 16) (i32.const 16))))
