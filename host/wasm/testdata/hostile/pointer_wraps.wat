;; Has the host write to a place from which pointer and length together lead back into its memory.
(module
  (import "postern" "meta_read" (func $meta_read (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "postern_abi_1"))
  (func $handle (export "handle") (result i32)
    (drop (call $meta_read (i32.const -16) (i32.const 1024)))
    (i32.const 0)))
