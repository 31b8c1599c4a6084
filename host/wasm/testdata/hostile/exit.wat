;; Ends itself in the midst of an answer.
(module
  (import "postern" "meta_write" (func $meta_write (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "{\"statusCode\":200}")
  (func (export "postern_abi_1"))
  (func $handle (export "handle") (result i32)
    (drop (call $meta_write (i32.const 16) (i32.const 18)))
    (call $exit (i32.const 0))
    (i32.const 0)))
