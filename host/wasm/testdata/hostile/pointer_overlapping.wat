;; Has the host write a value over the name by which it asks for it, and over what it answers with. All of that is its own memory: the
;; answer is what stands there when the host reads it.
(module
  (import "postern" "env_read" (func $env_read (param i32 i32 i32 i32) (result i32)))
  (import "postern" "meta_write" (func $meta_write (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "TABLE")
  (func (export "postern_abi_1"))
  (func (export "handle") (result i32)
    (drop (call $env_read (i32.const 16) (i32.const 5) (i32.const 14) (i32.const 32)))
    (call $meta_write (i32.const 14) (i32.const 4))))
