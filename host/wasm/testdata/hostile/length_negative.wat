;; Answers with -1 bytes.
(module
  (import "postern" "meta_write" (func $meta_write (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "postern_abi_1"))
  (func $handle (export "handle") (result i32) (call $meta_write (i32.const 0) (i32.const -1))))
